"""Every address space with its figures."""

from __future__ import annotations

import numpy as np

from pagewalk.facts import Facts
from pagewalk.groups import Selection
from pagewalk.table import Column, Table, objects
from pagewalk.views.figures import FIGURE_COLUMNS, unknown_figures

__all__ = ["COLUMNS", "processes"]

COLUMNS = (
    Column("pid", "id", "process ID, the lowest of those that have this address space"),
    Column("pids", "list", "all process IDs that have this address space"),
    Column("comm", "text", "name of the process (comm)"),
    Column("cmdline", "text", "command line, arguments joined by spaces"),
    Column("user", "text", "effective user"),
    Column("uid", "id", "effective user ID"),
    Column("cgroup", "text", "cgroup of the process in the memory controller's hierarchy"),
    Column("vss", "bytes", "size of the VMAs"),
    *FIGURE_COLUMNS,
)


def processes(facts: Facts, selection: Selection | None = None) -> Table:
    """Make the table of address spaces, in the order of their process IDs.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    selection : Selection, optional
        Which to show; owners are counted over all.

    Returns
    -------
    Table
        COLUMNS.
    """
    spaces = facts.spaces
    rows = np.arange(len(spaces)) if selection is None else np.flatnonzero(selection.mask)
    rows = rows[np.argsort(spaces.pid[rows], kind="stable")]
    picked = rows.tolist()
    texts = {"comm": spaces.comm, "cmdline": spaces.cmdline, "user": spaces.user, "cgroup": spaces.cgroup}
    data = {
        "pid": spaces.pid[rows],
        "pids": objects([spaces.pids[row] for row in picked]),
        **{name: objects([column[row] for row in picked]) for name, column in texts.items()},
        "uid": spaces.uid[rows],
        "vss": spaces.vss[rows],
        **{name: column[rows] for name, column in facts.process_figures.items()},
    }
    unknown = unknown_figures(facts, len(rows))
    unread = spaces.uid[rows] < 0
    return Table(COLUMNS, data, {**unknown, "uid": unread, "user": unread})
