"""The one process that a verb is about: whether it has memory to look at, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagewalk.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from pagewalk.procfs import Process, ProcFS
    from pagewalk.snapshot import Snapshot

__all__ = ["check_target", "process_id", "row_of"]

# The kernel's PID_MAX_LIMIT fits into an int.
LARGEST = (1 << 31) - 1


def process_id(text: str) -> int:
    """Read ``PID``.

    Raises
    ------
    Stop
        It is none.
    """
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LARGEST):
        raise Stop(
            Exit.USAGE, f"{text!r} is no process ID: give the number that ps shows, such as `pagewalk maps 1234`"
        )
    return int(text)


def check_target(procfs: ProcFS, pid: int) -> None:
    """Stop, before a walk that may last, unless there is a process of this number that has memory.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    pid : int
        The process.
    """
    try:
        with procfs.open_process(pid) as process:
            if pid not in procfs.pids():
                raise Stop(Exit.NOTHING, not_listed(procfs, process))
            stat = procfs.stat(process)
            if stat.is_kernel_thread:
                raise Stop(Exit.NOTHING, f"{pid} ({stat.comm}) is a kernel thread: it has no memory of its own")
            if stat.is_zombie and procfs.threads(process) == [pid]:
                has_ended = f"{pid} ({stat.comm}) has ended, and its memory is gone"
                raise Stop(Exit.NOTHING, f"{has_ended}: it is a zombie until process {stat.ppid} asks how it ended")
    except (FileNotFoundError, ProcessLookupError):
        raise Stop(Exit.NOTHING, f"no process {pid} here") from None


def not_listed(procfs: ProcFS, process: Process) -> str:
    """Return why a process that can be opened is not listed: its number is that of a thread."""
    listed = set(procfs.pids())
    leader = next((tid for tid in procfs.threads(process) if tid in listed), None)
    if leader is None:
        return f"no process {process.pid} here"
    return f"{process.pid} is a thread of process {leader}: ask for {leader}, they have one memory"


def row_of(snapshot: Snapshot, pid: int, where: str) -> int:
    """Return the number of a process's address space in a snapshot.

    Parameters
    ----------
    snapshot : Snapshot
        The walk.
    pid : int
        The process.
    where : str
        The file that the walk is from, empty if it is of this machine, now.

    Raises
    ------
    Stop
        It was not read; says why.
    """
    pids = snapshot.facts.spaces.pids
    for row, some in enumerate(pids):
        if pid in some:
            return row
    gaps = snapshot.gaps()
    mine = gaps.where(~gaps.unknown("pid") & (gaps["pid"] == pid))
    for gap in mine:
        if "exec" in gap["reason"]:
            raise Stop(Exit.FAILURE, f"process {pid} began another program while it was read: try again")
        why = f"process {pid} could not be read: {gap['reason']}"
        raise Stop(Exit.PRIVILEGE, f"{why} (`pagewalk doctor` says what this user may read)")
    if where:
        known = ", ".join(map(str, sorted(some[0] for some in pids)[:8])) + (", ..." if len(pids) > 8 else "")
        raise Stop(Exit.NOTHING, f"no process {pid} in {where} (there are {known or 'none'})")
    raise Stop(Exit.NOTHING, f"process {pid} ended while it was read")
