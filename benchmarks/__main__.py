"""``python -m benchmarks``: run, print the tables, and write the run where it is asked for."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from benchmarks import bars, bench_walk, record, table
from benchmarks.programs import Failure
from benchmarks.workloads import WORKLOADS

FAILURE, PRIVILEGE, INTERRUPTED, TERMINATED = 1, 77, 130, 143


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures pagewalk end to end against the cost of the bytes it reads (the floors), the kernel's "
        "own estimates, numpy, and those of psutil, smem, ps_mem, pmap and page-types that are installed, over all "
        "processes of this machine; says at the end which of the ratios that must hold do. Needs root.",
    )
    options.add_argument("--workload", action="append", choices=[*WORKLOADS], help="only this one (may be repeated)")
    options.add_argument("--scale", type=_positive, default=1.0, help="times the workloads' sizes (%(default)s)")
    options.add_argument("--rounds", type=_count, default=5, help="readings of each reader (%(default)s)")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the raw run here")
    options.add_argument("--keep", action="store_true", help="keep the raw run in benchmarks/runs/DATE-KERNEL.json")
    return options


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return value


def main() -> int:
    """Run what is asked for; returns the exit code."""
    wishes = parser().parse_args()
    if os.geteuid() != 0:
        print("benchmarks: reading every process needs root", file=sys.stderr)
        return PRIVILEGE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that what was started is ended
    names = list(dict.fromkeys(wishes.workload or WORKLOADS))
    host = record.host()
    try:
        # Of many, what this machine cannot have is told; what was asked for must be had.
        results = bench_walk.run(names, wishes.scale, wishes.rounds, _progress, patient=not wishes.workload)
    except Failure as failure:
        _progress("")
        print(f"benchmarks: {failure}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        return INTERRUPTED
    _progress("")
    run = record.record(results, bars.measured(results), host, wishes.rounds, wishes.scale)
    sys.stdout.write(table.text(run))
    if wishes.json is not None:
        with wishes.json.open("w") as file:
            record.write(run, file)
    if wishes.keep:
        print(f"\nkept as benchmarks/runs/{record.keep(run).name}")
    return 0


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
