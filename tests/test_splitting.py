"""A large pagemap in parts: the same entries, in the same order, whatever the threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk import reading, splitting
from pagewalk.abi import PM
from pagewalk.pagemap import FAST, Buffers, ChunkReader, Pace, PlanArrays, ReadCost
from pagewalk.splitting import SPLIT_FROM, chunks_of_parts, is_split
from test_pagemap import PAGE, pagemap
from test_reading import Done, Injecting, made, template, truth_of  # noqa: F401 (two are fixtures)


def arrays_of(ranges: list[tuple[int, int]], vmas: list[tuple[int, int]] | None = None) -> PlanArrays:
    inside = ranges if vmas is None else vmas
    columns = [np.array([pair[k] for pair in pairs], np.uint64) for pairs in (ranges, inside) for k in range(2)]
    return columns[0], columns[1], columns[2], columns[3], np.ones(len(inside), np.uint8)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parts of a few pages; and no descriptor and no thread is left behind."""
    monkeypatch.setattr(splitting, "PART", 7)
    before = os.listdir("/proc/self/fd"), threading.active_count()
    yield
    assert (os.listdir("/proc/self/fd"), threading.active_count()) == before


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 30)), max_size=6),
    st.integers(1, 5),
    st.integers(1, 12),
    st.booleans(),
)
def test_parts_are_the_whole(parts: list[tuple[int, int]], threads: int, chunk: int, telling: bool) -> None:
    ranges, at = [], 0
    for gap, pages in parts:
        ranges.append((at + gap, at + gap + pages))
        at += gap + pages
    vmas = [(start, stop - 1) for start, stop in ranges if stop - start > 1]
    arrays = arrays_of(ranges, vmas)
    words = {page: int(PM.PRESENT | PM.MMAP_EXCLUSIVE | page + 1) for page in range(at)}
    with pagemap(words, at + 1) as fd:
        one, many = ReadCost(), ReadCost()
        reader, pace = ChunkReader(Buffers(4096), PAGE, telling), Pace(chunk)
        whole = [
            word
            for used, _ in reader.chunks(fd, len(ranges), len(vmas), arrays, one)
            for word in reader.buffers.entries[:used].tolist()
        ]
        split = [
            word
            for entries in chunks_of_parts(fd, len(ranges), len(vmas), arrays, many, PAGE, telling, pace, threads)
            for word in entries.tolist()
        ]
    assert split == whole
    assert many.entries == one.entries == sum(pages for _, pages in parts)


def test_no_part_is_too_long_and_none_is_empty() -> None:
    parts = splitting._parts(arrays_of([(0, 3), (10, 40), (50, 51), (60, 66)]), 4)
    pages = [int((stops - starts).sum()) for starts, stops in parts]
    assert pages == [7, 7, 7, 7, 7, 5]
    flat = [pair for starts, stops in parts for pair in zip(starts.tolist(), stops.tolist(), strict=True)]
    assert all(stop <= start for (_, stop), (start, _) in pairwise(flat))


@pytest.mark.parametrize("threads", [1, 3])
def test_one_that_goes_meanwhile(threads: int) -> None:
    """What there was comes first."""
    cost, seen = ReadCost(), 0
    with pagemap({page: page + 1 for page in range(30)}, 30) as fd:
        chunks = chunks_of_parts(fd, 1, 1, arrays_of([(0, 100)]), cost, PAGE, False, FAST, threads)
        with pytest.raises(ProcessLookupError):  # noqa: PT012 (what comes before it counts)
            for entries in chunks:
                seen += len(entries)
    assert seen == 30


def test_giving_up_ends_the_threads() -> None:
    with pagemap({}, 10_000) as fd:
        chunks = chunks_of_parts(fd, 1, 1, arrays_of([(0, 10_000)]), ReadCost(), PAGE, False, FAST, 3)
        assert len(next(chunks)) == 7
        chunks.close()  # type: ignore[attr-defined]


def test_which_are_split() -> None:
    dense, sparse = arrays_of([(0, 2 * SPLIT_FROM)]), arrays_of([(0, 2 * SPLIT_FROM), (1 << 30, 1 << 31)])
    assert is_split(SPLIT_FROM, dense, 1, 2)
    assert not is_split(SPLIT_FROM, dense, 1, 1)
    assert not is_split(SPLIT_FROM - 1, dense, 1, 4)
    assert is_split(SPLIT_FROM, sparse, 1, 2)
    assert not is_split(SPLIT_FROM, sparse, 2, 2), "scans take long strides there"


# In a walk


def test_large_ones_are_read_in_parts(
    made: Injecting,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splitting, "PART", 5)
    monkeypatch.setattr(reading, "is_split", lambda *_: True)
    parts: list[int] = []

    def noted(*arguments: Any) -> Iterator[Any]:
        for entries in splitting.chunks_of_parts(*arguments):
            parts.append(len(entries))
            yield entries

    monkeypatch.setattr(reading, "chunks_of_parts", noted)
    done = Done(made, threads=3, chunk=8)
    assert done.owners() == truth_of()
    assert parts
    assert max(parts) <= 5
    assert done.reader.cost.entries == sum(parts)
