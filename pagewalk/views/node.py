"""Nodes and zones: what their frames are used for, and how their free memory is cut up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects
from pagewalk.uses import USE_DOC, USES, uses_of

__all__ = ["columns", "nodes"]

_HEAD = (
    Column("node", "id", "NUMA node, unknown where nothing tells"),
    Column("zone", "text", "zone of it"),
    Column("bytes", "bytes", "System RAM"),
    *(Column(use, "bytes", doc) for use, doc in USE_DOC.items()),
    Column("managed", "bytes", "handed to the page allocator (zoneinfo)"),
    Column("small", "bytes", "free in blocks too small for a huge page (buddyinfo)"),
    Column("fragmentation", "share", "the share of free memory in blocks too small for a huge page"),
)


def columns(orders: int) -> tuple[Column, ...]:
    """Return the columns of `nodes`.

    Parameters
    ----------
    orders : int
        How many orders of free blocks the kernel has.
    """
    return (*_HEAD, *(Column(f"order{k}", "count", f"free blocks of {1 << k} pages") for k in range(orders)))


def nodes(facts: Facts) -> Table:
    """Make the table of nodes and zones.

    Parameters
    ----------
    facts : Facts
        Of a walk of all of RAM.

    Returns
    -------
    Table
        `columns`, a row a zone that has memory.
    """
    places, table, size = facts.places, facts.table, facts.page_size
    names = places.names if places is not None else ((-1, ""),)
    inside = facts.in_ram
    use = uses_of(table.flags, table.mapcount > 0)
    matrix = np.zeros((len(names), len(USES)), np.int64)
    np.add.at(matrix, (table.zone[inside], use[inside]), table.frames[inside] * size)
    rows = np.flatnonzero(matrix.sum(axis=1))
    node = np.array([names[row][0] for row in rows], np.int64)
    data: dict[str, NDArray[np.generic]] = {
        "node": node,
        "zone": objects([names[row][1] for row in rows]),
        "bytes": matrix[rows].sum(axis=1),
        **{name: matrix[rows, k] for k, name in enumerate(USES)},
    }
    unknown = {"node": node < 0}
    _add_kernels(facts, [names[row] for row in rows], data, unknown)
    orders = sum(name.startswith("order") for name in data)
    return Table(columns(orders), data, unknown)


def _add_kernels(
    facts: Facts,
    names: list[tuple[int, str]],
    data: dict[str, NDArray[np.generic]],
    unknown: dict[str, NDArray[np.bool_]],
) -> None:
    """Add what zoneinfo and buddyinfo say of these zones; unknown where they say nothing."""
    zones = {(zone.node, zone.name): zone for zone in (facts.accounts.zones if facts.accounts else ())}
    free = facts.accounts.free_blocks if facts.accounts else None
    blocks = {} if free is None else {(row["node"], row["zone"]): row for row in free}
    orders = [] if free is None else [name for name in free.names if name.startswith("order")]
    managed = [zones[name].managed * facts.page_size if name in zones else None for name in names]
    _put("managed", managed, np.int64, data, unknown)
    for column in ("small", "fragmentation", *orders):
        values = [blocks[name][column] if name in blocks else None for name in names]
        _put(column, values, np.float64 if column == "fragmentation" else np.int64, data, unknown)


def _put(
    name: str,
    values: list[int | None],
    dtype: type[np.generic],
    data: dict[str, NDArray[np.generic]],
    unknown: dict[str, NDArray[np.bool_]],
) -> None:
    data[name] = np.array([value or 0 for value in values], dtype)
    unknown[name] = np.array([value is None for value in values], bool)
