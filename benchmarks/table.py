"""A run as text: a table a workload, and one of what must hold; 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.held import MIB
from benchmarks.kernelfiles import ADAPTIVE_FLOOR, FLOOR, KPAGE_FLOOR, SMAPS_ROLLUP
from benchmarks.ours import COLUMNS, OURS
from benchmarks.rounds import median, ratios, spread
from benchmarks.workloads import RAM

__all__ = ["text"]

WIDTH = 80
# The readers that ratios are given to, and their columns.
BASES = {FLOOR: "floor", ADAPTIVE_FLOOR: "adapt.", SMAPS_ROLLUP: "rollup", KPAGE_FLOOR: "kpage"}
LEGEND = """\
CPU s, wall s: medians of the rounds; CPU of all threads, user and kernel, start-up apart; every reader but whole
commands reads everything twice and the second time counts. spread: the most less the least CPU, of the median. floor,
adapt., rollup, kpage: CPU against the floor, the adaptive floor, smaps_rollup and the kpage floor, the median of the
ratios within a round. MiB: the most that was resident. totals: rss and pss of the workload's processes; equal: rss to
the byte and pss to the KiB a process that the kernel cuts off, in every round; about: as far as a rounded output tells.
The pss of pages that others map too changes as those come and go."""

Readings = Sequence[Mapping[str, Any]]


def text(run: dict[str, Any]) -> str:
    """Return the tables of a run.

    Parameters
    ----------
    run : dict
        As `record.record` makes it, or read from a file.
    """
    measured = [result for result in run["workloads"] if "readers" in result]
    blocks = [_fill(_host(run))]
    blocks += [_workload(result) if "readers" in result else _unavailable(result) for result in run["workloads"]]
    if run["bars"]:
        blocks.append(_bars(run))
    lacks = {reader["name"]: reader["lacks"] for result in reversed(measured) for reader in result["readers"]}
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
        f"load {facts['load']:.1f}; {run['rounds']} rounds, scale {run['scale']:g}"
    )


def _unavailable(result: dict[str, Any]) -> str:
    return _fill(f"{result['workload']}  left out: {result['unavailable']}", "    ", "")


def _workload(result: dict[str, Any]) -> str:
    readings = {reader["name"]: reader["readings"] for reader in result["readers"]}
    bases = [name for name in BASES if name in readings]
    heads = ("reader", "CPU s", "spread", "wall s", "MiB", *(BASES[name] for name in bases), "totals")
    rows = [heads, *(_row(name, readings, bases, result["processes"]) for name in readings)]
    title = f"{result['workload']}  {result['title']}; {result['all_processes']} processes on the machine"
    return "\n".join([_fill(title, "    ", ""), *_laid_out(rows, (0, len(heads) - 1)), _fill(_note(result), "  ")])


def _laid_out(rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Lines of equal columns, those named to the left; as far apart as there is room."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else " "
    return [
        gap.join(
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _short(name: str) -> str:
    return name.replace(f"{OURS}, ", "  ")


def _row(name: str, readings: Mapping[str, Readings], bases: Sequence[str], processes: int) -> tuple[str, ...]:
    mine = readings[name]
    cpu = [each["cpu"] for each in mine]
    least, most = spread(cpu)
    peaks = [each["peak"] for each in mine if each["peak"] is not None]
    return (
        _short(name),
        _seconds(median(cpu)),
        f"{100 * (most - least) / median(cpu):.0f}%",
        _seconds(median([each["wall"] for each in mine])),
        f"{max(peaks) / MIB:.0f}" if peaks else "-",
        *(_times(median(ratios(cpu, [each["cpu"] for each in readings[base]]))) for base in bases),
        _totals(mine, readings[OURS], processes),
    )


def _totals(mine: Readings, ours: Readings, processes: int) -> str:
    """Say in a word how a reader's totals stand to pagewalk's."""
    if mine is ours:
        return "ours"
    rounded = max(each["more"].get("rounded", 0) for each in mine)
    said = [name for name in ("rss", "pss") if all(each[name] is not None for each in (*mine, *ours))]
    for name in said:
        base = max(each[name] for each in ours)
        worst = max((each[name] - other[name] for each, other in zip(mine, ours, strict=False)), key=abs)
        if abs(worst) > max(rounded, 1024 * processes if name == "pss" else 0):
            return f"{name} {100 * worst / base:+.1f}%" if base else f"{name} {worst:+}"
    return ("about" if rounded else "equal") if said else "none"


def _note(result: dict[str, Any]) -> str:
    readings = {reader["name"]: reader["readings"] for reader in result["readers"]}
    mine = [each["more"] for each in readings[OURS]]
    start_up, before = (median([more[key] for more in mine]) for key in ("start_up_cpu", "resident_before"))
    said = [f"pagewalk's start-up, apart: {start_up:.2f} s CPU, {before / MIB:.0f} MiB"]
    if result["workload"] == RAM:
        said.insert(0, f"{readings[KPAGE_FLOOR][-1]['more']['frames']:,} frames; its uses add up to all of them")
    elif FLOOR in readings:
        counts = readings[FLOOR][-1]["more"]
        said.insert(0, f"{counts['entries']:,} entries of {counts['processes']} address spaces read")
    held = COLUMNS if COLUMNS in readings else OURS
    if phases := _phases([each["more"] for each in readings[held]]):
        said.append(f"CPU of {_short(held).strip()} by phase: {phases}")
    if result["known"]:
        said.append("its figures of the workload's memory are those of the construction")
    rounds = len(readings[OURS])
    said += [f"{name}: in {len(each)} of {rounds} rounds" for name, each in readings.items() if len(each) < rounds]
    said += [f"{each['name']} left out: {each['why']}" for each in result["left_out"]]
    return "; ".join(said)


def _phases(mine: Sequence[Mapping[str, Any]]) -> str:
    """Where the time went: medians of those phases that any went to."""
    names = dict.fromkeys(name for more in mine for name in more.get("phases", ()))
    costs = {name: median([more["phases"].get(name, 0.0) for more in mine]) for name in names}
    return ", ".join(f"{name} {cost:.3f}" for name, cost in costs.items() if cost >= 0.0005)


def _bars(run: dict[str, Any]) -> str:
    rows = [("", "reader", "against", "cost", "asked", "ratio", "least..most", "")]
    for bar in run["bars"]:
        found = (_times(bar["ratio"]), f"{_times(bar['least'])}..{_times(bar['greatest'])}") if bar["ratio"] else "--"
        met = {None: "not measured", True: "met", False: "NOT MET"}[bar["met"]]
        reader = bar["reader"].replace(f"{OURS}, ", "")
        rows.append((bar["workload"], reader, bar["base"], bar["cost"].upper(), f"{bar['most']:g}", *found, met))
    title = "What must hold: the ratio of two readers in one round, the median of all rounds at most what is asked"
    if run["scale"] != 1:
        title += f". It is asked of scale 1, and this run is of scale {run['scale']:g}"
    return "\n".join([_fill(title), *_laid_out(rows, (0, 1, 2, 3, 7))])


def _times(value: float) -> str:
    """Three digits that count, four characters or few more."""
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def _seconds(value: float) -> str:
    """Six characters."""
    whole = len(str(int(value)))
    return f"{value:.{max(0, 5 - whole)}f}"


def _fill(line: str, later: str = "", first: str | None = None) -> str:
    return textwrap.fill(line, WIDTH, initial_indent=later if first is None else first, subsequent_indent=later)
