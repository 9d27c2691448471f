"""The peers: each module installs one tool into a folder of its own and says what of it is measured, and why that is fair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.peers import alchemy, atlantide, pulumi, terraform
from harness.tools import Tool

PEERS: Mapping[str, Callable[[Path], Tool]] = {
    "terraform": terraform.install,
    "atlantide": atlantide.install,
    "alchemy": alchemy.install,
    "pulumi": pulumi.install,
}
