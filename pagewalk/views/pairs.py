"""Who shares how much with whom, two by two: processes, or programs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.groups import Grouping, Selection, group_by
from pagewalk.table import Column, Table, objects
from pagewalk.tally import ANON, FILE, KINDS, SHMEM, FactTable, Labelled

__all__ = ["COLUMNS", "MOST", "PROGRAM_COLUMNS", "pairs"]

Ints = NDArray[np.int64]

# So many have 8.4 million pairs: half a GB of counts and rows.
MOST = 4096

FIGURES = (
    Column("bytes", "bytes", "frames in rss that both own, each once, whoever else does; of one with itself, its uss"),
    Column("anon", "bytes", "the anonymous ones of them"),
    Column("file", "bytes", "those of the page cache"),
    Column("shmem", "bytes", "those of shared memory"),
)
COLUMNS = (
    Column("pid", "id", "process ID, the lower one of the two"),
    Column("comm", "text", "its name"),
    Column("with_pid", "id", "the other's process ID; the same where the row is of one process"),
    Column("with_comm", "text", "the other's name"),
    *FIGURES,
)
PROGRAM_COLUMNS = (
    Column("program", "text", "name of a program, the first of the two from A to Z"),
    Column("with_program", "text", "the other's name; the same where the row is of one program"),
    *FIGURES,
)


def pairs(facts: Facts, by: str = "process", selection: Selection | None = None) -> Table:
    """Make the table of pairs, the largest first: two by two what they share, each by itself what it has alone.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    by : str
        ``"process"`` or ``"program"``. Two programs share the frames that some process of the one and some process
        of the other own, each frame once.
    selection : Selection, optional
        Pairs of these only; the others are owners all the same, so that what one has alone is its ``uss``.

    Returns
    -------
    Table
        COLUMNS or PROGRAM_COLUMNS. Two that share nothing have no row, everyone has one with itself.

    Raises
    ------
    PagewalkError
        There are more than MOST of them, or `by` is something else.
    """
    if by not in ("process", "program"):
        raise PagewalkError(f"pairs by {by!r} are not known; there are 'process' and 'program'")
    grouping, rows = _processes(facts, selection) if by == "process" else _programs(facts, selection)
    n = len(grouping.names)
    if n > MOST:
        instead = "select some of them" + (", or ask for pairs of programs" if by == "process" else "")
        what = "address spaces" if by == "process" else "programs"
        raise PagewalkError(f"{n} {what} have too many pairs, {MOST} can be had: {instead}")
    first, second, figures = _counted(facts, grouping)
    order = np.argsort(-figures.sum(axis=1), kind="stable")
    first, second, figures = first[order], second[order], figures[order]
    figures *= facts.page_size
    data: dict[str, NDArray[np.generic]] = {"bytes": figures.sum(axis=1)}
    data |= {KINDS[kind]: figures[:, kind] for kind in (ANON, FILE, SHMEM)}
    names = objects(grouping.names)
    if by == "program":
        return Table(PROGRAM_COLUMNS, {"program": names[first], "with_program": names[second], **data})
    pid = facts.spaces.pid[rows]
    of_two = {"pid": pid[first], "comm": names[first], "with_pid": pid[second], "with_comm": names[second]}
    return Table(COLUMNS, {**of_two, **data})


def _processes(facts: Facts, selection: Selection | None) -> tuple[Grouping, NDArray[np.intp]]:
    """Return a group for each address space by pid, and which these are: no order of folding is to be seen."""
    spaces = facts.spaces
    chosen = np.arange(len(spaces)) if selection is None else np.flatnonzero(selection.mask)
    rows = chosen[np.argsort(spaces.pid[chosen], kind="stable")]
    return _grouping(spaces.comm, rows, len(spaces)), rows


def _grouping(comm: Sequence[str], rows: NDArray[np.intp], n: int) -> Grouping:
    of_space = np.full(n, len(rows), np.int64)
    of_space[rows] = np.arange(len(rows))
    return Grouping([comm[row] for row in rows.tolist()], of_space, np.ones(len(rows), np.int64))


def _programs(facts: Facts, selection: Selection | None) -> tuple[Grouping, NDArray[np.intp]]:
    """Return the programs from A to Z."""
    found = group_by(facts.spaces, facts.spaces.comm, selection)
    order = sorted(range(len(found.names)), key=found.names.__getitem__)
    place = np.empty(len(order) + 1, np.int64)
    place[[*order, len(order)]] = np.arange(len(order) + 1)
    names = [found.names[group] for group in order]
    return Grouping(names, place[found.of_space], found.processes[order]), np.zeros(0, np.intp)


def _counted(facts: Facts, grouping: Grouping) -> tuple[Ints, Ints, Ints]:
    """Return the two of each pair, the first one first, and their frames by kind, shape (pairs, 3)."""
    n, table = len(grouping.names), facts.table
    labelled = facts.regrouped(grouping)
    by_kind = {KINDS[kind]: np.where(table.in_rss & (table.kind == kind), table.frames, 0) for kind in range(SHMEM + 1)}
    # The last label is that of all others: its pairs come last too.
    of_two = labelled.pairs(by_kind)[: n * (n - 1) // 2]
    there = np.flatnonzero(of_two.any(axis=1))
    second = np.repeat(np.arange(n), np.arange(n))[there]
    first = there - second * (second - 1) // 2
    itself = np.arange(n)
    # Filled in place: of thousands of processes this is what the memory goes to.
    frames = np.empty((n + len(there), len(by_kind)), np.int64)
    frames[:n] = _alone(table, labelled, by_kind)[:n]
    np.take(of_two, there, axis=0, out=frames[n:])
    return np.concatenate((itself, first)), np.concatenate((itself, second)), frames


def _alone(table: FactTable, labelled: Labelled, by_kind: dict[str, Ints]) -> Ints:
    """Return the frames that each label owns alone, nobody hidden either: its ``uss`` by kind."""
    owners, _ = labelled.sets.along_paths()
    sole = (owners[labelled.of_row] == 1) & (table.hidden == 0)
    return labelled.add_up(labelled.of_row, {name: np.where(sole, frames, 0) for name, frames in by_kind.items()}).once
