"""What a renderer is given: tables with their place on the screen, and the wishes of the one who asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagewalk.table import Table

__all__ = ["Screen", "Section", "Style"]


@dataclass(frozen=True)
class Section:
    """One table and how it is to be shown.

    Parameters
    ----------
    key : str
        Its key in JSON: the name of the view.
    table : Table
        All its rows, in the order to show them.
    shown : tuple of str
        The columns for people, from left to right; machine formats write every column of `table`.
    wanted : tuple of str
        Columns of `shown` in the order in which a screen takes them in as far as there is room. Empty: all of
        `shown` are asked for, and what does not fit is named.
    measure : str or None
        The column whose sum over the rows left out means something.
    limit : int or None
        Show this many rows, whatever the height of the screen.
    share : int
        This section's part of the lines of a screen beside the other sections' parts; what it has no rows for, the
        others get.
    side : str
        ``"left"`` or ``"right"``: on a screen wide enough, a column of such sections stands beside the other. Empty:
        the whole width.
    sorted_by, descending
        The column that orders the rows, for its mark in the header.
    totals : bool
        End with a row of totals over all rows, shown or not.
    endings : tuple of str
        Columns whose end says more than their beginning, when they must be cut: paths.
    labels : mapping of str to str
        Headers of a screen's columns where the column's name would say too little there.
    crossing : mapping of str to int
        The columns of a matrix that stand for what a row stands for, each with the number of that row: the cell where
        they meet is marked, and the header is a name, written as it is.
    signed : frozenset of str
        Columns of changes: what people read has a sign when it is more, too.
    """

    key: str
    table: Table
    shown: tuple[str, ...]
    wanted: tuple[str, ...] = ()
    measure: str | None = None
    limit: int | None = None
    share: int = 1
    side: str = ""
    sorted_by: str | None = None
    descending: bool = True
    totals: bool = False
    endings: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    crossing: Mapping[str, int] = field(default_factory=dict)
    signed: frozenset[str] = frozenset()

    def rows(self) -> Table:
        """Return the rows asked for: all, or the first `limit`."""
        return self.table if self.limit is None else self.table.head(self.limit)


@dataclass(frozen=True)
class Screen:
    """One whole answer.

    Parameters
    ----------
    sections : tuple of Section
        The tables.
    heading : tuple of (str, str)
        Left and right part of the first line.
    remarks : tuple of str
        Lines for the foot; the coverage line is one.
    facts : mapping
        What JSON says before the tables: host, coverage, gaps.
    """

    sections: tuple[Section, ...]
    heading: tuple[str, str] = ("", "")
    remarks: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Style:
    """The wishes of the one who asked.

    Parameters
    ----------
    width : int
        Cells of a line on a screen.
    height : int or None
        Lines of the screen; None: no limit.
    colors : int
        How many colours may be used: 0, 16, 256 or 1 << 24.
    exact : bool
        Bytes as integers instead of IEC units.
    header : bool
        Begin each table with the names of its columns.
    """

    width: int = 80
    height: int | None = None
    colors: int = 0
    exact: bool = False
    header: bool = True
