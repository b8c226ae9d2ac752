"""``--explain``: what a walk is to read and why, before it begins, and what each phase of it all has cost."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pagewalk.cli.exits import say
from pagewalk.render.units import duration, iec

__all__ = ["Explanation", "cost_lines", "plan_lines"]

WIDTH = 80
# The widest cell of what a file is read of, so that there is room for why.
OF = 24
HEADS = ("phase", "wall s", "CPU s", "entries", "words", "reads", "scans")


class Explanation:
    """What is to be explained of one walk, from its plan to the last line written."""

    def __init__(self) -> None:
        from pagewalk.ourselves import age
        from pagewalk.phases import Phases
        from pagewalk.procfs import ProcFS

        # Python, the options and numpy: all before the walk.
        self._start = {"phase": "starting", "seconds": age(ProcFS()), "cpu_seconds": round(time.process_time(), 6)}
        self._forecast: Mapping[str, Any] = {}
        self._host: Mapping[str, Any] = {}
        self._phases = Phases()

    def plan(self, forecast: Mapping[str, Any]) -> None:
        """Say what is to be read."""
        self._forecast = forecast
        say("\n".join(plan_lines(forecast)))

    def walked(self, host: Mapping[str, Any]) -> None:
        """Take in what the walk has cost; from here on the view is made."""
        self._host = host
        self._phases.begin("view")

    def facts(self) -> dict[str, Any]:
        """Return the JSON's ``explain``: all but the cost of writing it."""
        self._phases.begin("writing")
        return {
            "plan": dict(self._forecast),
            "phases": self._rows()[:-1],
            "memory": self._host.get("memory"),
            "longest_lock_hold_ns": self._host.get("longest_lock_hold_ns"),
        }

    def end(self) -> None:
        """Say what all of it has cost."""
        self._phases.end()
        say("\n".join(cost_lines(self._rows(), self._host, self._forecast)))

    def _rows(self) -> list[dict[str, Any]]:
        nothing = {"entries": 0, "words": 0, "scans": 0, "reads": None}
        return [{**nothing, **self._start}, *self._host.get("phases", ()), *self._phases.rows()]


def plan_lines(forecast: Mapping[str, Any]) -> list[str]:
    """Return a forecast as lines of 80 columns at most.

    Parameters
    ----------
    forecast : mapping
        As `pagewalk.forecast.forecast` makes it.
    """
    asked = "all columns" if forecast["columns"] is None else ", ".join(forecast["columns"]) or "no column"
    scope = f"{forecast['processes']} processes, {forecast['pages']:,} pages, {forecast['frames']:,} frames"
    pause = f"pauses of {duration(forecast['pause_ns'] / 1e9)}" if forecast["pause_ns"] else "no pauses"
    reading = (
        f"{forecast['threads']} thread{'s' if forecast['threads'] > 1 else ''}, {forecast['chunk']:,} entries a read,"
        f" {forecast['scan_pages']:,} pages a scan, {pause}"
    )
    parts = ", ".join(f"{name} {size(amount)}" for name, amount in forecast["memory_parts"].items())
    rows = [(read["file"], read["of"], read["why"]) for read in forecast["reads"] if read["of"]]
    unread = [read["file"] for read in forecast["reads"] if not read["of"]]
    return [
        "the plan of the walk",
        *labelled("for", f"{asked}; {scope}"),
        *labelled("by", reading),
        *labelled("memory", f"up to about {size(forecast['memory'])} more: {parts}"),
        *columns([("file", "read of", "for"), *rows]),
        *(labelled("not", f"read, since nothing asked for needs it: {', '.join(unread)}") if unread else ()),
    ]


def labelled(label: str, text: str) -> list[str]:
    """Return a sentence behind its label, wrapped."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {label:<6}  ", subsequent_indent=" " * 10)


def columns(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Yield the rows of a table of texts, each cell wrapped where it is too long."""
    first = max(len(row[0]) for row in rows)
    second = min(OF, max(len(row[1]) for row in rows))
    third = WIDTH - first - second - 6
    for row in rows:
        cells = [textwrap.wrap(text, width) or [""] for text, width in zip(row, (first, second, third), strict=True)]
        for number in range(max(map(len, cells))):
            name, of, why = (cell[number] if number < len(cell) else "" for cell in cells)
            yield f"  {name:<{first}}  {of:<{second}}  {why}".rstrip()


def cost_lines(rows: Sequence[Mapping[str, Any]], host: Mapping[str, Any], forecast: Mapping[str, Any]) -> list[str]:
    """Return what the phases have cost, as lines of 80 columns at most.

    Parameters
    ----------
    rows : sequence of mapping
        As `pagewalk.phases.Phases.rows` has them; what is None is not known.
    host : mapping
        Of the walk: ``memory``, ``longest_lock_hold_ns``.
    forecast : mapping
        What was foretold.
    """
    table = [HEADS, *(tuple(cells(row)) for row in rows), tuple(cells(total(rows)))]
    widths = [max(len(row[k]) for row in table) for k in range(len(HEADS))]
    lines = ["what it has cost"]
    for row in table:
        figures = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(["", row[0].ljust(widths[0]), *figures]))
    hold = duration(host.get("longest_lock_hold_ns", 0) / 1e9)
    lines += labelled("lock", f"held for {hold} at a time at most: the longest call that reads a process")
    memory = host.get("memory") or {}
    if memory.get("peak_after", -1) > 0:
        before, after = memory["resident_before"], memory["peak_after"]
        peak = size(memory["peak_before"])
        lines += labelled(
            "memory",
            f"{size(before)} before the walk (most until then: {peak}), {size(after)} at most by its end:"
            f" {size(max(0, after - before))} more, {size(forecast.get('memory', 0))} were foretold",
        )
    return lines


def cells(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield one phase as texts: ``-`` for nothing, ``?`` for what is not known."""
    yield row["phase"]
    for name in ("seconds", "cpu_seconds"):
        yield "?" if row[name] is None else f"{row[name]:.4f}"
    for name in ("entries", "words", "reads", "scans"):
        yield "?" if row[name] is None else f"{row[name]:,}" if row[name] else "-"


def total(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of all phases, as far as they are known."""
    names = ("seconds", "cpu_seconds", "entries", "words", "reads", "scans")
    sums = {name: [row[name] for row in rows if row[name] is not None] for name in names}
    return {"phase": "all", **{name: sum(some) if some else None for name, some in sums.items()}}


def size(number: int) -> str:
    """Return a number of bytes for a sentence."""
    return " ".join(iec(int(number)))
