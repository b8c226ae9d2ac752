"""What the kernel says of each owned frame: mapcount, flags, memcg."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk._native import frames as native
from pagewalk._native.ownership import ASKED, BLOCK_SHIFT, HUGE, OWNED
from pagewalk._native.procfs import read_words
from pagewalk.framefiles import BRIDGE, FrameFiles
from pagewalk.threads import run_in_threads

__all__ = ["ASK_COUNT", "ASK_FLAGS", "FrameRows", "Needs", "Span", "read_frames"]

ASK_COUNT, ASK_FLAGS, ASK_CGROUP = native.ASK_COUNT, native.ASK_FLAGS, native.ASK_CGROUP

# Frames a block: 512 KiB a file, in cache, and one test for emptiness.
BLOCK = 65536


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


@dataclass(frozen=True, eq=False, slots=True)
class Needs:
    """What is to be read of a frame, by its owner set; all arrays are as long as there are sets.

    Attributes
    ----------
    need : ndarray of uint8
        ASK_COUNT, ASK_FLAGS, ASK_CGROUP, or 0: the frame need not be read, pagemap tells that it is anonymous and
        mapped once. Huge pages are looked at all the same.
    seen : ndarray of uint32
        Mappings seen of each frame. Where only the count is asked for and says less, the flags are read too.
    stand_in : ndarray of uint64
        Flags to count where none were read.
    """

    need: NDArray[np.uint8]
    seen: NDArray[np.uint32]
    stand_in: NDArray[np.uint64]


_NO_FLAGS = np.zeros(0, np.uint64)


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
        needs: Needs | None,
        touched: NDArray[np.uint8],
    ) -> None:
        self._files = files
        self._needs = needs
        self._touched = touched
        self._ask = np.zeros(BLOCK, np.uint8)
        self._cgroup = files.cgroup if memcgs else -1
        self._bits = ASK_COUNT | ASK_FLAGS | (ASK_CGROUP if self._cgroup >= 0 else 0)
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
        ask = None
        if block.unowned:
            self._fill_all(block)
        else:
            ask = self._ask[: len(owner)]
            if not self._fill(block, owner, ask):
                return
        mapcount, flags, memcg = self._buffers
        kept = self._row_of[block.start : block.stop]
        stand_in = None if ask is None else _NO_FLAGS if self._needs is None else self._needs.stand_in
        self.blocks.append(block)
        at = 0
        while True:
            at = self._tally.count(
                block.start, at, owner, mapcount, flags, memcg, block.zone, block.unowned,
                self._files.flags, self._cgroup, self._frames, kept, ask, stand_in,
            )  # fmt: skip
            if at == len(owner):
                return
            self._words.grow_if_full()
            self._rows.grow_if_full()
            if len(self._frames) < len(self._rows.keys):
                room = np.zeros(len(self._rows.keys) - len(self._frames), np.int64)
                self._frames = np.concatenate((self._frames, room))

    def _fill(self, block: Span, owner: NDArray[np.uint32], ask: NDArray[np.uint8]) -> bool:
        """Read what is asked for of the owned frames of a block; False where that is nothing."""
        if self._needs is None:
            np.multiply(owner != 0, np.uint8(self._bits), out=ask)
            bits = self._bits if ask.any() else 0
        else:
            bits, spared = native.ask(owner, self._needs.need, ask, self._touched, block.start)
            if spared:
                self.read += native.ask_huge(self._files.flags, block.start, owner, ask, self._touched)
                bits |= int(ask.max())
        if not bits:
            return False
        mapcount, flags, memcg = self._buffers
        self.missing += self._read(self._files.count, ASK_COUNT, block, ask, mapcount)
        if self._needs is not None:
            bits = native.ask_flags(owner, self._needs.seen, mapcount, ask)
        if bits & ASK_FLAGS:
            self._read(self._files.flags, ASK_FLAGS, block, ask, flags)
        if bits & ASK_CGROUP:
            self._read(self._cgroup, ASK_CGROUP, block, ask, memcg)
        return True

    def _read(self, fd: int, bit: int, block: Span, ask: NDArray[np.uint8], out: NDArray[np.uint64]) -> int:
        """Read the words that are asked for into ``out``; returns how many there are not."""
        words, _, missing = native.read_wanted(fd, block.start, ask, bit, out, BRIDGE)
        self.read += words
        return missing

    def _fill_all(self, block: Span) -> None:
        """Read the words of every frame of a block."""
        n = block.stop - block.start
        for fd, out in zip((self._files.count, self._files.flags, self._cgroup), self._buffers, strict=True):
            if fd < 0:
                continue
            got = read_words(fd, block.start, out[:n])
            out[got:n] = 0
            self.read += got
            if fd == self._files.count:
                self.missing += n - got

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
    needs: Needs | None = None,
    touched: NDArray[np.uint8] | None = None,
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
    needs : Needs, optional
        What is to be read of the frames of each owner set; by default all files of each.
    touched : ndarray of uint8, optional
        What `ownership.Ownership.touched` has of each block of frames; by default any may be owned by anybody.

    Returns
    -------
    FrameRows
        In an order that does not depend on the threads.
    """
    row_of = np.zeros(len(owner) if keep_rows else 0, np.uint32)
    if touched is None:
        touched = np.full((len(owner) >> BLOCK_SHIFT) + 1, OWNED | ASKED | HUGE, np.uint8)
    blocks = [
        block
        for span in (spans if spans is not None else [Span(0, len(owner))])
        for base in range(span.start, span.stop, BLOCK)
        if _is_asked(block := Span(base, min(base + BLOCK, span.stop), span.zone, span.unowned), touched)
    ]
    shards = [_Shard(files, owner, row_of, memcgs, needs, touched) for _ in range(max(1, min(threads, len(blocks))))]
    asked = sum(block.stop - block.start for block in blocks)
    todo, done = iter(blocks), len(owner) - asked

    def work(number: int) -> None:
        nonlocal done
        while (block := next(todo, None)) is not None:
            shards[number].count(block)
            done += block.stop - block.start
            if progress is not None:
                progress(done, len(owner))

    run_in_threads(work, len(shards), give_up=lambda: _drain(todo))
    return _merged(shards, row_of)


def _is_asked(block: Span, touched: NDArray[np.uint8]) -> bool:
    """Whether a block may have a frame to count."""
    if block.unowned:
        return True
    return bool(touched[block.start >> BLOCK_SHIFT : (block.stop - 1 >> BLOCK_SHIFT) + 1].any())


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
