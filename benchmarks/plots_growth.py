"""Pictures of a run of growth on the machine that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.growth_line import fitted
from benchmarks.growth_record import least
from benchmarks.growth_table import time_text
from benchmarks.plots_style import COLOURS, WALKS, end_labels, figure, grown_line, legend, panel, save

__all__ = ["plot_growth"]

AXES = {"processes": "processes", "GiB": "GiB of heap in 4K pages", "TiB": "TiB reserved, one page in 64 MiB"}
ONE = {"processes": "a process"}


def plot_growth(run: dict[str, Any], folder: Path, suffix: str = ".svg") -> list[Path]:
    """Draw what a walk costs by what grows; returns the files.

    Parameters
    ----------
    run : dict
        As `growth.measure` makes it.
    folder : Path
        Where to.
    suffix : str
        ``.svg``, or ``.png`` to look at.
    """
    series = run["series"]
    with figure(len(series), (3.7 * len(series), 3.4)) as (drawn, axes):
        for at, (axis, grown) in enumerate(zip(axes, series, strict=True)):
            ends = [_draw(axis, grown, kind, colour) for kind, colour in zip(WALKS, COLOURS, strict=False)]
            panel(axis, grown["name"], AXES[grown["unit"]], "" if at else "CPU seconds of a walk")
            end_labels(axis, ends, apart=0.14)
        legend(drawn, list(WALKS.values()))
        path = folder / f"growth{suffix}"
        save(drawn, path)
    return [path]


def _draw(axis: Any, grown: dict[str, Any], kind: str, colour: str) -> tuple[float, str, str]:
    """Draw one way of walking; returns what is to be said at its end."""
    sizes = [point["size"] for point in grown["points"]]
    values = [least(point["walks"][kind]) for point in grown["points"]]
    line = fitted(sizes, values)
    grown_line(axis, list(zip(sizes, values, strict=True)), (line.at(0), line.at(sizes[-1])), colour)
    one = ONE.get(grown["unit"], f"a {grown['unit']}")
    return line.at(sizes[-1]), f"{time_text(line.slope)}\n{one}", colour
