"""The parts of one address space that a table has a row for: its VMAs, or the objects that these map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import perms_text
from pagewalk.facts import Facts
from pagewalk.mappings import MappingFacts
from pagewalk.table import Column, objects
from pagewalk.views.mapping import COLUMNS, kept_rows

__all__ = ["ANONYMOUS", "OBJECT_COLUMNS", "VMA_COLUMNS", "Parts", "parts_of"]

Ints = NDArray[np.int64]

# What people call memory without a name; no path and no name of the kernel's is like it.
ANONYMOUS = "anonymous"

VMA_COLUMNS = tuple(
    column for column in COLUMNS if column.name in ("pid", "start", "end", "perms", "offset", "inode", "name", "vss")
)
OBJECT_COLUMNS = (
    Column("inode", "inode", "inode of the file, 0 for none"),
    Column("name", "text", f"file, or the kernel's name for it; {ANONYMOUS!r} for memory without a name"),
    Column("mappings", "count", "VMAs of it"),
    Column("vss", "bytes", "their size"),
)


@dataclass(frozen=True, eq=False, slots=True)
class Parts:
    """Parts of one address space.

    Attributes
    ----------
    kept : MappingFacts
        The mappings of the walk.
    rows : ndarray of int64
        Those of this address space, by address.
    of_vma : ndarray of int64
        The part that each of the walk's mappings belongs to, -1 for mappings of others.
    columns : sequence of Column
        What is known of a part by itself.
    data : dict of str to ndarray
        Its columns.
    """

    kept: MappingFacts
    rows: NDArray[np.intp]
    of_vma: Ints
    columns: Sequence[Column]
    data: dict[str, NDArray[np.generic]]

    def __len__(self) -> int:
        return len(self.data["name"])

    def sums(self, by_vma: Ints) -> Ints:
        """Add up what is known by mapping.

        Parameters
        ----------
        by_vma : ndarray of int64
            One for each of the walk's mappings.
        """
        return self.counted(self.rows, by_vma[self.rows])

    def counted(self, vma: NDArray[np.integer], amount: Ints) -> Ints:
        """Add up amounts by the part that their mapping belongs to.

        Parameters
        ----------
        vma : ndarray of int64
            A mapping each.
        amount : ndarray of int64
            As many; those of other address spaces are left out.
        """
        part = self.of_vma[vma]
        out = np.zeros(len(self), np.int64)
        np.add.at(out, part[part >= 0], amount[part >= 0])
        return out

    def every(self, by_vma: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say of which parts something holds for every mapping."""
        holds: NDArray[np.bool_] = self.sums((~by_vma).astype(np.int64)) == 0
        return holds


def parts_of(facts: Facts, pid: int, group: bool = False) -> Parts:
    """Return the parts of the address space of a process.

    Parameters
    ----------
    facts : Facts
        Of a walk that kept its mappings.
    pid : int
        The process.
    group : bool
        The objects that it maps, by their first address, instead of its VMAs.

    Raises
    ------
    PagewalkError
        The walk kept no mappings, or none of this process.
    """
    kept, rows = kept_rows(facts, pid)
    of_vma = np.full(len(kept), -1, np.int64)
    if not group:
        of_vma[rows] = np.arange(len(rows))
        return Parts(kept, rows, of_vma, VMA_COLUMNS, _of_vmas(facts, kept, rows))
    number: dict[tuple[int, int, int, str], int] = {}
    columns = (kept.major[rows].tolist(), kept.minor[rows].tolist(), kept.inode[rows].tolist())
    for row, *file in zip(rows.tolist(), *columns, strict=True):
        of_vma[row] = number.setdefault((file[0], file[1], file[2], kept.name[row]), len(number))
    part, n = of_vma[rows], len(number)
    vss = np.zeros(n, np.int64)
    np.add.at(vss, part, (kept.end[rows] - kept.start[rows]).astype(np.int64))
    data: dict[str, NDArray[np.generic]] = {
        "inode": np.array([inode for _, _, inode, _ in number], np.uint64),
        "name": objects([name or ANONYMOUS for *_, name in number]),
        "mappings": np.bincount(part, minlength=n).astype(np.int64),
        "vss": vss,
    }
    return Parts(kept, rows, of_vma, OBJECT_COLUMNS, data)


def _of_vmas(facts: Facts, kept: MappingFacts, rows: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
    return {
        "pid": facts.spaces.pid[kept.space[rows]],
        "start": kept.start[rows],
        "end": kept.end[rows],
        "perms": objects([perms_text(perms) for perms in kept.perms[rows].tolist()]),
        "offset": kept.offset[rows],
        "inode": kept.inode[rows],
        "name": objects([kept.name[row] for row in rows.tolist()]),
        "vss": (kept.end[rows] - kept.start[rows]).astype(np.int64),
    }
