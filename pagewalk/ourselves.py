"""What the kernel says of this process itself: what pagewalk takes."""

from __future__ import annotations

import os
import re
import time

from pagewalk.procfs import ProcFS

__all__ = ["age", "memory", "read_calls"]

_READS = re.compile(rb"^syscr: (\d+)", re.MULTILINE)
_MEMORY = re.compile(rb"^(VmHWM|VmRSS):\s+(\d+) kB", re.MULTILINE)


def read_calls(procfs: ProcFS) -> int | None:
    """Return how many read calls all threads of this process have made, those that ended included.

    Parameters
    ----------
    procfs : ProcFS
        The real one: what is walked may be a made one.

    Returns
    -------
    int or None
        read, pread and the like (fs/read_write.c:inc_syscr); None where the kernel does not count them
        (CONFIG_TASK_IO_ACCOUNTING).
    """
    try:
        found = _READS.search(procfs.read_bytes("self/io"))
    except OSError:
        return None
    return None if found is None else int(found[1])


def memory(procfs: ProcFS) -> tuple[int, int]:
    """Return what of this process is in memory, and the most that ever was, in bytes; -1 where it is not known.

    ``ru_maxrss`` will not do: it goes on from whoever called exec (fs/exec.c:exec_mmap, setmax_mm_hiwater_rss).

    Parameters
    ----------
    procfs : ProcFS
        The real one.
    """
    try:
        said = {name: int(kib) << 10 for name, kib in _MEMORY.findall(procfs.read_bytes("self/status"))}
    except OSError:
        said = {}
    return said.get(b"VmRSS", -1), said.get(b"VmHWM", -1)


def age(procfs: ProcFS) -> float | None:
    """Return for how many seconds this process has been there, to a hundredth; None where it is not known.

    Parameters
    ----------
    procfs : ProcFS
        The real one.
    """
    try:
        text = procfs.read_bytes("self/stat")
        began = int(text[text.rfind(b")") + 2 :].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    # Since boot, suspended time included, in ticks (fs/proc/array.c:do_task_stat).
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK"))
