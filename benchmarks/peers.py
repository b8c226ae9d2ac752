"""What pagewalk is compared with: the floor, the kernel's smaps_rollup, psutil where it is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.programs import FOLDER, Failure, Programs
from benchmarks.rounds import Reader, Reading
from benchmarks.workloads import Workload

__all__ = ["BASES", "floor", "in_own_process", "peers", "psutil", "smaps_rollup"]

# The readers that ratios are given to.
BASES = ("floor", "smaps_rollup")


def floor(programs: Programs) -> Reader:
    """All bytes of pagemap read, and nothing looked at."""

    def read(pids: Sequence[int], workload: Workload) -> Reading:
        costs, _ = _told(programs.path("floor", static=True), pids)
        return _reading(costs)

    return Reader("floor", "reads the maps and the pagemap of every VMA and looks at nothing: it has no totals", read)


def smaps_rollup(programs: Programs) -> Reader:
    """The kernel's own estimate of every process: what everybody pays."""

    def read(pids: Sequence[int], workload: Workload) -> Reading:
        costs, lines = _told(programs.path("smaps_rollup", static=True), pids)
        figures = {int(pid): (int(rss), int(pss)) for pid, rss, pss in map(str.split, lines)}
        mine = [figures[pid] for pid in workload.pids if pid in figures]
        return _reading(costs, 1024 * sum(rss for rss, _ in mine), 1024 * sum(pss for _, pss in mine))

    return Reader(
        "smaps_rollup", "is the kernel's own sum of each process: no owners, groups or frames are named", read
    )


def psutil() -> Reader | None:
    """psutil's memory_full_info of every process; None where it is not installed."""
    if find_spec("psutil") is None:
        return None

    def read(pids: Sequence[int], workload: Workload) -> Reading:
        return in_own_process("psutil", workload, pids=pids)

    return Reader(
        "psutil",
        "(memory_full_info) sums up what the kernel says of each process: no owners, groups or frames are named",
        read,
    )


def peers(programs: Programs) -> list[Reader]:
    """All that this machine has, those that ratios are given to first."""
    optional = psutil()
    return [floor(programs), smaps_rollup(programs), *([optional] if optional else [])]


def in_own_process(subject: str, workload: Workload, **options: object) -> Reading:
    """Let a reader of ours measure itself in a fresh interpreter (subject.py).

    Parameters
    ----------
    subject : str
        Which.
    workload : Workload
        Whose totals are asked for.
    **options
        Handed to the subject; what JSON can say.
    """
    request = {"subject": subject, "workload": workload.pids, "options": options}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.subject"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=FOLDER.parent,
    )
    if done.returncode != 0:
        raise Failure(f"{subject} failed: {_last_line(done.stderr)}")
    return Reading(**json.loads(done.stdout))


def _told(program: Path, pids: Sequence[int]) -> tuple[dict[str, int], list[str]]:
    """Run a C reader over these processes; returns its costs by name, and its further lines."""
    done = subprocess.run([program, *map(str, pids)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{program.name} ended with {done.returncode}: {_last_line(done.stderr)}")
    costs, *lines = done.stdout.splitlines()
    words = costs.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True)), lines


def _reading(costs: dict[str, int], rss: int | None = None, pss: int | None = None) -> Reading:
    counts = {name: value for name, value in costs.items() if not name.endswith("_ns")}
    return Reading(costs["cpu_ns"] / 1e9, costs["wall_ns"] / 1e9, rss=rss, pss=pss, more=dict(counts))


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
