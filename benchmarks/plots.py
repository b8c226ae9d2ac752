"""``python -m benchmarks.plots RUN.json...``: pictures of kept runs, as SVG."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.plots_growth import plot_growth
from benchmarks.plots_made import plot_made
from benchmarks.programs import FOLDER, Failure

__all__ = ["main"]

FAILURE = 1
DRAWN: dict[str, Callable[[dict[str, Any], Path, str], list[Path]]] = {"growth": plot_growth, "made": plot_made}


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.plots",
        description="Draws runs that benchmarks.growth and benchmarks.made have kept: growth.svg, own-cost.svg and "
        "memory.svg, legible on light and dark pages. Needs matplotlib (the extra 'bench').",
    )
    options.add_argument("run", nargs="+", type=Path, metavar="RUN.json", help="one of each kind")
    options.add_argument(
        "--folder", type=Path, default=FOLDER / "plots", help="where the pictures go (benchmarks/plots)"
    )
    options.add_argument("--png", action="store_true", help="PNG instead, to look at")
    return options


def main() -> int:
    """Draw what is asked for; returns the exit code."""
    wishes = parser().parse_args()
    try:
        runs = _read(wishes.run)
        wishes.folder.mkdir(parents=True, exist_ok=True)
        for run in runs.values():
            for path in DRAWN[run["benchmark"]](run, wishes.folder, ".png" if wishes.png else ".svg"):
                print(path.name)
    except Failure as failure:
        print(f"benchmarks.plots: {failure}", file=sys.stderr)
        return FAILURE
    except OSError as error:
        print(f"benchmarks.plots: {error.filename}: {error.strerror}", file=sys.stderr)
        return FAILURE
    return 0


def _read(paths: list[Path]) -> dict[str, dict[str, Any]]:
    """Return the runs by what they measured."""
    runs: dict[str, dict[str, Any]] = {}
    for path in paths:
        with path.open() as file:
            try:
                run = json.load(file)
                kind = run["benchmark"]
            except (ValueError, KeyError, TypeError) as error:
                raise Failure(f"{path}: not a run of the benchmarks") from error
        if kind not in DRAWN:
            raise Failure(f"{path}: a run of {kind!r} has no picture: there are those of {', '.join(DRAWN)}")
        if "series" not in run:
            raise Failure(f"{path}: not a whole run of {kind!r}: it lacks 'series'")
        if kind in runs:
            raise Failure(f"{path}: a second run of {kind!r}: the pictures of one would replace those of the other")
        runs[kind] = run
    return runs


if __name__ == "__main__":
    sys.exit(main())
