"""Files without a name that a process keeps alive: its end may be theirs, and then their memory goes back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.procfs import Process, ProcFS
from pagewalk.vmas import VMAs

__all__ = ["HeldFile", "doomed_segments", "held_by_descriptor", "held_by_mapping", "nameless"]

# What the kernel appends to the path of a file without a name (fs/d_path.c:path_with_deleted). A memfd, shared
# anonymous memory and a segment of System V never had one.
DELETED = " (deleted)"
SEGMENT = "/SYSV"
# ipc/shm.c: the segment ends with its last user.
SHM_DEST = 0o1000


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file that a process holds and that no directory names.

    Attributes
    ----------
    major, minor, inode : int
        Which file it is.
    is_segment : bool
        Whether it is a segment of System V, whose inode is its shmid.
    name : str
        The kernel's name of it.
    links : int
        Names it has: 0, or more where its name only looks like that of one without.
    allocated : int
        Bytes that it takes in RAM, in swap, or on disk, the kernel's own figure; -1 unknown.
    """

    major: int
    minor: int
    inode: int
    is_segment: bool
    name: str
    links: int
    allocated: int

    @property
    def key(self) -> tuple[int, int, int, bool]:
        """What tells it from all others; memfds and segments are inodes of one file system (mm/shmem.c:shm_mnt)."""
        return self.major, self.minor, self.inode, self.is_segment


def nameless(vmas: VMAs) -> NDArray[np.intp]:
    """Return the rows of mappings whose file has no name."""
    ends = DELETED.encode()
    rows = np.flatnonzero((vmas.inode > 0) & (vmas.name_len > len(ends)))
    return np.array([row for row in rows.tolist() if vmas.raw_name(row).endswith(ends)], np.intp)


def _held(name: str, status: os.stat_result) -> HeldFile:
    return HeldFile(
        os.major(status.st_dev),
        os.minor(status.st_dev),
        status.st_ino,
        name.startswith(SEGMENT),
        name,
        status.st_nlink,
        status.st_blocks * 512,
    )


def held_by_mapping(procfs: ProcFS, process: Process, vmas: VMAs, row: int) -> HeldFile:
    """Return the nameless file of a mapping.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    process : Process
        Whose mapping.
    vmas : VMAs
        Its mappings.
    row : int
        One of `nameless`.
    """
    name = vmas.name(row)
    with suppress(OSError):  # the mapping went, or this user may not follow it: maps has said what it is
        status = procfs.stat_at(process, f"map_files/{int(vmas.start[row]):x}-{int(vmas.end[row]):x}")
        if status.st_ino == int(vmas.inode[row]):
            return _held(name, status)
    return HeldFile(
        int(vmas.major[row]), int(vmas.minor[row]), int(vmas.inode[row]), name.startswith(SEGMENT), name, 0, -1
    )


def held_by_descriptor(procfs: ProcFS, process: Process) -> list[HeldFile]:
    """Return the nameless files that a process has open.

    Only what the link calls deleted is looked at: the status of any other file may have to be asked of a server that
    does not answer.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    process : Process
        Whose descriptors.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    found = []
    for number in procfs.numbers_at(process, "fd"):
        with suppress(OSError):  # closed meanwhile
            name = procfs.link_at(process, f"fd/{number}")
            if name.endswith(DELETED):
                found.append(_held(name, procfs.stat_at(process, f"fd/{number}")))
    return found


def doomed_segments(procfs: ProcFS) -> Mapping[int, bool]:
    """Return, for each segment of System V that this process can see, whether it ends with its last user.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    """
    doomed = {}
    with suppress(OSError, ValueError, IndexError):
        for line in procfs.read_text("sysvipc/shm").splitlines()[1:]:
            fields = line.split()
            doomed[int(fields[1])] = bool(int(fields[2], 8) & SHM_DEST)
    return doomed
