"""What stopped being shared and what began to be, as a table of mappings and as sums of processes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import perms_text
from pagewalk.difference.matching import Pairs
from pagewalk.difference.pages import PageChanges
from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects

__all__ = ["PAGE_FIGURES", "UNSHARED", "unshared", "with_pages"]

PAGE_FIGURES = (
    Column("copied", "bytes", "were shared, and are its own now on other frames: copied when it wrote to them"),
    Column("left", "bytes", "were shared, and are its own now on the same frames: all others wrote, let go or ended"),
    Column("shared_now", "bytes", "were its own, and are shared now: by a fork, a second mapping or KSM"),
)

UNSHARED = (
    Column("pid", "id", "process ID, the lowest of those that have this address space"),
    Column("comm", "text", "name of the process (comm)"),
    Column("start", "hex", "first address of the mapping, as it is now"),
    Column("end", "hex", "address behind the last one"),
    Column("perms", "text", "permissions, as in maps"),
    Column("inode", "inode", "inode of the file, 0 for none"),
    Column("name", "text", "file, or the kernel's name for it; empty for plain anonymous memory"),
    Column("bytes", "bytes", "no longer shared: copied + left"),
    *PAGE_FIGURES,
)


def unshared(new: Facts, pages: PageChanges, chosen: NDArray[np.bool_] | None = None) -> Table:
    """Make the table of mappings with pages that stopped or began being shared.

    Parameters
    ----------
    new : Facts
        Of the new walk.
    pages : PageChanges
        The pages, by its VMAs.
    chosen : ndarray of bool, optional
        Of which address spaces only.

    Returns
    -------
    Table
        UNSHARED, by pid and address; mappings of which no page did either have no row.
    """
    kept, size = new.mappings, new.page_size
    if kept is None:
        return Table(UNSHARED, {column.name: np.zeros(0) for column in UNSHARED})
    moved = (pages.copied > 0) | (pages.left > 0) | (pages.shared_now > 0)
    if chosen is not None:
        moved &= chosen[kept.space]
    rows = np.flatnonzero(moved)
    rows = rows[np.lexsort((kept.start[rows], new.spaces.pid[kept.space[rows]]))]
    picked = rows.tolist()
    return Table(
        UNSHARED,
        {
            "pid": new.spaces.pid[kept.space[rows]],
            "comm": objects([new.spaces.comm[space] for space in kept.space[rows].tolist()]),
            "start": kept.start[rows],
            "end": kept.end[rows],
            "perms": objects([perms_text(perms) for perms in kept.perms[rows].tolist()]),
            "inode": kept.inode[rows],
            "name": objects([kept.name[row] for row in picked]),
            "bytes": (pages.copied[rows] + pages.left[rows]) * size,
            "copied": pages.copied[rows] * size,
            "left": pages.left[rows] * size,
            "shared_now": pages.shared_now[rows] * size,
        },
    )


def with_pages(table: Table, rows: Pairs, pids: NDArray[np.int64], new: Facts, pages: PageChanges | None) -> Table:
    """Add to the changes of processes what their pages did, all mappings of each together.

    Parameters
    ----------
    table : Table
        A row a pair.
    rows : Pairs
        Of the old and of the new table of processes.
    pids : ndarray of int64
        The lowest process ID of each row of the new table.
    new : Facts
        Of the new walk.
    pages : PageChanges or None
        The pages by its VMAs, None if they are not known.

    Returns
    -------
    Table
        With PAGE_FIGURES, unknown for processes whose pages could not be compared.
    """
    data = {name: table[name] for name in table.names}
    data |= {column.name: np.zeros(len(rows), np.int64) for column in PAGE_FIGURES}
    unknown = np.ones(len(rows), np.bool_)
    if pages is not None and new.mappings is not None:
        space_of = {pid: space for space, pid in enumerate(new.spaces.pid.tolist())}
        there = np.flatnonzero(rows.new >= 0)
        space = np.array([space_of[pid] for pid in pids[rows.new[there]].tolist()], np.int64)
        unknown[there] = ~pages.compared[space]
        for name, counts in (("copied", pages.copied), ("left", pages.left), ("shared_now", pages.shared_now)):
            total = np.zeros(len(new.spaces), np.int64)
            np.add.at(total, new.mappings.space, counts * new.page_size)
            data[name][there] = total[space]
    masks = {name: table.unknown(name) for name in table.names}
    masks |= {column.name: unknown for column in PAGE_FIGURES}
    return Table((*table.columns, *PAGE_FIGURES), data, masks)
