"""What the kernel says of each owned frame: mapcount, flags, memcg."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pagewalk._native import frames as native
from pagewalk._native.procfs import read_words
from pagewalk.procfs import ProcFS

__all__ = ["FrameFiles", "FrameRows", "read_frames", "words_of"]

# Frames a block: 512 KiB a file, in cache, and one test for emptiness.
BLOCK = 65536
# Unwanted frames that are read too: one pread costs about as much as four entries.
BRIDGE = 4


@dataclass(frozen=True, eq=False, slots=True)
class FrameRows:
    """Frames counted by owner set and by what the kernel says of them.

    Attributes
    ----------
    set : ndarray of uint32
        Owner set.
    mapcount, flags, memcg : ndarray of uint64
        The words of kpagecount, kpageflags and kpagecgroup; flags and memcg of a tail as those of its folio.
    frames : ndarray of int64
        How many frames are alike in all this.
    row_of : ndarray of uint32
        Each frame's row + 1, 0 where it has no owner; empty unless it was asked for.
    missing : int
        Owned frames of which the files said nothing.
    """

    set: NDArray[np.uint32]
    mapcount: NDArray[np.uint64]
    flags: NDArray[np.uint64]
    memcg: NDArray[np.uint64]
    frames: NDArray[np.int64]
    row_of: NDArray[np.uint32]
    missing: int


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


class _Interning:
    """A native table of three-word keys that grows."""

    def __init__(self, room: int) -> None:
        self.native = native.Interned()
        self.keys = np.zeros((room, 3), np.uint64)
        self._use()

    def _use(self) -> None:
        self.slots = np.zeros(2 * len(self.keys), np.uint32)
        self.native.use(self.slots, self.keys)

    def grow_if_full(self) -> None:
        if self.native.used == len(self.keys):
            keys = np.zeros((4 * len(self.keys), 3), np.uint64)
            keys[: len(self.keys)] = self.keys
            self.keys = keys
            self._use()

    def column(self, k: int) -> NDArray[np.uint64]:
        return self.keys[: self.native.used, k].copy()


def read_frames(
    files: FrameFiles,
    owner: NDArray[np.uint32],
    keep_rows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FrameRows:
    """Read the kpage files where frames have an owner, and count alike frames.

    Parameters
    ----------
    files : FrameFiles
        The open files.
    owner : ndarray of uint32
        Owner set of each frame, 0 for nobody.
    keep_rows : bool
        Whether to keep each frame's row.
    progress : callable, optional
        Called with the frames gone through and their number.
    """
    words, rows = _Interning(1024), _Interning(4096)
    tally = native.Tally(words.native, rows.native)
    frames = np.zeros(len(rows.keys), np.int64)
    row_of = np.zeros(len(owner) if keep_rows else 0, np.uint32)
    mapcount, flags, memcg = (np.zeros(BLOCK, np.uint64) for _ in range(3))
    missing = 0
    for base in range(0, len(owner), BLOCK):
        block = owner[base : base + BLOCK]
        if progress is not None:
            progress(base, len(owner))
        if not block.any():
            continue
        _, _, absent = native.read_wanted(files.count, base, block, mapcount, BRIDGE)
        native.read_wanted(files.flags, base, block, flags, BRIDGE)
        if files.cgroup >= 0:
            native.read_wanted(files.cgroup, base, block, memcg, BRIDGE)
        missing += absent
        at = 0
        while True:
            kept = row_of[base : base + BLOCK]
            at = tally.count(base, at, block, mapcount, flags, memcg, files.flags, files.cgroup, frames, kept)
            if at == len(block):
                break
            words.grow_if_full()
            rows.grow_if_full()
            if len(frames) < len(rows.keys):
                frames = np.concatenate((frames, np.zeros(len(rows.keys) - len(frames), np.int64)))
    info = rows.column(1).astype(np.int64)
    return FrameRows(
        set=rows.column(0).astype(np.uint32),
        mapcount=words.column(0)[info],
        flags=words.column(1)[info],
        memcg=words.column(2)[info],
        frames=frames[: rows.native.used].copy(),
        row_of=row_of,
        missing=missing,
    )


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
