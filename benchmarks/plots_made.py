"""Pictures of a run over made machines: our own cost, and memory by the size of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth_line import fitted
from benchmarks.growth_record import least
from benchmarks.growth_table import time_text
from benchmarks.made_memory import LIMIT
from benchmarks.made_series import COLUMNS_ONLY
from benchmarks.plots_style import COLOURS, GREY, end_labels, figure, grown_line, panel, save

__all__ = ["plot_made"]

GIB = 1 << 30
ENTRIES = ("scattered", "in runs", "in order", "huge", "shared", "absent")
NAMED = {"scattered": "no order", "in runs": "runs of 16", "huge": "huge pages", "absent": "nothing there"}
OWNERS = ((COLUMNS_ONLY, "owners only"),)
# The parts of memory that are told apart, from the bottom.
START, REST = "Python and numpy", "all else"
PARTS = (START, "owner ids", "owner sets", "processes", REST)


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
    places = range(len(machines))
    with figure(1, (8, 3.4)) as (drawn, (axis,)):
        bottoms = [0.0] * len(machines)
        for name, colour in zip(PARTS, (GREY, *COLOURS), strict=False):
            sizes = [_part(machine["walks"][COLUMNS_ONLY], name) / GIB for machine in machines]
            axis.bar(places, sizes, 0.5, bottoms, color=colour, label=f"foretold: {name}" if name != START else name)
            bottoms = [bottom + size for bottom, size in zip(bottoms, sizes, strict=True)]
        # In whatever way it walks.
        peaks = [max(walked["first"]["peak"] for walked in machine["walks"].values()) / GIB for machine in machines]
        axis.plot(places, peaks, "D", color=COLOURS[4], markersize=7, mec="white", label="measured: all resident")
        for place, peak in zip(places, peaks, strict=True):
            told = f"{peak * 1024:.0f} MiB" if peak < 1 else f"{peak:.2f} GiB"
            axis.annotate(told, (place, peak), (0, 9), textcoords="offset points", ha="center", fontsize=9)
        axis.axhline(LIMIT / GIB, color=GREY, linewidth=1, linestyle="--")
        axis.text(
            1, LIMIT / GIB * 1.02, "what 1 TiB may take", transform=axis.get_yaxis_transform(), ha="right", fontsize=9
        )
        panel(axis, "memory of a walk", "RAM of the machine, and its processes", "GiB")
        axis.set_xlim(-0.5, len(machines) - 0.5)
        axis.set_ylim(top=1.12 * LIMIT / GIB)
        axis.locator_params(axis="y", nbins=4)
        axis.set_xticks(places, [f"{_ram(machine['ram'])}\n{machine['processes']:,}" for machine in machines])
        axis.legend(loc="center left", fontsize=9, bbox_to_anchor=(1.01, 0.5), reverse=True)
        save(drawn, path)
    return path


def _part(walked: dict[str, Any], name: str) -> int:
    forecast: dict[str, int] = walked["forecast"]
    if name == START:
        return int(walked["first"]["before"])
    return forecast.get(name, 0) if name != REST else sum(size for part, size in forecast.items() if part not in PARTS)


def _ram(size: int) -> str:
    return f"{size / GIB / 1024:g} TiB" if size >= 1024 * GIB else f"{size / GIB:.0f} GiB"
