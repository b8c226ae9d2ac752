"""Which pages are kept, and what lies between VMAs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pagewalk._native import pagemap as native
from pagewalk.abi import PFRAME_MASK, PM, SWAP_OFFSET_SHIFT
from pagewalk.pagemap import Buffers, ReadCost, RunCollector, Wanted, read_chunks
from test_pagemap import PAGE, pagemap

# Keeping some pages only


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=3),
    st.sets(st.integers(90, 170), max_size=4),
    st.integers(1, 16),
)
def test_only_runs_with_a_page_that_is_wanted_are_kept(
    ranges: list[tuple[int, int]], pfns: set[int], chunk: int
) -> None:
    words = {page: PM.PRESENT | (100 + page if page % 10 < 6 else 90 + page) for page in range(2, 60) if page % 7}
    words |= {page: PM.SWAP | page << SWAP_OFFSET_SHIFT for page in range(5, 60, 14)}
    wanted_pages = {page for start, pages in ranges for page in range(start, start + pages)}
    starts = sorted(page for page in wanted_pages if page - 1 not in wanted_pages)
    stops = sorted(page + 1 for page in wanted_pages if page + 1 not in wanted_pages)
    wanted = Wanted(*(np.array(column, np.uint64) for column in (starts, stops, sorted(pfns))))
    with pagemap(words, 80) as fd:
        some, everything, buffers = RunCollector(wanted), RunCollector(), Buffers(chunk)
        whole = np.array([0], np.uint64), np.array([80], np.uint64)
        for used, segments in read_chunks(fd, *whole, buffers, ReadCost(), PAGE):
            some.add(buffers, used, segments)
            everything.add(buffers, used, segments)
    kept, there = (
        list(zip(*(column.tolist() for column in (runs.page, runs.word, runs.length)), strict=True))
        for runs in (some.runs(), everything.runs())
    )
    assert kept == [
        (page, word, length)
        for page, word, length in there
        if any(page + k in wanted_pages for k in range(length))
        or (word & PM.PRESENT and any((word & PFRAME_MASK) + k in pfns for k in range(length)))
    ]


# What lies between VMAs


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6)), max_size=5),
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 7)), max_size=4),
    st.sampled_from([2**64 - 1, int(PM.MMAP_EXCLUSIVE)]),
)
def test_bits_are_cleared_outside_of_the_ranges(
    vmas: list[tuple[int, int]], stretches: list[tuple[int, int]], bits: int
) -> None:
    """Gaps and lengths of both: against a set of pages."""

    def placed(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
        out, at = [], 3
        for gap, length in parts:
            out.append((at + gap, length))
            at += gap + length
        return out

    inside = {page for start, length in placed(vmas) for page in range(start, start + length)}
    pages = [page for start, length in placed(stretches) for page in range(start, start + length)]
    words = [PM.PRESENT | PM.MMAP_EXCLUSIVE | page for page in pages]
    entries = np.array([*words, 77], np.uint64)  # what is behind the segments is not looked at
    seg_page, seg_len = (
        np.array([part[k] for part in placed(stretches)], kind) for k, kind in enumerate((np.uint64, np.uint32))
    )
    starts, stops = (np.array([start + k * length for start, length in placed(vmas)], np.uint64) for k in range(2))
    native.clear_outside(entries, seg_page, seg_len, len(stretches), starts, stops, bits)
    assert entries.tolist() == [
        *(word if page in inside else word & ~bits for page, word in zip(pages, words, strict=True)),
        77,
    ]


def test_a_mapping_that_came_after_maps_was_read_is_nobodys() -> None:
    """Gaps are read too where that is cheaper than another read: what is there is in no line of maps."""
    words = {page: PM.PRESENT | 100 + page for page in range(8)}
    ranges = np.array([0], np.uint64), np.array([8], np.uint64)
    within = np.array([0, 5], np.uint64), np.array([2, 7], np.uint64)
    with pagemap(words, 8) as fd:
        buffers = Buffers(8)
        (told,) = read_chunks(fd, *ranges, buffers, ReadCost(), PAGE, within=within)
    assert told == (8, 1)
    assert np.flatnonzero(buffers.entries).tolist() == [0, 1, 5, 6]
