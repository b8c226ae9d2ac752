"""Mapped memory by what it is."""

from __future__ import annotations

import numpy as np

from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects

__all__ = ["COLUMNS", "kinds"]

COLUMNS = (
    Column("kind", "text", "what the frames are"),
    Column("bytes", "bytes", "frames (or swap slots) that somebody seen owns, each once"),
    Column("private", "bytes", "those with one owner and no hidden one"),
    Column("shared", "bytes", "those with several owners"),
    Column("hidden", "bytes", "those that hidden owners have as well"),
)


def kinds(facts: Facts) -> Table:
    """Make the table of kinds of mapped memory.

    Parameters
    ----------
    facts : Facts
        Of the walk.

    Returns
    -------
    Table
        COLUMNS. ``zero`` and ``special`` are in no rss; ``swap`` is not memory but slots.
    """
    figures = facts.kind_figures()
    data = {
        name: np.array([row[name] for row in figures.values()], np.int64)
        for name in ("bytes", "private", "shared", "hidden")
    }
    return Table(COLUMNS, {"kind": objects(list(figures)), **data})
