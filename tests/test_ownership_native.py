"""The native fold alone: room that ends anywhere, and what it must refuse."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk._native import ownership as native
from pagewalk.abi import PM
from pagewalk.ownership import OwnerSets
from spoiled import refuses_spoiled

ROOTS = native.FIRST_SET
N_FRAMES = 10


def columns(rows: int) -> list[Any]:
    return [np.zeros(rows, np.uint32), np.zeros(rows, np.uint32), np.zeros(rows, np.uint32), np.zeros(rows, np.int64)]


def repeats(rows: int) -> tuple[Any, Any, Any]:
    """Slots full of rubbish, which the fold clears, keys and counts."""
    return np.full(1 << rows.bit_length(), 77, np.uint32), np.zeros((rows, 3), np.uint64), np.zeros(rows, np.int64)


def made(rows: int = 8) -> native.Fold:
    fold = native.Fold(ROOTS)
    fold.use_sets(*columns(rows))
    fold.use_repeats(*repeats(4), 0)
    return fold


def longer(column: np.ndarray[Any, Any], rows: int) -> np.ndarray[Any, Any]:
    more = np.zeros((rows, *column.shape[1:]), column.dtype)
    more[: len(column)] = column
    return more


def test_roots_come_first() -> None:
    roots = ("ANON", "FILE", "SWAP", "SOLE", "PLAIN", "SHMEM")
    assert [native.NOBODY, *(getattr(native, f"ROOT_{name}") for name in roots), ROOTS] == list(range(8))


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12), max_size=6),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_room_that_ends_anywhere(spaces: list[list[tuple[int, bool]]], more_sets: int, more_repeats: int) -> None:
    """With hardly any room the fold stops, is given a little more, and goes on where it stopped."""
    sets, fold = columns(ROOTS), native.Fold(ROOTS)
    fold.use_sets(*sets)
    owner, again = np.zeros(N_FRAMES, np.uint32), Counter[tuple[int, int]]()
    for number, pages in enumerate(spaces):
        kept = repeats(1)
        fold.use_repeats(*kept, 0)
        fold.begin(number)
        words = np.array([PM.PRESENT | is_file * PM.FILE | pfn for pfn, is_file in pages], np.uint64)
        at, stops = 0, 0
        while True:
            at = fold.fold_entries(words, at, len(words), owner, *np.zeros((2, 12), np.uint64))
            if at == len(words):
                break
            assert (stops := stops + 1) < 99
            if fold.n_sets == len(sets[0]):
                sets = [longer(column, len(column) + more_sets) for column in sets]
                fold.use_sets(*sets)
            if fold.n_repeats == len(kept[1]):
                rows = len(kept[1]) + more_repeats
                kept = repeats(rows)[0], longer(kept[1], rows), longer(kept[2], rows)
                fold.use_repeats(*kept, fold.n_repeats)
        for (pfn, _, _), times in zip(kept[1][: fold.n_repeats].tolist(), kept[2].tolist(), strict=False):
            again[number, pfn] += times
        fold.use_repeats(*repeats(1), 0)
    sets[0][sets[0] < ROOTS] = 0
    trie = OwnerSets(sets[0], sets[1], np.ones(len(sets[0]), np.uint32))
    for pfn in range(N_FRAMES):
        found = {number: 1 + again[number, pfn] for number, _ in trie.members(int(owner[pfn]))}
        pages_of = {number: sum(page == pfn for page, _ in pages) for number, pages in enumerate(spaces)}
        assert found == {number: times for number, times in pages_of.items() if times}
    # A set is left with the frames that are still there.
    assert sets[3][ROOTS : fold.n_sets].sum() == np.count_nonzero(owner)
    assert np.bincount(owner, minlength=len(sets[3]))[ROOTS:].tolist() == sets[3][ROOTS:].tolist()


# What it must refuse


def test_arrays_of_another_kind_are_refused() -> None:
    fold = made()
    refuses_spoiled(fold.use_sets, columns(8), written=range(4))
    refuses_spoiled(fold.use_repeats, [*repeats(2), 0], written=range(3))
    fold.begin(0)
    two = np.zeros(2, np.uint64)
    refuses_spoiled(fold.fold_entries, [two, 0, 2, np.zeros(2, np.uint32), two, two.copy()], written=[3, 4, 5])
    refuses_spoiled(fold.fold_indexes, [two, 0, np.zeros(2, np.uint32), 1, 0], written=[2])
    u4, i8 = np.zeros(2, np.uint32), np.zeros(2, np.int64)
    refuses_spoiled(native.along_paths, [u4, u4.copy(), i8, i8.copy()], written=[2, 3])
    refuses_spoiled(native.roots, [u4, u4.copy()], written=[1])


@pytest.mark.parametrize("number", [-1, 0, 3])
def test_fewer_sets_than_roots_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="roots"):
        native.Fold(number)
    with pytest.raises(ValueError, match="fewer than roots"):
        made().n_sets = number


def test_more_sets_than_rows_are_refused() -> None:
    fold = made(8)
    fold.n_sets = 8
    with pytest.raises(ValueError, match="more owner sets than rows"):
        fold.n_sets = 9
    with pytest.raises(ValueError, match="fewer rows than owner sets"):
        fold.use_sets(*columns(7))
    with pytest.raises(ValueError, match="fewer rows"):
        native.Fold(ROOTS).use_sets(*columns(ROOTS - 1))


@pytest.mark.parametrize("at", range(4))
def test_columns_of_different_length_are_refused(at: int) -> None:
    unequal = columns(8)
    unequal[at] = unequal[at][:7]
    with pytest.raises(ValueError, match="differ in length"):
        made().use_sets(*unequal)


@pytest.mark.parametrize(
    ("slots", "keys", "counts", "used", "reason"),
    [
        (0, (0, 3), 0, 0, "power of two"),
        (6, (4, 3), 4, 0, "power of two"),
        (4, (4, 3), 4, 0, "power of two"),
        (8, (0, 3), 4, 0, "power of two"),
        (8, (4, 2), 4, 0, "power of two"),
        (8, (4, 3), 3, 0, "fewer rows"),
        (8, (4, 3), 4, 5, "fewer rows"),
        (8, (4, 3), 4, -1, "fewer rows"),
    ],
)
def test_repeats_without_room_are_refused(
    slots: int, keys: tuple[int, int], counts: int, used: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        made().use_repeats(np.zeros(slots, np.uint32), np.zeros(keys, np.uint64), np.zeros(counts, np.int64), used)


def test_nothing_is_folded_before_all_is_there() -> None:
    word, room = np.array([PM.PRESENT | 1], np.uint64), np.zeros(1, np.uint64)
    fold = native.Fold(ROOTS)
    with pytest.raises(ValueError, match="come before"):
        fold.begin(0)
    fold.use_sets(*columns(8))
    with pytest.raises(ValueError, match="come before"):
        fold.begin(0)
    fold.use_repeats(*repeats(2), 0)
    with pytest.raises(ValueError, match="no address space was begun"):
        fold.fold_entries(word, 0, 1, np.zeros(2, np.uint32), room, room)
    with pytest.raises(ValueError, match="no address space was begun"):
        fold.fold_indexes(room, 0, np.zeros(2, np.uint32), 1, 0)
    fold.begin(0)
    assert fold.fold_entries(word, 0, 1, np.zeros(2, np.uint32), room, room) == 1
    with pytest.raises(ValueError, match="come before"):
        native.Fold.__new__(native.Fold).begin(0)


def test_repeats_of_the_space_before_are_not_forgotten() -> None:
    fold = made()
    fold.begin(0)
    twice = np.array([PM.PRESENT | 1] * 2, np.uint64)
    assert fold.fold_entries(twice, 0, 2, np.zeros(2, np.uint32), *np.zeros((2, 2), np.uint64)) == 2
    assert fold.n_repeats == 1
    with pytest.raises(ValueError, match="still there"):
        fold.begin(1)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, 3), (2, 1), (3, 3)])
def test_entries_outside_are_refused(start: int, stop: int) -> None:
    fold = made()
    fold.begin(0)
    with pytest.raises(ValueError, match="not within entries"):
        fold.fold_entries(np.zeros(2, np.uint64), start, stop, np.zeros(2, np.uint32), *np.zeros((2, 9), np.uint64))


@pytest.mark.parametrize(("swaps", "others"), [(1, 2), (2, 1)])
def test_less_room_than_entries_is_refused(swaps: int, others: int) -> None:
    fold = made()
    fold.begin(0)
    room = np.zeros(swaps, np.uint64), np.zeros(others, np.uint64)
    with pytest.raises(ValueError, match="less room"):
        fold.fold_entries(np.zeros(2, np.uint64), 0, 2, np.zeros(2, np.uint32), *room)


def test_indexes_outside_are_refused() -> None:
    fold = made()
    fold.begin(0)
    owner = np.zeros(2, np.uint32)
    for start in (-1, 3):
        with pytest.raises(ValueError, match="not within indexes"):
            fold.fold_indexes(np.zeros(2, np.uint64), start, owner, 1, 0)
    for root in (0, ROOTS, 2**32 - 1):
        with pytest.raises(ValueError, match="no such root"):
            fold.fold_indexes(np.zeros(2, np.uint64), 0, owner, root, 0)
    for index in (2, 2**63, 2**64 - 1):
        with pytest.raises(IndexError, match="beyond the table"):
            fold.fold_indexes(np.array([1, index], np.uint64), 0, owner, 1, 0)


def test_what_was_in_the_counts_before_is_overwritten() -> None:
    """Sets nobody is in (the roots, and what has no times) count nothing."""
    parent, times = np.array([0, 0, 0, 0, 1, 4], np.uint32), np.array([0, 0, 0, 0, 2, 1], np.uint32)
    owners, mappings = np.full(6, 99, np.int64), np.full(6, 99, np.int64)
    native.along_paths(parent, times, owners, mappings)
    assert owners.tolist() == [0, 0, 0, 0, 1, 2]
    assert mappings.tolist() == [0, 0, 0, 0, 2, 3]


def test_a_trie_that_is_none_is_refused() -> None:
    parent, times = np.array([0] * ROOTS + [ROOTS], np.uint32), np.ones(ROOTS + 1, np.uint32)
    out = np.zeros(len(parent), np.int64)
    with pytest.raises(ValueError, match="before its parent"):
        native.along_paths(parent, times, out, out.copy())
    with pytest.raises(ValueError, match="before its parent"):
        native.roots(parent, np.zeros(len(parent), np.uint32))
    with pytest.raises(ValueError, match="another length"):
        native.roots(parent, np.zeros(ROOTS, np.uint32))
    for lengths in ((5, 6, 6), (6, 5, 6), (6, 6, 5)):
        with pytest.raises(ValueError, match="differ in length"):
            native.along_paths(parent, times[: lengths[0]], out[: lengths[1]], out[: lengths[2]].copy())
    native.along_paths(parent[:0], times[:0], out[:0], out[:0].copy())
