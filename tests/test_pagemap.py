"""Reading a pagemap: whatever the chunk, the same pages; runs that say the same as the entries they stand for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
from pagewalk._native import pagemap as native
from pagewalk.abi import PFRAME_MASK, PM, SWAP_OFFSET_SHIFT
from pagewalk.pagemap import FAST, Buffers, ChunkReader, Pace, ReadCost, RunCollector, read_entries
from pagewalk.procfs import ProcFS
from spoiled import refuses_spoiled

PAGE = os.sysconf("SC_PAGESIZE")
Ranges = Sequence[tuple[int, int]]


@contextmanager
def pagemap(words: Mapping[int, int], length: int) -> Iterator[int]:
    """A made pagemap: a sparse file of so many entries."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pagemap"
        fakeproc.write_words(path, words.items(), length)
        with path.open("rb") as file:
            yield file.fileno()


def chunks_of(
    fd: int,
    ranges: Ranges,
    buffers: Buffers,
    cost: ReadCost,
    within: Ranges | None = None,
    tells: Sequence[int] | None = None,
    pace: Pace = FAST,
) -> Iterator[tuple[int, int]]:
    """The chunks of these ranges; VMAs lie where said, else each range is one."""
    vmas = ranges if within is None else within
    room = max(len(ranges), len(vmas))
    arrays = [np.zeros(room, np.uint64) for _ in range(4)]
    for array, pairs, k in zip(arrays, (ranges, ranges, vmas, vmas), (0, 1, 0, 1), strict=True):
        array[: len(pairs)] = [pair[k] for pair in pairs]
    told = np.array([*(tells or ()), *[0] * (room - len(tells or ()))], np.uint8)
    reader = ChunkReader(buffers, PAGE, tells is not None, pace)
    return reader.chunks(fd, len(ranges), len(vmas), (arrays[0], arrays[1], arrays[2], arrays[3], told), cost)


def reader(fd: int, ranges: Ranges, chunk: int, can_scan: bool = True) -> tuple[native.Reader, Buffers]:
    starts, stops = (np.array([pair[k] for pair in ranges], np.uint64) for k in range(2))
    buffers = Buffers(chunk)
    return native.Reader(
        fd, starts, stops, buffers.entries, buffers.seg_page, buffers.seg_len, PAGE, can_scan
    ), buffers  # fmt: skip


def read(fd: int, ranges: Ranges, chunk: int, can_scan: bool = True) -> tuple[list[tuple[int, int]], native.Reader]:
    """All (page, word) that come, in order, and the reader."""
    source, buffers = reader(fd, ranges, chunk, can_scan)
    found: list[tuple[int, int]] = []
    while used := source.next():
        assert used <= chunk
        lengths = buffers.seg_len[: source.segments].tolist()
        assert sum(lengths) == used
        pages = [page + k for page, n in zip(buffers.seg_page.tolist(), lengths, strict=False) for k in range(n)]
        found += zip(pages, buffers.entries[:used].tolist(), strict=True)
    return found, source


@st.composite
def layouts(draw: st.DrawFn) -> tuple[dict[int, int], list[tuple[int, int]], int]:
    """Words by page, ranges to read, and the length of the file."""
    ranges: list[tuple[int, int]] = []
    at = 0
    for _ in range(draw(st.integers(0, 4))):
        at += draw(st.sampled_from([0, 1, 5, 300]))
        stop = at + draw(st.sampled_from([0, 1, 2, 7, 60]))
        ranges.append((at, stop))
        at = stop
    length = at + draw(st.integers(1, 3))
    words = draw(st.dictionaries(st.integers(0, length - 1), st.integers(1, 2**64 - 1), max_size=30))
    return words, ranges, length


# Made files


@given(layouts(), st.integers(1, 70), st.booleans())
def test_every_entry_comes_once_and_in_order(
    layout: tuple[dict[int, int], list[tuple[int, int]], int], chunk: int, can_scan: bool
) -> None:
    words, ranges, length = layout
    with pagemap(words, length) as fd:
        found, source = read(fd, ranges, chunk, can_scan)
    assert found == [(page, words.get(page, 0)) for start, stop in ranges for page in range(start, stop)]
    assert not source.gone
    assert source.words == len(found)
    assert source.reads >= sum(stop > start for start, stop in ranges)
    assert source.scans == 0


@pytest.mark.parametrize(("filled", "scans"), [(511, 1), (512, 0)])
def test_a_file_that_cannot_be_scanned_is_read(filled: int, scans: int) -> None:
    """As on a kernel before 6.7: tried once, where a read of 4096 entries is less than an eighth full."""
    words = {page: PM.PRESENT | page for page in [*range(filled), 9000, 20_000]}
    with pagemap(words, 30_000) as fd:
        found, source = read(fd, [(0, 25_000), (26_000, 30_000)], 4096)
        assert dict(found) == {page: words.get(page, 0) for page in [*range(25_000), *range(26_000, 30_000)]}
        # The rest is sparse either way, so that one scan is tried in the end.
        assert (source.scans, source.can_scan) == (1, False)
        first, buffers = reader(fd, [(0, 8192)], 4096)
        assert first.next() == 4096
        assert buffers.seg_page[0] == 0
        first.next()
        assert first.scans == scans
        unasked = read(fd, [(0, 25_000)], 4096, can_scan=False)[1]
        assert unasked.scans == 0


@pytest.mark.parametrize("chunk", [1, 7, 50, 64, 4096])
@pytest.mark.parametrize("length", [0, 1, 99, 100, 150])
def test_a_file_that_ends_early_is_of_a_space_that_went(length: int, chunk: int) -> None:
    words = {page: PM.PRESENT | page for page in range(1, length)}
    with pagemap(words, length) as fd:
        found, source = read(fd, [(0, 100), (140, 200), (300, 301)], chunk)
        assert source.gone
        assert [page for page, _ in found] == [page for page in (*range(100), *range(140, 200)) if page < length]
        assert source.next() == 0


def test_an_error_is_raised_as_it_is(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    source, _ = reader(fd, [(0, 10)], 4)
    with pytest.raises(IsADirectoryError, match="pagemap"):
        source.next()
    os.close(fd)


def test_chunks_of_a_space_that_goes_come_before_the_error() -> None:
    buffers, cost = Buffers(4), ReadCost()
    seen = []
    with pagemap({1: 1 << 63 | 5}, 10) as fd:
        chunks = chunks_of(fd, [(0, 20)], buffers, cost)
        for _ in range(3):
            used, _ = next(chunks)
            seen += buffers.entries[:used].tolist()
        with pytest.raises(ProcessLookupError):
            next(chunks)
    assert seen == [0, 1 << 63 | 5] + [0] * 8
    assert (cost.entries, cost.reads, cost.scans) == (10, 3, 0)
    assert cost.longest_ns > 0


def test_costs_add_up() -> None:
    cost = ReadCost(1, 2, 3, 40)
    cost.add(ReadCost(10, 20, 30, 4))
    assert cost == ReadCost(11, 22, 33, 40)


def test_a_cost_is_told_though_reading_was_given_up() -> None:
    cost = ReadCost()
    with pagemap({}, 100) as fd:
        chunks = chunks_of(fd, [(0, 100)], Buffers(10), cost)
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
    assert cost.entries == 10


# Entries of one process


def test_raw_entries(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fakeproc.write_words(tmp_path / "7" / "pagemap", [(2, 5), (4, 1 << 63)], 6)
    procfs = ProcFS(str(tmp_path))
    with procfs.open_process(7) as process:
        assert read_entries(procfs, process, 2 * PAGE, 5 * PAGE, PAGE).tolist() == [5, 0, 1 << 63]
        assert read_entries(procfs, process, 4 * PAGE, 9 * PAGE, PAGE).tolist() == [1 << 63, 0]
        assert read_entries(procfs, process, 4 * PAGE, 4 * PAGE, PAGE).tolist() == []
        for start, stop in ((1, PAGE), (0, 1), (2 * PAGE, PAGE), (-PAGE, PAGE)):
            with pytest.raises(ValueError, match="no ascending multiples"):
                read_entries(procfs, process, start, stop, PAGE)


# Runs


def expanded(runs: Iterator[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """What runs stand for: page and, of the word, what runs keep (the kind and the frame or slot)."""
    out = []
    for page, word, length in runs:
        step = 1 if word & PM.PRESENT else 1 << SWAP_OFFSET_SHIFT
        out += [(page + k, word + k * step) for k in range(length)]
    return [(page, kept_of(word)) for page, word in out]


def kept_of(word: int) -> int:
    return word & (PM.PRESENT | PM.SWAP | PM.GUARD_REGION | PM.FILE | PFRAME_MASK)


frames = st.sampled_from([0, 1, 2, 3, 31, 32, 33, 63, 64, PFRAME_MASK - 1, PFRAME_MASK])
kinds = st.sampled_from(
    [PM.PRESENT, PM.PRESENT, PM.PRESENT | PM.FILE, PM.SWAP, PM.SWAP | PM.GUARD_REGION, PM.SOFT_DIRTY, 0]
)
noise = st.sampled_from([0, 0, 0, PM.SOFT_DIRTY, PM.MMAP_EXCLUSIVE, PM.UFFD_WP])


@st.composite
def stretches(draw: st.DrawFn) -> list[tuple[int, list[int]]]:
    """Stretches of entries, some of them of frames or slots side by side, some where the one before ends."""
    out: list[tuple[int, list[int]]] = []
    page = 0
    for _ in range(draw(st.integers(0, 3))):
        page += draw(st.sampled_from([0, 0, 1, 1000]))
        words: list[int] = []
        for _ in range(draw(st.integers(0, 4))):
            kind, frame, step = draw(kinds), draw(frames), draw(st.sampled_from([0, 1, 32]))
            words += [kind | draw(noise) | (frame + k * step) & PFRAME_MASK for k in range(draw(st.integers(1, 4)))]
        out.append((page, words))
        page += len(words)
    return out


@given(stretches())
def test_runs_say_what_the_entries_say(parts: list[tuple[int, list[int]]]) -> None:
    entries = np.array([word for _, words in parts for word in words], np.uint64)
    room = len(entries)
    page, word, length = np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.uint32)
    n = native.compress(
        entries,
        np.array([page for page, _ in parts], np.uint64),
        np.array([len(words) for _, words in parts], np.uint32),
        len(parts), page, word, length,
    )  # fmt: skip
    runs = list(zip(page[:n].tolist(), word[:n].tolist(), length[:n].tolist(), strict=True))
    pages = [(first + k, word) for first, words in parts for k, word in enumerate(words)]
    assert expanded(iter(runs)) == [(at, kept_of(word)) for at, word in pages if word & (PM.PRESENT | PM.SWAP)]
    # As few runs as can be: where one ends, the next does not go on.
    for (at, first, size), (next_at, next_word, _) in pairwise(runs):
        step = 1 if first & PM.PRESENT else 1 << SWAP_OFFSET_SHIFT
        goes_on = at + size == next_at and kept_of(first) + size * step == kept_of(next_word)
        assert not goes_on


P, F, S, G = PM.PRESENT, PM.PRESENT | PM.FILE, PM.SWAP, PM.SWAP | PM.GUARD_REGION


@pytest.mark.parametrize(
    ("entries", "runs"),
    [
        ([P | 1, P | 2, P | 3], 1),
        ([P | 1 | PM.SOFT_DIRTY, P | 2, P | 3 | PM.MMAP_EXCLUSIVE], 1),
        ([P | 1, P | 3], 2),
        ([P | 2, P | 1], 2),
        ([P | 1, P | 1], 2),
        ([P | 1, F | 2], 2),
        ([F | 1, F | 2], 1),
        ([P | 1, S | 2], 2),
        ([S | 32, S | 64], 1),
        ([S | 32, S | 33], 2),  # another swap file
        ([S | 32, G | 64], 2),
        ([S | 32, P | 64], 2),
        ([P | 1, 0, P | 3], 2),
        ([P | 1, PM.SOFT_DIRTY, P | 2], 2),
        ([PM.SOFT_DIRTY, 0], 0),
        ([P | PFRAME_MASK, P | 0], 2),
    ],
)
def test_what_goes_on_in_one_run(entries: list[int], runs: int) -> None:
    n = len(entries)
    words, pages = np.array(entries, np.uint64), np.array([100], np.uint64)
    out = np.zeros(n, np.uint64), np.zeros(n, np.uint64), np.zeros(n, np.uint32)
    assert native.compress(words, pages, np.array([n], np.uint32), 1, *out) == runs


@pytest.mark.parametrize(("second", "runs"), [(12, 1), (13, 2), (5, 2)])
def test_a_run_goes_on_over_stretches_side_by_side(second: int, runs: int) -> None:
    words = np.array([P | 1, P | 2, P | 3, P | 4], np.uint64)
    out = np.zeros(4, np.uint64), np.zeros(4, np.uint64), np.zeros(4, np.uint32)
    pages, lengths = np.array([10, second], np.uint64), np.array([2, 2], np.uint32)
    assert native.compress(words, pages, lengths, 2, *out) == runs
    assert out[2][:runs].tolist() == ([4] if runs == 1 else [2, 2])


def test_runs_are_gathered_over_chunks() -> None:
    words = {page: PM.PRESENT | 100 + page for page in range(5, 25)}
    with pagemap(words, 40) as fd:
        collector, buffers = RunCollector(), Buffers(8)
        for used, segments in chunks_of(fd, [(0, 40)], buffers, ReadCost()):
            collector.add(buffers, used, segments)
    runs = collector.runs()
    columns = (runs.page.tolist(), runs.word.tolist(), runs.length.tolist())
    assert expanded(zip(*columns, strict=True)) == list(words.items())
    assert len(runs.page) == 4
    assert len(RunCollector().runs().page) == 0


# The native module, given what it must refuse


def two_of(dtype: type[np.generic]) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    return np.zeros(2, dtype)


def test_arrays_of_another_kind_are_refused() -> None:
    u8, u4 = np.uint64, np.uint32
    arguments = [0, two_of(u8), two_of(u8), two_of(u8), two_of(u8), two_of(u4), PAGE]
    refuses_spoiled(native.Reader, arguments, written=[1, 2, 3, 4, 5])
    arguments = [two_of(u8), two_of(u8), two_of(u4), 1, two_of(u8), two_of(u8), two_of(u4)]
    refuses_spoiled(native.compress, arguments, written=[4, 5, 6])
    make: Any = native.Reader
    arguments = [0, two_of(u8), two_of(u8), two_of(u8), two_of(u8), two_of(u4), PAGE, True]
    vmas = [two_of(u8), two_of(u8), two_of(np.uint8)]
    for k in range(3):
        for bad in (vmas[k].astype(np.float64), np.zeros((2, 2), vmas[k].dtype), np.zeros(4, vmas[k].dtype)[::2]):
            with pytest.raises(ValueError, match=r"dtype mismatch|number of dimensions|C-contiguous"):
                make(*arguments, *vmas[:k], bad, *vmas[k + 1 :])


@pytest.mark.parametrize(
    ("lengths", "page_size", "reason"),
    [
        ((2, 1, 4, 4, 4), PAGE, "starts and stops"),
        ((1, 1, 0, 4, 4), PAGE, "entries is empty"),
        ((1, 1, 4, 3, 4), PAGE, "less room"),
        ((1, 1, 4, 4, 3), PAGE, "less room"),
        ((1, 1, 4, 4, 4), 0, "page_size"),
    ],
)
def test_a_reader_without_room_is_refused(lengths: tuple[int, ...], page_size: int, reason: str) -> None:
    arrays = [np.zeros(n, dtype) for n, dtype in zip(lengths, ["u8"] * 4 + ["u4"], strict=True)]
    make: Any = native.Reader
    with pytest.raises(ValueError, match=reason):
        make(0, *arrays, page_size)


def test_a_reader_that_was_not_made_reads_nothing() -> None:
    assert native.Reader.__new__(native.Reader).next() == 0
    with pytest.raises(ValueError, match="fewer ranges"):
        native.Reader.__new__(native.Reader).aim(0, 1, 0)


@pytest.mark.parametrize(
    ("segments", "lengths", "room", "reason"),
    [
        (3, [1, 1], 4, "fewer segments"),
        (2, [2, 3], 4, "longer than the entries"),
        (2, [2**32 - 1, 2**32 - 1], 4, "longer than the entries"),
        (1, [4, 9], 3, "less room"),
    ],
)
def test_segments_that_do_not_fit_are_refused(segments: int, lengths: list[int], room: int, reason: str) -> None:
    entries, seg_page = np.full(4, 1 << 63, np.uint64), np.zeros(2, np.uint64)
    out = np.zeros(room, np.uint64), np.zeros(room, np.uint64), np.zeros(room, np.uint32)
    with pytest.raises(ValueError, match=reason):
        native.compress(entries, seg_page, np.array(lengths, np.uint32), segments, *out)


def test_buffers_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="0 entries"):
        Buffers(0)
