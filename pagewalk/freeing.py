"""What the end of groups of processes would free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.groups import Grouping
from pagewalk.objects import ObjectFacts
from pagewalk.tally import ANON, FILE, HUGETLB, SHMEM

__all__ = ["Freeing", "freed_column", "freeing", "of_file"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Freeing:
    """What the end of each group would free, in bytes.

    Attributes
    ----------
    anon : ndarray of int64
        Anonymous memory all of whose owners are in the group.
    shmem, file : ndarray of int64
        Mapped frames of nameless files that nobody outside the group holds: shared memory, and page cache.
    pgtable : ndarray of int64
        Page tables, the kernel's own figure.
    hugetlb : ndarray of int64
        Huge pages that go back to their pool.
    swap : ndarray of int64
        Swap slots all of whose owners are in the group.
    unmapped : ndarray of int64
        What nameless shared memory that ends has beside its mapped frames, in RAM or in swap: from the kernel's own
        figure of its size.
    group_of_object : ndarray of int64
        The group that an object ends with, -1 where it lives on.
    """

    anon: Ints
    shmem: Ints
    file: Ints
    pgtable: Ints
    hugetlb: Ints
    swap: Ints
    unmapped: Ints
    group_of_object: Ints

    @property
    def ram(self) -> Ints:
        """RAM that becomes free: all but swap, the pool of huge pages, and what may be in swap."""
        return self.anon + self.shmem + self.file + self.pgtable


def freed_column(facts: Facts, grouping: Grouping) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the RAM that the end of each group would free, and where that is not known.

    Parameters
    ----------
    facts : Facts
        Of any walk.
    grouping : Grouping
        The groups.
    """
    n = len(grouping.names)
    if facts.objects is None:
        return np.zeros(n, np.int64), np.ones(n, bool)
    unread = np.zeros(n + 1, bool)
    unread[grouping.of_space[facts.spaces.pgtable < 0]] = True
    return freeing(facts, grouping).ram, unread[:n]


def of_file(facts: Facts) -> NDArray[np.bool_]:
    """Say which rows of the fact table hold pages of a file or of shared memory: these end with it, not with a process.

    A private copy of such a page is anonymous, of huge pages too.
    """
    table = facts.table
    is_anon = (table.flags & np.uint64(KPF.ANON)) != 0
    of: NDArray[np.bool_] = (table.kind == FILE) | (table.kind == SHMEM) | ((table.kind == HUGETLB) & ~is_anon)
    return of


def freeing(facts: Facts, grouping: Grouping) -> Freeing:
    """Find out what the end of each group would free.

    Parameters
    ----------
    facts : Facts
        Of a walk that looked for nameless files (``walk(freed=True)``).
    grouping : Grouping
        The groups.

    Raises
    ------
    PagewalkError
        The walk did not look for them.
    """
    objects = facts.objects
    if objects is None:
        raise PagewalkError("this walk did not look for what would be freed; ask for it: walk(freed=True)")
    n, size, table = len(grouping.names), facts.page_size, facts.table
    labelled = facts.regrouped(grouping)
    owners, _ = labelled.sets.along_paths()
    sole = (owners[labelled.of_row] == 1) & (table.hidden == 0)
    mine = {
        "anon": sole & (table.kind == ANON),
        "hugetlb": sole & (table.kind == HUGETLB) & ~of_file(facts),
    }
    sums = labelled.add_up(labelled.of_row, {name: np.where(rows, table.frames, 0) for name, rows in mine.items()})
    swap = labelled.swap_sums(table, size)
    ends_with = _ends_with(objects, grouping)
    of_objects = _of_objects(facts, objects, ends_with, n)
    pgtable = np.zeros(n + 1, np.int64)
    np.add.at(pgtable, grouping.of_space, np.maximum(facts.spaces.pgtable, 0))
    return Freeing(
        anon=sums.frames("anon")[:n] * size,
        shmem=of_objects["shmem"],
        file=of_objects["file"],
        pgtable=pgtable[:n],
        hugetlb=sums.frames("hugetlb")[:n] * size + of_objects["hugetlb"],
        swap=swap.frames("swap_uss")[:n] * size,
        unmapped=of_objects["unmapped"],
        group_of_object=ends_with,
    )


def _ends_with(objects: ObjectFacts, grouping: Grouping) -> Ints:
    """Return the one group with all holders of each object, -1 where it lives on."""
    group = grouping.of_space[objects.holder]
    lowest = np.full(len(objects), np.iinfo(np.int64).max)
    highest = np.full(len(objects), -1, np.int64)
    np.minimum.at(lowest, objects.held, group)
    np.maximum.at(highest, objects.held, group)
    ends = objects.dies & (lowest == highest) & (highest < len(grouping.names))
    return np.where(ends, highest, -1)


def _of_objects(facts: Facts, objects: ObjectFacts, ends_with: Ints, groups: int) -> Mapping[str, Ints]:
    """Return the bytes of the objects that end with each group."""
    table, size = facts.table, facts.page_size
    group = ends_with[objects.object]
    kind = table.kind[objects.row]
    counted = (group >= 0) & of_file(facts)[objects.row] & (table.hidden[objects.row] == 0)
    out = {}
    for name, number in (("shmem", SHMEM), ("file", FILE), ("hugetlb", HUGETLB)):
        out[name] = np.zeros(groups, np.int64)
        these = counted & (kind == number)
        np.add.at(out[name], group[these], objects.frames[these] * size)
    # Of a file on disk st_blocks says what it takes there; of shared memory what it has in RAM and in swap.
    in_ram = np.zeros(len(objects), np.int64)
    shared = of_file(facts)[objects.row] & (kind == SHMEM)
    np.add.at(in_ram, objects.object[shared], objects.frames[shared] * size)
    is_shmem = np.array([name.startswith(("/memfd:", "/SYSV", "/dev/zero")) for name in objects.name], bool)
    known = (ends_with >= 0) & (objects.allocated >= 0) & (is_shmem | (in_ram > 0))
    out["unmapped"] = np.zeros(groups, np.int64)
    np.add.at(out["unmapped"], ends_with[known], np.maximum(objects.allocated[known] - in_ram[known], 0))
    return out
