"""JSON, ``pagewalk/1``: a contract. Only additions are made to it.

Figures are integers in bytes, addresses hexadecimal strings, unknown is null. The text is UTF-8 whatever bytes a
name holds: those that are no UTF-8 are written out as a backslash, ``x`` and two digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from pagewalk.render.safe import written_out
from pagewalk.render.screen import Screen, Style
from pagewalk.table import Table

__all__ = ["SCHEMA", "dumps", "item_text", "json_rows", "render"]

SCHEMA = "pagewalk/1"

# Lone surrogates are Python's way to keep bytes that are no UTF-8. The others are legal in JSON as they are, but a
# terminal obeys C1 controls and bidirectional overrides, and some readers of lines end one at U+2028.
UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def render(screen: Screen, style: Style, out: TextIO) -> None:
    """Write one JSON object: the schema, the facts, then each table under its key, a row a line."""
    out.write(f'{{"schema": {dumps(SCHEMA)}')
    for name, fact in screen.facts.items():
        out.write(f",\n {dumps(name)}: ")
        write_rows(fact, out) if isinstance(fact, Table) else out.write(dumps(fact))
    for section in screen.sections:
        out.write(f",\n {dumps(section.key)}: ")
        write_rows(section.rows(), out)
    out.write("}\n")


def write_rows(table: Table, out: TextIO) -> None:
    before = "["
    for row in json_rows(table):
        out.write(f"{before}\n  {dumps(row)}")
        before = ","
    out.write("[]" if before == "[" else "]")


def json_rows(table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of `table` as JSON knows them."""
    addresses = [column.name for column in table.columns if column.unit == "hex"]
    for row in table:
        for name in addresses:
            if row[name] is not None:
                row[name] = f"{row[name]:#x}"
        yield row


def dumps(value: object) -> str:
    """Return `value` as JSON on one line, valid UTF-8."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=python_value)
    return text if text.isascii() else UNSAFE.sub(escaped, text)


def item_text(item: object) -> str:
    """Return an item of a list as one text: an object as JSON has it, anything else as it is."""
    return dumps(item) if isinstance(item, dict) else str(item)


def python_value(value: Any) -> object:
    """Return a numpy scalar or array as Python's own value."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def escaped(match: re.Match[str]) -> str:
    """Return one character of a JSON string as an escape: a surrogate, which UTF-8 has not, as its own spelling."""
    char = match[0]
    return written_out(char).replace("\\", "\\\\") if "\ud800" <= char <= "\udfff" else f"\\u{ord(char):04x}"
