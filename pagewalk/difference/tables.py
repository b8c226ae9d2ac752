"""Two tables of one view into one of changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagewalk.difference.matching import Pairs
from pagewalk.table import SUMMABLE, Column, Table, objects

__all__ = ["STATES", "change_columns", "changes"]

# Whether a row is of both, of the new only, or of the old only.
STATES = ("same", "new", "gone")
SAME, NEW, GONE = STATES
_STATE = Column("state", "text", "same: there both times; new: not there before; gone: no longer there")


def change_columns(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns of the changes of a view's table: what names a row, its state, three for each figure.

    Parameters
    ----------
    columns : sequence of Column
        The view's. Those in bytes, frames, pages or counts are its figures.
    """
    labels = tuple(column for column in columns if column.unit not in SUMMABLE)
    figures = [column for column in columns if column.unit in SUMMABLE]
    return (*labels, _STATE, *(column for figure in figures for column in _three(figure)))


def _three(figure: Column) -> tuple[Column, Column, Column]:
    return (
        Column(figure.name, figure.unit, f"the change, new less old, of: {figure.doc}"),
        Column(f"{figure.name}_old", figure.unit, f"before; 0 where the row is new: {figure.doc}"),
        Column(f"{figure.name}_new", figure.unit, f"after; 0 where the row is gone: {figure.doc}"),
    )


def changes(old: Table, new: Table, pairs: Pairs) -> Table:
    """Subtract the old figures from the new ones, row by row.

    Parameters
    ----------
    old, new : Table
        Of one view; a column that only one of them has is left out.
    pairs : Pairs
        Which rows are of the same thing.

    Returns
    -------
    Table
        `change_columns`, in the order of `pairs`. What names a row is the new table's where it is in both. A figure of
        a row that is in one table only counts as 0 in the other; a change of what either does not know is unknown.
    """
    common = [column for column in old.columns if column.name in new]
    columns = change_columns(common)
    data: dict[str, NDArray[Any]] = {"state": _states(pairs)}
    unknown: dict[str, NDArray[np.bool_]] = {}
    for column in common:
        name = column.name
        if column.unit in SUMMABLE:
            before, after = _figure(old, name, pairs.old), _figure(new, name, pairs.new)
            data |= {name: after - before, f"{name}_old": before, f"{name}_new": after}
            was, is_now = _unknown(old, name, pairs.old), _unknown(new, name, pairs.new)
            unknown |= {name: was | is_now, f"{name}_old": was, f"{name}_new": is_now}
        else:
            data[name] = _label(old, new, name, pairs)
            unknown[name] = np.where(pairs.new >= 0, _unknown(new, name, pairs.new), _unknown(old, name, pairs.old))
    return Table(columns, data, unknown)


def _states(pairs: Pairs) -> NDArray[Any]:
    which = np.where(pairs.old < 0, 1, np.where(pairs.new < 0, 2, 0))
    return objects([STATES[one] for one in which.tolist()])


def _figure(table: Table, name: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a column by row, 0 where there is no row or no figure."""
    out = np.zeros(len(rows), np.int64)
    known = np.flatnonzero((rows >= 0) & ~_unknown(table, name, rows))
    out[known] = table[name][rows[known]]
    return out


def _unknown(table: Table, name: str, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    out = np.zeros(len(rows), np.bool_)
    there = rows >= 0
    out[there] = table.unknown(name)[rows[there]]
    return out


def _label(old: Table, new: Table, name: str, pairs: Pairs) -> NDArray[Any]:
    out = np.empty(len(pairs), new[name].dtype)
    there = pairs.new >= 0
    out[there] = new[name][pairs.new[there]]
    out[~there] = old[name][pairs.old[~there]]
    return out
