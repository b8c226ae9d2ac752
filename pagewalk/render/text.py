"""The screen of a terminal: as many columns as are wide enough, as many rows as are high enough, and what was left.

At 80 columns the most important figures stand; a wider screen takes in more. Colour (the Okabe-Ito palette, which
people with any colour vision tell apart) only repeats what a word or a sign says.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.style import Style as RichStyle

from pagewalk.render.fit import fit
from pagewalk.render.jsontext import item_text
from pagewalk.render.layout import Block, Columns, Pile, lay_out
from pagewalk.render.safe import visible
from pagewalk.render.screen import Screen, Section, Style
from pagewalk.render.units import duration, iec
from pagewalk.table import SUMMABLE, Column, Table

__all__ = ["render"]

COLOR_SYSTEMS = {16: ColorSystem.STANDARD, 256: ColorSystem.EIGHT_BIT, 1 << 24: ColorSystem.TRUECOLOR}
HEADING = RichStyle.parse("bold")
HEADER = RichStyle.parse("bold #0072B2")
UNKNOWN = RichStyle.parse("#D55E00")
QUIET = RichStyle.parse("#999999")

# The sign beside a figure of a matrix where a row and a column stand for the same; and the cells that a column's name
# may take there, which are those of a figure.
MEETS = "*"
CROSSING = 8

# A line of the screen: its texts, from left to right, and how each is painted.
Line = list[tuple[str, RichStyle | None]]


@dataclass(frozen=True)
class Signs:
    """The signs that the stream's encoding has."""

    encoding: str
    cut: str
    down: str
    up: str
    bar: str


def render(screen: Screen, style: Style, out: TextIO) -> None:
    """Write the whole screen to `out`: heading, tables, remarks."""
    Terminal(screen, style, out).write()


class Terminal:
    """One screen being written."""

    def __init__(self, screen: Screen, style: Style, out: TextIO) -> None:
        self.screen = screen
        self.style = style
        self.out = out
        self.signs = signs_of(out)

    def write(self) -> None:
        width = self.style.width
        remarks = [line for remark in self.screen.remarks for line in textwrap.wrap(self.shown(remark), width)]
        has_heading = any(self.screen.heading)
        layout = lay_out(self.screen.sections, self.style, has_heading + len(remarks))
        if layout.is_crowded and has_heading:
            # What it says is the same every time, and in part said again at the foot.
            has_heading, layout = False, lay_out(self.screen.sections, self.style, len(remarks))
        if has_heading:
            self.heading(*map(self.shown, self.screen.heading))
        for line in self.pile(layout.pile):
            self.line(line)
        if layout.left_out:
            remarks.insert(0, self.cropped(f"(no room for {', '.join(layout.left_out)})", width))
        for text in remarks:
            self.line([(text, QUIET)])

    def shown(self, text: str) -> str:
        return visible(text, self.signs.encoding)

    def line(self, parts: Line) -> None:
        system = COLOR_SYSTEMS.get(self.style.colors)
        painted = (text if kind is None or not text else kind.render(text, color_system=system) for text, kind in parts)
        self.out.write("".join(painted).rstrip() + "\n")

    def pile(self, pile: Pile) -> Iterator[Line]:
        for index, item in enumerate(pile.items):
            if index and pile.is_airy:
                yield []
            if isinstance(item, Block):
                yield from self.section(item)
            else:
                yield from self.beside(item)

    def beside(self, columns: Columns) -> Iterator[Line]:
        left, right = columns.piles
        nothing: Line = []
        for first, second in zip_longest(self.pile(left), self.pile(right), fillvalue=nothing):
            padding = " " * (left.width - sum(cell_len(text) for text, _ in first))
            yield [*first, (f"{padding} {self.signs.bar} ", QUIET), *second]

    def heading(self, left: str, right: str) -> None:
        room = self.style.width - cell_len(right) - (2 if right else 0)
        if room < len("pagewalk on x"):
            left, right, room = f"{left}  {right}", "", self.style.width
        left = self.cropped(left, room)
        self.line([(left, HEADING), (" " * (room - cell_len(left)) + "  " + right if right else "", None)])

    def section(self, block: Block) -> Iterator[Line]:
        section, width = block.section, block.width
        rows = section.rows().head(block.rows)
        columns = [section.table.column(name) for name in section.shown]
        printed = {column.name: self.cells(rows, column, column.name in section.signed) for column in columns}
        for name, meets in section.crossing.items():
            printed[name] = [cell + (MEETS if row == meets else " ") for row, cell in enumerate(printed[name])]
        if section.totals:
            self.add_totals(section, columns, printed)
        headers = {column.name: self.header(section, column) for column in columns}
        heads = headers if self.style.header else {}
        natural = {
            name: max(map(cell_len, [*lines, heads.get(name, "")]), default=0) for name, lines in printed.items()
        }
        elastic = {column.name for column in columns if column.unit in ("text", "list")}
        widths, left_out = fit(natural, elastic, section.wanted, width)
        if self.style.header:
            yield self.row(columns, headers, widths, HEADER, ())
        records = [
            {name: lines[index] for name, lines in printed.items()} for index in range(len(rows) + section.totals)
        ]
        for record in records[: len(rows)]:
            yield self.row(columns, record, widths, None, section.endings)
        if len(rows) < len(section.table):
            yield [(self.cropped(self.footer(section, len(rows)), width), QUIET)]
        for record in records[len(rows) :]:
            yield self.row(columns, record, widths, HEADING, ())
        if left_out:
            yield [(self.cropped(f"(no room for {', '.join(left_out)})", width), QUIET)]

    def row(
        self,
        columns: list[Column],
        record: dict[str, str],
        widths: dict[str, int],
        kind: RichStyle | None,
        endings: tuple[str, ...],
    ) -> Line:
        parts: Line = []
        for column in columns:
            if column.name not in widths:
                continue
            width = widths[column.name]
            text = self.cropped(record[column.name], width, column.name in endings)
            padding = " " * (width - cell_len(text))
            left = column.unit in ("text", "list")
            gap = "  " if parts else ""
            parts.append((gap + (text + padding if left else padding + text), UNKNOWN if text == "?" else kind))
        return parts

    def cropped(self, text: str, width: int, keep_end: bool = False) -> str:
        if cell_len(text) <= width:
            return text
        if keep_end and width > 0:
            return self.signs.cut + ending(text, width - 1)
        return set_cell_size(text, max(width - 1, 0)) + self.signs.cut if width > 0 else ""

    def header(self, section: Section, column: Column) -> str:
        if column.name in section.crossing:
            return self.cropped(self.shown(section.labels[column.name]), CROSSING) + " "
        mark = "" if column.name != section.sorted_by else self.signs.down if section.descending else self.signs.up
        return self.shown(section.labels.get(column.name, column.name).upper().replace("_", " ")) + mark

    def footer(self, section: Section, shown: int) -> str:
        text = f"... {len(section.table) - shown} more"
        if (name := section.measure) is not None and not section.table.unknown(name)[shown:].any():
            rest_of_it = int(section.table[name][shown:].sum())
            sign = "+" if name in section.signed and rest_of_it > 0 else ""
            text += f", {sign}{rest_of_it} bytes" if self.style.exact else f", {sign}{' '.join(iec(rest_of_it))}"
            text += "" if name == "bytes" else f" of {name.upper().replace('_', ' ')}"
        return text

    def cells(self, table: Table, column: Column, is_signed: bool) -> list[str]:
        raw: list[Any] = table[column.name].tolist()
        unknown: list[bool] = table.unknown(column.name).tolist()
        return [
            "?" if missing else self.cell(value, column.unit, is_signed)
            for value, missing in zip(raw, unknown, strict=True)
        ]

    def cell(self, value: Any, unit: str, is_signed: bool = False) -> str:
        if is_signed and value > 0:
            return "+" + self.cell(value, unit)
        match unit:
            case "bytes" if not self.style.exact:
                number, prefix = iec(value)
                return f"{number} {prefix:>3}" if value else "0"
            case "hex":
                return f"{value:x}"
            case "ns":
                return duration(value / 1e9)
            case "seconds":
                return duration(value)
            case "share":
                return f"{value:.1%}"
            case "flag":
                return "yes" if value else "no"
            case "list":
                return self.shown(counted(value))
            case _:
                return self.shown(str(value))

    def add_totals(self, section: Section, columns: list[Column], printed: dict[str, list[str]]) -> None:
        sums, label = section.table.totals(), "total"
        for column in columns:
            total = sums[column.name]
            if total is not None:
                cell = self.cell(total, column.unit, column.name in section.signed)
            elif column.unit in SUMMABLE:
                cell = "?"
            else:
                cell, label = label, ""
            printed[column.name].append(cell)


def ending(text: str, width: int) -> str:
    """Return the end of `text`, as much as fits into so many cells."""
    start = len(text)
    while start > 0 and cell_len(text[start - 1 :]) <= width:
        start -= 1
    return text[start:]


def counted(items: tuple[object, ...]) -> str:
    """Return the items of a list, one that is there several times once and with its number."""
    numbers: dict[str, int] = {}
    for item in map(item_text, items):
        numbers[item] = numbers.get(item, 0) + 1
    return ", ".join(text if number == 1 else f"{text} x{number}" for text, number in numbers.items())


def signs_of(out: TextIO) -> Signs:
    """Choose the signs that `out` can carry."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    try:
        "…▾▴│".encode(encoding)
    except UnicodeEncodeError:
        return Signs(encoding, "~", "v", "^", "|")
    return Signs(encoding, "…", "▾", "▴", "│")
