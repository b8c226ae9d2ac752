"""Peers that are commands, each run as a whole process: its start-up is inside, and nothing is subtracted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.held import PAGE
from benchmarks.programs import Failure, Programs, last_line
from benchmarks.rounds import Reader, Reading
from benchmarks.workloads import Workload

__all__ = ["ALL", "PAGE_TYPES", "PMAP", "Command", "Totals", "commands", "found", "reader"]

KIB = 1024


class Totals(NamedTuple):
    """What a command says of some processes, in bytes; `rounded`: what its rounding may take away or add."""

    rss: int | None
    pss: int | None
    rounded: int = 0


class Command(NamedTuple):
    """A peer: its program, the words it is run with, what its output says of some processes, which exits are well."""

    name: str
    lacks: str
    words: Callable[[str, Sequence[int]], Sequence[object]]
    totals: Callable[[str, frozenset[int]], Totals]
    well: Sequence[int] = (0,)


def smem_totals(output: str, wanted: frozenset[int]) -> Totals:
    """Of ``smem -H -c "pid rss pss"``: KiB."""
    rows = [tuple(map(int, line.split())) for line in output.splitlines()]
    mine = [(rss, pss) for pid, rss, pss in rows if pid in wanted]
    return Totals(KIB * sum(rss for rss, _ in mine), KIB * sum(pss for _, pss in mine))


def ps_mem_totals(output: str, wanted: frozenset[int]) -> Totals:
    """Of ``ps_mem -d``: ``Private + Shared = RAM used<tab>Program [pid]``, in units with one decimal."""
    pss = rounded = 0
    for line in output.splitlines():
        figures, tab, program = line.partition("\t")
        pid = program.rstrip().rpartition("[")[2].rstrip("]")
        if not tab or not pid.isdecimal() or int(pid) not in wanted:
            continue
        amount, unit = figures.rpartition("=")[2].split()
        one = KIB ** ("KiB", "MiB", "GiB", "TiB").index(unit) * KIB
        pss += round(float(amount) * one)
        rounded += one // 20
    return Totals(None, pss, rounded)


def pmap_totals(output: str, wanted: frozenset[int]) -> Totals:
    """Of ``pmap -X PID...``: KiB of each VMA. The sums it prints are those of all processes so far."""
    rss = pss = 0
    ours = False
    at_rss = at_pss = 0
    for line in output.splitlines():
        if not line[:1].isspace():
            words = line.split(maxsplit=1)
            if words and words[0].endswith(":"):
                ours = int(words[0][:-1]) in wanted
                continue
        if not ours:
            continue
        words = line.split()
        if words[:2] == ["Address", "Perm"]:
            at_rss, at_pss = words.index("Rss"), words.index("Pss")
        elif len(words) > at_pss and "-" in words[1]:  # its permissions: the bar and the sums have none
            rss += int(words[at_rss])
            pss += int(words[at_pss])
    return Totals(KIB * rss, KIB * pss)


def page_types_totals(output: str, wanted: frozenset[int]) -> Totals:
    """Of ``page-types -p PID``, each behind a line ``pid PID``: pages in the line of their total."""
    pages = pid = 0
    for line in output.splitlines():
        words = line.split()
        if words[:1] == ["pid"]:
            pid = int(words[1])
        elif words[:1] == ["total"] and pid in wanted:
            pages += int(words[1])
    return Totals(pages * PAGE, None)


WHOLE = "its start-up is inside; no owners, groups or frames are named"
SMEM = Command(
    "smem",
    f"sums up smaps of each process, where each VMA's Pss is cut to KiB; {WHOLE}",
    lambda program, pids: (program, "-H", "-c", "pid rss pss"),
    smem_totals,
)
# Told each process apart: it puts those of one program together otherwise, and prints less.
PS_MEM = Command(
    "ps_mem",
    f"says pss only, rounded to three digits, and counts pages of hugetlbfs in it, whole; {WHOLE}",
    lambda program, pids: (program, "-d"),
    ps_mem_totals,
)
PMAP = Command(
    "pmap -X",
    f"prints smaps of each process, where each VMA's Pss is cut to KiB; {WHOLE}",
    # More than 255 at a time it refuses.
    lambda program, pids: ("sh", "-c", 'printf "%s\\n" "$@" | xargs -n 200 "$0" -X', program, *pids),
    pmap_totals,
    (0, 123),  # one of the processes has ended
)
PAGE_TYPES = Command(
    "page-types",
    "(-p PID, once a process) counts pages by their flags, those of the zero page and of hugetlbfs too: no pss, no "
    f"mapcounts; {WHOLE}",
    lambda program, pids: ("sh", "-c", 'for pid; do echo "pid $pid"; "$0" -p "$pid"; done; true', program, *pids),
    page_types_totals,
)
ALL = (SMEM, PS_MEM, PMAP, PAGE_TYPES)


def found(command: Command) -> str | None:
    """Where its program is: beside this interpreter or on the PATH; None if nowhere."""
    program = command.name.split()[0]
    beside = Path(sys.executable).parent / program
    return str(beside) if beside.exists() else shutil.which(program)


def reader(programs: Programs, command: Command, program: str) -> Reader:
    """Make a reader of a command."""

    def read(pids: Sequence[int], workload: Workload) -> Reading:
        output = programs.folder / "output"
        words = [str(programs.path("spent", static=True)), str(output), *map(str, command.words(program, pids))]
        done = subprocess.run(words, capture_output=True, text=True)
        said = done.stdout.split()
        costs = dict(zip(said[::2], map(int, said[1::2]), strict=True))
        if done.returncode != 0 or costs["exit"] not in command.well:
            raise Failure(f"{command.name} ended with {costs.get('exit')}: {last_line(done.stderr)}")
        totals = command.totals(output.read_text(errors="replace"), frozenset(workload.pids))
        output.unlink()
        if workload.pids and not (totals.rss or totals.pss):
            raise Failure(f"{command.name} says nothing of the workload's processes: {last_line(done.stderr)}")
        return Reading(
            costs["cpu_ns"] / 1e9,
            costs["wall_ns"] / 1e9,
            costs["peak"],
            totals.rss,
            totals.pss,
            {"rounded": totals.rounded},
        )

    return Reader(command.name, command.lacks, read)


def commands(programs: Programs) -> tuple[list[Reader], list[str]]:
    """Those that this machine has, and the names of those it has not."""
    places = [(command, found(command)) for command in ALL]
    there = [reader(programs, command, program) for command, program in places if program]
    return there, [command.name for command, program in places if not program]
