"""The heads of columns."""

from __future__ import annotations

import pytest

from pagewalk import columns, table
from pagewalk.columns import SUMMABLE, UNITS, Column


def test_no_such_unit() -> None:
    with pytest.raises(ValueError, match=r"furlongs.*bytes"):
        Column("a", "furlongs", "")


def test_what_is_added_up_is_counted_in_integers() -> None:
    assert {UNITS[unit].kind for unit in SUMMABLE} == {"i"}


def test_tables_offer_the_same_columns() -> None:
    assert (table.Column, table.UNITS, table.SUMMABLE) == tuple(
        getattr(columns, name) for name in ("Column", "UNITS", "SUMMABLE")
    )
