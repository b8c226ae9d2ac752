"""``python -m benchmarks.growth``: what a walk costs as processes, memory and address space grow."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import growth_command, growth_record, growth_table
from benchmarks.growth_command import FAILURE, INTERRUPTED, PRIVILEGE, TERMINATED
from benchmarks.growth_series import GROWTHS, Growth
from benchmarks.held import Unavailable
from benchmarks.made_reading import read_machine
from benchmarks.made_series import COLUMNS_ONLY, DEFAULT, KINDS
from benchmarks.programs import Failure, Programs

__all__ = ["main", "measure"]

# A line through fewer says nothing of straightness.
LEAST_SIZES = 3
# All that a walk can be asked for: the uses of all of RAM, the mappings of all processes, and what is freed with them.
AUDIT = {"frames": "all", "mappings": True, "freed": True}


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description="Measures walks of this machine while one thing grows on it: 100 to 4,000 processes, a heap of "
        "1 to 12 GiB, 256 GiB to 16 TiB of reserved address space; and how far that is from a straight line. Sizes "
        "that do not fit are left out and named. Needs root and a C compiler.",
    )
    growth_command.add_options(options, [growth.name for growth in GROWTHS], rounds=5)
    return options


def measure(
    names: Sequence[str], scale: float, rounds: int, progress: Callable[[str], None] = lambda _text: None
) -> dict[str, Any]:
    """Start the workloads, walk the machine with each, and put the run together.

    Parameters
    ----------
    names : sequence of str
        Names of GROWTHS.
    scale : float
        Times the sizes.
    rounds : int
        Walks to measure of each size in each way.
    progress : callable, optional
        Told what is done now.

    Raises
    ------
    Failure
        Fewer than three sizes fit, a walk failed, or it did not find what is known to be there.
    """
    run = growth_record.begun("growth", rounds, scale)
    progress("a full audit of the machine")
    run["audit"] = read_machine(None, 0, **AUDIT)
    with Programs() as programs:
        run["series"] = [
            _grown(growth, programs, scale, rounds, progress) for growth in GROWTHS if growth.name in names
        ]
    return run


def _grown(
    growth: Growth, programs: Programs, scale: float, rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    points, unmet = list[dict[str, Any]](), ""
    for full in growth.sizes:
        size = full * scale if growth.each > 1 else max(1, int(full * scale))
        # Beside each size, since the rest of the machine may change meanwhile.
        progress(f"{growth.name}: the machine without")
        base = _walks(rounds)
        progress(f"{growth.name}: setting up {size:g} {growth.unit}")
        try:
            with growth.start(programs, int(size * growth.each)) as workload:
                progress(f"{growth.name}: walking {size:g} {growth.unit}")
                walks = _walks(rounds)
        except Unavailable as reason:
            unmet = str(reason)
            break
        _check(growth, walks, len(workload.pids), sum(known.figures["rss"] for known in workload.known))
        points.append({"size": size, "processes": len(workload.pids), "base": base, "walks": walks})
    if len(points) < LEAST_SIZES:
        raise Failure(f"{growth.name}: fewer than {LEAST_SIZES} sizes can be had here: {unmet}")
    return {"name": growth.name, "title": growth.title, "unit": growth.unit, "points": points, "unmet": unmet}


def _walks(rounds: int) -> dict[str, Any]:
    return {kind: read_machine(None, rounds, **KINDS[kind]) for kind in (COLUMNS_ONLY, DEFAULT)}


def _check(growth: Growth, walks: dict[str, Any], processes: int, rss: int) -> None:
    """Hold each walk to what must be there: other processes of the machine are beside it."""
    for kind, walked in walks.items():
        found = walked["found"]
        if found["processes"] < processes or found["rss"] < rss:
            raise Failure(
                f"{growth.name} ({kind}): pagewalk found {found['processes']} processes and {found['rss']} bytes, and "
                f"there are {processes} and {rss} at least"
            )


def main() -> int:
    """Run what is asked for; returns the exit code."""
    wishes = parser().parse_args()
    if os.geteuid() != 0:
        print("benchmarks.growth: reading every process needs root", file=sys.stderr)
        return PRIVILEGE
    if told := growth_command.unwritable(wishes):
        print(f"benchmarks.growth: {told}", file=sys.stderr)
        return FAILURE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that what was started is ended
    try:
        run = measure(
            wishes.series or [growth.name for growth in GROWTHS], wishes.scale, wishes.rounds, growth_command.progress
        )
    except (Failure, OSError) as failure:
        growth_command.progress("")
        print(f"benchmarks.growth: {failure}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        return INTERRUPTED
    growth_command.progress("")
    return growth_command.deliver(run, growth_table.text(run), wishes)


if __name__ == "__main__":
    sys.exit(main())
