"""What the kernel says of each owned frame: mapcount, flags, memcg."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pagewalk._native import frames as native
from pagewalk._native.procfs import read_words
from pagewalk.abi import KPF
from pagewalk.procfs import ProcFS
from pagewalk.threads import run_in_threads

__all__ = ["FrameFiles", "FrameRows", "Span", "read_frames", "words_of"]

# Frames a block: 512 KiB a file, in cache, and one test for emptiness.
BLOCK = 65536
# Unwanted frames that are read too: one pread costs about as much as four entries.
BRIDGE = 4
# Frames of a huge page that one PMD maps.
HUGE = 512


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of frames that are alike in where they are.

    Attributes
    ----------
    start, stop : int
        Frame numbers; stop is exclusive.
    zone : int
        A number for where they are, chosen by the caller.
    unowned : bool
        Whether frames without an owner are asked for too.
    """

    start: int
    stop: int
    zone: int = 0
    unowned: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class FrameRows:
    """Frames counted by owner set and by what the kernel says of them.

    Attributes
    ----------
    set : ndarray of uint32
        Owner set, 0 for nobody.
    mapcount, flags, memcg : ndarray of uint64
        The words of kpagecount, kpageflags and kpagecgroup; flags and memcg of a tail as those of its folio.
    zone : ndarray of int64
        The `Span.zone` of the frames.
    frames : ndarray of int64
        How many frames are alike in all this.
    row_of : ndarray of uint32
        Each frame's row + 1, 0 where it was not asked for; empty unless rows were to be kept.
    missing : int
        Frames of which the files said nothing.
    words : int
        Words read of the three files.
    spared : int
        Frames among these that were not read, since pagemap tells that they are anonymous and mapped once.
    """

    set: NDArray[np.uint32]
    mapcount: NDArray[np.uint64]
    flags: NDArray[np.uint64]
    memcg: NDArray[np.uint64]
    zone: NDArray[np.int64]
    frames: NDArray[np.int64]
    row_of: NDArray[np.uint32]
    missing: int
    words: int
    spared: int = 0


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


class _Shard:
    """What one thread has counted."""

    def __init__(
        self,
        files: FrameFiles,
        owner: NDArray[np.uint32],
        row_of: NDArray[np.uint32],
        memcgs: bool,
        spared: NDArray[np.uint32] | None,
    ) -> None:
        self._files = files
        self._spared = spared
        self._wanted = np.zeros(BLOCK if spared is not None else 0, np.uint32)
        self._cgroup = files.cgroup if memcgs else -1
        self._owner = owner
        self._row_of = row_of
        self._words, self._rows = _Interning(1024), _Interning(4096)
        self._tally = native.Tally(self._words.native, self._rows.native)
        self._frames = np.zeros(len(self._rows.keys), np.int64)
        self._buffers = [np.zeros(BLOCK, np.uint64) for _ in range(3)]
        self.blocks: list[Span] = []
        self.missing = self.read = 0

    def count(self, block: Span) -> None:
        """Read the files for a block, and count its frames."""
        owner = self._owner[block.start : block.stop]
        if not block.unowned and not owner.any():
            return
        if self._spared is not None:
            owner = self._without_spared(block, owner, self._spared)
            if not owner.any():
                return
        mapcount, flags, memcg = self._buffers
        self.missing += self._fill(self._files.count, block, owner, mapcount)
        self._fill(self._files.flags, block, owner, flags)
        if self._cgroup >= 0:
            self._fill(self._cgroup, block, owner, memcg)
        kept = self._row_of[block.start : block.stop]
        self.blocks.append(block)
        at = 0
        while True:
            at = self._tally.count(
                block.start, at, owner, mapcount, flags, memcg, block.zone, block.unowned,
                self._files.flags, self._cgroup, self._frames, kept,
            )  # fmt: skip
            if at == len(owner):
                return
            self._words.grow_if_full()
            self._rows.grow_if_full()
            if len(self._frames) < len(self._rows.keys):
                room = np.zeros(len(self._rows.keys) - len(self._frames), np.int64)
                self._frames = np.concatenate((self._frames, room))

    def _without_spared(self, block: Span, owner: NDArray[np.uint32], spared: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the owners of the frames to read.

        Bit 56 is told of the first page of a huge page for all of it where a PMD maps it (fs/proc/task_mmu.c:
        pagemap_pmd_range): its other pages may have owners more. So frames that may be one are looked at.
        """
        wanted = np.take(spared, owner, out=self._wanted[: len(owner)])
        heads = np.arange(-block.start % HUGE, len(owner) - HUGE + 1, HUGE)
        heads = heads[(wanted[heads] == 0) & (owner[heads] != 0) & (owner[heads] == owner[heads + HUGE - 1])]
        if not len(heads):
            return wanted
        asked, flags = np.zeros(len(owner), np.uint32), self._buffers[1]
        asked[heads] = 1
        words, _, _ = native.read_wanted(self._files.flags, block.start, asked, flags, 0)
        self.read += words
        for head in heads[(flags[heads] & np.uint64(KPF.COMPOUND_HEAD)) != 0].tolist():
            wanted[head : head + HUGE] = owner[head : head + HUGE]
        return wanted

    def _fill(self, fd: int, block: Span, owner: NDArray[np.uint32], out: NDArray[np.uint64]) -> int:
        """Read the words of a block into ``out``; returns how many there are not."""
        if not block.unowned:
            words, _, missing = native.read_wanted(fd, block.start, owner, out, BRIDGE)
            self.read += words
            return missing
        got = read_words(fd, block.start, out[: len(owner)])
        out[got : len(owner)] = 0
        self.read += got
        return len(owner) - got

    def columns(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return set, mapcount, flags, memcg and zone of each row, shape (rows, 5), and its frames."""
        info = self._rows.column(1).astype(np.int64)
        words = self._words.keys[info]
        rows = np.column_stack((self._rows.column(0), words, self._rows.column(2)))
        return rows, self._frames[: len(rows)].copy()


def read_frames(
    files: FrameFiles,
    owner: NDArray[np.uint32],
    spans: Sequence[Span] | None = None,
    keep_rows: bool = False,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    memcgs: bool = True,
    spared: NDArray[np.uint32] | None = None,
) -> FrameRows:
    """Read the kpage files where frames are asked for, and count alike frames.

    Parameters
    ----------
    files : FrameFiles
        The open files.
    owner : ndarray of uint32
        Owner set of each frame, 0 for nobody.
    spans : sequence of Span, optional
        All frames, ascending, cut where they differ in zone; by default one span, frames with an owner.
    keep_rows : bool
        Whether to keep each frame's row.
    threads : int
        How many threads read.
    progress : callable, optional
        Called with the frames gone through and their number; from any thread.
    memcgs : bool
        Whether kpagecgroup is read: a quarter of the time. Without it every memcg is 0.
    spared : ndarray of uint32, optional
        For each owner set 0 if its frames need not be read, else the set itself. Huge pages of such sets are read all
        the same.

    Returns
    -------
    FrameRows
        In an order that does not depend on the threads.
    """
    row_of = np.zeros(len(owner) if keep_rows else 0, np.uint32)
    blocks = [
        Span(base, min(base + BLOCK, span.stop), span.zone, span.unowned)
        for span in (spans if spans is not None else [Span(0, len(owner))])
        for base in range(span.start, span.stop, BLOCK)
    ]
    shards = [_Shard(files, owner, row_of, memcgs, spared) for _ in range(max(1, min(threads, len(blocks))))]
    todo, done = iter(blocks), 0

    def work(number: int) -> None:
        nonlocal done
        while (block := next(todo, None)) is not None:
            shards[number].count(block)
            done += block.stop - block.start
            if progress is not None:
                progress(done, len(owner))

    run_in_threads(work, len(shards), give_up=lambda: _drain(todo))
    return _merged(shards, row_of)


def _drain(blocks: Iterator[Span]) -> None:
    """Leave nothing to do for the other threads."""
    for _ in blocks:
        pass


def _merged(shards: Sequence[_Shard], row_of: NDArray[np.uint32]) -> FrameRows:
    """Put the rows of all threads together, sorted, equal ones as one."""
    parts = [shard.columns() for shard in shards]
    rows = np.concatenate([columns for columns, _ in parts])
    order = np.lexsort(rows.T[::-1])
    rows = rows[order]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    number = np.empty(len(rows), np.int64)
    number[order] = np.cumsum(new) - 1
    rows = rows[new]
    frames = np.zeros(len(rows), np.int64)
    np.add.at(frames, number, np.concatenate([counts for _, counts in parts]))
    first = 0
    for shard, (columns, _) in zip(shards, parts, strict=True):
        renamed = np.concatenate(([0], number[first : first + len(columns)] + 1)).astype(np.uint32)
        first += len(columns)
        for block in shard.blocks:
            kept = row_of[block.start : block.stop]
            kept[:] = renamed[kept]
    return FrameRows(
        set=rows[:, 0].astype(np.uint32),
        mapcount=rows[:, 1].copy(),
        flags=rows[:, 2].copy(),
        memcg=rows[:, 3].copy(),
        zone=rows[:, 4].astype(np.int64),
        frames=frames,
        row_of=row_of,
        missing=sum(shard.missing for shard in shards),
        words=sum(shard.read for shard in shards),
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
