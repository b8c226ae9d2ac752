"""Every address space with its figures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.groups import Selection, Spaces
from pagewalk.table import Column, Table, objects
from pagewalk.views.figures import FIGURE_COLUMNS, unknown_figures

__all__ = ["COLUMNS", "estimated_processes", "node_columns", "processes"]

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


def node_columns(nodes: Iterable[int]) -> tuple[Column, ...]:
    """Return the columns that tell where the pages of an address space are.

    Parameters
    ----------
    nodes : iterable of int
        NUMA nodes.
    """
    return tuple(Column(f"node{node}", "bytes", f"the part of rss on NUMA node {node}") for node in nodes)


def processes(facts: Facts, selection: Selection | None = None, nodes: bool = False) -> Table:
    """Make the table of address spaces, in the order of their process IDs.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    selection : Selection, optional
        Which to show; owners are counted over all.
    nodes : bool
        Add a column for each NUMA node, of a walk that told them.

    Returns
    -------
    Table
        COLUMNS, and `node_columns` behind them where they were asked for.
    """
    rows = _rows(facts.spaces, selection)
    by_node = facts.node_figures() if nodes else {}
    figures = {**facts.process_figures, **{f"node{node}": figure for node, figure in by_node.items()}}
    unknown = unknown_figures(facts, len(rows))
    unknown.update({name: np.ones(len(rows), bool) for name in ("cmdline", "cgroup") if name in facts.unasked})
    return _table(facts.spaces, rows, figures, unknown, node_columns(by_node))


def estimated_processes(
    spaces: Spaces,
    figures: dict[str, NDArray[np.int64]],
    unknown: dict[str, NDArray[np.bool_]],
    selection: Selection | None = None,
) -> Table:
    """Make the same table of the kernel's own estimate; ``uss`` and ``shared`` are its Private and Shared.

    Parameters
    ----------
    spaces : Spaces
        The address spaces.
    figures : dict of str to ndarray of int64
        FIGURES in bytes.
    unknown : dict of str to ndarray of bool
        Where a figure is unknown.
    selection : Selection, optional
        Which to show.

    Returns
    -------
    Table
        COLUMNS; what the kernel does not say is unknown.
    """
    rows = _rows(spaces, selection)
    return _table(spaces, rows, figures, {name: mask[rows] for name, mask in unknown.items()})


def _rows(spaces: Spaces, selection: Selection | None) -> NDArray[np.intp]:
    rows = np.arange(len(spaces)) if selection is None else np.flatnonzero(selection.mask)
    return rows[np.argsort(spaces.pid[rows], kind="stable")]


def _table(
    spaces: Spaces,
    rows: NDArray[np.intp],
    figures: dict[str, NDArray[np.int64]],
    unknown: dict[str, NDArray[np.bool_]],
    more: tuple[Column, ...] = (),
) -> Table:
    picked = rows.tolist()
    texts = {"comm": spaces.comm, "cmdline": spaces.cmdline, "user": spaces.user, "cgroup": spaces.cgroup}
    data: dict[str, NDArray[np.generic]] = {
        "pid": spaces.pid[rows],
        "pids": objects([spaces.pids[row] for row in picked]),
        **{name: objects([column[row] for row in picked]) for name, column in texts.items()},
        "uid": spaces.uid[rows],
        "vss": spaces.vss[rows],
        **{name: column[rows] for name, column in figures.items()},
    }
    unread = spaces.uid[rows] < 0
    return Table((*COLUMNS, *more), data, {**unknown, "uid": unread, "user": unread})
