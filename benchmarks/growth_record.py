"""A run of growth as it is kept: beside those of the walk, named for what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import record

__all__ = ["begun", "keep", "least", "peak_beyond"]

FORMAT = 1


def begun(benchmark: str, rounds: int, scale: float) -> dict[str, Any]:
    """Return the head of a run: what is measured, of which pagewalk, on which machine.

    Parameters
    ----------
    benchmark : str
        ``made`` or ``growth``.
    rounds, scale
        As asked for.
    """
    head = record.record(results=[], bars=[], began=record.host(), rounds=rounds, scale=scale)
    kept = ("date", "pagewalk", "host", "rounds", "scale")
    return {"format": FORMAT, "benchmark": benchmark, **{name: head[name] for name in kept}}


def keep(run: dict[str, Any], folder: Path = record.RUNS) -> Path:
    """Write a run to ``DATE-KERNEL-BENCHMARK.json``, beside those that are there."""
    folder.mkdir(exist_ok=True)
    stem = f"{run['date'][:10]}-{run['host']['kernel']}-{run['benchmark']}"
    number = 1
    while True:
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.json"
        try:
            with path.open("x") as file:
                record.write(run, file)
            return path
        except FileExistsError:
            number += 1


def least(walked: dict[str, Any], name: str = "cpu") -> float:
    """Return the least of the readings: what others do to the machine meanwhile only ever adds to it."""
    return float(min(reading[name] for reading in walked["readings"]))


def peak_beyond(walked: dict[str, Any]) -> int:
    """Return the bytes that the first walk had at most beyond what was there before it."""
    return int(walked["first"]["peak"] - walked["first"]["before"])
