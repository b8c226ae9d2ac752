"""Reading the pagemap of an address space, a buffer at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk._native import pagemap as native
from pagewalk.abi import PFRAME_MASK, PM
from pagewalk.procfs import Process, ProcFS

__all__ = [
    "BRIDGE",
    "CHUNK",
    "FAST",
    "Buffers",
    "ChunkReader",
    "Pace",
    "PageRuns",
    "ReadCost",
    "RunCollector",
    "Wanted",
    "read_entries",
]

# Entries a buffer: 256 KiB, past which larger reads cost the same, folded while still in cache.
CHUNK = 32768
# Gaps between VMAs that are read too, in pages: one pread costs as much as some 256 empty entries.
BRIDGE = 256
Words = NDArray[np.uint64]
# range_start, range_stop, vma_start, vma_stop, tells: what `vmas.MapsParser.plan` fills.
PlanArrays = tuple[Words, Words, Words, Words, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How an address space is read.

    Attributes
    ----------
    chunk : int
        Entries read at a time.
    scan_pages : int
        Pages that one PAGEMAP_SCAN may report at most.
    pause_ns : int
        Nanoseconds between two system calls, for the process that is read to go on.
    """

    chunk: int = CHUNK
    scan_pages: int = 32768
    pause_ns: int = 0


FAST = Pace()


@dataclass(slots=True)
class ReadCost:
    """What reading took: entries, system calls, and the longest of these in nanoseconds.

    A call holds the target's ``mmap_lock`` for 2 MiB of address space at a time (fs/proc/task_mmu.c:pagemap_read,
    PAGEMAP_WALK_SIZE), a scan for all of its time, so the longest call bounds the longest hold.
    """

    entries: int = 0
    reads: int = 0
    scans: int = 0
    longest_ns: int = 0

    def add(self, other: ReadCost) -> None:
        """Add what another reading took."""
        self.entries += other.entries
        self.reads += other.reads
        self.scans += other.scans
        self.longest_ns = max(self.longest_ns, other.longest_ns)


class Buffers:
    """The arrays that one thread reads into again and again.

    Parameters
    ----------
    chunk : int
        Entries a buffer.
    """

    __slots__ = ("entries", "seg_len", "seg_page")

    def __init__(self, chunk: int = CHUNK) -> None:
        if chunk < 1:
            raise ValueError(f"a buffer of {chunk} entries")
        self.entries: NDArray[np.uint64] = np.empty(chunk, np.uint64)
        self.seg_page: NDArray[np.uint64] = np.empty(chunk, np.uint64)
        self.seg_len: NDArray[np.uint32] = np.empty(chunk, np.uint32)


@dataclass(frozen=True, eq=False, slots=True)
class PageRuns:
    """The present and swapped pages of an address space, as runs.

    Attributes
    ----------
    page : ndarray of uint64
        First virtual page number of each run, ascending.
    word : ndarray of uint64
        The pagemap entry of that page; the frame number (or swap offset) goes up by one a page.
    length : ndarray of uint32
        Pages.
    """

    page: NDArray[np.uint64]
    word: NDArray[np.uint64]
    length: NDArray[np.uint32]


@dataclass(frozen=True, eq=False, slots=True)
class Wanted:
    """Which pages are to be kept: those in one of some ranges, and those whose frame is one of some.

    Attributes
    ----------
    starts, stops : ndarray of uint64
        Page numbers, ascending; stops are exclusive.
    pfns : ndarray of uint64
        Frame numbers, ascending.
    """

    starts: NDArray[np.uint64]
    stops: NDArray[np.uint64]
    pfns: NDArray[np.uint64]

    def may_be_in(self, first: int, stop: int) -> bool:
        """Whether any page from ``first`` up to ``stop`` may be wanted."""
        return bool(len(self.pfns)) or bool(self.in_ranges(np.array([first], np.uint64), np.uint64(stop - first))[0])

    def in_ranges(self, page: NDArray[np.uint64], length: NDArray[np.uint32] | np.uint64) -> NDArray[np.bool_]:
        """Say which runs of pages have a page in a range."""
        at = np.searchsorted(self.stops, page, side="right")
        inside: NDArray[np.bool_] = np.append(self.starts, np.uint64(2**64 - 1))[at] < page + length
        return inside

    def of(self, page: NDArray[np.uint64], word: NDArray[np.uint64], length: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Say which runs have a page that is wanted."""
        wanted = self.in_ranges(page, length)
        pfn = word & np.uint64(PFRAME_MASK)
        first, behind = np.searchsorted(self.pfns, pfn), np.searchsorted(self.pfns, pfn + length)
        wanted |= ((word & np.uint64(PM.PRESENT)) != 0) & (behind > first)
        return wanted


class RunCollector:
    """Gathers the runs of one address space from its chunks.

    Parameters
    ----------
    wanted : Wanted, optional
        Keep only runs with a page that is wanted; by default all.
    """

    def __init__(self, wanted: Wanted | None = None) -> None:
        self._wanted = wanted
        self._parts: list[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]] = []

    def add(self, buffers: Buffers, used: int, segments: int) -> None:
        """Take in what the buffers hold."""
        if self._wanted is not None:
            last = segments - 1
            if not self._wanted.may_be_in(
                int(buffers.seg_page[0]), int(buffers.seg_page[last]) + int(buffers.seg_len[last])
            ):
                return
        page, word, length = np.empty(used, np.uint64), np.empty(used, np.uint64), np.empty(used, np.uint32)
        runs = native.compress(buffers.entries[:used], buffers.seg_page, buffers.seg_len, segments, page, word, length)
        if self._wanted is not None:
            kept = self._wanted.of(page[:runs], word[:runs], length[:runs])
            self._parts.append((page[:runs][kept], word[:runs][kept], length[:runs][kept]))
        elif runs:
            self._parts.append((page[:runs].copy(), word[:runs].copy(), length[:runs].copy()))

    def runs(self) -> PageRuns:
        """Return all that was taken in."""
        if not self._parts:
            return PageRuns(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.uint32))
        return PageRuns(*(np.concatenate(column) for column in zip(*self._parts, strict=True)))


class ChunkReader:
    """Reads one pagemap after the other into the same buffers.

    Parameters
    ----------
    buffers : Buffers
        Filled again and again.
    page_size : int
        Bytes of a page.
    telling : bool
        Whether to write into each entry what its VMA tells (TOLD_ANON, TOLD_SHMEM), and to leave bit 56 only where
        it can be believed.
    pace : Pace
        How long one system call may hold the target's lock, and what comes between two.
    """

    def __init__(self, buffers: Buffers, page_size: int, telling: bool = False, pace: Pace = FAST) -> None:
        self.buffers = buffers
        self._page_size = page_size
        self._telling = telling
        self._pace = pace
        self._arrays: PlanArrays | None = None
        self._reader: native.Reader | None = None

    def chunks(
        self, fd: int, ranges: int, vmas: int, arrays: PlanArrays, cost: ReadCost, can_scan: bool = True
    ) -> Iterator[tuple[int, int]]:
        """Fill the buffers again and again with what a pagemap holds.

        Parameters
        ----------
        fd : int
            The pagemap.
        ranges, vmas : int
            How many of the arrays' there are.
        arrays : tuple of ndarray
            range_start, range_stop, vma_start, vma_stop, tells, as `vmas.MapsParser.plan` fills them. The gaps between
            VMAs that are read too may hold a VMA by now that was not there when maps was read: they are cleared.
        cost : ReadCost
            Added to.
        can_scan : bool
            Whether to try PAGEMAP_SCAN over sparse parts.

        Yields
        ------
        used, segments : int
            Entries in the buffers, and the stretches they came from.

        Raises
        ------
        ProcessLookupError
            The address space is gone, or went while it was read.
        """
        reader = self._reader
        if reader is None or self._arrays is not arrays:
            buffers, told = self.buffers, arrays[4] if self._telling else None
            reader = self._reader = native.Reader(
                fd, arrays[0], arrays[1], buffers.entries, buffers.seg_page, buffers.seg_len, self._page_size, can_scan,
                arrays[2], arrays[3], told, self._pace.scan_pages, self._pace.pause_ns,
            )  # fmt: skip
            self._arrays = arrays
        reader.aim(fd, ranges, vmas, can_scan)
        try:
            while used := reader.next():
                yield used, reader.segments
        finally:
            cost.entries += reader.words
            cost.reads += reader.reads
            cost.scans += reader.scans
            cost.longest_ns = max(cost.longest_ns, reader.longest_ns)
        if reader.gone:
            raise ProcessLookupError("its address space went while it was read")


def read_entries(procfs: ProcFS, process: Process, start: int, stop: int, page_size: int) -> NDArray[np.uint64]:
    """Return the raw entries of the pages from address ``start`` up to ``stop``.

    Parameters
    ----------
    procfs : ProcFS
        Where to read.
    process : Process
        Whose pagemap.
    start, stop : int
        Byte addresses, multiples of the page size.
    page_size : int
        Bytes of a page.

    Returns
    -------
    ndarray of uint64, shape ((stop - start) / page_size,)
        Take them apart with PM. Shorter where the address space ends before.
    """
    from pagewalk._native.procfs import read_words

    if start % page_size or stop % page_size or not 0 <= start <= stop:
        raise ValueError(f"start {start:#x} and stop {stop:#x} are no ascending multiples of {page_size}")
    out = np.empty((stop - start) // page_size, np.uint64)
    fd = procfs.open_at(process, "pagemap")
    try:
        return out[: read_words(fd, start // page_size, out)]
    finally:
        os.close(fd)
