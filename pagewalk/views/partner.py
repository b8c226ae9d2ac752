"""Who else owns the frames that a process maps, part by part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects
from pagewalk.tally import HUGETLB
from pagewalk.views.parts import Parts, parts_of

__all__ = ["COLUMNS", "Shared", "partners", "shared_with"]

Ints = NDArray[np.int64]

COLUMNS = (
    Column("partner", "id", "process ID of another owner, the lowest of those that have its address space"),
    Column("comm", "text", "its name"),
    Column("bytes", "bytes", "pages here whose frames it owns too"),
)
PART_COLUMNS = ("start", "end", "name", "inode")


@dataclass(frozen=True, eq=False, slots=True)
class Shared:
    """The other owners of the frames of each part.

    Attributes
    ----------
    part, space, pages : ndarray of int64
        An address space that owns frames of so many pages of a part: by part, the most pages first, then by pid.
    hidden : ndarray of int64
        By part: pages whose frames have hidden owners.
    """

    part: Ints
    space: Ints
    pages: Ints
    hidden: Ints


def shared_with(facts: Facts, parts: Parts) -> Shared:
    """Find the other owners of the frames of each part.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    parts : Parts
        Of one address space.
    """
    table, kept = facts.table, parts.kept
    part = parts.of_vma[kept.vma]
    # The zero page and pages without a struct page are nobody's.
    mine = (part >= 0) & (table.kind[kept.row] <= HUGETLB)
    part, row, pages, vma = part[mine], kept.row[mine], kept.pages[mine], kept.vma[mine]
    hidden = parts.counted(vma, np.where(table.hidden[row] > 0, pages, 0))
    itself = int(kept.space[parts.rows[0]]) if len(parts.rows) else -1
    (part, number), pages = _added((part, table.set[row].astype(np.int64)), pages)
    found = []
    # All owners of each set, from the last one of its path to the first.
    while len(part):
        space = table.sets.space[number].astype(np.int64)
        other = space != itself
        found.append((part[other], space[other], pages[other]))
        number = table.sets.parent[number].astype(np.int64)
        part, number, pages = part[number > 0], number[number > 0], pages[number > 0]
    columns = [np.concatenate([np.zeros(0, np.int64), *some]) for some in zip(*found, strict=True)]
    if not columns:
        columns = [np.zeros(0, np.int64)] * 3
    (part, space), pages = _added((columns[0], columns[1]), columns[2])
    order = np.lexsort((facts.spaces.pid[space], -pages, part))
    return Shared(part[order], space[order], pages[order], hidden)


def _added(keys: tuple[Ints, Ints], amount: Ints) -> tuple[tuple[Ints, Ints], Ints]:
    """Add up amounts of equal pairs of keys."""
    order = np.lexsort(keys[::-1])
    first, second = keys[0][order], keys[1][order]
    new = np.ones(len(order), bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    sums = np.zeros(int(new.sum()), np.int64)
    np.add.at(sums, np.cumsum(new) - 1, amount[order])
    return (first[new], second[new]), sums


def partners(facts: Facts, pid: int, group: bool = False) -> Table:
    """Make the table of the other owners of what a process maps.

    Parameters
    ----------
    facts : Facts
        Of a walk that kept its mappings.
    pid : int
        The process.
    group : bool
        By object that it maps instead of by VMA.

    Returns
    -------
    Table
        One row a part and other owner: what the part is (``start``, ``end``, ``name``, ``inode``, of an object the last
        two), and COLUMNS; those of one part together, the largest first.

    Raises
    ------
    PagewalkError
        The walk kept no mappings, or none of this process.
    """
    parts = parts_of(facts, pid, group)
    shared = shared_with(facts, parts)
    columns = [column for column in parts.columns if column.name in PART_COLUMNS]
    data: dict[str, NDArray[np.generic]] = {column.name: parts.data[column.name][shared.part] for column in columns}
    data["partner"] = facts.spaces.pid[shared.space]
    data["comm"] = objects([facts.spaces.comm[space] for space in shared.space.tolist()])
    data["bytes"] = shared.pages * facts.page_size
    return Table([*columns, *COLUMNS], data)
