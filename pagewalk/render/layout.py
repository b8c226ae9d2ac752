"""Dividing a screen among its tables: which stand side by side, and how many rows each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pagewalk.render.screen import Section, Style

__all__ = ["BAR", "Block", "Columns", "Layout", "Pile", "lay_out"]

# Cells between two tables side by side: a space, a line, a space.
BAR = 3
# A table in fewer cells says too little: tables stand side by side only where each has so many.
NARROWEST = 38
# A blank line between tables is worth less than so many rows.
WORTH = 3


@dataclass
class Block:
    """One table on the screen.

    Parameters
    ----------
    section : Section
        The table.
    width : int
        Cells of a line.
    frame : int
        Lines that it may have besides its rows: header, totals, a remark.
    rows : int
        How many rows are shown.
    """

    section: Section
    width: int
    frame: int
    rows: int = 0

    def __post_init__(self) -> None:
        self.rows = self.asked = len(self.section.rows())

    def cost(self, rows: int) -> int:
        """Return the lines that so many rows take; a table that is cut says so in a line of its own."""
        return self.frame + rows + (rows < len(self.section.table))

    @property
    def least(self) -> int:
        """Lines that it must have; a number of rows asked for is a number given."""
        return self.cost(self.asked if self.section.limit is not None else min(1, self.asked))

    @property
    def most(self) -> int:
        """Lines that it has a use for."""
        return self.cost(self.asked)

    @property
    def share(self) -> int:
        """Its part of the lines."""
        return self.section.share

    def take(self, lines: int) -> None:
        """Choose the rows for so many lines."""
        if self.most > lines:
            fewest = self.asked if self.section.limit is not None else min(1, self.asked)
            self.rows = max(lines - self.frame - 1, fewest)


@dataclass
class Columns:
    """Piles side by side."""

    piles: list[Pile]

    @property
    def least(self) -> int:
        """Lines that the higher one must have."""
        return max(pile.least for pile in self.piles)

    @property
    def most(self) -> int:
        """Lines that the higher one has a use for."""
        return max(pile.most for pile in self.piles)

    @property
    def share(self) -> int:
        """The greater part."""
        return max(pile.share for pile in self.piles)

    def take(self, lines: int) -> None:
        """Give each all lines."""
        for pile in self.piles:
            pile.take(lines)


@dataclass
class Pile:
    """Tables one above the other, in lines of one width, with or without blank lines between them."""

    items: list[Block | Columns]
    width: int
    is_airy: bool = True

    @property
    def least(self) -> int:
        """Lines that all must have."""
        return sum(item.least for item in self.items)

    @property
    def most(self) -> int:
        """Lines that all have a use for, blank ones between them included."""
        return sum(item.most for item in self.items) + len(self.items) - 1

    @property
    def share(self) -> int:
        """The parts of all."""
        return sum(item.share for item in self.items)

    def take(self, lines: int) -> None:
        """Divide so many lines, one by one, to the one that has least for its share."""
        spare = lines - self.least
        blank = len(self.items) - 1
        self.is_airy = spare >= WORTH * blank or lines >= self.most
        if self.is_airy:
            spare -= blank
        granted = [item.least for item in self.items]
        for _ in range(spare):
            hungry = [at for at, item in enumerate(self.items) if granted[at] < item.most]
            if not hungry:
                break
            granted[min(hungry, key=lambda at: granted[at] / self.items[at].share)] += 1
        for item, given in zip(self.items, granted, strict=True):
            item.take(given)


@dataclass(frozen=True)
class Layout:
    """What goes where.

    Parameters
    ----------
    pile : Pile
        The tables, from above.
    left_out : tuple of str
        The keys of those that the screen is not high enough for, as far as there is a line to say so.
    is_crowded : bool
        There are more lines than the screen has.
    """

    pile: Pile
    left_out: tuple[str, ...] = ()
    is_crowded: bool = False


def lay_out(sections: Sequence[Section], style: Style, overhead: int) -> Layout:
    """Divide a screen among its tables.

    Parameters
    ----------
    sections : sequence of Section
        The tables, the most telling first.
    style : Style
        Its width and height; one line is left to the prompt that follows.
    overhead : int
        Lines that are no table's.

    Returns
    -------
    Layout
        At least one row of each table shown, where it has any. As long as its first table, with one row, has room, no
        more lines than there are; only rows asked for by number are shown whatever the height.
    """
    whole = arranged(sections, style)
    if style.height is None or not sections:
        return Layout(whole)
    lines = style.height - 1 - overhead
    if any(section.limit is not None for section in sections) and whole.least > lines:
        return Layout(whole)
    kept, pile = len(sections), whole
    while kept > 1 and pile.least + (kept < len(sections)) > lines:
        kept -= 1
        pile = arranged(sections[:kept], style)
    left_out = tuple(section.key for section in sections[kept:])
    if pile.least + bool(left_out) > lines:
        left_out = ()
    pile.take(lines - bool(left_out))
    return Layout(pile, left_out, pile.least > lines)


def arranged(sections: Sequence[Section], style: Style) -> Pile:
    """Put the tables where they stand, all rows asked for shown."""
    room = (style.width - BAR) // 2

    def pile(some: Sequence[Section], width: int) -> Pile:
        # Columns asked for by name that do not fit are named in a line of their own.
        frames = [style.header + section.totals + (not section.wanted) for section in some]
        return Pile([Block(section, width, frame) for section, frame in zip(some, frames, strict=True)], width)

    whole = Pile([], style.width)
    for has_side, group in groupby(sections, key=lambda section: bool(section.side)):
        members = list(group)
        left = [section for section in members if section.side == "left"]
        right = [section for section in members if section.side == "right"]
        if has_side and left and right and room >= NARROWEST:
            whole.items.append(Columns([pile(left, style.width - BAR - room), pile(right, room)]))
        else:
            whole.items += pile(members, style.width).items
    return whole
