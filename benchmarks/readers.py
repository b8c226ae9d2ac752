"""Which readers read which workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks import commands, kernelfiles, ours
from benchmarks.programs import Programs
from benchmarks.rounds import Reader
from benchmarks.workloads import RAM

__all__ = ["LIMITS", "Limit", "readers_of"]


@dataclass(frozen=True, slots=True)
class Limit:
    """That a reader reads a workload in some rounds only, or never.

    Attributes
    ----------
    rounds : int
        In so many; 0: never.
    why : str
        Said where it is left out.
    """

    rounds: int
    why: str = ""


# What would take most of the time of a run.
PAGE_TYPES = commands.PAGE_TYPES.name
LIMITS: dict[tuple[str, str], Limit] = {
    ("W1", ours.NUMPY): Limit(2),
    ("W1", commands.PMAP.name): Limit(2),
    ("W3", commands.PMAP.name): Limit(2),
    **{(name, PAGE_TYPES): Limit(1) for name in ("W1", "W2a", "W2b", "W4", "W5")},
    ("W4", kernelfiles.FLOOR): Limit(3),
    ("W4", ours.NUMPY): Limit(1),
}


def readers_of(workload: str, programs: Programs) -> tuple[list[Reader], list[tuple[str, str]]]:
    """Return the readers of a workload, and those left out with the reason.

    Parameters
    ----------
    workload : str
        Its name.
    programs : Programs
        Where theirs are compiled.
    """
    if workload == RAM:
        return [kernelfiles.kpage_floor(programs), *ours.pagewalk_readers(workload)], []
    peers, absent = ours.python_peers()
    whole, missing = commands.commands(programs)
    readers = [
        *kernelfiles.floors(programs),
        *kernelfiles.estimates(programs),
        *peers,
        *whole,
        *ours.pagewalk_readers(workload),
    ]
    left_out = [(name, "not installed") for name in (*absent, *missing)]
    return _limited(workload, readers, left_out), left_out


def _limited(workload: str, readers: Sequence[Reader], left_out: list[tuple[str, str]]) -> list[Reader]:
    """Those that read at all, with how often they do; appends the others."""
    kept = []
    for reader in readers:
        limit = LIMITS.get((workload, reader.name))
        if limit is None:
            kept.append(reader)
        elif limit.rounds:
            kept.append(replace(reader, rounds=limit.rounds))
        else:
            left_out.append((reader.name, limit.why))
    return kept
