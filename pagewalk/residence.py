"""Which pages of a file are in memory, and in which frames, whether anybody maps them or not."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk._native import residence as native
from pagewalk.abi import PFRAME_MASK, PM
from pagewalk.errors import PagewalkError, PermissionRequired
from pagewalk.procfs import ProcFS

__all__ = ["Residence", "is_hugetlbfs", "resident_frames"]

# Bytes of a file looked at together: what is held for it is nine bytes a page, 2.3 MiB.
WINDOW = 1 << 30


@dataclass(frozen=True, eq=False, slots=True)
class Residence:
    """The pages of a file that are in memory.

    Attributes
    ----------
    size : int
        Bytes of the file.
    resident : int
        Pages that the kernel calls resident (mincore).
    page : ndarray of int64
        Those of them whose frames are known, by their number in the file, ascending.
    pfn : ndarray of int64
        Their frames.
    """

    size: int
    resident: int
    page: NDArray[np.int64]
    pfn: NDArray[np.int64]

    def kept(self, later: Residence) -> NDArray[np.int64]:
        """Return the frames of pages that are in the same frame later.

        Parameters
        ----------
        later : Residence
            Of the same file.
        """
        _, mine, its = np.intersect1d(self.page, later.page, assume_unique=True, return_indices=True)
        kept: NDArray[np.int64] = self.pfn[mine][self.pfn[mine] == later.pfn[its]]
        return kept


def resident_frames(
    procfs: ProcFS, fd: int, path: str, progress: Callable[[int, int, str], None] | None = None
) -> Residence:
    """Find the pages of a file that are in memory, and their frames.

    The file is mapped into this process, a part at a time, and unmapped again. Nothing is read from disk, and no page
    looks used for it. The accessed bits that are set are those of our own page tables.

    Parameters
    ----------
    procfs : ProcFS
        Where our own pagemap is.
    fd : int
        The file, a regular one, open for reading.
    path : str
        Its name, for errors.
    progress : callable, optional
        Called with bytes looked at, their number, and ``"file"``.

    Raises
    ------
    PermissionRequired
        The kernel hides frame numbers from this user.
    PagewalkError
        It is a file that has no pages (sysfs).
    OSError
        It cannot be read.
    """
    page_size = os.sysconf("SC_PAGESIZE")
    size = os.fstat(fd).st_size
    pages = min(-(-size // page_size), WINDOW // page_size)
    resident, words = np.zeros(pages, np.uint8), np.zeros(pages, np.uint64)
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    found = 0
    with procfs.open_process(os.getpid()) as own:
        pagemap = procfs.open_at(own, "pagemap")
        try:
            for start in range(0, size, WINDOW):
                n = min(-(-(size - start) // page_size), pages)
                found += _window(path, fd, pagemap, start, page_size, resident[:n], words[:n])
                there = np.flatnonzero((words[:n] & np.uint64(PM.PRESENT)) != 0)
                pfn = (words[there] & np.uint64(PFRAME_MASK)).astype(np.int64)
                parts.append((there + start // page_size, pfn))
                if progress is not None:
                    progress(min(start + WINDOW, size), size, "file")
        finally:
            os.close(pagemap)
    if not parts:
        return Residence(size, 0, np.zeros(0, np.int64), np.zeros(0, np.int64))
    page, pfn = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(pfn) and not pfn.any():
        raise PermissionRequired(
            f"the kernel hides physical page numbers from uid {os.geteuid()} (needs CAP_SYS_ADMIN)"
        )
    return Residence(size, found, page, pfn)


def _window(
    path: str,
    fd: int,
    pagemap: int,
    start: int,
    page_size: int,
    resident: NDArray[np.uint8],
    words: NDArray[np.uint64],
) -> int:
    try:
        return native.resident_words(fd, pagemap, start, page_size, resident, words)
    except OSError as error:
        # ENODEV: no mmap of its own (mm/mmap.c:do_mmap), as for files of sysfs.
        if error.errno == errno.ENODEV:
            raise PagewalkError(f"{path} cannot be mapped: it has no pages of its own in memory") from error
        raise OSError(error.errno, error.strerror, path) from error


def is_hugetlbfs(fd: int) -> bool:
    """Whether a file is of hugetlbfs, whose holes become huge pages when they are looked at.

    Parameters
    ----------
    fd : int
        The file.
    """
    return native.is_hugetlbfs(fd)
