"""Names as a terminal may be sent them: written out where they are not printable, and how wide they are."""

from __future__ import annotations

import unicodedata

from pagewalk.legible import visible, written_out

__all__ = ["cells", "visible", "written_out"]


def cells(text: str) -> int:
    """Return how many cells of a terminal `text` takes, near enough to align columns."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
