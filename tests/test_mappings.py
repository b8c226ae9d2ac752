"""The pages of VMAs, counted by row of the fact table: against a walk over single pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
from model import PAGE, Vma
from pagewalk import mappings
from pagewalk.abi import PM
from pagewalk.frames import FrameRows
from pagewalk.mappings import KeptPages, MappingFacts, mapping_facts
from pagewalk.ownership import Ownership
from pagewalk.pagemap import Buffers, PageRuns, RunCollector
from pagewalk.smaps import parse_smaps
from pagewalk.tally import Tabulated, tabulate
from pagewalk.vmas import parse_maps

N_FRAMES = 20
# A VMA: gap to the one before, pages, and entries by page within.
Plan = Sequence[tuple[int, int, dict[int, int]]]

SWAP, PRESENT = int(PM.SWAP), int(PM.PRESENT)
# Guard regions, markers and pages on the move: neither frames nor slots.
NOTHING = [
    SWAP | PM.GUARD_REGION | 4 << 5 | 31,
    SWAP | PM.GUARD_REGION | 3,
    SWAP | 1 << 5 | 31,
    SWAP | 9 << 5 | 25,
    SWAP | 22,
    int(PM.SOFT_DIRTY),
]
word = st.one_of(
    st.integers(1, N_FRAMES - 1).map(lambda pfn: PRESENT | pfn),
    st.integers(1, N_FRAMES - 1).map(lambda pfn: PRESENT | PM.FILE | PM.SOFT_DIRTY | pfn),
    st.sampled_from([N_FRAMES, N_FRAMES + 1, 1 << 40]).map(lambda pfn: PRESENT | PM.FILE | pfn),
    st.tuples(st.sampled_from([0, 21]), st.integers(0, 4)).map(lambda slot: SWAP | slot[1] << 5 | slot[0]),
    st.sampled_from(NOTHING),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    plan = []
    for _ in range(draw(st.integers(0, 4))):
        pages = draw(st.integers(1, 9))
        entries = draw(st.dictionaries(st.integers(0, pages - 1), word))
        if draw(st.booleans()):  # frames side by side, which are one run
            entries |= {k: PRESENT | 1 + (draw(st.integers(1, 9)) + k) % (N_FRAMES - 1) for k in range(pages)}
        plan.append((draw(st.sampled_from([0, 0, 1, 300])), pages, entries))
    return plan


def vmas_of(plan: Plan) -> tuple[list[Vma], dict[int, int]]:
    """The VMAs, and the entries by page."""
    vmas, words, first = [], {}, 16
    for number, (gap, pages, entries) in enumerate(plan):
        first += gap
        vmas.append(Vma(first, pages, inode=number, name=b"/m%d" % number, offset=number * PAGE))
        words.update({first + k: value for k, value in entries.items()})
        first += pages
    return vmas, words


def runs_of(words: dict[int, int]) -> PageRuns:
    collector, buffers = RunCollector(), Buffers(max(len(words), 1))
    for k, page in enumerate(sorted(words)):
        buffers.entries[k], buffers.seg_page[k], buffers.seg_len[k] = words[page], page, 1
    collector.add(buffers, len(words), len(words))
    return collector.runs()


def smaps_of(number: int) -> bytes:
    """What smaps says below the line of a VMA."""
    return f"Referenced: {number + 1:8} kB\nProtectionKey: {number}\nVmFlags: f{number} \n".encode()


class Made:
    """Address spaces folded, and their pages counted."""

    def __init__(self, plans: Sequence[Plan], kept: Sequence[int] | None = None) -> None:
        self.ownership = Ownership(N_FRAMES)
        self.spaces = [vmas_of(plan) for plan in plans]
        for _, words in self.spaces:
            self.ownership.begin()
            self.ownership.fold(np.array([words[page] for page in sorted(words)], np.uint64))
            self.ownership.end()
        owned = np.flatnonzero(self.ownership.owner)
        n = len(owned)
        row_of = np.zeros(N_FRAMES, np.uint32)
        row_of[owned] = np.arange(1, n + 1)  # a row of its own for every frame
        zeros = np.zeros(n, np.uint64)
        self.rows = FrameRows(
            self.ownership.owner[owned], zeros, zeros, zeros, np.zeros(n, np.int64), np.ones(n, np.int64), row_of, 0, 0
        )
        self.kept = list(range(len(plans))) if kept is None else list(kept)
        space_of = np.arange(len(plans), dtype=np.int64)
        self.tabulated: Tabulated = tabulate(self.ownership, self.rows, space_of)

    def facts(self) -> MappingFacts:
        pages = []
        for number in self.kept:
            vmas, words = self.spaces[number]
            text = b"".join(fakeproc.maps_line(vma) for vma in vmas)
            said = parse_smaps(b"".join(fakeproc.maps_line(vma) + smaps_of(number) for vma in vmas[1:]))
            pages.append(KeptPages(number, parse_maps(text), runs_of(words), said))
        return mapping_facts(
            self.ownership, self.rows, self.tabulated.new_of, self.tabulated.row_of_device, pages, PAGE
        )

    def expected(self) -> tuple[Counter[tuple[int, int]], Counter[tuple[int, int]]]:
        """Pages by VMA and row; slots by VMA and owner set."""
        present, swapped = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
        first = 0
        for vmas, words in (self.spaces[number] for number in self.kept):
            for page, value in words.items():
                vma = first + next(k for k, vma in enumerate(vmas) if vma.first <= page < vma.first + vma.pages)
                frame = value & ((1 << 55) - 1)
                if value & PM.PRESENT:
                    in_ram = frame < N_FRAMES
                    row = int(self.rows.row_of[frame]) - 1 if in_ram else self.tabulated.row_of_device[frame]
                    present[vma, row] += 1
                elif value & PM.SWAP and not value & PM.GUARD_REGION and frame & 31 < 22:
                    number = self.ownership.swap[frame & 31][frame >> 5]
                    swapped[vma, int(self.tabulated.new_of[number])] += 1
            first += len(vmas)
        return present, swapped


def counted(*columns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Counter[tuple[int, int]]:
    found = Counter[tuple[int, int]]()
    for vma, other, count in zip(*(column.tolist() for column in columns), strict=True):
        assert count > 0
        found[vma, other] += count
    return found


@given(st.lists(plans(), max_size=4), st.sampled_from([1, 3, 1 << 20]), st.data())
def test_pages_are_counted_by_vma(all_plans: list[Plan], at_once: int, data: st.DataObject) -> None:
    """Whatever is kept, and however many pages are taken apart at a time."""
    numbers = st.sampled_from(range(max(len(all_plans), 1)))
    kept = data.draw(st.lists(numbers, unique=True).map(sorted)) if all_plans else []
    made = Made(all_plans, kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mappings, "PAGES_AT_ONCE", at_once)
        facts = made.facts()
    present, swapped = made.expected()
    assert counted(facts.vma, facts.row, facts.pages) == present
    assert counted(facts.swap_vma, facts.swap_set, facts.slots) == swapped
    told = [vma for number in kept for vma in made.spaces[number][0]]
    assert len(facts) == len(told)
    assert facts.space.tolist() == [number for number in kept for _ in made.spaces[number][0]]
    assert facts.start.tolist() == [vma.start for vma in told]
    assert facts.end.tolist() == [vma.end for vma in told]
    assert facts.offset.tolist() == [vma.offset for vma in told]
    assert facts.inode.tolist() == [vma.inode for vma in told]
    assert facts.name == [vma.name.decode() for vma in told]


def test_what_is_neither_a_frame_nor_a_slot() -> None:
    facts = Made([[(0, 9, dict(enumerate(NOTHING)))]]).facts()
    assert (len(facts), len(facts.vma), len(facts.swap_vma)) == (1, 0, 0)


def test_the_kernels_own_figures() -> None:
    plan: Plan = [(0, 1, {}), (0, 1, {}), (5, 1, {})]
    facts = Made([plan, plan]).facts()
    # Those of the first VMA were not read.
    assert facts.vm_flags == [None, "f0", "f0", None, "f1", "f1"]
    assert {name: column.tolist() for name, column in facts.kernel.items()} == {
        "Referenced": [-1, 1024, 1024, -1, 2048, 2048],
        "ProtectionKey": [-1, 0, 0, -1, 1, 1],
    }


OLD = Vma(16, 4, "rw-p", 0x3000, (8, 1), 77, b"/lib/a")


@pytest.mark.parametrize(
    "now",
    [
        replace(OLD, first=17, pages=3),
        replace(OLD, pages=5),
        replace(OLD, perms="r--p"),
        replace(OLD, offset=0x4000),
        replace(OLD, inode=78),
        replace(OLD, name=b"/lib/a (deleted)"),
    ],
)
def test_a_vma_that_changed_before_smaps_was_read_is_unknown(now: Vma) -> None:
    """Its figures would be those of another memory than was walked."""
    made = Made([])
    none = np.zeros(0, np.uint64)
    runs = PageRuns(none, none, none.astype(np.uint32))

    def read(vma: Vma) -> MappingFacts:
        said = parse_smaps(fakeproc.maps_line(vma) + b"Size: 16 kB\nRss: 4 kB\nVmFlags: rd\n")
        pages = [KeptPages(0, parse_maps(fakeproc.maps_line(OLD)), runs, said)]
        return mapping_facts(made.ownership, made.rows, made.tabulated.new_of, {}, pages, PAGE)

    same, other = read(OLD), read(now)
    assert (same.vm_flags, same.kernel["Rss"].tolist()) == (["rd"], [4096])
    assert (other.vm_flags, other.kernel) == ([None], {})


def test_a_heap_of_huge_pages_is_taken_apart_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few runs of many pages: not all of them at once, but none is missing."""
    monkeypatch.setattr(mappings, "PAGES_AT_ONCE", 1000)
    n = 5000
    ownership = Ownership(n + 2)
    ownership.begin()
    ownership.fold(np.arange(1, n + 1, dtype=np.uint64) | np.uint64(PRESENT))
    ownership.end()
    one = np.zeros(1, np.uint64)
    row_of = np.ones(n + 2, np.uint32)
    rows = FrameRows(ownership.owner[1:2], one, one, one, np.zeros(1, np.int64), np.array([n]), row_of, 0, 0)
    tabulated = tabulate(ownership, rows, np.zeros(1, np.int64))
    cuts = [0, 10, 700, 2900, n]
    runs = PageRuns(
        np.array([16 + at for at in cuts[:-1]], np.uint64),
        np.array([PRESENT | 1 + at for at in cuts[:-1]], np.uint64),
        np.diff(cuts).astype(np.uint32),
    )
    text = fakeproc.maps_line(Vma(16, 2000)) + fakeproc.maps_line(Vma(2016, n - 2000))
    facts = mapping_facts(ownership, rows, tabulated.new_of, {}, [KeptPages(0, parse_maps(text), runs)], PAGE)
    assert counted(facts.vma, facts.row, facts.pages) == {(0, 0): 2000, (1, 0): n - 2000}
