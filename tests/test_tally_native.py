"""The native sums over owner sets: what they must refuse."""

from __future__ import annotations

import numpy as np
import pytest

from pagewalk._native import tally as native
from spoiled import refuses_spoiled

U4, I8 = np.zeros(2, np.uint32), np.zeros(2, np.int64)
WEIGHTS = np.zeros((2, 3), np.int64)


def u4(*values: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.array(values, np.uint32)


def zeros(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.zeros(shape, np.int64)


def test_arrays_of_another_kind_are_refused() -> None:
    refuses_spoiled(native.add_rows, [U4, WEIGHTS, WEIGHTS.copy()], written=[2])
    refuses_spoiled(native.up_the_trie, [U4, U4, U4, WEIGHTS.copy(), zeros(2, 3)], written=[3, 4])
    for pages in (zeros(2, 3).astype(np.float64), zeros(2, 3).T, zeros(3, 3)[::2]):
        with pytest.raises(ValueError, match=r"dtype mismatch|C-contiguous"):
            native.up_the_trie(U4, U4, U4, WEIGHTS.copy(), zeros(2, 3), pages)
    refuses_spoiled(native.add_pairs, [U4, u4(0, 2), WEIGHTS.copy(), zeros(3, 3), 3], written=[2, 3])
    slots, keys = np.zeros(4, np.uint32), np.zeros((2, 3), np.uint64)
    refuses_spoiled(native.regroup, [U4, U4, U4, I8, U4.copy(), slots, keys, False], written=[4, 5, 6])
    refuses_spoiled(native.times_on_path, [U4, U4, U4, U4, U4, I8.copy()], written=[5])


def test_rows_are_added_where_they_belong() -> None:
    sums = np.array([[1, 1], [2, 2], [3, 3]], np.int64)
    native.add_rows(u4(2, 0, 2), np.array([[10, 20], [100, 200], [1000, 2000]], np.int64), sums)
    assert sums.tolist() == [[101, 201], [2, 2], [1013, 2023]]


def test_rows_beyond_the_sums_are_refused() -> None:
    with pytest.raises(IndexError, match="beyond the sums"):
        native.add_rows(u4(1, 2), WEIGHTS, zeros(2, 3))
    for at, weights, sums in ((1, (2, 3), (2, 3)), (2, (2, 3), (2, 2)), (3, (2, 3), (2, 3))):
        with pytest.raises(ValueError, match="shapes differ"):
            native.add_rows(np.zeros(at, np.uint32), zeros(*weights), zeros(*sums))


@pytest.mark.parametrize("short", range(3))
def test_sets_of_different_length_are_refused(short: int) -> None:
    columns = [u4(0, 0, 1) for _ in range(3)]
    columns[short] = columns[short][:2]
    with pytest.raises(ValueError, match="differ in length"):
        native.up_the_trie(*columns, zeros(3, 1), zeros(2, 1), zeros(2, 1))
    with pytest.raises(ValueError, match="differ in length"):
        native.times_on_path(*columns, u4(0), u4(0), zeros(1))
    with pytest.raises(ValueError, match="differ in length"):
        native.regroup(*columns, I8, u4(0, 0, 0), np.zeros(8, np.uint32), np.zeros((3, 3), np.uint64), False)


@pytest.mark.parametrize(
    ("weights", "sums", "pages", "reason"),
    [
        ((2, 1), (2, 1), (2, 1), "differ in length"),
        ((3, 1), (2, 2), (2, 1), "other columns"),
        ((3, 1), (2, 1), (2, 2), "other columns"),
        ((3, 1), (2, 1), (3, 1), "other columns"),
        ((3, 1), (1, 1), (1, 1), "beyond the sums"),
    ],
)
def test_sums_of_another_shape_are_refused(
    weights: tuple[int, int], sums: tuple[int, int], pages: tuple[int, int], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        native.up_the_trie(u4(0, 0, 1), u4(0, 0, 1), u4(0, 1, 1), zeros(*weights), zeros(*sums), zeros(*pages))


@pytest.mark.parametrize("parent", [(0, 1), (0, 7), (0, 2**32 - 1)])
def test_a_trie_that_is_none_is_refused(parent: tuple[int, int]) -> None:
    """It would run in a circle, or out of the arrays."""
    with pytest.raises(ValueError, match="before its parent"):
        native.up_the_trie(u4(*parent), U4, U4, zeros(2, 1), zeros(1, 1), zeros(1, 1))
    with pytest.raises(ValueError, match="before its parent"):
        native.times_on_path(u4(*parent), U4, U4, u4(1), u4(9), zeros(1))
    with pytest.raises(ValueError, match="before its parent"):
        native.regroup(u4(*parent), U4, U4, I8, U4.copy(), np.zeros(4, np.uint32), np.zeros((2, 3), np.uint64), True)


def test_a_label_without_a_group_is_refused() -> None:
    with pytest.raises(ValueError, match="no group"):
        native.regroup(U4, u4(0, 2), U4, I8, U4.copy(), np.zeros(4, np.uint32), np.zeros((2, 3), np.uint64), True)


@pytest.mark.parametrize(("slots", "keys"), [(3, (2, 3)), (2, (2, 3)), (4, (1, 3)), (4, (2, 2)), (0, (0, 3))])
def test_keys_without_room_are_refused(slots: int, keys: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="power of two"):
        native.regroup(U4, U4, U4, I8, U4.copy(), np.zeros(slots, np.uint32), np.zeros(keys, np.uint64), True)


def test_slots_need_not_be_clear() -> None:
    keys, new_of = np.zeros((3, 3), np.uint64), u4(9, 9, 9)
    sets = u4(0, 0, 1), u4(0, 0, 1), u4(0, 1, 1)
    assert native.regroup(*sets, np.array([5, 6]), new_of, np.full(4, 3, np.uint32), keys, True) == 2
    assert new_of.tolist() == [0, 1, 2]
    assert keys[:2].tolist() == [[0, 5, 1], [1, 6, 1]]


def test_no_sets_at_all() -> None:
    none = u4()
    assert native.regroup(none, none, none, I8, none.copy(), u4(0), np.zeros((0, 3), np.uint64), False) == 0
    native.times_on_path(none, none, none, none, none, zeros(0))


def test_a_set_that_is_not_there_is_refused() -> None:
    for number in (2, 2**32 - 1):
        with pytest.raises(IndexError, match="no such owner set"):
            native.times_on_path(U4, U4, U4, u4(0, number), u4(0, 0), zeros(2))
    for lengths in ((1, 2, 2), (2, 1, 2), (2, 2, 1)):
        asked, labels = (np.zeros(n, np.uint32) for n in lengths[:2])
        with pytest.raises(ValueError, match="differ in length"):
            native.times_on_path(U4, U4, U4, asked, labels, zeros(lengths[2]))


def test_pairs_meet_where_the_second_joins() -> None:
    """Sets 0; 0,1; 0,1,2; 0,2 with 1, 10, 100, 1000 frames."""
    weights = np.array([[0, 0], [1, 5], [10, 0], [100, 0], [1000, 0]], np.int64)
    sums = zeros(3, 2)
    native.add_pairs(u4(0, 0, 1, 2, 1), u4(0, 0, 1, 2, 2), weights, sums, 3)
    assert sums.tolist() == [[110, 0], [1100, 0], [100, 0]]
    assert weights.tolist() == [[0, 0], [1111, 5], [110, 0], [100, 0], [1000, 0]]


def test_pairs_are_added_to_what_is_there_whichever_comes_first() -> None:
    sums = np.array([[7]], np.int64)
    for first, second in ((0, 1), (1, 0)):
        native.add_pairs(u4(0, 0, 1), u4(0, first, second), np.array([[0], [1], [10]], np.int64), sums, 2)
    assert sums.tolist() == [[27]]


def test_no_pairs_of_nobody_and_of_one() -> None:
    native.add_pairs(u4(), u4(), zeros(0, 3), zeros(0, 3), 0)
    native.add_pairs(u4(0, 0), u4(0, 0), np.ones((2, 1), np.int64), zeros(0, 1), 1)


def test_pairs_without_room_are_refused() -> None:
    path = u4(0, 0, 1), u4(0, 0, 1)
    for labels, sums in ((2, (2, 1)), (3, (1, 1)), (2, (1, 2)), (-1, (1, 1)), (1 << 31, (1, 1)), (1 << 33, (0, 1))):
        with pytest.raises(ValueError, match="not those of every two labels"):
            native.add_pairs(*path, zeros(3, 1), zeros(*sums), labels)
    with pytest.raises(ValueError, match="beyond the sums"):
        native.add_pairs(u4(0, 0, 1), u4(0, 0, 2), zeros(3, 1), zeros(1, 1), 2)
    for columns in ((u4(0, 0), path[1], zeros(3, 1)), (*path, zeros(2, 1)), (path[0], u4(0, 0), zeros(3, 1))):
        with pytest.raises(ValueError, match="differ in length"):
            native.add_pairs(*columns, zeros(1, 1), 2)


def test_pairs_of_a_trie_that_is_none_are_refused() -> None:
    for parent in ((0, 1), (0, 7), (0, 2**32 - 1)):
        with pytest.raises(ValueError, match="before its parent"):
            native.add_pairs(u4(*parent), U4, zeros(2, 1), zeros(1, 1), 2)
    with pytest.raises(ValueError, match="twice in an owner set"):
        native.add_pairs(u4(0, 0, 1), u4(0, 1, 1), np.ones((3, 1), np.int64), zeros(1, 1), 2)
