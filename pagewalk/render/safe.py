r"""Names as they may be shown: processes choose theirs freely, and a terminal obeys what it is sent.

A name may hold newlines that fake a record, escape sequences that repaint the screen, controls that turn the
direction of writing around, and bytes that are no text at all (kept by Python as lone surrogates). Each of these is
written out as ``\n``, ``\x1b``, ``\u202e``, ``\xff``. A backslash stays as it is.
"""

from __future__ import annotations

import unicodedata

__all__ = ["cells", "visible", "written_out"]

SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def visible(text: str, encoding: str = "utf-8") -> str:
    """Return `text` with all that is not printable, or not part of `encoding`, written out."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else written_out(char) for char in text)
    if text.isascii():
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)


def written_out(char: str) -> str:
    """Return one character as an escape: that of the byte it stands for, or of its code."""
    if char in SHORT:
        return SHORT[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte kept by the surrogateescape handler (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cells(text: str) -> int:
    """Return how many cells of a terminal `text` takes, near enough to align columns."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
