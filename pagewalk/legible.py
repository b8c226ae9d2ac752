r"""Figures and names as people read them, wherever they are shown.

Sizes are in IEC units. A name may hold newlines that fake a record, escape sequences that repaint the screen, controls
that turn the direction of writing around, and bytes that are no text at all (kept by Python as lone surrogates). Each
of these is written out as ``\n``, ``\x1b``, ``\u202e``, ``\xff``. A backslash stays as it is.
"""

from __future__ import annotations

__all__ = ["iec", "significant", "visible", "written_out"]

PREFIXES = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def iec(size: int) -> tuple[str, str]:
    """Return a number of bytes as at most four characters (after a sign) and its unit.

    Parameters
    ----------
    size : int
        Bytes.

    Returns
    -------
    tuple of str
        ``("1.23", "GiB")``, ``("1023", "KiB")``, ``("512", "B")``.
    """
    sign, rest = ("-", -size) if size < 0 else ("", size)
    if rest < 1024:
        return f"{sign}{rest}", "B"
    power = 1
    # 1023.6 KiB would be rounded to 1024 KiB, which is 1.00 MiB.
    while float(number := significant(rest / 1024**power)) >= 1024 and power < len(PREFIXES):
        power += 1
    return sign + number, PREFIXES[power - 1]


def significant(value: float) -> str:
    """Write `value` with as many decimals as four characters have room for."""
    for decimals in (2, 1):
        if len(text := f"{value:.{decimals}f}") <= 4:
            return text
    return f"{value:.0f}"


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
