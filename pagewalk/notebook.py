"""A table as HTML, for notebooks: no colours, scripts or resources of its own, so that it fits any theme and page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from pagewalk.columns import Column
from pagewalk.legible import iec, visible

__all__ = ["ROWS", "html"]

# How much is shown, at most: rows of a table, items of a list, characters of a text. A page stays a page.
ROWS = 50
ITEMS = 20
CHARACTERS = 200
LEFT = frozenset({"text", "list"})


def html(columns: Sequence[Column], cells: Sequence[Sequence[Any]], length: int) -> str:
    """Return the first rows of a table as one HTML element.

    Parameters
    ----------
    columns : sequence of Column
        The heads.
    cells : sequence of sequence
        For each column its first cells as Python's own values, `ROWS` at most; None is unknown.
    length : int
        How many rows there are.

    Returns
    -------
    str
        ``<table>``. Sizes are in IEC units, with the exact number as the cell's title.
    """
    head = "".join(header(column) for column in columns)
    shown = [[cell(value, column.unit) for value in values] for column, values in zip(columns, cells, strict=True)]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*shown, strict=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{footer(len(columns), length)}</table>"


def header(column: Column) -> str:
    title = f"{column.doc} ({column.unit})" if column.doc else column.unit
    return f'<th scope="col"{side(column.unit)} title="{safe(title)}">{safe(column.name)}</th>'


def footer(columns: int, length: int) -> str:
    rest = length - ROWS
    text = "no rows" if not length else f"{rest} more row{'s' if rest > 1 else ''}" if rest > 0 else ""
    return f'<tfoot><tr><td colspan="{max(columns, 1)}"{side("text")}>{text}</td></tr></tfoot>' if text else ""


def cell(value: Any, unit: str) -> str:
    """Return one cell: what people read, and as its title what is exact where that differs."""
    if value is None:
        text, title = "?", "not known"
    elif unit == "list":
        text, title = listed(value), ""
    else:
        text, title = written(value, unit)
    more = f' title="{safe(title)}"' if title else ""
    return f"<td{side(unit)}{more}>{safe(text)}</td>"


def written(value: Any, unit: str) -> tuple[str, str]:
    """Return the text of a cell and its title."""
    match unit:
        case "bytes":
            return (" ".join(iec(value)), f"{value} bytes") if value else ("0", "0 bytes")
        case "hex":
            return f"{value:#x}", ""
        case "seconds":
            return f"{value:.6f}", repr(value)
        case "share":
            return f"{value:.1%}", repr(value)
        case "flag":
            return ("yes" if value else "no"), ""
        case _:
            return cropped(str(value)), ""


def listed(items: Sequence[Any]) -> str:
    rest = len(items) - ITEMS
    shown = ", ".join(item_text(item) for item in items[:ITEMS])
    return f"{shown}, … {rest} more" if rest > 0 else shown


def item_text(item: Any) -> str:
    return cropped(json.dumps(item, ensure_ascii=False, default=str) if isinstance(item, dict) else str(item))


def cropped(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[:CHARACTERS] + "…"


def safe(text: str) -> str:
    """Return a text that shows as it is: nothing in it is markup, turns the writing around or is no Unicode."""
    return escape(visible(text))


def side(unit: str) -> str:
    return f' style="text-align: {"left" if unit in LEFT else "right"}"'
