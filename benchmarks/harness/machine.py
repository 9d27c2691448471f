"""Describes the machine of a measurement: what figures depend on, and nothing that names it or its owner."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """Give the processor, cores, memory, system, Python, disk and load of this machine, and the date."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _named_in("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": _system(),
        "python": platform.python_version(),
        "sync_ms": round(sync() * 1000, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def sync(times: int = 100) -> float:
    """Give the seconds, a median, of writing a block and having the disk take it: the least that a durable step costs."""
    taken = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


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
