"""Which pages are kept, and what lies between VMAs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.abi import PFRAME_MASK, PM, SWAP_OFFSET_SHIFT, TOLD_ANON
from pagewalk.pagemap import Buffers, ReadCost, RunCollector, Wanted
from pagewalk.vmas import TELLS_ANON
from test_pagemap import chunks_of, pagemap

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
        for used, segments in chunks_of(fd, [(0, 80)], buffers, ReadCost()):
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


# What lies between VMAs, and what these tell

placed = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(0, 3)), max_size=5)


def at(parts: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Gaps and lengths as ranges."""
    out, page = [], 3
    for gap, length, _ in parts:
        out.append((page + gap, page + gap + length))
        page += gap + length
    return out


@given(placed, placed, st.integers(1, 9), st.booleans())
def test_entries_bear_what_their_vma_tells(
    vmas: list[tuple[int, int, int]], ranges: list[tuple[int, int, int]], chunk: int, telling: bool
) -> None:
    """Against a table of pages: nothing is left outside of VMAs, and bit 56 only where it can be believed."""
    told = {
        page: tells for (start, stop), (*_, tells) in zip(at(vmas), vmas, strict=True) for page in range(start, stop)
    }
    noise = TOLD_ANON if telling else 0  # a kernel that has come to set such a bit
    words = {page: int(PM.PRESENT | PM.MMAP_EXCLUSIVE | noise | page) for page in range(80)}

    def of(page: int) -> int:
        if page not in told:
            return 0
        if not telling:
            return words[page]
        word = words[page] & ~TOLD_ANON | told[page] << 59
        return word if told[page] & TELLS_ANON else word & ~PM.MMAP_EXCLUSIVE

    seen = {}
    with pagemap(words, 80) as fd:
        buffers = Buffers(chunk)
        tells = [tells for *_, tells in vmas] if telling else None
        for used, segments in chunks_of(fd, at(ranges), buffers, ReadCost(), at(vmas), tells):
            lengths = buffers.seg_len[:segments].tolist()
            pages = [page + k for page, n in zip(buffers.seg_page.tolist(), lengths, strict=False) for k in range(n)]
            seen |= dict(zip(pages, buffers.entries[:used].tolist(), strict=True))
    assert seen == {page: of(page) for start, stop in at(ranges) for page in range(start, stop)}


def test_a_mapping_that_came_after_maps_was_read_is_nobodys() -> None:
    """Gaps are read too where that is cheaper than another read: what is there is in no line of maps."""
    words = {page: PM.PRESENT | 100 + page for page in range(8)}
    with pagemap(words, 8) as fd:
        buffers = Buffers(8)
        (told,) = chunks_of(fd, [(0, 8)], buffers, ReadCost(), [(0, 2), (5, 7)])
    assert told == (8, 1)
    assert np.flatnonzero(buffers.entries).tolist() == [0, 1, 5, 6]
