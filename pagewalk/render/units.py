"""Figures in the units of a screen: IEC for bytes, seconds and their parts for times."""

from __future__ import annotations

from pagewalk.legible import iec, significant

__all__ = ["duration", "iec"]


def duration(seconds: float) -> str:
    """Return a time with its unit: ``0.21 s``, ``1.25 ms``, ``14.0 us``."""
    if seconds >= 0.1:
        return f"{seconds:.2f} s"
    return f"{significant(seconds * 1e3)} ms" if seconds >= 1e-3 else f"{significant(seconds * 1e6)} us"
