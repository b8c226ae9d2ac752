"""Which rows are of the same thing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facttables import spaces_of
from pagewalk.difference import match, process_ids

keys = st.lists(st.integers(0, 6), max_size=8)


@given(keys, keys)
def test_every_row_once_and_as_many_pairs_as_there_are(old: list[int], new: list[int]) -> None:
    pairs = match(old, new)
    assert sorted(row for row in pairs.old.tolist() if row >= 0) == list(range(len(old)))
    assert sorted(row for row in pairs.new.tolist() if row >= 0) == list(range(len(new)))
    both = [(old[a], new[b]) for a, b in zip(pairs.old.tolist(), pairs.new.tolist(), strict=True) if a >= 0 and b >= 0]
    assert all(a == b for a, b in both)
    assert sorted(one for one, _ in both) == sorted(set(old) & set(new))
    assert pairs.both.sum() == len(both)


def test_the_order_is_the_old_one_then_what_is_new() -> None:
    pairs = match(["c", "a", "b"], ["x", "b", "c", "w"])
    assert pairs.old.tolist() == [0, 1, 2, -1, -1]
    assert pairs.new.tolist() == [2, -1, 1, 0, 3]
    assert len(pairs) == 5


def test_a_process_is_its_number_and_its_start() -> None:
    spaces = spaces_of(3, pids=[(7, 9), (3,), (8,)], start_time=np.array([100, 5, 100]))
    assert process_ids(spaces) == [(7, 100), (3, 5), (8, 100)]
