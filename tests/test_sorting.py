"""Distinct values: as a set has them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.sorting import distinct


@given(st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 5)))
def test_each_value_once_ascending(values: list[int]) -> None:
    assert distinct(np.array(values, np.int64)).tolist() == sorted(set(values))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.uint32])
def test_the_kind_of_value_stays_and_what_was_given_is_left_alone(dtype: type[np.generic]) -> None:
    given_ = np.array([3, 1, 3, 2], dtype)
    assert distinct(given_).dtype == dtype
    assert given_.tolist() == [3, 1, 3, 2]
    assert len(distinct(given_[:0])) == 0
