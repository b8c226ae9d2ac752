"""Readers in C: the floors, which look at nothing, and the kernel's own estimates."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from benchmarks.programs import Failure, Programs, last_line
from benchmarks.rounds import Reader, Reading
from benchmarks.workloads import Workload

__all__ = ["ADAPTIVE_FLOOR", "FLOOR", "KPAGE_FLOOR", "SMAPS_ROLLUP", "estimates", "floors", "kpage_floor"]

FLOOR, ADAPTIVE_FLOOR, KPAGE_FLOOR = "floor", "adaptive floor", "kpage floor"
SMAPS_ROLLUP, SMAPS = "smaps_rollup", "smaps"


def floors(programs: Programs) -> list[Reader]:
    """What the bytes of pagemap cost: all of them, or those of what is populated."""

    def floor(name: str, program: str, lacks: str) -> Reader:
        def read(pids: Sequence[int], workload: Workload) -> Reading:
            costs, _ = _told(programs, program, pids)
            return _reading(costs)

        return Reader(name, lacks, read)

    return [
        floor(FLOOR, "floor", "reads the maps and the pagemap of every VMA and looks at nothing: it has no totals"),
        floor(
            ADAPTIVE_FLOOR,
            "adaptive_floor",
            "reads small gaps between VMAs too, and of what is sparse only what PAGEMAP_SCAN finds: it has no totals",
        ),
    ]


def kpage_floor(programs: Programs) -> Reader:
    """What the bytes of the three kpage files cost, for all of System RAM."""

    def read(pids: Sequence[int], workload: Workload) -> Reading:
        costs, _ = _told(programs, "kpage_floor", ())
        return _reading(costs)

    return Reader(
        KPAGE_FLOOR,
        "reads kpagecount, kpageflags and kpagecgroup for every frame of System RAM, as pagewalk does, and looks at "
        "nothing; no process is read: it has no totals",
        read,
    )


def estimates(programs: Programs) -> list[Reader]:
    """The kernel's own estimate of every process, summed up by it or VMA by VMA."""

    def estimate(name: str, lacks: str) -> Reader:
        def read(pids: Sequence[int], workload: Workload) -> Reading:
            costs, lines = _told(programs, name, pids)
            figures = {int(pid): (int(rss), int(pss)) for pid, rss, pss in map(str.split, lines)}
            mine = [figures[pid] for pid in workload.pids if pid in figures]
            return _reading(costs, 1024 * sum(rss for rss, _ in mine), 1024 * sum(pss for _, pss in mine))

        return Reader(name, lacks, read)

    return [
        estimate(SMAPS_ROLLUP, "is the kernel's own sum of each process: no owners, groups or frames are named"),
        estimate(SMAPS, "is the kernel's own text of each VMA, its Rss and its Pss (cut to KiB) summed up in C"),
    ]


def _told(programs: Programs, name: str, pids: Sequence[int]) -> tuple[dict[str, int], list[str]]:
    """Run a C reader over these processes; returns its costs by name, and its further lines."""
    done = subprocess.run([programs.path(name, static=True), *map(str, pids)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{name} ended with {done.returncode}: {last_line(done.stderr)}")
    costs, *lines = done.stdout.splitlines()
    words = costs.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True)), lines


def _reading(costs: dict[str, int], rss: int | None = None, pss: int | None = None) -> Reading:
    counts = {name: value for name, value in costs.items() if name not in ("cpu_ns", "wall_ns", "peak")}
    return Reading(costs["cpu_ns"] / 1e9, costs["wall_ns"] / 1e9, costs["peak"], rss, pss, dict(counts))
