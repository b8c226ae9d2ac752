"""Large folios under mappings: against dictionaries of pages, and by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facttables import table_of
from pagewalk.abi import KPF
from pagewalk.folios import folio_cover
from pagewalk.pages import FrameRuns, PageFacts, find_torn
from pagewalk.tally import ANON, FILE, HUGETLB, SHMEM, SPECIAL, ZERO

N_FRAMES = 96
KIND_FLAGS = {
    ANON: KPF.ANON | KPF.THP,
    FILE: KPF.THP,
    SHMEM: KPF.SWAPBACKED | KPF.THP,
    HUGETLB: KPF.HUGE,
    ZERO: KPF.ZERO_PAGE | KPF.THP,
    SPECIAL: KPF(0),  # a driver's compound page: no KPF_THP
}
# What is counted: by VMA, kind and order, pages of whole folios aligned, not aligned, and of folios in part.
Counts = dict[tuple[int, int, int], tuple[int, int, int]]


@dataclass
class Frames:
    """All frames of a small machine, in folios."""

    head: list[int]  # of each frame's folio
    order: list[int]
    kind: list[int]

    @classmethod
    def of(cls, folios: list[tuple[int, int]]) -> Frames:
        """Lay folios (order, kind) out one after the other, each at a multiple of its size, single frames between."""
        made = cls([], [], [])
        for order, kind in folios:
            while len(made.head) % (1 << order):
                made.add(0, FILE)
            made.add(order, kind)
        while len(made.head) < N_FRAMES:
            made.add(0, ANON)
        return made

    def add(self, order: int, kind: int) -> None:
        head = len(self.head)
        for column, value in ((self.head, head), (self.order, order), (self.kind, kind)):
            column.extend([value] * (1 << order))

    def flags(self, pfn: int) -> int:
        if not self.order[pfn]:
            return int(KIND_FLAGS[self.kind[pfn]] & ~(KPF.THP | KPF.HUGE))
        place = KPF.COMPOUND_HEAD if self.head[pfn] == pfn else KPF.COMPOUND_TAIL
        return int(KIND_FLAGS[self.kind[pfn]] | place)


VMA = dict[int, int]  # page -> frame


def runs(vmas: list[VMA]) -> PageFacts:
    """The pages as runs, cut at every third page whether that is needed or not: pagemap's other bits cut them."""
    rows: list[list[int]] = []
    for number, vma in enumerate(vmas):
        for page in sorted(vma):
            last = rows[-1] if rows else None
            follows = last and [last[0], last[1] + last[3], last[2] + last[3]] == [number, page, vma[page]]
            if last and follows and page % 3:
                last[3] += 1
            else:
                rows.append([number, page, vma[page], 1])
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)] or [np.zeros(0, np.int64)] * 4
    return PageFacts(columns[0], columns[1].astype(np.uint64), columns[2], columns[3])


def cover(frames: Frames, vmas: list[VMA], others: set[int] = frozenset()) -> Counts:  # type: ignore[assignment]
    """What folio_cover says; ``others`` are frames of processes whose pages were not kept."""
    owned = sorted({pfn for vma in vmas for pfn in vma.values()} | set(others))
    kinds = sorted({(frames.kind[pfn], frames.flags(pfn)) for pfn in owned})
    table = table_of([(((0, 1),), kind, 1, flags, 1) for kind, flags in kinds])
    row = [kinds.index((frames.kind[pfn], frames.flags(pfn))) for pfn in owned]
    starts = [k for k in range(len(owned)) if not k or owned[k - 1] + 1 != owned[k] or row[k - 1] != row[k]]
    read = FrameRuns(
        np.array([owned[k] for k in starts], np.int64),
        np.diff([*starts, len(owned)]).astype(np.int64),
        np.array([row[k] for k in starts], np.int64),
    )
    asked: list[int] = []

    def flags_of(pfns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        asked.extend(pfns.tolist())
        return np.array([frames.flags(pfn) if pfn < N_FRAMES else 0 for pfn in pfns.tolist()], np.uint64)

    pages = runs(vmas)
    read = find_torn(read, pages, table.flags, flags_of)
    assert not set(asked) & set(owned), "only what no row tells is read again"
    found = folio_cover(pages, read, table)
    columns = (found.vma, found.kind, found.order, found.aligned, found.unaligned, found.partial)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert [row[:3] for row in rows] == sorted({row[:3] for row in rows})
    assert len(found) == len(rows)
    return {row[:3]: row[3:] for row in rows}


def expected(frames: Frames, vmas: list[VMA]) -> Counts:
    """The same, folio by folio and page by page."""
    counts: Counter[tuple[int, int, int, int]] = Counter()
    for number, vma in enumerate(vmas):
        done: set[int] = set()
        for page in sorted(vma):
            head, order = frames.head[vma[page]], frames.order[vma[page]]
            kind, size = frames.kind[head], 1 << order
            if page in done or not order or kind not in (ANON, FILE, SHMEM, HUGETLB):
                continue
            whole = range(page, page + size)
            if vma[page] == head and all(vma.get(at) == head + at - page for at in whole):
                done.update(whole)
                counts[number, kind, order, 0 if page % size == 0 else 1] += size
            else:
                counts[number, kind, 0, 2] += 1
    keys = {key[:3] for key in counts}
    return {key: (counts[*key, 0], counts[*key, 1], counts[*key, 2]) for key in keys}


@st.composite
def mapped(draw: st.DrawFn) -> tuple[Frames, list[VMA], set[int]]:
    """Folios, and VMAs that map stretches of frames at addresses of any alignment, some whole and some not."""
    kinds = st.sampled_from([ANON, ANON, FILE, SHMEM, HUGETLB, ZERO, SPECIAL])
    frames = Frames.of(draw(st.lists(st.tuples(st.sampled_from([0, 1, 2, 2, 3, 4]), kinds), max_size=8)))
    frames = Frames(frames.head[:N_FRAMES], frames.order[:N_FRAMES], frames.kind[:N_FRAMES])
    if frames.head[-1] + (1 << frames.order[-1]) != N_FRAMES:  # cut off at the end of RAM, as none is
        frames.order = [0 if head == frames.head[-1] else o for head, o in zip(frames.head, frames.order, strict=True)]
    vmas = []
    for _ in range(draw(st.integers(0, 4))):
        vma, page = {}, draw(st.integers(16, 40))
        for _ in range(draw(st.integers(0, 5))):
            page += draw(st.sampled_from([0, 0, 1, 3]))
            first = draw(st.one_of(st.sampled_from(frames.head), st.integers(0, N_FRAMES - 1)))
            for pfn in range(first, min(first + draw(st.integers(1, 20)), N_FRAMES)):
                vma[page] = pfn
                page += 1
        vmas.append(vma)
    return frames, vmas, draw(st.sets(st.integers(0, N_FRAMES - 1), max_size=20))


@given(mapped())
def test_pages_are_counted_by_the_folio_they_lie_in(made: tuple[Frames, list[VMA], set[int]]) -> None:
    frames, vmas, others = made
    assert cover(frames, vmas, others) == expected(frames, vmas)


def straight(page: int, pfn: int, length: int) -> VMA:
    return {page + k: pfn + k for k in range(length)}


def test_whole_folios_aligned_and_not() -> None:
    frames = Frames.of([(2, ANON), (2, ANON), (3, FILE)])
    assert cover(frames, [straight(16, 0, 16)]) == {(0, ANON, 2): (8, 0, 0), (0, FILE, 3): (8, 0, 0)}
    assert cover(frames, [straight(20, 0, 16)]) == {(0, ANON, 2): (8, 0, 0), (0, FILE, 3): (0, 8, 0)}
    assert cover(frames, [straight(17, 0, 16)]) == {(0, ANON, 2): (0, 8, 0), (0, FILE, 3): (0, 8, 0)}


def test_a_folio_mapped_in_part_is_partial_whoever_has_the_rest() -> None:
    """Of a folio of 16 the first 4 look like a whole one of 4, unless it is asked what comes behind."""
    frames = Frames.of([(4, ANON)])
    first = [straight(16, 0, 4)]
    for others in (set[int](), {4}, {9}, set(range(4, 16))):
        assert cover(frames, first, others) == {(0, ANON, 0): (0, 0, 4)}
    assert cover(frames, [straight(16, 4, 12)]) == {(0, ANON, 0): (0, 0, 12)}
    # In two VMAs, or with a hole between, it is one folio no more.
    assert cover(frames, [straight(16, 0, 8), straight(24, 8, 8)]) == {
        (0, ANON, 0): (0, 0, 8),
        (1, ANON, 0): (0, 0, 8),
    }
    assert cover(frames, [straight(16, 0, 8) | straight(25, 8, 8)]) == {(0, ANON, 0): (0, 0, 16)}


def test_a_folio_out_of_order_is_partial() -> None:
    frames = Frames.of([(2, ANON)])
    assert cover(frames, [{16: 0, 17: 1, 18: 3, 19: 2}]) == {(0, ANON, 0): (0, 0, 4)}


def test_what_is_no_large_folio_is_not_counted() -> None:
    frames = Frames.of([(3, ZERO), (3, SPECIAL)])
    assert cover(frames, [straight(16, 0, N_FRAMES)]) == {}


def test_two_heads_in_a_row_are_no_folio() -> None:
    """The frames changed while they were read: nothing whole is made of them."""
    flags = int(KPF.ANON | KPF.THP | KPF.COMPOUND_HEAD)
    table = table_of([(((0, 1),), ANON, 1, flags, 4)])
    one = np.zeros(1, np.int64)
    pages = PageFacts(one, np.array([16], np.uint64), one, one + 4)
    found = folio_cover(pages, FrameRuns(one, one + 4, one), table)
    assert (found.order.tolist(), found.partial.tolist()) == ([0], [4])


def test_nothing_was_kept() -> None:
    none = np.zeros(0, np.int64)
    runs_of_nothing = FrameRuns(none, none, none)
    pages = PageFacts(none, none.astype(np.uint64), none, none)
    table = table_of([])
    assert len(folio_cover(pages, runs_of_nothing, table)) == 0
    assert find_torn(runs_of_nothing, pages, table.flags, lambda pfns: pfns.astype(np.uint64)) is runs_of_nothing
