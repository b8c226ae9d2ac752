"""Who shares with whom: owner sets by bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.groups import Selection
from pagewalk.ownership import OwnerSets
from pagewalk.table import Column, Table, objects
from pagewalk.tally import ANON, FILE, SHMEM, regroup

__all__ = ["COLUMNS", "sharing"]

COLUMNS = (
    Column("owners", "list", "process IDs of the address spaces that own these frames, the lowest of each"),
    Column("comms", "list", "their names, each once"),
    Column("bytes", "bytes", "frames with several owners, hidden ones counted, that these and nobody else seen own"),
    Column("anon", "bytes", "the anonymous ones of them"),
    Column("file", "bytes", "those of the page cache"),
    Column("shmem", "bytes", "those of shared memory"),
    Column("hidden", "bytes", "those that hidden owners have as well"),
)


def sharing(facts: Facts, selection: Selection | None = None, limit: int | None = None) -> Table:
    """Make the table of owner sets whose frames have more than one owner, hidden ones counted; the largest first.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    selection : Selection, optional
        Show only sets with an owner among these.
    limit : int, optional
        Only so many sets.

    Returns
    -------
    Table
        COLUMNS.
    """
    table, spaces = facts.table, facts.spaces
    # How often an owner maps a frame makes no other set of owners.
    sets, new_of = regroup(
        OwnerSets(table.sets.parent, table.sets.space, np.minimum(table.sets.times, 1)), np.arange(len(spaces))
    )
    of_row = new_of[table.set]
    shown = table.in_rss & (table.owners + table.hidden > 1)
    columns = {
        "bytes": shown,
        "anon": shown & (table.kind == ANON),
        "file": shown & (table.kind == FILE),
        "shmem": shown & (table.kind == SHMEM),
        "hidden": shown & (table.hidden > 0),
    }
    sums = {
        name: np.bincount(of_row, weights=np.where(mask, table.frames, 0), minlength=len(sets)).astype(np.int64)
        for name, mask in columns.items()
    }
    rows = np.flatnonzero(sums["bytes"] > 0)
    if selection is not None:
        rows = rows[_with_member(sets, selection.mask)[rows]]
    rows = rows[np.argsort(-sums["bytes"][rows], kind="stable")][:limit]
    members = [[space for space, _ in sets.members(int(row))] for row in rows]
    data: dict[str, NDArray[np.generic]] = {
        "owners": objects([tuple(sorted(spaces.pids[space][0] for space in group)) for group in members]),
        "comms": objects([tuple(sorted({spaces.comm[space] for space in group})) for group in members]),
        **{name: column[rows] * facts.page_size for name, column in sums.items()},
    }
    return Table(COLUMNS, data)


def _with_member(sets: OwnerSets, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which sets have an owner that the mask selects."""
    has = np.zeros(len(sets), bool)
    for number in range(1, len(sets)):  # parents come first
        has[number] = mask[sets.space[number]] or has[sets.parent[number]]
    return has
