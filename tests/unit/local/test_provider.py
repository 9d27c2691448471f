"""The local provider: identity, configuration, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from iaclib import declare as iac
from iaclib.errors import InvalidPropertyError
from iaclib.local import Provider, RandomId
from iaclib.local.table import HANDLERS
from iaclib.provider.registry import provider_class


def test_it_can_be_made_again_from_its_record(monkeypatch):
    """A root is recorded as an absolute path, so that it means the same from another folder."""
    monkeypatch.chdir("/usr")
    provider = Provider(root="lib")
    assert provider.config() == {"root": "/usr/lib"}
    assert provider.identity() == ("", "/usr/lib")
    monkeypatch.chdir("/")
    assert Provider.from_config(provider.config()) == provider
    assert len({Provider(), Provider.from_config({})}) == 1
    assert Provider().identity() == ("", "")


def test_it_is_known_by_name():
    """No configuration is needed: the engine finds it for types that begin with ``local:``."""
    assert provider_class("local") is Provider


def test_every_type_has_its_handler():
    """Each type of the table loads, once a provider."""
    provider = Provider()
    for name in HANDLERS:
        handler = provider.handler(name)
        assert handler is provider.handler(name)
        for method in ("create", "read", "update", "delete"):
            assert callable(getattr(handler, method))
    with pytest.raises(KeyError):
        provider.handler("local:Nothing")


def test_a_root_is_known_while_planning():
    """An output in place of a path is refused."""
    with iac.Stack("test", project="local"):
        drawn = RandomId("drawn")
        with pytest.raises(InvalidPropertyError, match="expected a path that is known while planning"):
            Provider(root=drawn.hex)


def test_declaring_loads_no_handler():
    """Neither handlers nor what they need come in with the declarations."""
    slow = ("iaclib.local.handlers", "subprocess", "urllib.request", "http.client", "ssl", "asyncio", "cryptography")
    script = f"import sys, iaclib.local; print([name for name in {slow!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
