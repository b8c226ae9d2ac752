"""A run over made machines as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.growth_line import Line, fitted
from benchmarks.growth_record import least, peak_beyond
from benchmarks.growth_text import aligned, head, paragraphs, percent
from benchmarks.made_memory import AUDIT, LIMIT
from benchmarks.made_series import COLUMNS_ONLY

__all__ = ["slopes", "text"]

MIB = 1 << 20
# Series whose frames are anonymous and mapped once.
OF_FRAMES = ("in runs", "in order")
LEGEND = """\
own cost: CPU of walk() and processes() for one more, one thread; the slope of the line of least squares through
machines of growing size, start-up apart. columns: asked for the figures that owners decide; default: as it comes, all
figures; two words: what the latter costs more, kpagecount and kpageflags of a frame; everything: frames="all", three
words of each frame; mappings: each page is kept. read: of that, reading the plain files alone. bytes: of memory, at
most, for one more. apart: the largest distance of a measurement from the line. A made machine is plain files, so the
kernel's own work is not in it."""
MEMORY = f"""\
peak: the most that was resident in the first walk of a process, beyond what Python and numpy had before. foretold: what
the walk itself says before it begins, at worst. limit: all that was resident, of the {LIMIT >> 30} GiB that a terabyte
may take. audit: all of RAM and every mapping. In each machine the table of owners is touched whole."""


def slopes(run: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, Line, Line | None, Line]]:
    """Yield each series and way of walking with its lines: CPU seconds, those of reading alone, and bytes at most."""
    for series in run["series"]:
        sizes = [point["size"] for point in series["points"]]
        floors = [point["floor"] for point in series["points"]]
        floor = fitted(sizes, [least(each) for each in floors]) if all(floors) else None
        for kind in series["points"][0]["walks"]:
            walks = [point["walks"][kind] for point in series["points"]]
            peaks = fitted(sizes, [max(1, peak_beyond(walked)) for walked in walks])
            yield series, kind, fitted(sizes, [least(walked) for walked in walks]), floor, peaks


def text(run: dict[str, Any]) -> str:
    """Return the tables of a run.

    Parameters
    ----------
    run : dict
        As `made.measure` makes it, or read from a file.
    """
    blocks = [head(run)]
    if run["series"]:
        blocks += [_costs(run), _titles(run), paragraphs(" ".join(LEGEND.split()))]
    if run["memory"]:
        blocks += [_memory(run), *_parts(run), paragraphs(" ".join(MEMORY.split()))]
    return "\n\n".join(blocks) + "\n"


def _costs(run: dict[str, Any]) -> str:
    rows = [("series", "walk", "up to", "own cost", "read", "bytes", "apart")]
    spared: dict[str, float] = {}
    for series, kind, line, floor, peaks in slopes(run):
        rows.append(
            (
                series["name"],
                kind,
                f"{series['points'][-1]['size']:,} {series['unit']}",
                _time(line.slope),
                "-" if floor is None else _time(floor.slope),
                f"{max(0.0, peaks.slope):,.{0 if peaks.slope >= 100 else 1}f}",
                percent(line.apart),
            )
        )
        # Frames that pagemap tells enough of are read in a default walk only: the difference is what that costs.
        if kind == COLUMNS_ONLY and series["name"] in OF_FRAMES:
            spared[series["name"]] = line.slope
        elif series["name"] in spared:
            cost = line.slope - spared[series["name"]]
            rows.append(("", "two words", "a frame", _time(cost), "", "", ""))
    return aligned(rows, left=2)


def _titles(run: dict[str, Any]) -> str:
    return "\n".join(paragraphs(f"{series['name']}: {series['title']}") for series in run["series"])


def _memory(run: dict[str, Any]) -> str:
    rows = [("RAM", "processes", "sets", "walk", "CPU s", "peak MiB", "foretold", "limit")]
    for machine in run["memory"]:
        for kind, walked in machine["walks"].items():
            rows.append(
                (
                    f"{machine['ram'] >> 30} GiB",
                    f"{machine['processes']:,}",
                    f"{machine['sets']:,}",
                    kind,
                    f"{walked['first']['cpu']:.2f}",
                    f"{peak_beyond(walked) / MIB:,.0f}",
                    f"{sum(walked['forecast'].values()) / MIB:,.0f}",
                    percent(walked["first"]["peak"] / LIMIT),
                )
            )
    return aligned(rows, left=0)


def _parts(run: dict[str, Any]) -> Iterator[str]:
    """Say what the largest machine's memory is foretold to be for."""
    machine = run["memory"][-1]
    for kind in (COLUMNS_ONLY, AUDIT):
        forecast = machine["walks"][kind]["forecast"]
        parts = ", ".join(f"{name} {size / MIB:,.0f}" for name, size in forecast.items() if size >= MIB)
        yield paragraphs(f"foretold of {machine['ram'] >> 30} GiB, {kind}, MiB: {parts}.")


def _time(seconds: float) -> str:
    if seconds >= 1e-5:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e9:.1f} ns" if seconds < 1e-8 else f"{seconds * 1e9:.0f} ns"
