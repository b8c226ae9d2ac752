"""The order of folios, from where they begin and end: against rows of folios laid out at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.abi import KPF
from pagewalk.orders import folio_edges, folio_orders
from pagewalk.pages import FrameRuns

BASE, HEAD, TAIL, BLOCK = range(4)
FLAGS = np.array([0, KPF.COMPOUND_HEAD | KPF.THP, KPF.COMPOUND_TAIL | KPF.THP, KPF.BUDDY], np.uint64)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Frames one after the other: what each is, and the order of its folio; a base page at the end."""
    rows: list[int] = []
    orders: list[int] = []
    while len(rows) < 60:
        order = draw(st.sampled_from([0, 0, 1, 2, 3, 4]))
        while len(rows) % (1 << order):
            order -= 1
        rows += [HEAD, *[TAIL] * ((1 << order) - 1)] if order else [BASE]
        orders += [order] * (1 << order)
    return [*rows, BASE], [*orders, 0]


def runs_of(rows: dict[int, int], torn: tuple[int, ...] = ()) -> FrameRuns:
    """These frames as read, a run each."""
    pfns = sorted(rows)
    columns = (pfns, [1] * len(pfns), [rows[pfn] for pfn in pfns], list(torn))
    return FrameRuns(*(np.array(column, np.int64) for column in columns))


@given(layouts(), st.sampled_from([0, 1 << 18, 5 << 20]))
def test_the_edges_tell_the_order(layout: tuple[list[int], list[int]], base: int) -> None:
    rows, orders = layout
    frames = {base + at: row for at, row in enumerate(rows)}
    for at in range(len(orders)):
        edges = {int(pfn) for pfn in folio_edges(np.array([base + at], np.uint64))}
        read = runs_of({pfn: row for pfn, row in frames.items() if pfn in edges})
        asked = np.array([base + at], np.int64)
        assert folio_orders(read, FLAGS, asked).tolist() == [orders[at]]
        assert folio_orders(runs_of(frames), FLAGS, asked).tolist() == [orders[at]]


@given(layouts(), st.sets(st.integers(0, 60)), st.lists(st.integers(0, 70), max_size=8))
def test_what_was_not_read_is_not_guessed(
    layout: tuple[list[int], list[int]], read: set[int], asked: list[int]
) -> None:
    rows, orders = layout
    # Nobody was met that goes on beyond what was read: that is said where it is so.
    torn = tuple(at for at in sorted(read) if at + 1 not in read and at + 1 < len(rows) and rows[at + 1] == TAIL)
    found = folio_orders(runs_of({at: rows[at] for at in read}, torn), FLAGS, np.array(asked, np.int64))
    for at, order in zip(asked, found.tolist(), strict=True):
        assert order == -1 or order == orders[at]
        if at in read and rows[at] == BASE:
            assert order == 0


def test_a_folio_of_which_all_but_the_frame_behind_was_read() -> None:
    rows = dict(zip(range(8, 12), [HEAD, TAIL, TAIL, TAIL], strict=True))
    assert folio_orders(runs_of(rows), FLAGS, np.array([9])).tolist() == [2]
    assert folio_orders(runs_of(rows, torn=(11,)), FLAGS, np.array([9])).tolist() == [-1]


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        ({}, -1),
        ({9: TAIL}, -1),
        ({9: TAIL, 8: BASE, 10: BASE}, -1),  # it became another folio while it was read
        ({9: HEAD}, -1),  # no folio begins at an odd frame
        ({8: HEAD, 9: TAIL, 10: HEAD}, 1),
        ({9: BLOCK}, 0),
        ({0: HEAD, 8: TAIL, 9: TAIL, 16: BASE}, 4),
    ],
)
def test_few_frames(rows: dict[int, int], order: int) -> None:
    assert folio_orders(runs_of(rows), FLAGS, np.array([9])).tolist() == [order]


def test_nothing() -> None:
    none = np.zeros(0, np.int64)
    assert folio_orders(runs_of({}), FLAGS, none).tolist() == []
    assert folio_orders(runs_of({}), FLAGS[:0], np.array([1, 2])).tolist() == [-1, -1]
    assert folio_edges(none.astype(np.uint64)).tolist() == []


def test_edges() -> None:
    edges = folio_edges(np.array([0x2A], np.uint64)).tolist()
    assert edges == sorted(set(edges))
    assert set(edges) >= {0x2A, 0x2B, 0x28, 0x2C, 0x20, 0x30, 0x40, 0, 1 << 18}
    # No number that no frame has wraps around to one that a frame has.
    assert folio_edges(np.array([2**64 - 1], np.uint64)).tolist() == [2**64 - 1]
