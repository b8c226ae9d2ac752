"""Changes of tables: old and change make new, whatever is not known stays so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.difference import STATES, change_columns, changes, match
from pagewalk.table import Column, Table, objects

COLUMNS = (
    Column("name", "text", "its name"),
    Column("start", "hex", "where"),
    Column("rss", "bytes", "what it has"),
    Column("processes", "count", "how many"),
)
NAMES = ("name", "start", "state", "rss", "rss_old", "rss_new", "processes", "processes_old", "processes_new")

rows = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.integers(0, 1 << 62), st.one_of(st.none(), st.integers(0, 99))),
)
Rows = dict[str, tuple[int, int | None]]


def table(rows: Rows) -> Table:
    figures = list(rows.values())
    return Table(
        COLUMNS,
        {
            "name": objects(rows),
            "start": np.arange(len(rows), dtype=np.uint64) + np.uint64(1 << 63),
            "rss": np.array([rss for rss, _ in figures], np.int64),
            # What stands in an unknown cell is nobody's business, and must not be subtracted.
            "processes": np.array([-(1 << 63) if number is None else number for _, number in figures], np.int64),
        },
        {"processes": np.array([number is None for _, number in figures], bool)},
    )


def changed(old: Rows, new: Rows) -> dict[str, dict[str, Any]]:
    result = changes(table(old), table(new), match(list(old), list(new)))
    assert result.names == NAMES
    return {row["name"]: row for row in result}


@given(rows, rows)
def test_old_and_change_make_new(old: Rows, new: Rows) -> None:
    found = changed(old, new)
    assert found.keys() == old.keys() | new.keys()
    for name, row in found.items():
        assert row["state"] == STATES[0 if name in old and name in new else 1 if name in new else 2]
        for figure, place in (("rss", 0), ("processes", 1)):
            before = old[name][place] if name in old else 0
            after = new[name][place] if name in new else 0
            change = None if before is None or after is None else after - before
            assert (row[figure], row[f"{figure}_old"], row[f"{figure}_new"]) == (change, before, after)


@given(rows, rows)
def test_the_other_way_round_is_the_opposite(old: Rows, new: Rows) -> None:
    there, back = changed(old, new), changed(new, old)
    for name, row in there.items():
        assert {row["state"], back[name]["state"]} in ({"same"}, {"new", "gone"})
        for figure in ("rss", "processes"):
            assert (row[figure] is None) == (back[name][figure] is None)
            assert row[figure] is None or row[figure] == -back[name][figure]


@given(rows)
def test_nothing_changes_of_itself(old: Rows) -> None:
    for row in changed(old, old).values():
        assert row["state"] == "same"
        assert row["rss"] == 0
        assert row["processes"] in (0, None)


def test_what_names_a_row_is_as_it_is_now() -> None:
    found = changed({"a": (1, 1), "b": (2, 2)}, {"b": (3, 3), "c": (4, 4)})
    # b was the second row and is the first one; a is no more.
    assert {name: row["start"] - (1 << 63) for name, row in found.items()} == {"a": 0, "b": 0, "c": 1}


def test_a_column_of_one_of_them_is_left_out() -> None:
    whole = table({"a": (1, 1)})
    for old, new in ((whole, whole.select(["name", "rss"])), (whole.select(["name", "rss"]), whole)):
        assert changes(old, new, match(["a"], ["a"])).names == ("name", "state", "rss", "rss_old", "rss_new")


def test_columns_are_known_without_a_table() -> None:
    columns = change_columns(COLUMNS)
    assert tuple(column.name for column in columns) == NAMES
    assert [column.unit for column in columns[3:]] == ["bytes"] * 3 + ["count"] * 3
    assert columns[3].doc == "the change, new less old, of: what it has"


@pytest.mark.parametrize("rows", [{}, {"a": (1, None)}])
def test_an_empty_side(rows: Rows) -> None:
    assert [row["state"] for row in changed({}, rows).values()] == ["new"] * len(rows)
    assert [row["state"] for row in changed(rows, {}).values()] == ["gone"] * len(rows)
