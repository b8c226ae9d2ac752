"""Dividing frames among owners, against fractions: nothing lost, nothing made up, nobody two bytes off."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.errors import SnapshotError
from pagewalk.shares import PART_BITS, Shares, apportion, divide

PAGE = 4096
# Frames of one owner set: how many, and the rows that own them.
OwnerSet = tuple[int, frozenset[int]]


def ints(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


@given(
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**20)), max_size=8), st.sampled_from([4096, 16384, 65536])
)
def test_a_part_is_cut_off_below_its_last_bit(pairs: list[tuple[int, int]], page_size: int) -> None:
    pages, owners = ints([pages for pages, _ in pairs]), ints([owners for _, owners in pairs])
    shares = divide(pages, owners, page_size)
    for k, (n, among) in enumerate(pairs):
        exact = Fraction(n * page_size, max(among, 1))
        cut = Fraction(int(shares.whole[k])) + Fraction(int(shares.part[k]), 1 << PART_BITS)
        assert 0 <= exact - cut < Fraction(1, 1 << PART_BITS)
        assert 0 <= int(shares.part[k]) < 1 << PART_BITS


def shared(rows: int, sets: Sequence[OwnerSet]) -> tuple[Shares, list[Fraction]]:
    """What each row has of these sets: as the engine adds it up, and exactly."""
    whole, part = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    exact = [Fraction()] * rows
    for frames, owners in sets:
        each = divide(ints([frames]), ints([len(owners)]), PAGE)
        for row in owners:
            whole[row] += each.whole[0]
            part[row] += each.part[0]
            exact[row] += Fraction(frames * PAGE, len(owners))
    return Shares(whole, part), exact


@st.composite
def groups(draw: st.DrawFn) -> list[tuple[int, list[OwnerSet]]]:
    """Groups of rows that own sets of frames among themselves."""
    out = []
    for _ in range(draw(st.integers(0, 4))):
        rows = draw(st.integers(0, 9))
        owners = st.sets(st.integers(0, max(rows - 1, 0)), min_size=1).map(frozenset)
        frames = st.one_of(st.integers(0, 9), st.integers(0, 2**36))
        out.append((rows, draw(st.lists(st.tuples(frames, owners), max_size=12)) if rows else []))
    return out


@given(groups(), st.randoms())
def test_every_group_adds_up_and_nobody_is_two_bytes_off(made: list[tuple[int, list[OwnerSet]]], order: object) -> None:
    whole, part, group, exact, totals = [], [], [], [], []
    for number, (rows, sets) in enumerate(made):
        shares, fractions = shared(rows, sets)
        whole += shares.whole.tolist()
        part += shares.part.tolist()
        group += [number] * rows
        exact += fractions
        totals.append(sum(frames for frames, _ in sets) * PAGE)
    # Rows of one group need not stand together.
    mixed = list(range(len(exact)))
    order.shuffle(mixed)  # type: ignore[attr-defined]
    given_shares = Shares(ints([whole[k] for k in mixed]), ints([part[k] for k in mixed]))
    said = apportion(given_shares, ints(totals), ints([group[k] for k in mixed]))
    sums = [0] * len(totals)
    for k, got in zip(mixed, said.tolist(), strict=True):
        sums[group[k]] += got
        assert abs(got - exact[k]) < 2
    assert sums == totals


def test_the_largest_remainders_are_rounded_up() -> None:
    shares = Shares(ints([10, 10, 10, 10]), ints([3 << 30, 1 << 30, 2 << 30, 2 << 30]))
    assert apportion(shares, ints([42]), ints([0, 0, 0, 0])).tolist() == [11, 10, 11, 10]


def test_what_has_no_part_is_left_alone() -> None:
    shares, _ = shared(3, [(5, frozenset({0})), (1, frozenset({1, 2}))])
    assert apportion(shares, ints([6 * PAGE]), ints([0, 0, 0])).tolist() == [5 * PAGE, PAGE // 2, PAGE // 2]


def test_a_million_cut_off_parts_are_made_good() -> None:
    """Each loses less than 2**-32 of a byte, all of them together less than one byte a row."""
    whole, part = np.zeros(7, np.int64), np.zeros(7, np.int64)
    n = 1_000_000
    each = divide(np.ones(n, np.int64), np.full(n, 7, np.int64), PAGE)
    whole += each.whole.sum()
    part += each.part.sum()
    said = apportion(Shares(whole, part), ints([n * PAGE]), np.zeros(7, np.int64))
    assert said.sum() == n * PAGE
    assert np.ptp(said) <= 1


def test_a_total_that_was_rounded_up() -> None:
    """Within a mapping's process figures are whole bytes already: one more than the parts add up to."""
    shares = Shares(ints([10, 10]), ints([1 << 31, 1 << 31]))
    for total in (20, 21, 22, 23):
        said = apportion(shares, ints([total]), ints([0, 0]))
        assert said.sum() == total
        assert (abs(said - 10.5) < 2).all()


@pytest.mark.parametrize("total", [0, 19, 24])
def test_shares_that_do_not_add_up_are_told(total: int) -> None:
    shares = Shares(ints([10, 10]), ints([1 << 31, 1 << 31]))
    with pytest.raises(SnapshotError, match="do not add up"):
        apportion(shares, ints([total]), ints([0, 0]))


def test_nothing_is_nothing() -> None:
    empty = Shares(ints([]), ints([]))
    assert apportion(empty, ints([]), ints([])).tolist() == []
    assert apportion(empty, ints([0, 0]), ints([])).tolist() == []
