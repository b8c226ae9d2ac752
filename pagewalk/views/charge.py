"""Who is charged for what others use: the matrix of cgroups charged and cgroups that map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.charging import charging
from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects

__all__ = ["COLUMNS", "charges"]

COLUMNS = (
    Column("charged_to", "text", "the cgroup that the frames are charged to"),
    Column("used_by", "list", "the cgroups whose processes map them; empty for those that nobody seen maps"),
    Column("bytes", "bytes", "how much; the rows add up to all charged frames"),
    Column("hidden", "bytes", "those of them that hidden owners map as well"),
    Column("foreign", "flag", "whether only others use what this one is charged for"),
)


def charges(facts: Facts, depth: int | None = None) -> Table:
    """Make the matrix of charges, the largest first.

    Parameters
    ----------
    facts : Facts
        Of a walk of all of RAM.
    depth : int, optional
        Count cgroups deeper than this with their ancestor at it.

    Returns
    -------
    Table
        COLUMNS.
    """
    table = facts.table
    found = charging(facts, depth)
    by_group = facts.regrouped(found.grouping)
    rows = np.flatnonzero(found.of_row >= 0)
    # Two sets of the same groups may differ in the order in which these came: by their sorted members they are one.
    sets, which = np.unique(by_group.of_row[rows], return_inverse=True)
    number: dict[tuple[str, ...], int] = {}
    of_set = [
        number.setdefault(tuple(sorted({found.paths[group] for group, _ in by_group.sets.members(s)})), len(number))
        for s in sets.tolist()
    ]
    used_by = list(number)
    pair = found.of_row[rows] * max(len(used_by), 1) + np.array(of_set, np.int64)[which.reshape(-1)]
    pairs, at = np.unique(pair, return_inverse=True)
    frames, hidden = np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.int64)
    np.add.at(frames, at.reshape(-1), table.frames[rows])
    np.add.at(hidden, at.reshape(-1), np.where(table.hidden[rows] > 0, table.frames[rows], 0))
    payer = [found.paths[one] for one in (pairs // max(len(used_by), 1)).tolist()]
    users = [used_by[one] for one in (pairs % max(len(used_by), 1)).tolist()]
    data: dict[str, NDArray[np.generic]] = {
        "charged_to": objects(payer),
        "used_by": objects(users),
        "bytes": frames * facts.page_size,
        "hidden": hidden * facts.page_size,
        "foreign": np.array([bool(who) and one not in who for one, who in zip(payer, users, strict=True)], bool),
    }
    return Table(COLUMNS, data).sort("bytes")
