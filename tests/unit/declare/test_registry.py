"""Types are found by name: those of installed providers without importing them first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from iaclib.declare.registry import require_type
from iaclib.errors import UnknownProviderError

PROGRAM = """
import sys
from iaclib.aws.table import HANDLERS as AWS
from iaclib.declare.registry import require_type
from iaclib.local.table import HANDLERS as LOCAL
for name in [*AWS, *LOCAL]:
    cls, facts = require_type(name, "here")
    assert facts.type == name and cls.__module__.startswith("iaclib."), name
assert "boto3" not in sys.modules
"""


def test_types_of_installed_clouds_are_found_by_name():
    """All of them, in a process that declared nothing, and without the cloud's SDK."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["aws:ec2:Unheard", "aws:os:VPC", "unheard:Thing", "aws"])
def test_unknown_types_say_what_to_import(name):
    """The module that a record or a file names is only named, never imported."""
    with pytest.raises(
        UnknownProviderError, match=f"net: the type '{name}' is not known here, .*; import this"
    ) as caught:
        require_type(name, "net", "this:Thing")
    assert caught.value.type == name
