"""Where frames are mapped, page by page: against dictionaries of pages."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
from model import PAGE, Vma
from pagewalk.abi import PM
from pagewalk.frames import FrameRows
from pagewalk.mappings import KeptPages
from pagewalk.pagemap import PageRuns
from pagewalk.pages import FrameRuns, PageFacts, frame_runs, page_facts
from pagewalk.vmas import parse_maps

PRESENT, SWAP = int(PM.PRESENT), int(PM.SWAP)


@st.composite
def spaces(draw: st.DrawFn) -> tuple[list[Vma], dict[int, int]]:
    """VMAs, some without a gap between, and the entries of their pages."""
    vmas, words, first = [], {}, 16
    for number in range(draw(st.integers(0, 5))):
        first += draw(st.sampled_from([0, 0, 3]))
        pages = draw(st.integers(1, 6))
        vmas.append(Vma(first, pages, inode=number))
        base = draw(st.integers(0, 40))
        for page in range(first, first + pages):
            # Frames that follow each other, also from one VMA to the next: that is one run.
            word = draw(st.sampled_from([None, PRESENT | (page + base), PRESENT | (page + 7), SWAP | page << 5]))
            if word is not None:
                words[page] = word
        first += pages
    return vmas, words


def runs_of(words: dict[int, int]) -> PageRuns:
    """The longest runs there are, whatever the VMAs."""
    runs: list[list[int]] = []
    for page in sorted(words):
        step = 1 if words[page] & PRESENT else 1 << 5
        last = runs[-1] if runs else None
        if last and last[0] + last[2] == page and last[1] + step * last[2] == words[page]:
            last[2] += 1
        else:
            runs.append([page, words[page], 1])
    columns = list(zip(*runs, strict=True)) or [(), (), ()]
    return PageRuns(np.array(columns[0], np.uint64), np.array(columns[1], np.uint64), np.array(columns[2], np.uint32))


def kept(number: int, vmas: list[Vma], words: dict[int, int]) -> KeptPages:
    text = b"".join(fakeproc.maps_line(vma) for vma in vmas)
    return KeptPages(number, parse_maps(text), runs_of(words))


@given(st.lists(spaces(), max_size=4))
def test_every_present_page_is_in_its_vma(made: list[tuple[list[Vma], dict[int, int]]]) -> None:
    facts = page_facts([kept(number, *space) for number, space in enumerate(made)], PAGE)
    found = {
        (vma, page + k): pfn + k
        for vma, page, pfn, length in zip(
            facts.vma.tolist(), facts.page.tolist(), facts.pfn.tolist(), facts.length.tolist(), strict=True
        )
        for k in range(length)
    }
    expected, before = {}, 0
    for vmas, words in made:
        for page, word in words.items():
            if word & PRESENT:
                row = next(k for k, vma in enumerate(vmas) if vma.first <= page < vma.first + vma.pages)
                expected[before + row, page] = word & ~PRESENT
        before += len(vmas)
    assert found == expected
    assert facts.length.sum() == len(expected)
    for pfn in {0, 30, *expected.values()}:
        where = {(vma, page) for (vma, page), frame in expected.items() if frame == pfn}
        rows, pages = facts.holding(pfn)
        assert set(zip(rows.tolist(), pages.tolist(), strict=True)) == where


@given(st.lists(st.integers(0, 3), max_size=40), st.dictionaries(st.integers(50, 90), st.integers(4, 6), max_size=3))
def test_the_row_of_each_frame(row_of: list[int], device: dict[int, int]) -> None:
    nothing: Any = np.zeros(0)
    rows = FrameRows(nothing, nothing, nothing, nothing, nothing, nothing, np.array(row_of, np.uint32), 0, 0)
    runs = frame_runs(rows, device)
    asked = np.arange(100)
    expected = [row_of[pfn] - 1 if pfn < len(row_of) else device.get(pfn, -1) for pfn in range(100)]
    assert runs.rows_of(asked).tolist() == expected
    assert (np.diff(runs.pfn) > 0).all()
    assert int(runs.length.sum()) == sum(row >= 0 for row in expected)


def test_nothing_kept() -> None:
    assert len(page_facts([], PAGE)) == 0
    none = np.zeros(0, np.int64)
    assert FrameRuns(none, none, none).rows_of(np.array([0, 5])).tolist() == [-1, -1]
    assert len(PageFacts(none, none.astype(np.uint64), none, none).holding(3)[0]) == 0
