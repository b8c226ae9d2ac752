"""One JSON object a row and line, each with the name of its view: for jq, for loading in parts."""

from __future__ import annotations

from typing import TextIO

from pagewalk.render.jsontext import dumps, json_rows
from pagewalk.render.screen import Screen, Style

__all__ = ["render"]


def render(screen: Screen, style: Style, out: TextIO) -> None:
    """Write the rows of all tables of `screen`, as the rows of JSON with ``view`` before them."""
    for section in screen.sections:
        out.writelines(dumps({"view": section.key, **row}) + "\n" for row in json_rows(section.rows()))
