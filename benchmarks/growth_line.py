"""How straight growth is: the line through measurements, and how far they lie from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Line", "fitted", "unit_costs"]


class Line(NamedTuple):
    """A straight line ``base + slope * size``.

    Attributes
    ----------
    slope : float
        What one more costs.
    base : float
        What there is without any.
    apart : float
        The largest distance of a measurement from the line, as a part of what the line says.
    """

    slope: float
    base: float
    apart: float

    def at(self, size: float) -> float:
        """What the line says."""
        return self.base + self.slope * size


def fitted(sizes: Sequence[float], values: Sequence[float]) -> Line:
    """Return the line of least squares, each distance taken as a part of the value, so that small sizes count too.

    Parameters
    ----------
    sizes, values : sequence of float
        As many of both, at least two; values above 0.
    """
    at, value = np.asarray(sizes, float), np.asarray(values, float)
    weighed = np.column_stack((np.ones(len(at)), at)) / value[:, None]
    base, slope = np.linalg.lstsq(weighed, np.ones(len(at)), rcond=None)[0].tolist()
    told = base + slope * at
    return Line(slope, base, float(np.max(np.abs(value / told - 1))))


def unit_costs(sizes: Sequence[float], values: Sequence[float], bases: Sequence[float]) -> tuple[list[float], float]:
    """Return what each size costs a unit beyond its base, and how far these costs lie from their middle at most.

    Parameters
    ----------
    sizes, values, bases : sequence of float
        As many of each: the base is what there is without any of what was counted.

    Returns
    -------
    list of float
        One a size.
    float
        As a part of the middle one: 0 where cost is proportional to size.
    """
    each = [(value - base) / size for size, value, base in zip(sizes, values, bases, strict=True)]
    middle = float(np.median(each))
    return each, max(abs(cost / middle - 1) for cost in each) if middle else float("inf")
