"""What the walk could not see."""

from __future__ import annotations

import numpy as np

from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects

__all__ = ["COLUMNS", "gaps"]

COLUMNS = (
    Column("pid", "id", "process it concerns, unknown where it is the whole machine"),
    Column("what", "text", "what is missing"),
    Column("reason", "text", "why"),
)


def gaps(facts: Facts) -> Table:
    """Make the table of gaps.

    Parameters
    ----------
    facts : Facts
        Of the walk.

    Returns
    -------
    Table
        COLUMNS.
    """
    pids = np.array([gap.pid or 0 for gap in facts.gaps], np.int64)
    what = objects([gap.what for gap in facts.gaps])
    reason = objects([gap.reason for gap in facts.gaps])
    return Table(COLUMNS, {"pid": pids, "what": what, "reason": reason}, {"pid": pids == 0})
