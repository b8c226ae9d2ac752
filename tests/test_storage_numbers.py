"""Arrays of numbers as a file keeps them: small, and the same again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pagewalk.storage.numbers import CODECS, TYPES, Kept, keep, kept_as, restore

arrays = st.sampled_from(TYPES).flatmap(lambda name: hnp.arrays(np.dtype(name), st.integers(0, 20)))


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    return left.dtype == right.dtype and left.tobytes() == right.tobytes()


@given(arrays, st.booleans())
def test_what_is_restored_is_what_was_kept(array: NDArray[Any], in_order: bool) -> None:
    array = np.sort(array) if in_order else array
    kept, stored = keep(array)
    assert same(restore(kept, stored), array)
    assert kept_as({name: getattr(kept, name) for name in Kept.__slots__}) == kept
    assert kept.nbytes == array.nbytes
    assert kept.stored_nbytes == stored.nbytes <= array.nbytes


@pytest.mark.parametrize(
    ("numbers", "dtype", "codec", "stored"),
    [
        ([], np.int64, "plain", "|i1"),
        ([7], np.int64, "plain", "|i1"),
        ([5, 6, 6, 300], np.int64, "ascending", "<u2"),
        ([5, 6, 6, 260], np.uint64, "ascending", "|u1"),
        ([-5, 6, 7], np.int64, "steps", "|u1"),
        ([1 << 40, (1 << 40) + 1, 1 << 40], np.uint64, "steps", "<u8"),
        ([1 << 40, *range((1 << 40) + 9, 1 << 40, -1)], np.uint64, "steps", "<u8"),
        ([9000, 1, 70000, 2], np.int64, "plain", "<i4"),
        ([0, 2**64 - 1], np.uint64, "ascending", "<u8"),
        ([2**63 - 1, -(2**63)] * 2, np.int64, "steps", "<u8"),
        ([255, 0, 255, 0], np.uint8, "plain", "|u1"),
        ([7, 7, 8, 9], np.uint8, "plain", "|u1"),
        ([True, False], np.bool_, "plain", "|b1"),
        ([1.5, float("nan")], np.float64, "plain", "<f8"),
    ],
)
def test_the_codec(numbers: list[int], dtype: type[np.generic], codec: str, stored: str) -> None:
    array = np.array(numbers, dtype)
    kept, written = keep(array)
    assert (kept.codec, kept.stored) == (codec, stored)
    assert same(restore(kept, written), array)


def test_other_byte_orders_are_made_little() -> None:
    kept, stored = keep(np.array([1.0], ">f8"))
    assert (kept.dtype, stored.tobytes()) == ("<f8", b"\0\0\0\0\0\0\xf0\x3f")
    kept, stored = keep(np.array([258, 1, 99999], ">i8"))
    assert restore(kept, stored).tolist() == [258, 1, 99999]


@pytest.mark.parametrize("array", [np.array(["a"], object), np.zeros((2, 2)), np.array([1j]), np.zeros(1, np.float32)])
def test_what_cannot_be_kept(array: NDArray[Any]) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        keep(array)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "|O"},
        {"dtype": ">i8"},
        {"dtype": 8},
        {"length": -1},
        {"length": True},
        {"length": 1 << 40},
        {"length": 1.0},
        {"codec": "pickle"},
        {"codec": None},
        {"stored": "<u8"},
        {"stored": "|b1"},
        {"dtype": "<i2", "stored": "<i4"},
        {"dtype": "<f8", "stored": "<f8", "codec": "steps"},
        {"dtype": "<i8", "stored": "|i1", "codec": "steps"},
        {"more": 1},
    ],
)
def test_what_cannot_be_true(change: dict[str, object]) -> None:
    said = {"dtype": "<i8", "length": 3, "codec": "plain", "stored": "|i1"}
    assert kept_as(said) is not None
    assert kept_as({**said, **change}) is None


@pytest.mark.parametrize("said", [None, [], "x", {}, {"dtype": "<i8"}])
def test_what_says_nothing(said: object) -> None:
    assert kept_as(said) is None


def test_sums_beyond_their_type() -> None:
    with pytest.raises(ValueError, match="beyond"):
        restore(Kept("|u1", 2, "ascending", "|u1"), np.array([200, 100], np.uint8))
    with pytest.raises(ValueError, match="beyond"):
        restore(Kept("|i1", 2, "steps", "|u1"), np.array([255, 255], np.uint8))


def test_a_truth_is_0_or_1() -> None:
    with pytest.raises(ValueError, match="neither"):
        restore(Kept("|b1", 1, "plain", "|b1"), np.array([2], np.uint8).view(np.bool_))


def test_every_codec_is_explained() -> None:
    assert set(CODECS) == {"plain", "ascending", "steps"}
