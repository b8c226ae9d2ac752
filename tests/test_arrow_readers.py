"""Tables in the hands of those they are made for: polars, pandas, duckdb and pyarrow, the real ones."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pagewalk.table import UNITS, Column, Table, objects
from test_arrow_native import least_growth

MILLION = 1_000_000


def every_unit(rows: int = 3) -> Table:
    """A column a unit, the middle row unknown wherever it may be."""
    data: dict[str, Any] = {unit: np.arange(rows).astype(dtype) for unit, dtype in UNITS.items() if dtype.kind != "O"}
    data["inode"] = np.full(rows, 2**63 + 5, np.uint64)
    data["hex"] = np.full(rows, 2**64 - 1, np.uint64)
    data["text"] = objects([f"p{row}\udcff" for row in range(rows)])
    data["list"] = objects([tuple(range(row)) for row in range(rows)])
    middle = np.arange(rows) == 1
    return Table([Column(unit, unit, f"in {unit}") for unit in UNITS], data, dict.fromkeys(UNITS, middle))


def rows_of(table: Table) -> list[dict[str, Any]]:
    return [
        {name: cell.replace("\udcff", r"\xff") if isinstance(cell, str) else cell for name, cell in row.items()}
        for row in table
    ]


def with_pandas(table: Table) -> list[dict[str, Any]]:
    """Rows of a frame of Arrow's own types: numpy's have no null, and pandas then makes floats of integers."""
    frame = pa.table(table).to_pandas(types_mapper=pd.ArrowDtype)
    rows: list[dict[str, Any]] = frame.astype(object).to_dict("records")
    return [{name: plain(cell) for name, cell in row.items()} for row in rows]


def plain(cell: Any) -> Any:
    if isinstance(cell, np.ndarray | list):
        return list(cell)
    return None if cell is pd.NA else cell


def with_duckdb(seen: Table) -> list[dict[str, Any]]:
    relation = duckdb.sql("select * from seen")
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


READERS: dict[str, Callable[[Table], list[dict[str, Any]]]] = {
    "pyarrow": lambda table: pa.table(table).to_pylist(),
    "pyarrow-stream": lambda table: pa.RecordBatchReader.from_stream(table).read_all().to_pylist(),
    "polars": lambda table: pl.DataFrame(table).to_dicts(),
    "polars-from-arrow": lambda table: pl.from_arrow(table).struct.unnest().to_dicts(),
    "pandas": with_pandas,
    "duckdb": with_duckdb,
}
every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))


@every_reader
def test_values_are_equal_and_the_unknown_is_null(reader: Callable[[Table], list[dict[str, Any]]]) -> None:
    table = every_unit()
    got = reader(table)
    assert got == rows_of(table)
    assert set(got[1].values()) == {None}
    assert (got[0]["inode"], got[0]["hex"]) == (2**63 + 5, 2**64 - 1)


@every_reader
def test_no_rows(reader: Callable[[Table], list[dict[str, Any]]]) -> None:
    assert reader(every_unit().head(0)) == []


@every_reader
def test_owners_of_a_frame(reader: Callable[[Table], list[dict[str, Any]]]) -> None:
    """Lists of dictionaries, as the answer of who has them, and a row of none."""
    owners = [{"pid": 1, "comm": "a", "addresses": [4096, 2**64 - 4096], "mapping": "/lib/x"}]
    table = Table([Column("owners", "list", "who")], {"owners": objects([tuple(owners), ()])})
    got = [[dict(owner) for owner in row["owners"]] for row in reader(table)]
    for owner in (owner for row in got for owner in row):
        owner["addresses"] = list(owner["addresses"])
    assert got == [owners, []]


class TestTypes:
    INTEGERS = ("bytes", "frames", "pages", "count", "id", "ns")

    def test_polars(self) -> None:
        schema = pl.DataFrame(every_unit()).schema
        assert {schema[name] for name in self.INTEGERS} == {pl.Int64}
        assert {schema[name] for name in ("inode", "hex")} == {pl.UInt64}
        assert {schema[name] for name in ("seconds", "share")} == {pl.Float64}
        assert (schema["flag"], schema["text"], schema["list"]) == (pl.Boolean, pl.String, pl.List(pl.Int64))

    def test_duckdb(self) -> None:
        seen = every_unit()
        relation = duckdb.sql("from seen")
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        assert {types[name] for name in self.INTEGERS} == {"BIGINT"}
        assert {types[name] for name in ("inode", "hex")} == {"UBIGINT"}
        assert {types[name] for name in ("seconds", "share")} == {"DOUBLE"}
        assert (types["flag"], types["text"], types["list"]) == ("BOOLEAN", "VARCHAR", "BIGINT[]")
        assert len(seen) == 3

    def test_pandas(self) -> None:
        types = pd.DataFrame.from_arrow(every_unit().head(1)).dtypes.astype(str)
        assert {types[name] for name in self.INTEGERS} == {"int64"}
        assert {types[name] for name in ("inode", "hex")} == {"uint64"}
        assert {types[name] for name in ("seconds", "share")} == {"float64"}
        assert (types["flag"], types["text"]) == ("bool", "str")

    def test_pandas_of_numpy_types_has_nan_for_the_unknown(self) -> None:
        frame = pd.DataFrame.from_arrow(every_unit())
        assert frame["bytes"].isna().tolist() == [False, True, False]
        assert frame["text"].isna().tolist() == [False, True, False]


class TestQueries:
    def test_duckdb_adds_up_what_is_known(self) -> None:
        seen = every_unit(5)
        assert duckdb.sql("select sum(bytes), count(bytes), max(hex) from seen").fetchall() == [(9, 4, 2**64 - 1)]
        assert len(seen) == 5

    def test_duckdb_joins_a_table_with_itself(self) -> None:
        seen = every_unit(5)
        found = duckdb.sql("select count(*) from seen a join seen b on a.id < b.id").fetchall()
        assert found == [(6,)]
        assert len(seen) == 5

    def test_polars_groups(self) -> None:
        table = Table(
            [Column("comm", "text", ""), Column("pss", "bytes", "")],
            {"comm": objects(["a", "b", "a"]), "pss": np.array([1, 2, 4])},
        )
        assert pl.DataFrame(table).group_by("comm").agg(pl.col("pss").sum()).sort("comm").rows() == [("a", 5), ("b", 2)]


class TestSize:
    def million(self) -> Table:
        return Table(
            [
                Column("start", "hex", ""),
                Column("pss", "bytes", ""),
                Column("comm", "text", ""),
                Column("dirty", "flag", ""),
            ],
            {
                "start": np.arange(2**63, 2**63 + MILLION, dtype=np.uint64),
                "pss": np.arange(MILLION),
                "comm": objects(["worker", "café"] * (MILLION // 2)),
                "dirty": np.arange(MILLION) % 3 == 0,
            },
            {"pss": np.arange(MILLION) % 2 == 1},
        )

    def test_a_million_rows(self) -> None:
        seen = self.million()
        frame = pl.DataFrame(seen)
        assert frame.shape == (MILLION, 4)
        assert frame["pss"].null_count() == MILLION // 2
        query = (
            "select count(*), sum(pss), max(start), count(*) filter (comm = 'café'), count(*) filter (dirty) from seen"
        )
        expected = (MILLION, sum(range(0, MILLION, 2)), 2**63 + MILLION - 1, MILLION // 2, (MILLION + 2) // 3)
        assert duckdb.sql(query).fetchall() == [expected]
        assert frame["pss"].sum() == expected[1]

    def test_a_frame_outlives_the_table(self) -> None:
        frame = pl.DataFrame(self.million())
        gc.collect()
        noise = [np.full(MILLION, 7) for _ in range(4)]
        assert frame["pss"].sum() == sum(range(0, MILLION, 2))
        assert len(noise) == 4

    def test_read_and_dropped_in_other_threads(self) -> None:
        table, sums = every_unit(100), []

        def work() -> None:
            for _ in range(20):
                sums.append(pl.DataFrame(table)["id"].sum())
                sums.append(pc.sum(pa.table(table)["id"]).as_py())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(sums) == {4949}
        assert len(sums) == 160


LEAKY = {
    "pyarrow": (pa.table, every_unit().select(["hex", "text", "list"]), 10_000),
    "polars": (pl.DataFrame, every_unit().select(["hex", "text", "list"]), 10_000),
    "duckdb": (
        lambda seen: duckdb.sql("select sum(hex) from seen").fetchall(),
        every_unit(1000).select(["hex", "text"]),
        500,
    ),
    "pandas": (pd.DataFrame.from_arrow, every_unit(1000).select(["hex", "flag"]), 2000),
}


@pytest.mark.unsanitized("what is freed is kept in quarantine")
@pytest.mark.parametrize("name", LEAKY)
def test_no_leak(name: str) -> None:
    reader, table, rounds = LEAKY[name]

    def turn() -> None:
        for _ in range(rounds):
            reader(table)

    for _ in range(rounds // 5):
        reader(table)
    # If each round left behind what it was handed, every turn would take twice as much at the least; a reader's own
    # allocator may grow once.
    assert least_growth(turn, 4 << 20) < 4 << 20
