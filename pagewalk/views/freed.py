"""What the end of a set of processes would free, what would stay, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.freeing import Freeing, freeing, of_file
from pagewalk.groups import Selection, group_by
from pagewalk.objects import ObjectFacts
from pagewalk.table import Column, Table, objects
from pagewalk.tally import ANON, FILE, HUGETLB, KINDS, SHMEM

__all__ = ["COLUMNS", "FATES", "fates", "freed"]

COLUMNS = (
    Column("processes", "count", "processes that would end"),
    Column("anon", "bytes", "anonymous memory that only they own"),
    Column("file", "bytes", "page cache of files without a name that only they hold"),
    Column("shmem", "bytes", "mapped shared memory without a name that only they hold"),
    Column("pgtable", "bytes", "their page tables, the kernel's own figure (VmPTE)"),
    Column("bytes", "bytes", "RAM that becomes free: the sum of these"),
    Column("hugetlb", "bytes", "huge pages that go back to their pool, beside bytes"),
    Column("unmapped", "bytes", "what that shared memory has unmapped, in RAM or in swap, beside bytes (the kernel's)"),
    Column("swap", "bytes", "swap that becomes free, without that of shared memory"),
)
FATES = (
    Column("fate", "text", "freed, or stays"),
    Column("kind", "text", "what it is"),
    Column("bytes", "bytes", "how much"),
    Column(
        "why",
        "text",
        "freed: sole (only these own it), nameless (a file without a name that only these hold), pool (to that of huge"
        " pages); stays: shared (others own it), hidden (owners that could not be read), held (others hold its file),"
        " cache (until it is reclaimed), named (while its file does), segment (until it is removed)",
    ),
    Column("name", "text", "the file or segment, where it is one"),
    Column("others", "list", "process IDs of others that own or hold it"),
)

FREED, STAYS = "freed", "stays"


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of what a set of processes has."""

    fate: str
    kind: str
    frames: int
    why: str
    name: str = ""
    others: tuple[int, ...] = ()


def _one_group(facts: Facts, selection: Selection) -> tuple[Freeing, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return what would be freed, and for each row whether a member and whether another process owns it."""
    grouping = group_by(facts.spaces, [""] * len(facts.spaces), selection)
    labelled = facts.regrouped(grouping)
    member, other = (np.zeros(len(labelled.sets), bool) for _ in range(2))
    for number in range(1, len(labelled.sets)):
        labels = [label for label, _ in labelled.sets.members(number)]
        # With nobody selected the nameless group of the others is the only one.
        member[number], other[number] = 0 in labels and bool(grouping.names), len(grouping.names) in labels
    return freeing(facts, grouping), member[labelled.of_row], other[labelled.of_row]


def freed(facts: Facts, selection: Selection) -> Table:
    """Make the table of what the end of these processes would free: one row.

    Parameters
    ----------
    facts : Facts
        Of a walk that looked for nameless files (``walk(freed=True)``).
    selection : Selection
        Whose end.

    Returns
    -------
    Table
        COLUMNS. What is not in page tables nor pages is not counted: kernel stacks, sockets, and the like.

    Raises
    ------
    PagewalkError
        The walk did not look for nameless files.
    """
    free, _, _ = _one_group(facts, selection)
    rows = np.flatnonzero(selection.mask).tolist()
    names = ("anon", "file", "shmem", "pgtable", "hugetlb", "unmapped", "swap")
    data = {name: np.array([getattr(free, name).sum()]) for name in names}
    data["bytes"] = np.array([free.ram.sum()])
    data["processes"] = np.array([sum(len(facts.spaces.pids[row]) for row in rows)])
    unread = bool((facts.spaces.pgtable[selection.mask] < 0).any())
    return Table(COLUMNS, data, {name: np.array([unread]) for name in ("pgtable", "bytes")})


def fates(facts: Facts, selection: Selection) -> Table:
    """Make the table of what becomes of each part of what these processes have, the largest first.

    Parameters
    ----------
    facts : Facts
        Of a walk that looked for nameless files (``walk(freed=True)``).
    selection : Selection
        Whose end.

    Returns
    -------
    Table
        FATES. The rows of frames add up to the distinct frames that these processes own.

    Raises
    ------
    PagewalkError
        The walk did not look for nameless files.
    """
    free, member, other = _one_group(facts, selection)
    parts = [*_of_owners(facts, selection, member, other), *_of_objects(facts, selection, free, member & ~other)]
    parts += _not_frames(facts, free)
    parts = sorted((part for part in parts if part.frames), key=lambda part: (part.fate, -part.frames))
    return Table(
        FATES,
        {
            "fate": objects([part.fate for part in parts]),
            "kind": objects([part.kind for part in parts]),
            "bytes": np.array([part.frames for part in parts], np.int64) * facts.page_size,
            "why": objects([part.why for part in parts]),
            "name": objects([part.name for part in parts]),
            "others": objects([part.others for part in parts]),
        },
    )


def _of_owners(
    facts: Facts, selection: Selection, member: NDArray[np.bool_], other: NDArray[np.bool_]
) -> Iterator[_Part]:
    """Yield what is decided by who owns it; frames of files that only these own are left to `_of_objects`."""
    table = facts.table
    of = of_file(facts)
    seen = member & ((table.kind <= SHMEM) | (table.kind == HUGETLB))
    for number in (ANON, FILE, SHMEM, HUGETLB):
        kind = seen & (table.kind == number)
        shared = kind & other
        yield _Part(STAYS, KINDS[number], _sum(facts, shared), "shared", "", _others(facts, selection, shared))
        hidden = kind & ~other & (table.hidden > 0)
        yield _Part(STAYS, KINDS[number], _sum(facts, hidden), "hidden")
        alone = kind & ~other & (table.hidden == 0) & ~of
        why = "pool" if number == HUGETLB else "sole"
        yield _Part(FREED, KINDS[number], _sum(facts, alone), why)


def _of_objects(facts: Facts, selection: Selection, free: Freeing, alone: NDArray[np.bool_]) -> Iterator[_Part]:
    """Yield the files whose frames only these own, by what becomes of them."""
    table, held = facts.table, facts.objects
    assert held is not None  # _one_group has raised
    mine = alone & (table.hidden == 0) & of_file(facts)
    nameless = np.zeros(len(table.frames), np.int64)
    for number in np.unique(held.object[mine[held.row]]).tolist():
        rows = (held.object == number) & mine[held.row]
        np.add.at(nameless, held.row[rows], held.frames[rows])
        for kind in (FILE, SHMEM, HUGETLB):
            frames = int(held.frames[rows & (table.kind[held.row] == kind)].sum())
            if frames:
                yield _fate_of_object(facts, held, number, KINDS[kind], frames, free, selection)
    # What is in no nameless file is in one with a name.
    left = np.where(mine, np.maximum(table.frames - nameless, 0), 0)
    for kind, why in (
        (FILE, "cache"),
        (SHMEM, "named"),
        (HUGETLB, "named"),
    ):
        yield _Part(STAYS, KINDS[kind], int(left[table.kind == kind].sum()), why)


def _fate_of_object(
    facts: Facts, held: ObjectFacts, number: int, kind: str, frames: int, free: Freeing, selection: Selection
) -> _Part:
    name = held.name[number]
    if free.group_of_object[number] >= 0:
        return _Part(FREED, kind, frames, "nameless", name)
    if held.dies[number]:
        holders = held.holder[held.held == number]
        others = tuple(sorted(facts.spaces.pids[space][0] for space in holders.tolist() if not selection.mask[space]))
        return _Part(STAYS, kind, frames, "held", name, others)
    why = "segment" if name.startswith("/SYSV") else "named"
    return _Part(STAYS, kind, frames, why, name)


def _not_frames(facts: Facts, free: Freeing) -> Iterator[_Part]:
    """Yield what is not counted in frames of the table."""
    size = facts.page_size
    yield _Part(FREED, "pgtable", int(free.pgtable.sum()) // size, "sole")
    yield _Part(FREED, "swap", int(free.swap.sum()) // size, "sole")
    yield _Part(FREED, "unmapped", int(free.unmapped.sum()) // size, "nameless")


def _sum(facts: Facts, rows: NDArray[np.bool_]) -> int:
    return int(facts.table.frames[rows].sum())


def _others(facts: Facts, selection: Selection, rows: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the lowest process IDs of all others that own frames of these rows."""
    sets, found, done = facts.table.sets, set[int](), set[int]()
    for number in np.unique(facts.table.set[rows]).tolist():
        at = number
        while at and at not in done:
            done.add(at)
            found.add(int(sets.space[at]))
            at = int(sets.parent[at])
    return tuple(sorted(facts.spaces.pids[space][0] for space in found if not selection.mask[space]))
