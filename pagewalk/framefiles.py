"""The three kpage files themselves."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pagewalk._native.procfs import read_words
from pagewalk.procfs import ProcFS

__all__ = ["BRIDGE", "FrameFiles", "words_of"]

# Unwanted frames that are read too: one pread costs about as much as four entries.
BRIDGE = 4
# Words read at a time.
BLOCK = 65536


class FrameFiles:
    """The three kpage files, open.

    Parameters
    ----------
    procfs : ProcFS
        Whose files.

    Raises
    ------
    PermissionRequired, Unsupported
        kpagecount or kpageflags cannot be read, or are not there. Without CONFIG_MEMCG there is no kpagecgroup: no
        frame has a memcg then.
    """

    def __init__(self, procfs: ProcFS) -> None:
        self.cgroup = -1
        self.count = procfs.open_words("kpagecount")
        try:
            self.flags = procfs.open_words("kpageflags")
        except BaseException:
            os.close(self.count)
            raise
        try:
            if procfs.has("kpagecgroup"):
                self.cgroup = procfs.open_words("kpagecgroup")
            self.frames = procfs.words_in(self.count)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        for fd in (self.count, self.flags, self.cgroup):
            if fd >= 0:
                os.close(fd)
        self.count = self.flags = self.cgroup = -1

    def __enter__(self) -> FrameFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def words_of(procfs: ProcFS, name: str, pfns: ArrayLike) -> NDArray[np.uint64]:
    """Return the words that a kpage file holds for these frames.

    Parameters
    ----------
    procfs : ProcFS
        Whose file.
    name : str
        ``kpagecount``, ``kpageflags`` or ``kpagecgroup``.
    pfns : array_like of int
        Frame numbers, in any order.

    Returns
    -------
    ndarray of uint64, shape (len(pfns),)
        As the kernel has them; a frame beyond the last one reads as 0.
    """
    wanted = np.asarray(pfns, np.uint64).reshape(-1)
    out = np.zeros(len(wanted), np.uint64)
    fd = procfs.open_words(name)
    try:
        order = np.argsort(wanted, kind="stable")
        ascending = wanted[order]
        cuts = np.flatnonzero(np.diff(ascending) > np.uint64(BRIDGE)) + 1
        for run in np.split(np.arange(len(wanted)), cuts) if len(wanted) else ():
            first, last = int(ascending[run[0]]), int(ascending[run[-1]])
            for low in range(first, last + 1, BLOCK):
                buffer = np.zeros(min(BLOCK, last + 1 - low), np.uint64)
                read_words(fd, low, buffer)
                inside = run[(ascending[run] >= low) & (ascending[run] < low + len(buffer))]
                out[order[inside]] = buffer[(ascending[inside] - np.uint64(low)).astype(np.int64)]
    finally:
        os.close(fd)
    return out
