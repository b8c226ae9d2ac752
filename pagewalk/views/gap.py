"""What the walk could not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pagewalk.facts import Gap
from pagewalk.table import Column, Table, objects

__all__ = ["COLUMNS", "gaps"]

COLUMNS = (
    Column("pid", "id", "process it concerns, unknown where it is the whole machine"),
    Column("what", "text", "what is missing"),
    Column("reason", "text", "why"),
)


def gaps(found: Sequence[Gap]) -> Table:
    """Make the table of gaps.

    Parameters
    ----------
    found : sequence of Gap
        Of the walk.

    Returns
    -------
    Table
        COLUMNS.
    """
    pids = np.array([gap.pid or 0 for gap in found], np.int64)
    what = objects([gap.what for gap in found])
    reason = objects([gap.reason for gap in found])
    return Table(COLUMNS, {"pid": pids, "what": what, "reason": reason}, {"pid": pids == 0})
