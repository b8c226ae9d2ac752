"""A run as text: a table a workload, 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from benchmarks.bench_walk import OURS
from benchmarks.peers import BASES
from benchmarks.rounds import median, ratio, spread

__all__ = ["text"]

WIDTH = 80
MIB = 1 << 20
HEADS = ("reader", "CPU s", "least..most", "wall s", "MiB", "floor", "rollup", "totals")
LEGEND = """\
CPU s, wall s: medians of the rounds; CPU of all threads, user and kernel, start-up apart; every reader reads
everything twice and the second time counts. floor, rollup: CPU against those readers, the median of the ratios within
a round. MiB: the most that was resident. totals: rss and pss of the workload's processes; equal: rss to the byte and
pss to the KiB a process that the kernel cuts off, in every round. The pss of pages that others map too changes as
those come and go."""


def text(run: dict[str, Any]) -> str:
    """Return the tables of a run.

    Parameters
    ----------
    run : dict
        As `record.record` makes it, or read from a file.
    """
    blocks = [_fill(_host(run))]
    blocks += [_workload(result) for result in run["workloads"]]
    lacks = {reader["name"]: reader["lacks"] for result in run["workloads"] for reader in result["readers"]}
    lines = [" ".join(LEGEND.split()), *(f"{name} {what}." for name, what in lacks.items() if what)]
    blocks.append("\n".join(map(_fill, lines)))
    return "\n\n".join(blocks) + "\n"


def _host(run: dict[str, Any]) -> str:
    facts = run["host"]
    ours = run["pagewalk"]
    # Neither is known without git, or outside a checkout.
    commit = f" ({ours['commit'][:10]}{', changed' if ours['changed'] else ''})" if ours["commit"] else ""
    return (
        f"pagewalk {ours['version'] or '?'}{commit}, "
        f"Linux {facts['kernel']}, {facts['cpu']}, {facts['cores']} cores, {facts['memory'] / (1024 * MIB):.1f} GiB, "
        f"load {facts['load']:.1f}; {run['rounds']} rounds"
    )


def _workload(result: dict[str, Any]) -> str:
    readings = {reader["name"]: reader["readings"] for reader in result["readers"]}
    rows = [HEADS, *(_row(name, readings, result["processes"]) for name in readings)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEADS))]
    lines = [
        "  ".join(cell.ljust(width) if k in (0, len(HEADS) - 1) else cell.rjust(width) for k, (cell, width) in cells)
        for cells in (list(enumerate(zip(row, widths, strict=True))) for row in rows)
    ]
    title = f"{result['workload']}  {result['title']}; {result['all_processes']} processes on the machine"
    return "\n".join([_fill(title, "    ", ""), *(line.rstrip() for line in lines), _fill(_note(result), "  ")])


def _row(name: str, readings: dict[str, list[dict[str, Any]]], processes: int) -> tuple[str, ...]:
    mine = readings[name]
    cpu = [each["cpu"] for each in mine]
    least, most = spread(cpu)
    peaks = [each["peak"] for each in mine if each["peak"] is not None]
    return (
        name.replace(f"{OURS}, ", "  "),
        _seconds(median(cpu)),
        f"{_seconds(least)}..{_seconds(most)}",
        _seconds(median([each["wall"] for each in mine])),
        f"{max(peaks) / MIB:.0f}" if peaks else "-",
        *(f"{ratio(cpu, [each['cpu'] for each in readings[base]]):.2f}" for base in BASES),
        _totals(mine, readings[OURS], processes),
    )


def _totals(mine: Sequence[dict[str, Any]], ours: Sequence[dict[str, Any]], processes: int) -> str:
    """Say in a word how a reader's totals stand to pagewalk's."""
    if mine is ours:
        return "ours"
    if any(each["rss"] is None for each in mine):
        return "none"
    for name, most in (("rss", 0), ("pss", 1024 * processes)):
        base = max(each[name] for each in ours)
        worst = max((each[name] - other[name] for each, other in zip(mine, ours, strict=True)), key=abs)
        if abs(worst) > most:
            return f"{name} {100 * worst / base:+.1f}%"
    return "equal"


def _note(result: dict[str, Any]) -> str:
    readings = {reader["name"]: reader["readings"] for reader in result["readers"]}
    counts, mine = readings["floor"][-1]["more"], [each["more"] for each in readings[OURS]]
    start_up, before = (median([more[key] for more in mine]) for key in ("start_up_cpu", "resident_before"))
    said = [
        f"{counts['entries']:,} entries of {counts['processes']} address spaces read",
        f"pagewalk's start-up, apart: {start_up:.2f} s CPU, {before / MIB:.0f} MiB",
    ]
    if result["heap"]["checked"]:
        said.append("its rss and pss of the heap are those of the construction")
    return "; ".join(said)


def _seconds(value: float) -> str:
    """Six characters."""
    whole = len(str(int(value)))
    return f"{value:.{max(0, 5 - whole)}f}"


def _fill(line: str, later: str = "", first: str | None = None) -> str:
    return textwrap.fill(line, WIDTH, initial_indent=later if first is None else first, subsequent_indent=later)
