"""A run of growth as text."""

from __future__ import annotations

from typing import Any

from benchmarks.growth_line import fitted, unit_costs
from benchmarks.growth_record import least, peak_beyond
from benchmarks.growth_text import aligned, head, paragraphs, percent

__all__ = ["BAR", "text"]

# So far from straight growth may be.
BAR = 0.15
MIB = 1 << 20
# So many times as much may a walk without the workload take at one time as at another.
QUIET = 3
LEGEND = """\
columns, default: CPU seconds of walk() and processes() over all processes of the machine, the least of the rounds, one
thread, start-up apart; when asked for the figures that owners decide, and as it comes, with all figures. without: the
same before what grows was there. a unit: what one more costs beyond that. line: what one more costs by the line of
least squares; apart: the largest distance of a measurement from that line. proportion: the largest distance of a cost
a unit from their middle."""


def text(run: dict[str, Any]) -> str:
    """Return the tables of a run.

    Parameters
    ----------
    run : dict
        As `growth.measure` makes it, or read from a file.
    """
    blocks = [head(run)]
    for series in run["series"]:
        blocks += [_sizes(series), _verdicts(series)]
    blocks.append(_audit(run["audit"]))
    return "\n\n".join([*blocks, paragraphs(" ".join(LEGEND.split()))]) + "\n"


def _sizes(series: dict[str, Any]) -> str:
    kinds = list(series["points"][0]["walks"])
    rows = [(series["unit"], *(cell for kind in kinds for cell in ("without", kind, "a unit")))]
    costs = {kind: costs_of(series, kind)[0] for kind in kinds}
    for k, point in enumerate(series["points"]):
        cells = []
        for kind in kinds:
            without, with_ = (f"{least(point[which][kind]):.4f}" for which in ("base", "walks"))
            cells += [without, with_, time_text(costs[kind][k])]
        rows.append((f"{point['size']:g}", *cells))
    lines = [f"{series['name']}: {series['title']}", aligned(rows, left=0)]
    if series["unmet"]:
        lines.append(paragraphs(f"left out: {series['unmet']}"))
    return "\n".join(lines)


def _verdicts(series: dict[str, Any]) -> str:
    sizes = [point["size"] for point in series["points"]]
    told = []
    for kind in series["points"][0]["walks"]:
        line = fitted(sizes, [least(point["walks"][kind]) for point in series["points"]])
        _, apart = costs_of(series, kind)
        within = "straight" if line.apart <= BAR else f"NOT STRAIGHT (beyond {percent(BAR)})"
        phases = ", ".join(f"{name} {time_text(cost)}" for name, cost in _phases(series, kind).items())
        told.append(
            f"{kind}: line {time_text(line.slope)}, apart {percent(line.apart)}, {within}; "
            f"proportion {percent(apart)}. One more {_one(series['unit'])}, by phase: {phases}."
        )
    bases = [least(point["base"][kind]) for point in series["points"] for kind in point["base"]]
    if max(bases) > QUIET * min(bases):
        told.append(f"The machine was not quiet: without, a walk took {min(bases):.3f} to {max(bases):.3f} s.")
    return paragraphs(*told)


def _audit(walked: dict[str, Any]) -> str:
    """Say what memory all that can be asked for takes."""
    parts = ", ".join(f"{name} {size / MIB:.0f}" for name, size in walked["forecast"].items() if size >= MIB)
    took, before = peak_beyond(walked) / MIB, walked["first"]["before"] / MIB
    return paragraphs(
        f"memory: a full audit of this machine (all of RAM, every mapping, what is freed), without what grows, took "
        f"{took:.0f} MiB at most, beside {before:.0f} MiB that Python and numpy had before; "
        f"foretold {sum(walked['forecast'].values()) / MIB:.0f} ({parts})."
    )


def costs_of(series: dict[str, Any], kind: str) -> tuple[list[float], float]:
    """Return what each size costs a unit beyond the base, and how far that is from the same everywhere."""
    sizes = [point["size"] for point in series["points"]]
    values = [least(point["walks"][kind]) for point in series["points"]]
    return unit_costs(sizes, values, [least(point["base"][kind]) for point in series["points"]])


def _phases(series: dict[str, Any], kind: str) -> dict[str, float]:
    """Return what one more costs in each phase, between the smallest and the largest size."""
    first, last = series["points"][0], series["points"][-1]
    small, large = (
        min(point["walks"][kind]["readings"], key=lambda reading: reading["cpu"]) for point in (first, last)
    )
    grown = last["size"] - first["size"]
    spent = {name: (cpu - small["phases"].get(name, 0)) / grown for name, cpu in large["phases"].items()}
    spent["processes()"] = (large["cpu"] - small["cpu"]) / grown - sum(spent.values())
    total = sum(spent.values())
    return {name: cost for name, cost in spent.items() if cost > total / 100}


def _one(unit: str) -> str:
    return "process" if unit == "processes" else unit


def time_text(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    seconds = float(f"{seconds:.3g}")  # before the unit is chosen: 0.9999 s are no 1000 ms
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if abs(seconds) * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
