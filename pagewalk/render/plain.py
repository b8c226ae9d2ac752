r"""Space-aligned records for pipes: one header, all rows, nothing cut off.

A record has as many words as there are columns: an empty cell is ``-``, an unknown one ``?``, and a space inside any
cell but the last is written ``\x20``, so that awk and cut see what people see.
"""

from __future__ import annotations

from typing import Any, TextIO

from pagewalk.render.jsontext import item_text
from pagewalk.render.safe import cells, visible
from pagewalk.render.screen import Screen, Section, Style
from pagewalk.render.units import iec
from pagewalk.table import SUMMABLE, Column, Table

__all__ = ["render"]


def render(screen: Screen, style: Style, out: TextIO) -> None:
    """Write the tables of `screen` to `out`, an empty line between two."""
    for index, section in enumerate(screen.sections):
        if index:
            out.write("\n")
        write_section(section, style, out)


def write_section(section: Section, style: Style, out: TextIO) -> None:
    table = section.rows()
    columns = [table.column(name) for name in section.shown]
    printed = [written(table, column, style, last=column is columns[-1]) for column in columns]
    if section.totals:
        for lines, cell in zip(printed, totals_row(section.table, columns, style), strict=True):
            lines.append(cell)
    if style.header:
        for lines, column in zip(printed, columns, strict=True):
            lines.insert(0, column.name)
    widths = [max(map(cells, lines), default=0) for lines in printed]
    lefts = [column.unit in ("text", "list") for column in columns]
    for row in zip(*printed, strict=True):
        line = " ".join(
            cell + " " * (width - cells(cell)) if left else " " * (width - cells(cell)) + cell
            for cell, width, left in zip(row, widths, lefts, strict=True)
        )
        out.write(line.rstrip() + "\n")


def written(table: Table, column: Column, style: Style, last: bool) -> list[str]:
    """Return the cells of one column as words."""
    raw: list[Any] = table[column.name].tolist()
    words = [word(value, column.unit, style.exact) for value in raw]
    if not last:
        words = [text.replace(" ", r"\x20") for text in words]
    return ["?" if missing else text for text, missing in zip(words, table.unknown(column.name).tolist(), strict=True)]


def word(value: Any, unit: str, exact: bool) -> str:
    """Return one known cell as a word."""
    match unit:
        case "bytes" if not exact:
            return "".join(iec(value)) if value else "0"
        case "hex":
            return f"{value:#x}"
        case "seconds" | "share":
            return f"{value:.6f}"
        case "flag":
            return "yes" if value else "no"
        case "list":
            return ",".join(visible(item_text(item)) for item in value) or "-"
        case _:
            return visible(str(value)) or "-"


def totals_row(table: Table, columns: list[Column], style: Style) -> list[str]:
    """Return the row of totals: the first cell without a sum says what the row is."""
    sums = table.totals()
    row, label = [], "total"
    for column in columns:
        total = sums[column.name]
        if total is not None:
            row.append(word(total, column.unit, style.exact))
        elif column.unit in SUMMABLE:
            row.append("?")
        else:
            row.append(label)
            label = "-"
    return row
