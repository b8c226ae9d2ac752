"""Programs and users: groups of processes, a frame counted once in each."""

from __future__ import annotations

from collections.abc import Sequence

from pagewalk.facts import Facts
from pagewalk.freeing import freed_column
from pagewalk.groups import Selection, group_by
from pagewalk.table import Column, Table, objects
from pagewalk.views.figures import FREED_COLUMN, GROUP_COLUMNS, unknown_figures

__all__ = ["COLUMNS", "programs", "users"]

COLUMNS = (
    Column("name", "text", "of the group"),
    Column("processes", "count", "processes in it"),
    *GROUP_COLUMNS,
    FREED_COLUMN,
)


def programs(facts: Facts, selection: Selection | None = None) -> Table:
    """Make the table of programs: processes of one name (comm) together.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    selection : Selection, optional
        Which address spaces to group; the others are owners all the same.

    Returns
    -------
    Table
        COLUMNS.
    """
    return _grouped(facts, facts.spaces.comm, selection)


def users(facts: Facts, selection: Selection | None = None) -> Table:
    """Make the table of users: processes of one effective user together.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    selection : Selection, optional
        Which address spaces to group; the others are owners all the same.

    Returns
    -------
    Table
        COLUMNS.
    """
    return _grouped(facts, facts.spaces.user, selection)


def _grouped(facts: Facts, keys: Sequence[str], selection: Selection | None) -> Table:
    grouping = group_by(facts.spaces, keys, selection)
    freed, unread = freed_column(facts, grouping)
    figures = {**facts.group_figures(grouping), "freed": freed}
    data = {"name": objects(grouping.names), "processes": grouping.processes, **figures}
    return Table(COLUMNS, data, {**unknown_figures(facts, len(grouping.names)), "freed": unread})
