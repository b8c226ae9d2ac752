"""What must hold: ratios of CPU or wall time between two readers of one workload. They are told, never tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.kernelfiles import ADAPTIVE_FLOOR, FLOOR, KPAGE_FLOOR, SMAPS_ROLLUP
from benchmarks.ours import COLUMNS, NUMPY, OURS, PSUTIL, TWO_THREADS
from benchmarks.rounds import median, ratios, spread
from benchmarks.workloads import RAM

__all__ = ["BARS", "Bar", "measured"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes
    ----------
    workload, reader, base : str
        Whose cost is held against whose, and on what.
    most : float
        The ratio is at most this.
    cost : str
        ``cpu`` or ``wall``.
    """

    workload: str
    reader: str
    base: str
    most: float
    cost: str = "cpu"


BARS = (
    Bar("W1", COLUMNS, FLOOR, 1.25),
    Bar("W1", COLUMNS, SMAPS_ROLLUP, 0.85),
    Bar("W1", TWO_THREADS, SMAPS_ROLLUP, 0.5, "wall"),
    Bar("W2a", COLUMNS, FLOOR, 1.25),
    Bar("W2a", COLUMNS, SMAPS_ROLLUP, 0.9),
    Bar("W2b", COLUMNS, ADAPTIVE_FLOOR, 2),
    Bar("W2b", COLUMNS, NUMPY, 0.02),
    Bar("W3", COLUMNS, ADAPTIVE_FLOOR, 1.6),
    Bar("W3", COLUMNS, PSUTIL, 0.9),
    Bar("W4", COLUMNS, ADAPTIVE_FLOOR, 1.3),
    Bar("W4", COLUMNS, NUMPY, 0.03),
    Bar("W5", COLUMNS, FLOOR, 1.4),
    Bar("W5", COLUMNS, SMAPS_ROLLUP, 0.95),
    Bar(RAM, OURS, KPAGE_FLOOR, 1.1),
    Bar(RAM, TWO_THREADS, KPAGE_FLOOR, 0.65, "wall"),
)


def measured(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the bars of the workloads of a run, each with what was measured.

    Parameters
    ----------
    results : sequence of dict
        As `bench_walk.run` returns them.

    Returns
    -------
    list of dict
        The fields of a `Bar`; ``ratio`` (the median of the ratios within a round), ``least`` and ``greatest`` of them,
        all None where one of the two was not measured, and ``met``.
    """
    readers = {
        result["workload"]: {reader["name"]: reader["readings"] for reader in result.get("readers", ())}
        for result in results
    }
    return [_held(bar, readers[bar.workload]) for bar in BARS if bar.workload in readers]


def _held(bar: Bar, readers: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    costs = [[each[bar.cost] for each in readers.get(name, ())] for name in (bar.reader, bar.base)]
    found = ratios(*costs)
    if not found:
        return {**asdict(bar), "ratio": None, "least": None, "greatest": None, "met": None}
    least, greatest = spread(found)
    ratio = median(found)
    return {**asdict(bar), "ratio": ratio, "least": least, "greatest": greatest, "met": ratio <= bar.most}
