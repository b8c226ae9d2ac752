"""Table: what every view returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.errors import PagewalkError
from pagewalk.table import UNITS, Column, Table, objects

COLUMNS = (
    Column("pid", "id", "process"),
    Column("pss", "bytes", "proportional set"),
    Column("comm", "text", "its name"),
    Column("pids", "list", "its processes"),
    Column("start", "hex", "first address"),
)


def made(pss: Sequence[int] = (5, 9, 9), unknown: Sequence[bool] = (False, False, False)) -> Table:
    n = len(pss)
    return Table(
        COLUMNS,
        {
            "pid": np.arange(1, n + 1),
            "pss": np.array(pss, np.int64),
            "comm": objects([f"p{i}" for i in range(n)]),
            "pids": objects([(i, i + 1) for i in range(n)]),
            "start": np.full(n, (1 << 64) - 1, np.uint64),
        },
        {"pss": np.array(unknown, np.bool_)},
    )


values = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.booleans()), max_size=20)


class TestShape:
    def test_length_names_and_columns(self) -> None:
        table = made()
        assert (len(table), table.names, table.columns) == (3, ("pid", "pss", "comm", "pids", "start"), COLUMNS)
        assert table.column("pss").unit == "bytes"
        assert "pss" in table
        assert "rss" not in table
        assert repr(table) == "<Table of 3 rows: pid, pss, comm, pids, start>"

    def test_every_unit_has_its_type(self) -> None:
        table = Table([Column(unit, unit, "") for unit in UNITS], {unit: objects([]) for unit in UNITS})
        assert {name: table[name].dtype for name in table.names} == UNITS

    def test_rows_are_of_pythons_own_types(self) -> None:
        assert made(unknown=(True, False, False)).to_dicts()[:2] == [
            {"pid": 1, "pss": None, "comm": "p0", "pids": [0, 1], "start": 2**64 - 1},
            {"pid": 2, "pss": 9, "comm": "p1", "pids": [1, 2], "start": 2**64 - 1},
        ]
        assert {type(cell) for row in made() for cell in row.values()} == {int, str, list}

    def test_no_columns_no_rows(self) -> None:
        assert Table([], {}).to_dicts() == []

    def test_cannot_be_written_to(self) -> None:
        data = np.array([1, 2, 3])
        table = Table([Column("pid", "id", "")], {"pid": data})
        with pytest.raises(ValueError, match="read-only"):
            table["pid"][0] = 7
        data[0] = 7  # the maker's own array stays the maker's

    @pytest.mark.parametrize(
        ("columns", "data", "unknown", "message"),
        [
            (("a", "a"), {"a": [1]}, {}, "one name"),
            (("a", "b"), {"a": [1]}, {}, "'b'"),
            (("a",), {"a": [1], "b": [1]}, {}, "'b'"),
            (("a", "b"), {"a": [1], "b": [1, 2]}, {}, "one length"),
            (("a",), {"a": [[1]]}, {}, "1-D"),
            (("a",), {"a": [1]}, {"b": [True]}, "'b'"),
            (("a",), {"a": [1]}, {"a": [True, False]}, "another length"),
        ],
    )
    def test_what_does_not_fit_is_refused(
        self, columns: tuple[str, ...], data: dict[str, Any], unknown: dict[str, Any], message: str
    ) -> None:
        arrays = {name: np.array(cells) for name, cells in data.items()}
        with pytest.raises(ValueError, match=message):
            Table([Column(name, "id", "") for name in columns], arrays, {k: np.array(v) for k, v in unknown.items()})

    @given(st.lists(st.lists(st.integers(), max_size=3).map(tuple), max_size=6))
    def test_objects_keeps_tuples_of_any_length(self, cells: list[tuple[int, ...]]) -> None:
        array = objects(cells)
        assert array.shape == (len(cells),)
        assert array.tolist() == cells


class TestAsking:
    def test_an_unknown_column_names_the_others(self) -> None:
        table = made()
        asks: list[Callable[[str], object]] = [table.__getitem__, table.column, table.unknown, table.sort]
        asks.append(lambda name: table.select([name]))
        for ask in asks:
            with pytest.raises(PagewalkError, match="no column 'rss'; there are pid, pss, comm, pids, start"):
                ask("rss")

    def test_select(self) -> None:
        table = made(unknown=(False, True, False)).select(["comm", "pss", "comm"])
        assert table.names == ("comm", "pss")
        assert table.unknown("pss").tolist() == [False, True, False]

    def test_where_and_head(self) -> None:
        table = made(unknown=(False, True, False))
        assert table.where(table["pid"] > 1).to_dicts() == table.to_dicts()[1:]
        assert [len(table.head(n)) for n in (-1, 0, 2, 9)] == [0, 0, 2, 3]
        for mask in (np.array([True]), np.array([1, 0, 1])):
            with pytest.raises(ValueError, match=r"bool\[3\]"):
                table.where(mask)

    def test_totals(self) -> None:
        assert made().totals() == {"pid": None, "pss": 23, "comm": None, "pids": None, "start": None}

    def test_no_total_of_what_is_not_known(self) -> None:
        assert made(unknown=(False, True, False)).totals()["pss"] is None


class TestStructured:
    def test_a_field_a_column(self) -> None:
        table = made()
        array = table.to_structured()
        assert array.dtype.names == table.names
        assert [array.dtype[name] for name in table.names] == [UNITS[column.unit] for column in COLUMNS]
        assert [tuple(row) for row in array.tolist()] == [
            (pid, pss, f"p{pid - 1}", (pid - 1, pid), 2**64 - 1) for pid, pss in ((1, 5), (2, 9), (3, 9))
        ]

    @pytest.mark.parametrize(
        ("unit", "cells", "marked"),
        [
            ("bytes", [7, 8], -1),
            ("id", [7, 8], -1),
            ("hex", [7, 8], 2**64 - 1),
            ("inode", [7, 8], 2**64 - 1),
            ("text", ["a", "b"], None),
            ("list", [(1,), ({"pid": 1},)], None),
            ("flag", [True, True], False),
        ],
    )
    def test_marks_the_unknown(self, unit: str, cells: list[Any], marked: object) -> None:
        data = objects(cells) if UNITS[unit].kind == "O" else np.array(cells, UNITS[unit])
        table = Table([Column("x", unit, "")], {"x": data}, {"x": np.array([True, False])})
        assert table.to_structured()["x"].tolist() == [marked, cells[1]]
        assert table["x"].tolist() == cells  # the table's own are as they were

    def test_marks_unknown_fractions(self) -> None:
        table = Table([Column("t", "seconds", "")], {"t": np.array([1.5, 2])}, {"t": np.array([True, False])})
        assert np.isnan(table.to_structured()["t"]).tolist() == [True, False]

    def test_is_a_copy(self) -> None:
        table = made()
        array = table.to_structured()
        array["pss"][:] = 0
        assert table["pss"].tolist() == [5, 9, 9]

    def test_no_rows_and_no_columns(self) -> None:
        assert made().head(0).to_structured().shape == (0,)
        assert Table([], {}).to_structured().shape == (0,)


class TestSort:
    @given(values, st.booleans())
    def test_orders_integers_unknown_last(self, rows: list[tuple[int, bool]], descending: bool) -> None:
        table = made([value for value, _ in rows], [missing for _, missing in rows]).sort("pss", descending)
        pairs = [(row["pss"], row["pid"]) for row in table]
        known = [pair for pair in pairs if pair[0] is not None]
        assert known == sorted(known, key=lambda pair: (-pair[0] if descending else pair[0], pair[1]))
        assert pairs[len(known) :] == sorted((pair for pair in pairs if pair[0] is None), key=lambda pair: pair[1])

    @given(st.lists(st.text(max_size=3), max_size=12), st.booleans())
    def test_orders_text_stably(self, names: list[str], descending: bool) -> None:
        columns = (Column("comm", "text", ""), Column("at", "id", ""))
        table = Table(columns, {"comm": objects(names), "at": np.arange(len(names))}).sort("comm", descending)
        expected = sorted(enumerate(names), key=lambda pair: pair[1], reverse=descending)
        assert table["at"].tolist() == [at for at, _ in expected]

    @pytest.mark.parametrize("unit", ["hex", "flag", "seconds"])
    def test_orders_every_type(self, unit: str) -> None:
        table = Table([Column("x", unit, "")], {"x": np.array([0, 1, 0, 1])})
        assert table.sort("x")["x"].tolist() == [1, 1, 0, 0]
        assert table.sort("x", descending=False)["x"].tolist() == [0, 0, 1, 1]
