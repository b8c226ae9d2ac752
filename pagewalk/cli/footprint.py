"""What was sampled, as tables: the footprint at the peak and last, who had it, and what sampling cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pagewalk.cli.remarks import count, gap_lines, size
from pagewalk.render.screen import Screen, Section
from pagewalk.render.units import duration
from pagewalk.table import Column, Table, objects
from pagewalk.views import gap, process
from pagewalk.views.figures import GROUP_COLUMNS

if TYPE_CHECKING:
    from pagewalk.sampling import Sample, Sampler

__all__ = ["FOOTPRINT_COLUMNS", "SERIES_COLUMNS", "cost", "footprint_screen", "sampling_remarks", "series_table"]

TIMES = (
    Column("seconds", "seconds", "when the walk began, since the start"),
    Column("processes", "count", "processes of the tree that were walked"),
)
CPU = Column("cpu", "seconds", "CPU time that sampling had taken by then")
FIGURES = {column.name: column for column in GROUP_COLUMNS}
IN_SERIES = ("rss", "uss", "pss", "swap", "anon", "file", "shmem")
SERIES_COLUMNS = (*TIMES, *(FIGURES[name] for name in IN_SERIES), CPU)
FOOTPRINT_COLUMNS = (
    Column("at", "text", "peak: the sample with the largest rss; last: the one before the end"),
    *TIMES,
    *(FIGURES[name] for name in (*IN_SERIES, "hugetlb", "thp", "swap_pss", "swap_uss")),
    CPU,
)
SHOWN = ("at", "seconds", "processes", "rss", "uss", "pss", "swap", "anon", "file", "shmem", "hugetlb")
PROCESS_SHOWN = ("pid", "uss", "pss", "rss", "swap", "comm", "cmdline")
PROCESS_WANTED = ("pid", "comm", "uss", "pss", "rss", "swap", "cmdline")

# A sum of rss this much above that at the peak is worth a remark.
HIGHER = 1.05
# Seconds from which on a share of them is told.
LASTING = 0.1
# So many processes are named that could not be read.
FEW = 3


def row_of(sample: Sample) -> dict[str, Any]:
    """Return all that a column may show of a sample."""
    times = {"seconds": round(sample.seconds, 6), "cpu": round(sample.cpu, 6)}
    return {**times, "processes": sample.processes, **sample.figures}


def table_of(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return rows as a table; what a row lacks is unknown."""
    fill = {"text": "", "list": ()}
    data: dict[str, np.ndarray[Any, Any]] = {}
    for column in columns:
        cells = [row.get(column.name, fill.get(column.unit, 0)) for row in rows]
        data[column.name] = objects(cells)
    unknown = {column.name: np.array([column.name not in row for row in rows], np.bool_) for column in columns}
    return Table(columns, data, unknown)


def series_table(sample: Sample) -> Table:
    """Return a sample as one row of a time series."""
    return table_of(SERIES_COLUMNS, [row_of(sample)])


def footprint_screen(
    sampler: Sampler,
    host: Mapping[str, Any],
    key: str,
    heading: tuple[str, str],
    remarks: Sequence[str],
    facts: Mapping[str, Any],
    is_machine: bool,
) -> Screen:
    """Return the report.

    Parameters
    ----------
    sampler : Sampler
        That has ended.
    host : mapping
        The machine, where no sample says.
    key : str
        ``run`` or ``watch``: the key of `facts` in JSON.
    heading : tuple of (str, str)
        The first line of a screen.
    remarks : sequence of str
        What is to be said below the tables.
    facts : mapping
        What JSON says of the run beside the samples.
    is_machine : bool
        It is for a program, which looks for every table even where it has no row.
    """
    peak, last = sampler.peak, sampler.last
    rows = [{"at": at, **(row_of(sample) if sample else {})} for at, sample in (("peak", peak), ("last", last))]
    footprint = table_of(FOOTPRINT_COLUMNS, rows)
    who = table_of(process.COLUMNS, []) if peak is None else peak.snapshot.processes().sort("pss")
    sections = [Section("footprint", footprint, SHOWN, wanted=SHOWN, labels={"processes": "procs"}, limit=len(rows))]
    if len(who) or is_machine:
        sections.append(Section("process", who, PROCESS_SHOWN, wanted=PROCESS_WANTED, measure="pss", sorted_by="pss"))
    coverage = None if peak is None else peak.snapshot.coverage()
    gaps = gap.gaps(()) if peak is None else peak.snapshot.gaps()
    told = {
        "host": host if peak is None else peak.snapshot.host,
        key: {**facts, **cost(sampler)},
        "coverage": coverage,
        "gaps": gaps,
    }
    return Screen(tuple(sections), heading, tuple(remarks), told)


def cost(sampler: Sampler) -> dict[str, Any]:
    """Return what sampling did and took."""
    seconds, cpu = sampler.seconds, sampler.cpu_seconds
    highest, when = sampler.highest
    return {
        "samples": sampler.samples,
        "polls": sampler.polls,
        "cpu_seconds": round(cpu, 6),
        "share": round(cpu / seconds, 6) if seconds else 0.0,
        "longest_lock_hold_ns": sampler.longest_hold,
        "longest_walk_seconds": round(sampler.longest_walk, 6),
        "kernel_rss_highest": highest,
        "kernel_rss_highest_at": round(when, 6),
        "trouble": sampler.trouble or None,
    }


def sampling_remarks(sampler: Sampler, seconds: float, has_ended: bool) -> list[str]:
    """Return the sentences below the tables: when, how, at what cost, and what may be missing.

    Parameters
    ----------
    sampler : Sampler
        That has ended.
    seconds : float
        How long it all took.
    has_ended : bool
        Whether what was sampled has ended, rather than the sampling.
    """
    peak, last = sampler.peak, sampler.last
    lines = []
    if peak is None or last is None:
        lines.append("no memory was sampled: it ended before the first walk had read it, so nothing is known of it")
    else:
        lines.append(
            f"peak (the most distinct frames) at {duration(peak.seconds)} of {duration(seconds)};"
            f" last sample {duration(max(seconds - last.seconds, 0))} before the end"
            f"{', when all memory is gone' if has_ended else ''}"
        )
        if sampler.highest[0] > HIGHER * peak.kernel_rss + (1 << 20):
            lines.append(
                f"the kernel's rss of all processes added up to {size(sampler.highest[0])} at"
                f" {duration(sampler.highest[1])}, and to {size(peak.kernel_rss)} at the peak: memory that several"
                " share is in it more than once, or a short peak fell between two samples"
            )
        missing = [line for line in gap_lines(peak.snapshot.gaps()) if line.startswith("process ")]
        lines += missing[:FEW]
        if len(missing) > FEW:
            lines.append(f"and {len(missing) - FEW} more at the peak that were not read")
    # Of what is over at once it would say nothing but how short that was.
    share = f" ({sampler.cpu_seconds / seconds:.1%} of one core)" if seconds >= LASTING else ""
    lines.append(
        f"sampling: {count(sampler.samples, 'walk')}, {count(sampler.polls, 'poll')},"
        f" {duration(sampler.cpu_seconds)} of CPU time{share};"
        f" longest walk {duration(sampler.longest_walk)}, longest lock hold {duration(sampler.longest_hold / 1e9)}"
    )
    if sampler.trouble:
        lines.append(f"a walk failed: {sampler.trouble}")
    return lines
