"""PAGEMAP_SCAN on the running kernel: over memory of our own, however sparse, the same pages as a plain read."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from pagewalk._native import pagemap as native
from pagewalk.abi import PM
from pagewalk.pagemap import Buffers

PAGE = mmap.PAGESIZE
THERE = np.uint64(PM.PRESENT | PM.SWAP)
MAP_NORESERVE = 0x4000
MADV_GUARD_INSTALL = 102  # include/uapi/asm-generic/mman-common.h, 6.13

Pages = np.ndarray[Any, np.dtype[Any]]


class Memory:
    """Anonymous memory of our own in base pages, present where it was touched."""

    def __init__(self, pages: int) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        self.map = mmap.mmap(-1, pages * PAGE, flags=flags)
        with contextlib.suppress(OSError):  # a kernel without huge pages
            self.map.madvise(mmap.MADV_NOHUGEPAGE)
        self.bytes = np.frombuffer(self.map, np.uint8)
        self.first = int(self.bytes.__array_interface__["data"][0]) // PAGE
        self.stop = self.first + pages
        self.fd = os.open("/proc/self/pagemap", os.O_RDONLY)

    def write(self, pages: Pages) -> None:
        """A frame of its own for each of these pages."""
        self.bytes[pages * PAGE] = 1

    def look(self, pages: Pages) -> None:
        """The zero page for each of them: present, and nothing to pay for."""
        assert not self.bytes[pages * PAGE].any()

    def entries(self) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """A plain read."""
        data = bytearray()
        while len(data) < 8 * (self.stop - self.first):
            data += os.pread(self.fd, 8 * (self.stop - self.first) - len(data), 8 * self.first + len(data))
        return np.frombuffer(bytes(data), np.uint64)

    def close(self) -> None:
        os.close(self.fd)
        del self.bytes
        self.map.close()


@pytest.fixture
def memory() -> Iterator[Callable[[int], Memory]]:
    made: list[Memory] = []

    def make(pages: int) -> Memory:
        made.append(Memory(pages))
        return made[-1]

    yield make
    for each in made:
        each.close()


def scanned(memory: Memory, chunk: int) -> tuple[np.ndarray[Any, np.dtype[np.uint64]], native.Reader]:
    """The entries as they come, 0 where none does; each page comes once at most."""
    buffers = Buffers(chunk)
    starts, stops = np.array([memory.first], np.uint64), np.array([memory.stop], np.uint64)
    reader = native.Reader(memory.fd, starts, stops, buffers.entries, buffers.seg_page, buffers.seg_len, PAGE)
    out = np.zeros(memory.stop - memory.first, np.uint64)
    last = memory.first
    while reader.next():
        at = 0
        for k in range(reader.segments):
            page, n = int(buffers.seg_page[k]), int(buffers.seg_len[k])
            assert last <= page
            last = page + n
            out[page - memory.first : last - memory.first] = buffers.entries[at : at + n]
            at += n
    assert last <= memory.stop
    return out, reader


def agrees(memory: Memory, chunk: int) -> native.Reader:
    """Hold scanned reading to plain reading. Frames may move between the two: then both are read again."""
    for _ in range(5):
        before = memory.entries()
        seen, reader = scanned(memory, chunk)
        if np.array_equal(before, memory.entries()):
            there = (before & THERE) != 0
            assert np.array_equal((seen & THERE) != 0, there)
            assert np.array_equal(seen[there], before[there])
            return reader
    pytest.fail("frames kept moving while they were read")


def needs_scan(reader: native.Reader) -> None:
    if not reader.can_scan:
        pytest.skip("this kernel has no PAGEMAP_SCAN (before 6.7)")


@pytest.mark.parametrize("chunk", [4096, 5001, 32768])
@pytest.mark.parametrize("stride", [9, 255, 256, 257, 258, 600])
def test_pages_far_apart(memory: Callable[[int], Memory], stride: int, chunk: int) -> None:
    """Up to the bridge they are one stretch, past it each is its own; many more than one call reports."""
    pages = (5000 if stride < 10 else 1100) * stride
    mine = memory(pages)
    mine.look(np.arange(stride // 2, pages, stride))
    reader = agrees(mine, chunk)
    needs_scan(reader)
    assert reader.scans >= (pages - chunk) // stride // 256 > 0  # at most 256 regions each
    if stride > 257:
        assert reader.words <= chunk + pages // stride  # each page alone
    else:
        assert pages - (2 + reader.scans) * stride < reader.words <= pages  # and all between


@pytest.mark.parametrize("filled", [0, 1, 511, 512, 513, 2048, 2049, 4096])
def test_the_switch_to_scanning(memory: Callable[[int], Memory], filled: int) -> None:
    """A read of 4096 entries less than an eighth full: from there on by what a scan finds."""
    mine = memory(4096 * 4 + 77)
    mine.look(np.arange(0, filled))
    mine.look(np.array([4096 * 2, 4096 * 3 + 5, 4096 * 4 + 76]))
    reader = agrees(mine, 4096)
    needs_scan(reader)
    assert reader.words < 4096 * (2 if filled * 8 < 4096 else 3) + 3 * 257
    # What was not bridged was not read.
    assert reader.words >= 4096


def test_the_switch_back_to_plain_reading(memory: Callable[[int], Memory]) -> None:
    mine = memory(8192 + 60_000)
    mine.look(np.arange(8192, 8192 + 60_000))
    reader = agrees(mine, 4096)
    needs_scan(reader)
    # One scan says that it is full for its most pages; behind these nothing is scanned.
    assert reader.scans == 1
    assert reader.words == 4096 + 60_000


def test_nothing_is_read_behind_what_a_scan_has_seen(memory: Callable[[int], Memory]) -> None:
    """Full where the scan found something, nothing behind: the switch back skips what was scanned."""
    mine = memory(100_000)
    mine.look(np.arange(8192, 8192 + 8192))
    reader = agrees(mine, 4096)
    needs_scan(reader)
    assert (reader.scans, reader.words) == (1, 4096 + 8192)


def test_nothing_there_is_one_scan(memory: Callable[[int], Memory]) -> None:
    reader = agrees(memory(1 << 20), 4096)
    needs_scan(reader)
    assert (reader.words, reader.scans) == (4096, 1)


@pytest.mark.parametrize("seed", range(12))
def test_memory_of_any_shape(memory: Callable[[int], Memory], seed: int) -> None:
    """Stretches of random length and fullness, of frames and of the zero page."""
    chance = np.random.default_rng(seed)
    pages = int(chance.integers(1, 120_000))
    mine = memory(pages)
    for at in np.sort(chance.integers(0, pages, 6)).tolist():
        some = at + np.flatnonzero(chance.random(int(chance.integers(1, 9000))) < chance.choice([0.01, 0.12, 0.6, 1]))
        some = some[some < pages]
        if chance.random() < 0.3:
            mine.write(some[:500])
        else:
            mine.bytes[some * PAGE].sum()
    agrees(mine, int(chance.choice([1000, 4096, 7777, 32768])))


@pytest.mark.parametrize("chunk", [4096, 32768])
def test_guard_regions(memory: Callable[[int], Memory], chunk: int) -> None:
    """Swapped, as a scan has it: they come, and it is for the fold to tell them apart."""
    pages = 900 * 13
    mine = memory(pages)
    mine.look(np.arange(0, pages, 26))
    try:
        for page in range(13, pages, 26):
            mine.map.madvise(MADV_GUARD_INSTALL, page * PAGE, PAGE)
    except OSError as reason:
        pytest.skip(f"this kernel has no guard regions (before 6.13): {reason}")
    needs_scan(agrees(mine, chunk))
    seen, _ = scanned(mine, chunk)
    assert np.count_nonzero(seen & np.uint64(PM.SWAP)) == 450


def test_it_changes_nothing(memory: Callable[[int], Memory]) -> None:
    """No entry differs after a scan: neither a soft-dirty bit nor write protection."""
    mine = memory(20_000)
    mine.write(np.arange(0, 20_000, 100))
    for _ in range(5):
        before = mine.entries()
        needs_scan(scanned(mine, 4096)[1])
        if np.array_equal(before, mine.entries()):
            return
    pytest.fail("entries differ after each of five scans")
