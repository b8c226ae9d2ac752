"""CSV as RFC 4180 has it, safe to open in a spreadsheet.

Bytes are integers, an unknown cell is empty, a list has commas between its items; a list of objects is JSON. What a
spreadsheet would take for a formula gets an apostrophe before it, and control characters are written out.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any, TextIO

from pagewalk.render.jsontext import dumps
from pagewalk.render.safe import visible
from pagewalk.render.screen import Screen, Style
from pagewalk.table import Table

__all__ = ["render"]

# OWASP, "CSV Injection": the characters that begin a formula, or end a cell and begin one; some spreadsheets take the
# full-width forms for the same.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def render(screen: Screen, style: Style, out: TextIO) -> None:
    """Write the one table of `screen`.

    Raises
    ------
    ValueError
        There are several: CSV has one header.
    """
    (section,) = screen.sections
    write_table(section.rows(), style, out)


def write_table(table: Table, style: Style, out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\r\n")
    if style.header:
        writer.writerow(table.names)
    units = [column.unit for column in table.columns]
    for row in table:
        writer.writerow([field(cell, unit) for cell, unit in zip(row.values(), units, strict=True)])


def field(value: Any, unit: str) -> object:
    """Return one cell as the csv module writes it."""
    if value is None:
        return ""
    match unit:
        case "text":
            return neutral(value)
        case "list":
            # One number is a number, the sign of a formula cannot begin a pid.
            return neutral(listed(value))
        case "hex":
            return f"{value:#x}"
        case "flag":
            return int(value)
        case _:
            return value


def listed(items: Sequence[object]) -> str:
    """Return a list with commas between its items; one of objects is JSON, which says where each ends."""
    return dumps(items) if any(isinstance(item, dict) for item in items) else ",".join(map(str, items))


def neutral(text: str) -> str:
    """Return `text` so that a spreadsheet takes it for text."""
    shown = visible(text)
    return "'" + shown if text.startswith(FORMULA) else shown
