"""What stopped being shared, against a count page by page."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import facttables
from moments import Moments, PagesOracle, moments
from pagewalk.difference import PageChanges, Pairs, compare_pages, match, process_ids
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.mappings import MappingFacts
from pagewalk.pages import FrameRuns, PageFacts
from pagewalk.tally import ANON
from smallhost import walked

HEAP = 0x1000  # the first page of the one VMA of each made address space
PAGES = 1 << 21  # and so many of them: 8 GiB


def compared(old: Facts, new: Facts) -> PageChanges:
    return compare_pages(old, new, match(process_ids(old.spaces), process_ids(new.spaces)))


def counts(new: Facts, changes: PageChanges) -> dict[tuple[int, int, str], int]:
    """By pid, start of the VMA and what happened; only where it did."""
    kept = new.mappings
    assert kept is not None
    found = {}
    for what in ("copied", "left", "shared_now"):
        for row, number in enumerate(getattr(changes, what).tolist()):
            if number:
                found[int(new.spaces.pid[kept.space[row]]), int(kept.start[row]), what] = number
    return found


@given(moments())
def test_as_counted_page_by_page(two: Moments) -> None:
    old, new = (walked(machine, mappings=True).facts for machine in (two.old, two.new))
    assert counts(new, compared(old, new)) == dict(PagesOracle(two).counts)


@given(moments())
def test_nothing_changes_between_a_walk_and_itself(two: Moments) -> None:
    facts = walked(two.old, mappings=True).facts
    assert not counts(facts, compared(facts, facts))


def host(runs: list[list[tuple[int, int, int]]], sharers: list[tuple[int, int, int]], **fields: Any) -> Facts:
    """Facts of address spaces with one VMA each.

    `runs` are page, frame and length by address space; `sharers` runs of frames, ascending: first, length, owners.
    """
    n = len(runs)
    kinds = sorted({number for _, _, number in sharers})
    rows = [(tuple((space, 1) for space in range(number)), ANON, number, 0, 1) for number in kinds]
    flat = [(vma, *run) for vma, some in enumerate(runs) for run in some]
    columns = [np.array([run[k] for run in flat], np.int64) for k in range(4)]
    zeros = np.zeros(n, np.uint64)
    none = np.zeros(0, np.int64)
    start = np.full(n, HEAP << 12, np.uint64)
    made: dict[str, Any] = {
        "spaces": facttables.spaces_of(max(n, max(kinds, default=0))),
        "mappings": MappingFacts(
            np.arange(n), start, start + np.uint64(PAGES << 12), zeros, zeros, zeros.astype(np.uint32),
            zeros.astype(np.uint32), np.full(n, 3, np.uint8), ["[heap]"] * n, [None] * n, none, none, none, none, none,
            none,
        ),
        "pages": PageFacts(columns[0], columns[1].astype(np.uint64), columns[2], columns[3]),
        "frames": FrameRuns(
            np.array([first for first, _, _ in sharers], np.int64),
            np.array([length for _, length, _ in sharers], np.int64),
            np.array([kinds.index(number) for _, _, number in sharers], np.int64),
        ),
    }  # fmt: skip
    return facttables.facts_of(rows, **{**made, **fields})


class TestRuns:
    def test_one_run_that_breaks_up(self) -> None:
        old = host([[(HEAP, 1000, 100)]], [(1000, 100, 2)])
        # Ten pages in the middle on frames of its own; of the rest, the last twenty are alone on their old frames.
        new = host(
            [[(HEAP, 1000, 45), (HEAP + 45, 5000, 10), (HEAP + 55, 1055, 45)]],
            [(1000, 45, 2), (1055, 25, 2), (1080, 20, 1), (5000, 10, 1)],
        )
        changes = compared(old, new)
        assert (changes.copied.tolist(), changes.left.tolist(), changes.shared_now.tolist()) == ([10], [20], [0])
        back = compared(new, old)
        assert (back.copied.tolist(), back.left.tolist(), back.shared_now.tolist()) == ([0], [0], [30])

    def test_pages_at_other_addresses_are_not_the_same(self) -> None:
        old, new = host([[(HEAP, 1000, 10)]], [(1000, 10, 2)]), host([[(HEAP + 10, 1000, 10)]], [(1000, 10, 1)])
        assert not counts(new, compared(old, new))

    def test_frames_that_were_not_read_say_nothing(self) -> None:
        old, new = host([[(HEAP, 1000, 10)]], [(1000, 10, 2)]), host([[(HEAP, 1000, 10)]], [(1002, 3, 1)])
        assert compared(old, new).left.tolist() == [3]

    def test_address_spaces_do_not_meet(self) -> None:
        runs = [[(HEAP, 1000, 10)], [(HEAP, 2000, 10)], [(HEAP, 3000, 10)]]
        old = host(runs, [(1000, 10, 2), (2000, 10, 2), (3000, 10, 2)])
        new = host(runs, [(1000, 10, 2), (2000, 10, 1), (3000, 10, 2)])
        assert compared(old, new).left.tolist() == [0, 10, 0]

    def test_a_large_heap_is_its_runs(self) -> None:
        every = np.arange(PAGES)
        one = host([[(HEAP, 1 << 30, PAGES)]], [(1 << 30, PAGES, 2)])
        many = host(
            [[]],
            [(1 << 30, PAGES, 2), (1 << 32, PAGES, 1)],
            pages=PageFacts(
                np.zeros(PAGES, np.int64),
                (every + HEAP).astype(np.uint64),
                np.where(every % 2 == 0, 1 << 32, 1 << 30) + every[::-1],
                np.ones(PAGES, np.int64),
            ),
        )
        began = time.process_time()
        assert compared(one, many).copied.tolist() == [PAGES // 2]
        assert compared(many, one).shared_now.tolist() == [PAGES // 2]
        assert time.process_time() - began < 10


class TestExec:
    def with_vdso(self, place: int, name: str = "[vdso]") -> Facts:
        facts = host([[(HEAP, 1000, 10)]], [(1000, 10, 1 + (place == 1))])
        kept = facts.mappings
        assert kept is not None
        start = np.append(kept.start, np.uint64(place << 30))
        changed = replace(
            kept,
            space=np.zeros(2, np.int64),
            perms=np.full(2, 3, np.uint8),
            start=start,
            end=start + np.uint64(4096),
            name=["[heap]", name],
        )
        return replace(facts, mappings=changed)

    @pytest.mark.parametrize("name", ["[vdso]", "[stack]"])
    def test_another_place_is_another_program(self, name: str) -> None:
        changes = compared(self.with_vdso(1, name), self.with_vdso(2, name))
        assert changes.replaced.tolist()[0] is True
        assert not changes.compared.any()
        assert not changes.left.any()

    def test_one_place_is_one_program(self) -> None:
        old = self.with_vdso(1)
        new = replace(old, table=host([], [(1000, 10, 1)]).table)
        changes = compared(old, new)
        assert not changes.replaced.any()
        assert changes.compared.tolist()[0] is True
        assert changes.left.tolist() == [10, 0]


class TestRefused:
    def test_walks_without_mappings(self) -> None:
        whole, bare = walked(mappings=True).facts, walked().facts
        partly = walked(pfns=[1, 2]).facts
        for pair in ((whole, bare), (bare, whole), (partly, whole)):
            with pytest.raises(PagewalkError, match=r"kept no mappings; ask for them: walk\(mappings=True\)"):
                compared(*pair)

    def test_mappings_of_some_processes(self) -> None:
        some, whole = walked(mappings=[10]).facts, walked(mappings=True).facts
        for pair in ((some, whole), (whole, some)):
            changes = compared(*pair)
            assert [whole.spaces.pid[k] for k in np.flatnonzero(changes.compared)] == [10]

    def test_pages_of_two_sizes(self) -> None:
        facts = walked(mappings=True).facts
        with pytest.raises(PagewalkError, match="pages of 4096 and of 65536 bytes"):
            compared(facts, replace(facts, page_size=65536))

    @pytest.mark.parametrize(
        "runs",
        [
            [(HEAP, 1000, 10), (HEAP + 9, 2000, 10)],
            [(HEAP, 1000, 0)],
            [(HEAP, 1000, -5)],
            [((1 << 63) - 5, 1000, 3)],
        ],
    )
    def test_a_damaged_file(self, runs: list[tuple[int, int, int]]) -> None:
        good, bad = host([[(HEAP, 1000, 10)]], [(1000, 10, 2)]), host([runs], [(1000, 10, 1)])
        for pair in ((good, bad), (bad, good)):
            with pytest.raises(PagewalkError, match="the snapshot is damaged"):
                compared(*pair)

    def test_frames_said_twice(self) -> None:
        good, bad = (
            host([[(HEAP, 1000, 10)]], [(1000, 10, 2)]),
            host([[(HEAP, 1000, 10)]], [(1000, 9, 2), (1005, 9, 1)]),
        )
        with pytest.raises(PagewalkError, match="the snapshot is damaged"):
            compared(good, bad)


def test_nobody() -> None:
    facts = host([], [])
    empty = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert not len(compare_pages(facts, facts, empty).copied)
