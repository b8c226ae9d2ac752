"""``python -m benchmarks.made``: our own cost, over made machines of plain files."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import growth_command, growth_record, made_table
from benchmarks.growth_command import FAILURE, INTERRUPTED, TERMINATED
from benchmarks.made_machine import made_machine
from benchmarks.made_memory import memory_by_size
from benchmarks.made_reading import read_machine
from benchmarks.made_series import KINDS, SERIES, Series
from benchmarks.programs import Failure

__all__ = ["main", "measure"]

MEMORY = "memory"


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.made",
        description="Measures pagewalk's own cost for one more entry, frame, process, VMA and owner set: over made "
        "/proc trees of plain files, in which one of these grows. Also the memory that a walk takes, up to a machine "
        "of 1 TiB and 10,000 processes. Needs no root; the files take at most some 300 MiB, in memory or below TMPDIR.",
    )
    growth_command.add_options(options, [*(series.name for series in SERIES), MEMORY], rounds=3)
    return options


def measure(
    names: Sequence[str], scale: float, rounds: int, progress: Callable[[str], None] = lambda _text: None
) -> dict[str, Any]:
    """Make the machines, walk each, and put the run together.

    Parameters
    ----------
    names : sequence of str
        Names of SERIES, and ``memory``.
    scale : float
        Times the sizes.
    rounds : int
        Walks to measure of each machine in each way.
    progress : callable, optional
        Told what is done now.

    Raises
    ------
    Failure
        A machine cannot be made, a walk failed, or its figures are not those known by construction.
    """
    run = growth_record.begun("made", rounds, scale)
    run["series"] = [_grown(series, scale, rounds, progress) for series in SERIES if series.name in names]
    run["memory"] = memory_by_size(scale, progress) if MEMORY in names else []
    return run


def _grown(series: Series, scale: float, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    points = []
    for full in series.sizes:
        size = max(1, int(full * scale))
        progress(f"{series.name}: {size:,} {series.unit}")
        with made_machine(series.frames(size), series.bytes_of(size)) as machine:
            rss = series.make(machine, size)
            walks = {kind: read_machine(machine.directory, rounds, **KINDS[kind]) for kind in series.kinds}
            for kind, walked in walks.items():
                if walked["found"]["rss"] != rss:
                    raise Failure(f"{series.name}: pagewalk ({kind}) says rss {walked['found']['rss']}, it is {rss}")
            floor = read_machine(machine.directory, rounds, floor=series.floor) if series.floor else None
            points.append({"size": size, "processes": machine.processes, "rss": rss, "walks": walks, "floor": floor})
    return {"name": series.name, "title": series.title, "unit": series.unit, "points": points}


def main() -> int:
    """Run what is asked for; returns the exit code."""
    wishes = parser().parse_args()
    if told := growth_command.unwritable(wishes):
        print(f"benchmarks.made: {told}", file=sys.stderr)
        return FAILURE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that what was made is removed
    names = wishes.series or [*(series.name for series in SERIES), MEMORY]
    try:
        run = measure(names, wishes.scale, wishes.rounds, growth_command.progress)
    except (Failure, OSError) as failure:
        growth_command.progress("")
        print(f"benchmarks.made: {failure}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        return INTERRUPTED
    growth_command.progress("")
    return growth_command.deliver(run, made_table.text(run), wishes)


if __name__ == "__main__":
    sys.exit(main())
