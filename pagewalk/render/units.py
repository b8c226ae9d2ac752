"""Figures as people read them: IEC units in four significant characters."""

from __future__ import annotations

__all__ = ["duration", "iec"]

PREFIXES = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


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


def duration(seconds: float) -> str:
    """Return a time with its unit: ``0.21 s``, ``1.25 ms``, ``14.0 us``."""
    if seconds >= 0.1:
        return f"{seconds:.2f} s"
    return f"{significant(seconds * 1e3)} ms" if seconds >= 1e-3 else f"{significant(seconds * 1e6)} us"
