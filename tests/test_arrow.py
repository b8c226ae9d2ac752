"""The layout that readers of Arrow get, as pyarrow validates it and reads it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import arrowconsumer as consumer
from answers import HOSTILE
from pagewalk.legible import written_out
from pagewalk.table import UNITS, Column, Table, objects
from test_render_safe import anything

TYPES = {
    "i": pa.int64(),
    "u": pa.uint64(),
    "f": pa.float64(),
    "b": pa.bool_(),
}


def one(unit: str, cells: list[Any], unknown: list[bool] | None = None) -> Table:
    """A table of one column ``x``."""
    data = objects(cells) if UNITS[unit].kind == "O" else np.array(cells, UNITS[unit])
    return Table([Column("x", unit, "a figure")], {"x": data}, {"x": np.array(unknown, bool)} if unknown else None)


def read(table: Table) -> pa.Table:
    """What pyarrow makes of a table, held to the format in every detail."""
    got = pa.table(table)
    got.validate(full=True)
    return got


def spelled(text: str) -> str:
    """A text with the surrogates that UTF-8 lacks written out."""
    return "".join(written_out(char) if "\ud800" <= char <= "\udfff" else char for char in text)


LIMITS = {"i": (-(2**63), 2**63 - 1), "u": (0, 2**64 - 1)}


def cells_of(unit: str) -> st.SearchStrategy[Any]:
    match UNITS[unit].kind:
        case "b":
            return st.booleans()
        case "f":
            return st.floats(allow_nan=False)
        case "O":
            return anything if unit == "text" else st.lists(st.integers(*LIMITS["i"]), max_size=4).map(tuple)
        case kind:
            return st.integers(*LIMITS[kind])


class TestColumns:
    @pytest.mark.parametrize("unit", sorted(UNITS))
    @given(data=st.data())
    def test_cells_come_back_and_the_unknown_is_null(self, unit: str, data: st.DataObject) -> None:
        cells = data.draw(st.lists(cells_of(unit), max_size=20))
        unknown = data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))
        table = one(unit, cells, unknown)
        expected = [row["x"] for row in table]
        if unit == "text":
            expected = [cell if cell is None else spelled(cell) for cell in expected]
        column = read(table)["x"]
        assert column.to_pylist() == expected
        assert column.null_count == sum(unknown)

    @pytest.mark.parametrize("unit", sorted(UNITS))
    @pytest.mark.parametrize("rows", [0, 1])
    def test_types(self, unit: str, rows: int) -> None:
        by_unit: dict[str, list[Any]] = {"text": ["a"], "list": [(1,)]}
        cells = by_unit.get(unit, [1])
        kind = UNITS[unit].kind
        expected = TYPES.get(kind) or (
            pa.large_string() if unit == "text" else pa.large_list(pa.int64() if rows else pa.null())
        )
        assert read(one(unit, cells[:rows])).schema.field("x").type == expected

    def test_unit_and_meaning_go_along(self) -> None:
        field = read(one("bytes", [1])).schema.field("x")
        assert (field.metadata, field.nullable) == ({b"unit": b"bytes", b"doc": b"a figure"}, True)
        schema = pa.schema(one("bytes", [1]))
        assert schema.equals(read(one("bytes", [1])).schema, check_metadata=True)

    def test_names_and_meanings_may_be_anything(self) -> None:
        columns = [Column(name, "id", name) for name in HOSTILE]
        got = read(Table(columns, {name: np.array([7]) for name in HOSTILE}))
        assert got.num_columns == len(HOSTILE)
        assert got.schema.names == [spelled(name).replace("\0", r"\x00") for name in HOSTILE]
        assert [field.metadata[b"doc"].decode() for field in got.schema] == [spelled(name) for name in HOSTILE]

    def test_no_columns(self) -> None:
        assert read(Table([], {})).shape == (0, 0)

    def test_text_that_is_no_utf8_is_written_out(self) -> None:
        column = read(one("text", ["caf\udce9\udcff", "\ud800", "é", "plain", "zero\0byte", ""]))["x"]
        assert column.to_pylist() == [r"caf\xe9\xff", r"\ud800", "é", "plain", "zero\0byte", ""]

    def test_an_object_that_is_no_text_is_shown_as_text(self) -> None:
        assert read(one("text", ["a", None, 7]))["x"].to_pylist() == ["a", None, "7"]

    def test_a_requested_schema_is_ignored(self) -> None:
        wish = pa.schema([("x", pa.int8())])
        assert one("bytes", [1]).__arrow_c_stream__(wish.__arrow_c_schema__()) is not None
        assert pa.table(one("bytes", [1]), schema=wish).schema == wish  # converted by who asked


class TestMemory:
    @pytest.mark.parametrize("unit", sorted(unit for unit, dtype in UNITS.items() if dtype.kind in "iuf"))
    def test_numbers_are_not_copied(self, unit: str) -> None:
        data = np.arange(5).astype(UNITS[unit])
        table = Table([Column("x", unit, "")], {"x": data}, {"x": np.array([False, True] * 2 + [False])})
        column = pa.table(table)["x"].chunk(0)
        assert column.buffers()[1].address == data.ctypes.data

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: np.repeat(data, 2)[::2],
            lambda data: data[::-1].copy()[::-1],
            lambda data: np.frombuffer(b"x" + data.tobytes(), np.uint8)[1:].view(np.int64),
            lambda data: data.astype(">i8"),
            lambda data: np.broadcast_to(data[:1], 4),
        ],
        ids=["strided", "backward", "unaligned", "other-endian", "one-for-all"],
    )
    def test_memory_that_arrow_cannot_use_is_copied(self, spoil: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        data = spoil(np.arange(4, dtype=np.int64))
        assert read(Table([Column("x", "id", "")], {"x": data}))["x"].to_pylist() == data.tolist()

    def test_the_rows_of_a_view_are_those_of_the_view(self) -> None:
        table = one("hex", [2**64 - 1, 2**63, 1, 0]).sort("x", descending=False).where(np.array([True, False] * 2))
        assert read(table)["x"].to_pylist() == [0, 2**63]

    def test_an_arrow_array_outlives_the_table(self) -> None:
        def made() -> pa.Table:
            return pa.table(Table([Column("x", "id", "")], {"x": np.arange(100_000)}))

        kept = [made() for _ in range(20)]
        assert {table["x"].to_numpy().sum() for table in kept} == {99_999 * 50_000}

    def test_each_call_is_a_stream_of_its_own(self) -> None:
        table = one("id", [1, 2])
        capsules = [table.__arrow_c_stream__() for _ in range(2)]
        chunks = [consumer.next_of(consumer.opened(capsule)) for capsule in capsules]
        del capsules, table
        for chunk in chunks:
            assert consumer.integers(consumer.children(chunk)[0]) == [1, 2]
            consumer.release(chunk)


OWNERS = [
    ({"pid": 1, "comm": "a\udcff", "addresses": [4096, 8192], "mapping": "/lib/x"},),
    (),
    (
        {"pid": 2, "comm": "b", "addresses": [], "mapping": None},
        {"pid": 3, "comm": "c", "addresses": [2**64 - 4096], "mapping": "[vsyscall]"},
    ),
]

item = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | anything
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


class TestLists:
    @pytest.mark.parametrize(
        ("cells", "type_", "expected"),
        [
            ([(1, 2), (), (3,)], pa.int64(), [[1, 2], [], [3]]),
            ([(-1, 2**63 - 1)], pa.int64(), [[-1, 2**63 - 1]]),
            ([(2**63, 0)], pa.uint64(), [[2**63, 0]]),
            ([(2**64,), (-1,)], pa.large_string(), [["18446744073709551616"], ["-1"]]),
            ([(2**63,), (-1,)], pa.large_string(), [["9223372036854775808"], ["-1"]]),
            ([("a", "é"), ("\udcff",)], pa.large_string(), [["a", "é"], [r"\xff"]]),
            ([(1, None), None], pa.int64(), [[1, None], None]),
            ([(1, 0.5)], pa.float64(), [[1.0, 0.5]]),
            ([(True, None, False)], pa.bool_(), [[True, None, False]]),
            ([(True, 2)], pa.large_string(), [["true", "2"]]),
            ([("a", 1), ({"b": "é"},)], pa.large_string(), [['"a"', "1"], ['{"b": "é"}']]),
            ([(np.int64(4), np.uint64(5))], pa.int64(), [[4, 5]]),
            ([(), ()], pa.null(), [[], []]),
            ([None], pa.null(), [None]),
            ([(None,)], pa.null(), [[None]]),
            ([((1,), (2, 3)), ()], pa.large_list(pa.int64()), [[[1], [2, 3]], []]),
        ],
    )
    def test_items_have_the_type_they_are_of(self, cells: list[Any], type_: pa.DataType, expected: list[Any]) -> None:
        column = read(one("list", cells))["x"]
        assert column.type == pa.large_list(pa.field("item", type_))
        assert column.to_pylist() == expected

    def test_dictionaries_are_structs(self) -> None:
        column = read(one("list", OWNERS))["x"]
        assert column.type.value_type == pa.struct(
            [
                ("pid", pa.int64()),
                ("comm", pa.large_string()),
                ("addresses", pa.large_list(pa.uint64())),
                ("mapping", pa.large_string()),
            ]
        )
        expected = [list(owners) for owners in OWNERS]
        expected[0] = [{**OWNERS[0][0], "comm": r"a\xff"}]
        assert column.to_pylist() == expected

    def test_a_key_that_is_missing_is_null(self) -> None:
        column = read(one("list", [({"a": 1}, None, {"b": "x"})]))["x"]
        assert column.to_pylist() == [[{"a": 1, "b": None}, None, {"a": None, "b": "x"}]]

    def test_a_dictionary_without_keys(self) -> None:
        assert read(one("list", [({}, {})]))["x"].to_pylist() == [[{}, {}]]

    @pytest.mark.parametrize(
        ("cells", "expected"),
        [
            ([np.array([1, 2]), (3,)], [[1, 2], [3]]),
            (["abc"], ["abc"]),
            ([(1,), "abc"], ["[1]", '"abc"']),
        ],
    )
    def test_cells_that_are_no_tuples(self, cells: list[Any], expected: list[Any]) -> None:
        assert read(one("list", cells))["x"].to_pylist() == expected

    @given(st.lists(st.lists(item, max_size=3).map(tuple), max_size=4), st.data())
    def test_never_fails(self, cells: list[tuple[Any, ...]], data: st.DataObject) -> None:
        unknown = data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))
        column = read(one("list", cells, unknown))["x"]
        for got, cell, missing in zip(column.to_pylist(), cells, unknown, strict=True):
            assert (got is None) == missing
            assert missing or len(got) == len(cell)
