"""Readers measured in turn, round after round, and what follows from the measurements."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.workloads import Workload

__all__ = ["Reader", "Reading", "all_pids", "interleaved", "median", "ratios", "spread"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement.

    Attributes
    ----------
    cpu, wall : float
        Seconds; CPU of all threads, user and kernel.
    peak : int or None
        Bytes that the reading process had resident at most.
    rss, pss : int or None
        Bytes that it found in the workload's processes, summed; None where it says nothing of the kind.
    more : dict of str to object
        What else it counted, as JSON can say it.
    """

    cpu: float
    wall: float
    peak: int | None = None
    rss: int | None = None
    pss: int | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reader:
    """Something that reads the memory of all processes.

    Attributes
    ----------
    name : str
        Short.
    lacks : str
        What its answer leaves out, as a sentence without its subject; empty for pagewalk's own.
    read : callable
        ``read(pids, workload) -> Reading``: the processes to read, and those whose totals are asked for.
    rounds : int or None
        It reads in the first rounds only, in so many; None: in all.
    """

    name: str
    lacks: str
    read: Callable[[Sequence[int], Workload], Reading]
    rounds: int | None = None


def all_pids() -> list[int]:
    """Every process there is now, kernel threads too, as ``/proc/*`` would have them."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())


def interleaved(
    readers: Sequence[Reader],
    workload: Workload,
    rounds: int,
    progress: Callable[[int, str], None] = lambda _done, _name: None,
) -> dict[str, list[Reading]]:
    """Let every reader read once a round, each round beginning with another.

    Parameters
    ----------
    readers : sequence of Reader
        Of different names.
    workload : Workload
        Whose totals are asked for.
    rounds : int
        How many readings of each.
    progress : callable, optional
        Called before each reading with the rounds that are done and the reader's name.

    Returns
    -------
    dict of str to list of Reading
        By reader, in order of the rounds from the first on.
    """
    readings: dict[str, list[Reading]] = {reader.name: [] for reader in readers}
    for number in range(rounds):
        first = number % len(readers)
        for reader in (*readers[first:], *readers[:first]):
            if reader.rounds is not None and number >= reader.rounds:
                continue
            progress(number, reader.name)
            readings[reader.name].append(reader.read(all_pids(), workload))
    return readings


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The least and the most."""
    return min(values), max(values)


def ratios(values: Sequence[float], base: Sequence[float]) -> list[float]:
    """The ratio in each round in which both were measured: what changes from round to round cancels."""
    return [value / other for value, other in zip(values, base, strict=False)]
