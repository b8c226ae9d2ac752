"""The fact table: what frames are, sums over owner sets, and grouping, against sums over single frames."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facttables import PAGE, SPACES, Path, Row, path_of, rows_of, swap_rows, table_of, trie
from pagewalk.abi import KPF, PM
from pagewalk.frames import FrameRows
from pagewalk.ownership import Ownership
from pagewalk.shares import PART_BITS
from pagewalk.tally import (
    ANON,
    FILE,
    HUGETLB,
    KINDS,
    SHMEM,
    SPECIAL,
    ZERO,
    Labelled,
    hidden_share,
    kinds_of,
    regroup,
    tabulate,
    times_of,
)  # fmt: skip

# What a frame is


@pytest.mark.parametrize(
    ("anon", "swap_backed", "zero", "huge", "as_file", "count"),
    list(product([False, True], [False, True], [False, True], [False, True], [False, True], [0, 1, 7])),
)
def test_what_a_frame_is(anon: bool, swap_backed: bool, zero: bool, huge: bool, as_file: bool, count: int) -> None:
    """Every combination; bits that decide nothing do not."""
    word = anon * KPF.ANON | swap_backed * KPF.SWAPBACKED | zero * KPF.ZERO_PAGE | huge * KPF.HUGE
    noise = KPF.LRU | KPF.DIRTY | KPF.THP | KPF.COMPOUND_HEAD | KPF.RESERVED | 1 << 63
    if huge:
        kind = HUGETLB
    elif zero:
        kind = ZERO
    elif anon:
        kind = ANON
    elif not as_file and count == 0:
        kind = SPECIAL
    else:
        kind = SHMEM if swap_backed else FILE
    words = np.array([word, word | noise], np.uint64)
    assert kinds_of(words, np.full(2, count), np.full(2, as_file)).tolist() == [kind, kind]


@pytest.mark.parametrize(
    ("kind", "word", "as_file", "count"),
    [
        ("anon", KPF.ANON | KPF.SWAPBACKED | KPF.LRU, False, 1),
        ("anon", KPF.ANON, False, 1),  # MADV_FREE
        ("anon", KPF.ANON | KPF.SWAPBACKED | KPF.THP | KPF.COMPOUND_TAIL, False, 0),  # unmapped meanwhile
        ("shmem", KPF.SWAPBACKED | KPF.LRU, True, 3),
        ("file", KPF.LRU | KPF.REFERENCED, True, 1),
        ("file", KPF.RESERVED | KPF.MMAP, True, 13),  # the vdso
        ("hugetlb", KPF.HUGE | KPF.COMPOUND_HEAD | KPF.ANON, False, 1),
        ("zero", KPF.ZERO_PAGE | KPF.RESERVED, False, 0),
        ("zero", KPF.ZERO_PAGE | KPF.COMPOUND_TAIL | KPF.THP, True, 0),  # the huge one, up to 7.2
        ("special", 0, False, 0),
        ("special", KPF.RESERVED, False, 0),
    ],
)
def test_pages_of_the_running_kernels(kind: str, word: int, as_file: bool, count: int) -> None:
    """The words of KERNEL.md, sections 1.3 and 1.8."""
    found = kinds_of(np.array([word], np.uint64), np.array([count]), np.array([as_file]))
    assert KINDS[int(found[0])] == kind


@pytest.mark.parametrize(
    ("word", "dirty"),
    [
        (0, False),
        (KPF.DIRTY, True),
        (KPF.SWAPBACKED, False),
        (KPF.SWAPBACKED | KPF.DIRTY, True),
        (KPF.ANON, False),  # MADV_FREE: may be dropped as it is
        (KPF.ANON | KPF.DIRTY, True),
        (KPF.ANON | KPF.SWAPBACKED, True),
        (KPF.ANON | KPF.SWAPBACKED | KPF.SWAPCACHE, False),  # a clean copy in swap
        (KPF.ANON | KPF.SWAPBACKED | KPF.SWAPCACHE | KPF.DIRTY, True),
        (KPF.ANON | KPF.SWAPCACHE, False),
        (KPF.SWAPBACKED | KPF.SWAPCACHE, False),
    ],
)
def test_what_reclaim_must_write_first(word: int, dirty: bool) -> None:
    assert table_of([((), ANON, 0, word, 1)]).dirty.tolist() == [dirty]


# Rows


@given(rows_of)
def test_what_follows_for_each_row(rows: list[Row]) -> None:
    table = table_of(rows)
    for k, (path, kind, mapcount, _, _) in enumerate(rows):
        seen = sum(times for _, times in path)
        assert (table.owners[k], table.seen[k]) == (len(path), seen)
        assert table.hidden[k] == max(mapcount - seen, 0)
        assert table.in_rss[k] == (bool(path) and kind in (ANON, FILE, SHMEM))


@given(rows_of)
def test_hidden_owners_have_what_is_left(rows: list[Row]) -> None:
    table = table_of(rows)
    share = hidden_share(table, PAGE)
    exact = Fraction()
    for path, kind, mapcount, _, frames in rows:
        hidden = max(mapcount - sum(times for _, times in path), 0)
        if path and kind <= SHMEM and hidden:
            exact += Fraction(frames * hidden * PAGE, len(path) + hidden)
    said = Fraction(int(share.whole[0])) + Fraction(int(share.part[0]), 1 << PART_BITS)
    assert 0 <= exact - said <= Fraction(len(rows), 1 << PART_BITS)


NAMES = (
    "rss", "anon", "file", "shmem", "thp", "hugetlb", "ksm", "private", "dirty", "private_dirty", "uss", "uss_dirty",
)  # fmt: skip


def in_figures(row: Row) -> set[str]:
    """The figures that count a row's frames; which of its owners they count for is another matter."""
    path, kind, mapcount, flags, _ = row
    if kind == HUGETLB:
        return {"hugetlb"}
    if kind > SHMEM:
        return set()
    dirty = bool(flags & KPF.DIRTY) or flags & (KPF.ANON | KPF.SWAPBACKED) == KPF.ANON | KPF.SWAPBACKED
    names = {"rss", KINDS[kind]}
    names |= {"thp"} if kind == ANON and flags & KPF.THP else set()
    names |= {"ksm"} if flags & KPF.KSM else set()
    names |= {"private"} if mapcount < 2 else set()
    if dirty:
        names |= {"dirty"} | ({"private_dirty"} if mapcount < 2 else set())
    if mapcount <= sum(times for _, times in path):
        names |= {"uss", "uss_dirty"} if dirty else {"uss"}
    return names


@given(rows_of, st.one_of(st.none(), st.lists(st.integers(0, 2), min_size=SPACES, max_size=SPACES)))
def test_sums_are_those_over_the_rows(rows: list[Row], group: list[int] | None) -> None:
    """By address space, or by group: once a frame, and as often as the label maps it."""
    table = table_of(rows)
    if group is None:
        label_of, labelled = list(range(SPACES)), Labelled(table.sets, table.set, table.swap_set, SPACES)
    else:
        sets, new_of = regroup(table.sets, np.array(group, np.int64))
        label_of, labelled = group, Labelled(sets, new_of[table.set], new_of[table.swap_set], 3)
    once: defaultdict[int, Counter[str]] = defaultdict(Counter)
    often: defaultdict[int, Counter[str]] = defaultdict(Counter)
    pss: Counter[int] = Counter()
    for row in rows:
        path, kind, mapcount, _, frames = row
        labels = {label_of[space] for space, _ in path}
        hidden = max(mapcount - sum(times for _, times in path), 0)
        for label in labels:
            for name in in_figures(row) - (set() if len(labels) == 1 else {"uss", "uss_dirty"}):
                once[label][name] += frames
                often[label][name] += frames * (1 if group is not None else dict(path)[label])
            if kind <= SHMEM:
                pss[label] += Fraction(frames * PAGE, len(path) + hidden)  # type: ignore[assignment]
    sums = labelled.sums(table, PAGE)
    for label in range(labelled.labels):
        assert {name: int(sums.frames(name)[label]) for name in NAMES} == {n: once[label][n] for n in NAMES}
        assert {name: int(sums.pages(name)[label]) for name in NAMES} == {n: often[label][n] for n in NAMES}
    if group is None:
        shares = sums.pss()
        for space in range(SPACES):
            said = Fraction(int(shares.whole[space])) + Fraction(int(shares.part[space]), 1 << PART_BITS)
            assert abs(said - pss[space]) <= Fraction(len(rows), 1 << PART_BITS)


@given(swap_rows)
def test_sums_of_swap(swaps: list[tuple[Path, int]]) -> None:
    table = table_of([], swaps)
    sums = Labelled(table.sets, table.set, table.swap_set, SPACES).swap_sums(table, PAGE)
    for space in range(SPACES):
        mine = [(path, slots) for path, slots in swaps if space in dict(path)]
        assert sums.frames("swap")[space] == sum(slots for _, slots in mine)
        assert sums.pages("swap")[space] == sum(slots * dict(path)[space] for path, slots in mine)
        assert sums.frames("swap_uss")[space] == sum(slots for path, slots in mine if len(path) == 1)


# Grouping


@given(st.lists(path_of, max_size=12), st.lists(st.integers(-1, 3), min_size=SPACES, max_size=SPACES))
def test_sets_of_groups(paths: list[Path], group: list[int]) -> None:
    """Each group once on a path, in the order in which its first member comes; those without one are left out."""
    sets, numbers = trie(paths)
    grouped, new_of = regroup(sets, np.array(group, np.int64))
    kept = [number for number in group if number >= 0]
    distinct = len(set(kept)) == len(kept)
    seen: dict[Path, int] = {}
    for path, number in zip(paths, numbers, strict=True):
        expected: dict[int, int] = {}
        for space, times in path:
            if group[space] >= 0:
                expected.setdefault(group[space], times if distinct else 1)
        assert grouped.members(int(new_of[number])) == list(expected.items())
        # One set for one path.
        assert seen.setdefault(tuple(expected.items()), int(new_of[number])) == new_of[number]
    assert (grouped.parent[1:] < np.arange(1, len(grouped))).all()
    assert new_of[0] == 0


def test_nobody_is_a_group_of_nobody() -> None:
    sets, _ = trie([])
    grouped, new_of = regroup(sets, np.zeros(0, np.int64))
    assert (len(grouped), new_of.tolist()) == (1, [0])


@given(st.lists(path_of, min_size=1, max_size=9), st.data())
def test_how_often_a_label_maps(paths: list[Path], data: st.DataObject) -> None:
    sets, numbers = trie(paths)
    asked = data.draw(st.lists(st.tuples(st.integers(0, len(paths) - 1), st.integers(0, SPACES + 1)), max_size=9))
    said = times_of(
        sets, np.array([numbers[k] for k, _ in asked], np.uint32), np.array([label for _, label in asked], np.uint32)
    )
    assert said.tolist() == [dict(paths[k]).get(label, 0) for k, label in asked]


# From ownership and frames to the table


def frame_rows(**columns: Any) -> FrameRows:
    n = len(columns["set"])
    types = {"set": np.uint32, "frames": np.int64, "zone": np.int64}
    filled = {
        name: np.array(columns.get(name, [0] * n), types.get(name, np.uint64))
        for name in ("set", "mapcount", "flags", "memcg", "zone", "frames")
    }
    return FrameRows(**filled, row_of=np.zeros(0, np.uint32), missing=0, words=0)


def test_the_table_of_an_ownership() -> None:
    """Three spaces, the second of which went: a frame of all, one of the second alone, device memory, swap."""
    ownership = Ownership(10)
    pages = ([1, 1, 20], [1, 2, 21], [1, 20])
    for number, pfns in enumerate(pages):
        ownership.begin()
        words = [PM.PRESENT | (PM.FILE if pfn == 20 else 0) | pfn for pfn in pfns]
        ownership.fold(np.array([*words, PM.SWAP | 7 << 5, PM.SWAP | (100 + number) << 5], np.uint64))
        ownership.end()
    columns = {"set": ownership.owner[[1, 2]], "mapcount": [4, 1], "flags": [KPF.ANON, KPF.ANON], "memcg": [77, 78]}
    rows = frame_rows(**columns, zone=[3, 4], frames=[1, 1])
    made = tabulate(ownership, rows, np.array([0, -1, 1]))
    table = made.table
    members = [table.sets.members(int(number)) for number in table.set]
    assert members == [[(0, 2), (1, 1)], [], [(0, 1), (1, 1)], []]
    assert [KINDS[kind] for kind in table.kind] == ["anon", "anon", "file", "special"]
    assert table.mapcount.tolist() == [4, 1, -1, -1]
    assert table.hidden.tolist() == [1, 1, 0, 0]
    assert table.memcg.tolist() == [77, 78, 0, 0]
    assert table.zone.tolist() == [3, 4, 0, 0]
    assert made.row_of_device == {20: 2, 21: 3}
    assert table.in_rss.tolist() == [True, False, True, False]
    swaps = {tuple(table.sets.members(int(s))): n for s, n in zip(table.swap_set, table.swap_slots, strict=True)}
    assert swaps == {((0, 1), (1, 1)): 1, ((0, 1),): 1, ((1, 1),): 1}
    assert table.sets.members(int(made.new_of[ownership.owner[1]])) == [(0, 2), (1, 1)]


def test_a_mapcount_that_is_none_overflows_no_share() -> None:
    """A word that no kernel writes is cut to what a mapcount can be, so that shares of it stay within 64 bits."""
    ownership = Ownership(16)
    ownership.begin()
    ownership.fold(np.array([PM.PRESENT | 5], np.uint64))
    ownership.end()
    word, one = np.array([2**63 + 7], np.uint64), np.array([KPF.ANON], np.uint64)
    rows = FrameRows(
        ownership.owner[5:6].copy(), word, one, one, np.zeros(1, np.int64), np.ones(1, np.int64),
        np.zeros(0, np.uint32), 0, 0,
    )  # fmt: skip
    table = tabulate(ownership, rows, np.array([0])).table
    assert table.hidden.tolist() == [2**31 - 2]
    share = hidden_share(table, 4096)
    assert 4095 << 32 <= (int(share.whole[0]) << 32) + int(share.part[0]) <= 4096 << 32
