"""Pictures of a run over made machines: our own cost, and memory by the size of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth_line import fitted
from benchmarks.growth_record import least
from benchmarks.growth_table import time_text
from benchmarks.made_memory import AUDIT, LIMIT
from benchmarks.made_series import COLUMNS_ONLY
from benchmarks.plots_style import COLOURS, GREY, end_labels, figure, grown_line, panel, save

__all__ = ["plot_made"]

GIB = 1 << 30
ENTRIES = ("scattered", "in runs", "in order", "huge", "shared", "absent")
NAMED = {"scattered": "no order", "in runs": "runs of 16", "huge": "huge pages", "absent": "nothing there"}
OWNERS = ((COLUMNS_ONLY, "owners only"),)
# Ways of walking whose memory is shown: the least, and the most.
WAYS = {COLUMNS_ONLY: "owners only", AUDIT: "all of RAM, every mapping"}


def plot_made(run: dict[str, Any], folder: Path, suffix: str = ".svg") -> list[Path]:
    """Draw what the run has; returns the files.

    Parameters
    ----------
    run : dict
        As `made.measure` makes it.
    folder : Path
        Where to.
    suffix : str
        ``.svg``, or ``.png`` to look at.
    """
    by_name = {series["name"]: series for series in run["series"]}
    drawn = []
    if by_name.keys() >= {*ENTRIES, "processes", "owner sets"}:
        drawn.append(_costs(by_name, folder / f"own-cost{suffix}"))
    if run["memory"]:
        drawn.append(_memory(run["memory"], folder / f"memory{suffix}"))
    return drawn


def _costs(by_name: dict[str, Any], path: Path) -> Path:
    entries = [(by_name[name], COLUMNS_ONLY, NAMED.get(name, name)) for name in ENTRIES]
    processes = [(by_name["processes"], kind, name) for kind, name in (("default", "all figures"), *OWNERS)]
    sets = [(by_name["owner sets"], kind, "") for kind, _ in OWNERS]
    with figure(3, (11.5, 3.3)) as (drawn, axes):
        for axis, title, series, x, y, apart in (
            (axes[0], "entries of pagemap", entries, ("million entries", 1e6), ("milliseconds", 1e3), 0.08),
            (axes[1], "processes", processes, ("thousand processes", 1e3), ("seconds", 1), 0.15),
            (axes[2], "owner sets", sets, ("thousand owner sets", 1e3), ("milliseconds", 1e3), 0.15),
        ):
            ends = _lines(axis, series, x[1], y[1])
            panel(axis, title, x[0], f"{y[0]} of own CPU")
            end_labels(axis, ends, apart)
        save(drawn, path)
    return path


def _lines(
    axis: Any, series: Sequence[tuple[dict[str, Any], str, str]], x_unit: float, y_unit: float
) -> list[tuple[float, str, str]]:
    """Draw lines of growth; returns what is to be said at their ends."""
    ends = []
    for (grown, kind, name), colour in zip(series, COLOURS, strict=False):
        sizes = [point["size"] for point in grown["points"]]
        values = [least(point["walks"][kind]) for point in grown["points"]]
        line = fitted(sizes, values)
        points = [(size / x_unit, value * y_unit) for size, value in zip(sizes, values, strict=True)]
        grown_line(axis, points, (line.at(0) * y_unit, line.at(sizes[-1]) * y_unit), colour)
        one = f"{time_text(line.slope)} each"
        ends.append(
            (line.at(sizes[-1]) * y_unit, f"{name}: {one}" if len(series) > 2 else f"{name}\n{one}".strip(), colour)
        )
    return ends


def _memory(machines: list[dict[str, Any]], path: Path) -> Path:
    width, top = 0.32, 1.25 * LIMIT / GIB
    with figure(1, (9, 3.4)) as (drawn, (axis,)):
        for at, ((kind, name), colour) in enumerate(zip(WAYS.items(), COLOURS, strict=False)):
            for place, machine in enumerate(machines, 1):
                middle = place + (at - 0.5) * (width + 0.04)
                first, forecast = machine["walks"][kind]["first"], machine["walks"][kind]["forecast"]
                peak = first["peak"] / GIB
                # What the walk foretells is beside what was there before it.
                foretold = (first["before"] + sum(forecast.values())) / GIB
                axis.bar(middle, peak, width, color=colour, label="" if place > 1 else f"measured: {name}")
                named = "" if at or place > 1 else "foretold, at worst"
                axis.hlines(foretold, middle - width / 2, middle + width / 2, color=GREY, linewidth=2, label=named)
                told, label_at = _size(peak), max(peak, foretold if foretold < peak + 0.1 * top else 0)
                if foretold > top:
                    told = f"{told}\n(foretold {foretold:.1f})"
                axis.annotate(told, (middle, label_at), (0, 3), textcoords="offset points", ha="center", fontsize=9)
        axis.axhline(LIMIT / GIB, color=GREY, linewidth=1, linestyle="--", zorder=0.5)
        across = axis.get_yaxis_transform()
        axis.text(0.01, LIMIT / GIB * 1.02, "what 1 TiB may take", transform=across, fontsize=9)
        panel(axis, "memory of a walk", "RAM of the machine, and its processes", "GiB resident at most")
        axis.set_xlim(0.5, len(machines) + 0.5)
        axis.set_ylim(top=top)
        axis.locator_params(axis="y", nbins=5)
        names = [f"{_ram(machine['ram'])}\n{machine['processes']:,}" for machine in machines]
        axis.set_xticks(range(1, len(machines) + 1), names)
        axis.legend(loc="center left", fontsize=9, bbox_to_anchor=(1.01, 0.5))
        save(drawn, path)
    return path


def _size(gib: float) -> str:
    return f"{gib * 1024:.0f} MiB" if gib < 1 else f"{gib:.2f} GiB"


def _ram(size: int) -> str:
    return f"{size / GIB / 1024:g} TiB" if size >= 1024 * GIB else f"{size / GIB:.0f} GiB"
