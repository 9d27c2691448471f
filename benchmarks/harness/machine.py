"""Describes the machine of a measurement: what figures depend on, and nothing that names it or its owner."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """Give the processor, cores, memory, system, Python and load of this machine, and the date."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _named_in("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": _system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _system() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release().split('-')[0]}"
    except OSError:
        return f"{platform.system()} {platform.release().split('-')[0]}"


def _named_in(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")
