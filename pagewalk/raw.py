"""The raw readers: the kernel's own words, one file each."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pagewalk import framefiles, pagemap, smaps, vmas
from pagewalk.abi import perms_text
from pagewalk.procfs import ProcFS
from pagewalk.table import Column, Table, objects

__all__ = [
    "read_kpagecgroup",
    "read_kpagecount",
    "read_kpageflags",
    "read_maps",
    "read_pagemap",
    "read_smaps",
    "read_smaps_rollup",
    "read_stack",
]

_VMA_COLUMNS = (
    Column("start", "hex", "first address"),
    Column("end", "hex", "address behind the last one"),
    Column("perms", "text", "permissions"),
    Column("offset", "hex", "where in the file it begins"),
    Column("inode", "inode", "inode of the file, 0 for none"),
    Column("name", "text", "file, or the kernel's name for it"),
)
_MAPS_COLUMNS = (
    *_VMA_COLUMNS[:4],
    Column("major", "id", "major number of the file's device"),
    Column("minor", "id", "minor number of the file's device"),
    *_VMA_COLUMNS[4:],
)
_NOT_BYTES = {"THPeligible": "flag", "ProtectionKey": "id"}


def read_maps(pid: int, root: str = "/proc") -> Table:
    """Read the VMAs of a process, from ``/proc/PID/maps``.

    Parameters
    ----------
    pid : int
        Process ID.
    root : str
        Where proc is mounted.

    Returns
    -------
    Table
        One row a VMA: start, end, perms, offset, major, minor, inode, name. Newlines in names are escaped as the
        kernel does, in octal; undecodable bytes are surrogates.

    Raises
    ------
    OSError
        The process is gone, or may not be read.
    ParseError
        A line is not of the kernel's form.
    """
    procfs = ProcFS(root)
    with procfs.open_process(pid) as process:
        found = vmas.parse_maps(procfs.read_at(process, "maps"), procfs.path(f"{pid}/maps"))
    data: dict[str, NDArray[np.generic]] = {
        "start": found.start,
        "end": found.end,
        "perms": objects([perms_text(perms) for perms in found.perms.tolist()]),
        "offset": found.offset,
        "major": found.major.astype(np.int64),
        "minor": found.minor.astype(np.int64),
        "inode": found.inode,
        "name": objects(found.names()),
    }
    return Table(_MAPS_COLUMNS, data)


def read_pagemap(pid: int, start: int, stop: int, root: str = "/proc") -> NDArray[np.uint64]:
    """Read entries of ``/proc/PID/pagemap``.

    Parameters
    ----------
    pid : int
        Process ID.
    start, stop : int
        Byte addresses, multiples of the page size; stop is exclusive.
    root : str
        Where proc is mounted.

    Returns
    -------
    ndarray of uint64, shape ((stop - start) / page size,)
        Raw entries, to be taken apart with `PM`; shorter where the address space ends before ``stop``. Without
        CAP_SYS_ADMIN frame numbers read as 0.

    Raises
    ------
    OSError
        The process is gone, or may not be read.
    ValueError
        The addresses are no ascending multiples of the page size.
    """
    procfs = ProcFS(root)
    with procfs.open_process(pid) as process:
        return pagemap.read_entries(procfs, process, start, stop, os.sysconf("SC_PAGESIZE"))


def read_kpagecount(pfns: ArrayLike, root: str = "/proc") -> NDArray[np.uint64]:
    """Read how often each frame is mapped, from ``/proc/kpagecount``.

    Parameters
    ----------
    pfns : array_like of int
        Frame numbers, in any order.
    root : str
        Where proc is mounted.

    Returns
    -------
    ndarray of uint64, shape (len(pfns),)
        Mappings, not processes; the average over a folio under CONFIG_NO_PAGE_MAPCOUNT; 0 beyond the last frame.

    Raises
    ------
    PermissionRequired
        The file is readable by root only.
    Unsupported
        The kernel has no such file.
    """
    return framefiles.words_of(ProcFS(root), "kpagecount", pfns)


def read_kpageflags(pfns: ArrayLike, root: str = "/proc") -> NDArray[np.uint64]:
    """Read the flags of each frame, from ``/proc/kpageflags``.

    Parameters
    ----------
    pfns : array_like of int
        Frame numbers, in any order.
    root : str
        Where proc is mounted.

    Returns
    -------
    ndarray of uint64, shape (len(pfns),)
        Words to be taken apart with `KPF`, unknown bits included; 0 beyond the last frame.

    Raises
    ------
    PermissionRequired
        The file is readable by root only.
    Unsupported
        The kernel has no such file.
    """
    return framefiles.words_of(ProcFS(root), "kpageflags", pfns)


def read_kpagecgroup(pfns: ArrayLike, root: str = "/proc") -> NDArray[np.uint64]:
    """Read the memcg each frame is charged to, from ``/proc/kpagecgroup``.

    Parameters
    ----------
    pfns : array_like of int
        Frame numbers, in any order.
    root : str
        Where proc is mounted.

    Returns
    -------
    ndarray of uint64, shape (len(pfns),)
        Inode of the cgroup's directory; 0 for frames charged to none, and beyond the last frame.

    Raises
    ------
    PermissionRequired
        The file is readable by root only.
    Unsupported
        The kernel has no such file (CONFIG_MEMCG).
    """
    return framefiles.words_of(ProcFS(root), "kpagecgroup", pfns)


def read_smaps(pid: int, root: str = "/proc") -> Table:
    """Read the kernel's own account of each VMA, from ``/proc/PID/smaps``.

    Reading it holds the process's ``mmap_lock`` for long on a large heap.

    Parameters
    ----------
    pid : int
        Process ID.
    root : str
        Where proc is mounted.

    Returns
    -------
    Table
        One row a VMA: start, end, perms, offset, inode, name, the kernel's fields under its names, in bytes (what a
        VMA lacks is unknown), and VmFlags, a tuple of two-letter codes.

    Raises
    ------
    OSError
        The process is gone, or may not be read.
    ParseError
        A line is not of the kernel's form.
    """
    procfs = ProcFS(root)
    with procfs.open_process(pid) as process:
        found = smaps.parse_smaps(procfs.read_at(process, "smaps"), procfs.path(f"{pid}/smaps"))
    names = list(dict.fromkeys(name for vma in found for name in vma.fields))
    columns = [Column(name, _NOT_BYTES.get(name, "bytes"), f"{name} of smaps") for name in names]
    data: dict[str, NDArray[np.generic]] = {
        "start": np.array([vma.start for vma in found], np.uint64),
        "end": np.array([vma.end for vma in found], np.uint64),
        "perms": objects([vma.perms for vma in found]),
        "offset": np.array([vma.offset for vma in found], np.uint64),
        "inode": np.array([vma.inode for vma in found], np.uint64),
        "name": objects([vma.name for vma in found]),
        **{name: np.array([vma.fields.get(name, 0) for vma in found], np.int64) for name in names},
        "VmFlags": objects([vma.vm_flags for vma in found]),
    }
    unknown = {name: np.array([name not in vma.fields for vma in found], bool) for name in names}
    flags = Column("VmFlags", "list", "VmFlags of smaps, two-letter codes")
    return Table((*_VMA_COLUMNS, *columns, flags), data, unknown)


def read_smaps_rollup(pid: int, root: str = "/proc") -> dict[str, int]:
    """Read the kernel's own account of a process, from ``/proc/PID/smaps_rollup``.

    Parameters
    ----------
    pid : int
        Process ID.
    root : str
        Where proc is mounted.

    Returns
    -------
    dict of str to int
        Bytes by the kernel's names: Rss, Pss, Private_Clean and so on.

    Raises
    ------
    OSError
        The process is gone (ESRCH), or may not be read.
    ParseError
        A line is not of the kernel's form.
    """
    procfs = ProcFS(root)
    with procfs.open_process(pid) as process:
        return smaps.parse_smaps_rollup(procfs.read_at(process, "smaps_rollup"), procfs.path(f"{pid}/smaps_rollup"))


def read_stack(pid: int, root: str = "/proc") -> dict[int, list[str]]:
    """Read the kernel stack of each thread of a process, from ``/proc/PID/task/TID/stack``.

    Parameters
    ----------
    pid : int
        Process ID.
    root : str
        Where proc is mounted.

    Returns
    -------
    dict of int to list of str
        For each thread its functions, the innermost first; empty for a thread that is running, or has ended since
        it was listed.

    Raises
    ------
    OSError
        The process is gone, or may not be read (CAP_SYS_ADMIN is needed).
    """
    procfs = ProcFS(root)
    stacks: dict[int, list[str]] = {}
    with procfs.open_process(pid) as process:
        for tid in procfs.threads(process):
            try:
                with procfs.open_thread(process, tid) as thread:
                    text = os.fsdecode(procfs.read_at(thread, "stack"))
            except (FileNotFoundError, ProcessLookupError):
                stacks[tid] = []
                continue
            # "[<0>] do_select+0x6c0/0x7c0": addresses have been hidden since 4.11.
            stacks[tid] = [line.partition("] ")[2] or line for line in text.splitlines()]
    return stacks
