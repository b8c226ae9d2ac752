"""Free memory by the size of its blocks: buddyinfo, and pagetypeinfo by what may be put there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import ParseError
from pagewalk.procfs import ProcFS
from pagewalk.system.source import integer, numbered, text_of
from pagewalk.system.totals import huge_order
from pagewalk.table import Column, Table, objects

__all__ = ["buddyinfo", "pagetypeinfo", "parse_buddyinfo", "parse_pagetypeinfo"]

NODE = Column("node", "id", "the NUMA node")
ZONE = Column("zone", "text", "DMA, DMA32, Normal, HighMem, Movable or Device")
TYPE = Column("migratetype", "text", "what may be put there: Unmovable, Movable, Reclaimable, HighAtomic, CMA, Isolate")
FREE = Column("free", "bytes", "memory in free blocks of every order")
SMALL = Column("small", "bytes", "the part of free in blocks too small for a huge page")
FRAGMENTATION = Column("fragmentation", "share", "small / free; unknown where nothing is free")
BLOCKS = Column("blocks", "count", "page blocks of this type, free or not")

# mm/vmstat.c: frag_show_print, pagetypeinfo_showfree_print, pagetypeinfo_showblockcount_print.
ROW = re.compile(
    r"Node\s+(?P<node>[0-9]{1,9}),\s+zone\s+(?P<zone>\S+?)(?:,\s+type\s+(?P<type>\S+))?(?P<figures>(?:\s+\S+)*)\s*"
)
BLOCK_HEADING = "Number of blocks type"


@dataclass(frozen=True)
class Row:
    """A line that begins with a node and a zone."""

    line: int
    node: int
    zone: str
    type: str | None
    figures: list[str]


def rows_of(text: str, path: str) -> Iterator[tuple[str, Row | None]]:
    """Yield each line, and what it says of a zone where it begins as such lines do."""
    for number, line in numbered(text):
        found = ROW.fullmatch(line)
        if found is not None:
            yield line, Row(number, int(found["node"]), found["zone"], found["type"], found["figures"].split())
        elif line.startswith("Node"):
            raise ParseError(path, number, "a zone")
        else:
            yield line, None


def counts(row: Row, path: str) -> list[int | None]:
    """Return the figures of a row: None for ``>100000``, beyond which the kernel does not count."""
    try:
        return [None if figure.startswith(">") else integer(figure) for figure in row.figures]
    except ValueError as error:
        raise ParseError(path, row.line, f"counts of zone {row.zone}") from error


def parse_buddyinfo(text: str, path: str = "buddyinfo", huge: int | None = None) -> Table:
    """Take buddyinfo apart.

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.
    huge : int, optional
        The order of a huge page (`huge_order`); without it what is too small for one is unknown.

    Returns
    -------
    Table
        A row a zone with memory: ``node``, ``zone``, ``order0`` ... (free blocks of 2**n frames), ``free`` and
        ``small`` in bytes, ``fragmentation``: their share, what the kernel calls the unusable free space index
        (mm/vmstat.c:unusable_free_index).

    Raises
    ------
    ParseError
        A line is not a node, a zone and as many numbers as the others have.
    """
    rows: list[Row] = []
    blocks: list[list[int | None]] = []
    for line, row in rows_of(text, path):
        if row is None or row.type is not None:
            raise ParseError(path, len(rows) + 1 if row is None else row.line, line.strip() or "a zone")
        rows.append(row)
        blocks.append(counts(row, path))
    by_order = _matrix(rows, blocks, path)
    frames = by_order << np.arange(by_order.shape[1])
    page = os.sysconf("SC_PAGESIZE")
    free = frames.sum(axis=1) * page
    small = frames[:, :huge].sum(axis=1) * page if huge is not None else np.zeros_like(free)
    unknown_small = np.full(len(rows), huge is None)
    heads = _order_columns(by_order.shape[1])
    return Table(
        [NODE, ZONE, *heads, FREE, SMALL, FRAGMENTATION],
        {
            **_places(rows),
            **{head.name: by_order[:, order] for order, head in enumerate(heads)},
            "free": free,
            "small": small,
            "fragmentation": small / np.maximum(free, 1),
        },
        {"small": unknown_small, "fragmentation": unknown_small | (free == 0)},
    )


def buddyinfo(procfs: ProcFS) -> Table:
    """Read free blocks by node, zone and order, with the share of free memory that no huge page fits in."""
    path = procfs.path("buddyinfo")
    return parse_buddyinfo(text_of(procfs, path), path, huge_order(procfs))


def parse_pagetypeinfo(text: str, path: str = "pagetypeinfo") -> Table:
    """Take pagetypeinfo apart.

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    Table
        A row a zone and migratetype: ``node``, ``zone``, ``migratetype``, ``order0`` ... (free blocks of 2**n frames;
        unknown where there are 100,000 or more, which the kernel does not count), ``blocks`` (page blocks of that
        type, free or not; unknown where the kernel does not say).

    Raises
    ------
    ParseError
        A line of a zone has other than the numbers its heading asks for.
    """
    rows: list[Row] = []
    free: list[list[int | None]] = []
    blocks: dict[tuple[int, str, str], int] = {}
    heading: list[str] = []
    for line, row in rows_of(text, path):
        if row is None:
            heading = line.removeprefix(BLOCK_HEADING).split() if line.startswith(BLOCK_HEADING) else []
        elif row.type is not None:
            rows.append(row)
            free.append(counts(row, path))
        elif heading:
            figures = counts(row, path)
            if len(figures) != len(heading):
                raise ParseError(path, row.line, f"blocks of zone {row.zone}")
            for name, figure in zip(heading, figures, strict=True):
                blocks[row.node, row.zone, name] = figure or 0
    by_order = _matrix(rows, free, path)
    heads = _order_columns(by_order.shape[1])
    of_type = [blocks.get((row.node, row.zone, row.type or "")) for row in rows]
    uncounted = np.array([[figure is None for figure in figures] for figures in free], np.bool_)
    return Table(
        [NODE, ZONE, TYPE, *heads, BLOCKS],
        {
            **_places(rows),
            "migratetype": objects(row.type for row in rows),
            **{head.name: by_order[:, order] for order, head in enumerate(heads)},
            "blocks": objects(figure or 0 for figure in of_type),
        },
        {
            **{head.name: uncounted[:, order] for order, head in enumerate(heads)},
            "blocks": np.array([figure is None for figure in of_type], np.bool_),
        },
    )


def pagetypeinfo(procfs: ProcFS) -> Table:
    """Read free blocks by node, zone, migratetype and order. For root only.

    The kernel counts them under the lock of the zone, up to 100,000 of a kind at a time.
    """
    path = procfs.path("pagetypeinfo")
    return parse_pagetypeinfo(text_of(procfs, path), path)


def _matrix(rows: Sequence[Row], figures: Sequence[Sequence[int | None]], path: str) -> NDArray[np.int64]:
    """Return one row of counts a zone, uncounted ones as 0; all must have one length."""
    width = len(figures[0]) if figures else 0
    for row, cells in zip(rows, figures, strict=True):
        if len(cells) != width or not width:
            raise ParseError(path, row.line, f"counts of zone {row.zone}")
    return np.array([[cell or 0 for cell in cells] for cells in figures], np.int64).reshape(len(rows), width)


def _places(rows: Sequence[Row]) -> dict[str, NDArray[np.object_]]:
    return {"node": objects(row.node for row in rows), "zone": objects(row.zone for row in rows)}


def _order_columns(orders: int) -> list[Column]:
    return [Column(f"order{order}", "count", f"free blocks of {1 << order} frames") for order in range(orders)]
