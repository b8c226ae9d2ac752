"""A list of checks for people: a sign and a word for the verdict, what was looked at, what it is, what to do."""

from __future__ import annotations

import textwrap
from typing import TextIO

from pagewalk.render.safe import cells, visible
from pagewalk.render.screen import Screen, Style

__all__ = ["render"]

SIGNS = {"ok": ("✓", "+"), "warn": ("!", "!"), "no": ("✗", "x")}
# ECMA-48 colours that every terminal has, and that only repeat the word.
COLORS = {"ok": "\x1b[32m", "warn": "\x1b[33m", "no": "\x1b[1;31m"}
INDENT = 8


def render(screen: Screen, style: Style, out: TextIO) -> None:
    """Write the table of `screen`, with columns what, value, verdict and advice, a check a line.

    Nothing is cut off: what is longer than the line goes on below.
    """
    encoding = getattr(out, "encoding", None) or "utf-8"
    try:
        "✓✗".encode(encoding)
        sign = 0
    except UnicodeEncodeError:
        sign = 1
    for section in screen.sections:
        rows = list(section.rows())
        width = max((cells(visible(row["what"], encoding)) for row in rows), default=0)
        for row in rows:
            verdict = row["verdict"]
            mark = f"{SIGNS[verdict][sign]} {verdict:<5}"
            if style.colors:
                mark = f"{COLORS[verdict]}{mark}\x1b[0m"
            what, value = visible(row["what"], encoding), visible(row["value"], encoding)
            label = what + " " * (width - cells(what)) + "  "
            write(f"{mark} ", label, value, INDENT + width + 2, style.width, out)
            if row["advice"]:
                write("", " " * INDENT, visible(row["advice"], encoding), INDENT, style.width, out)
    for remark in screen.remarks:
        write("", "", visible(remark, encoding), 0, style.width, out)


def write(mark: str, label: str, text: str, indent: int, width: int, out: TextIO) -> None:
    """Write `text` behind its label, going on `indent` cells from the left."""
    room = max(width - indent, 20)
    first, *rest = textwrap.wrap(text, room) or [""]
    out.write(f"{mark}{label}{first}".rstrip() + "\n")
    out.writelines(" " * indent + line + "\n" for line in rest)
