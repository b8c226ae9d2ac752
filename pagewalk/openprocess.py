"""A process that is open, and what its stat says."""

from __future__ import annotations

import os
from types import TracebackType
from typing import NamedTuple

__all__ = ["PF_KTHREAD", "Process", "ProcessStat", "SpaceFiles", "TextRoom"]

# include/linux/sched.h: a kernel thread has no address space of its own.
PF_KTHREAD = 0x00200000


class ProcessStat(NamedTuple):
    """The fields of ``/proc/PID/stat`` that pagewalk uses (fs/proc/array.c:do_task_stat).

    ``layout`` holds the addresses that exec sets and that two PIDs of one address space must share; they are 0 for a
    reader without ptrace permission.
    """

    pid: int
    comm: str
    state: str
    ppid: int
    flags: int
    start_time: int
    vsize: int
    rss_pages: int
    layout: tuple[int, ...]

    @property
    def is_kernel_thread(self) -> bool:
        """Whether it is a kernel thread, which owns no page tables."""
        return bool(self.flags & PF_KTHREAD)

    @property
    def is_zombie(self) -> bool:
        """Whether this task has exited; other threads of its group may still run."""
        return self.state in ("Z", "X", "x")


class Process:
    """An open ``/proc/PID`` (or ``/proc/PID/task/TID``): every file opened through it is of that very process.

    A descriptor of the directory keeps naming the process it was opened for: once that is gone reads fail with
    ESRCH, whoever has the number then.
    """

    __slots__ = ("fd", "pid", "tid")

    def __init__(self, pid: int, fd: int, tid: int | None = None) -> None:
        self.pid = pid
        self.fd = fd
        self.tid = pid if tid is None else tid

    def close(self) -> None:
        """Give the descriptor back; harmless when called twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TextRoom:
    """Memory that one text after the other is read into."""

    __slots__ = ("text",)

    def __init__(self, size: int = 65536) -> None:
        self.text = bytearray(size)


class SpaceFiles(NamedTuple):
    """Files of one process, of one moment."""

    process: Process
    pagemap: int
    maps: bytes | memoryview
    stat: ProcessStat
