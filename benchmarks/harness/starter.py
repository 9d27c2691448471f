"""Starts one program and prints how long it ran, its peak memory, and how it ended.

A process's peak counts the memory of the one it was forked from. So programs
are started from here: from an interpreter that has loaded next to nothing, and
not from the benchmark itself. Run as ``python -I -S starter.py LIMIT FILE
PROGRAM ARGUMENT...``; the figures go to FILE, and a program that takes longer
than LIMIT seconds is ended with all that it started.
"""

import os
import signal
import sys
import time

limit, file, *argv = sys.argv[1:]
began = time.perf_counter()
pid = os.posix_spawnp(argv[0], argv, os.environ, setpgroup=0)
signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
signal.setitimer(signal.ITIMER_REAL, float(limit))
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - began
signal.setitimer(signal.ITIMER_REAL, 0)
with open(file, "w") as out:  # noqa: PTH123 - pathlib would be memory too
    out.write(f"{seconds} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}")
