"""One reader measured by itself, in a process of its own: ``python -m benchmarks.subject``, a request on its input.

The clock starts when everything is imported and a first reading, not measured, has warmed what there is to warm.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["main"]


class Answer(NamedTuple):
    """What a subject found: totals of the workload's processes in bytes, and what else it counted."""

    rss: int
    pss: int
    more: Mapping[str, float]


# A subject: what is imported and made ready, then a callable that is measured, and one that makes the answer of what
# that returned, when the clock has stopped.
Subject = tuple[Callable[[], Any], Callable[[Any], Answer]]


def pagewalk_walk(workload: Sequence[int], threads: int | None = None, columns: Sequence[str] | None = None) -> Subject:
    """pagewalk's walk of the machine, and the figures of every process, or those asked for."""
    from pagewalk import walk

    def read() -> Any:
        began = time.process_time()
        snapshot = walk(threads=threads, columns=columns)
        walked = time.process_time()
        return snapshot, snapshot.processes(), walked - began

    def answer(result: Any) -> Answer:
        snapshot, table, walk_cpu = result
        wanted = set(workload)
        mine = [row for row in table if wanted.intersection(row["pids"])]
        more = {
            "walk_cpu": walk_cpu,
            "longest_lock_hold_ns": snapshot.host["longest_lock_hold_ns"],
            **snapshot.coverage(),
        }
        return Answer(sum(row["rss"] for row in mine), sum(row["pss"] for row in mine), more)

    return read, answer


def pagewalk_heap(workload: Sequence[int], start: int) -> Subject:
    """pagewalk's figures of one mapping, summed over the workload's processes: to check them, not to time them."""
    from pagewalk import walk

    def answer(snapshot: Any) -> Answer:
        table = snapshot.mappings()
        mine = [row for row in table if row["start"] == start and row["pid"] in set(workload)]
        return Answer(sum(row["rss"] for row in mine), sum(row["pss"] for row in mine), {})

    return lambda: walk(mappings=workload), answer


def psutil_full(workload: Sequence[int], pids: Sequence[int]) -> Subject:
    """psutil's memory_full_info of every process."""
    import psutil  # type: ignore[import-untyped, unused-ignore]

    def read() -> dict[int, Any]:
        figures = {}
        for pid in pids:
            try:
                figures[pid] = psutil.Process(pid).memory_full_info()
            except psutil.Error:  # a kernel thread in some versions, or it has ended
                continue
        return figures

    def answer(figures: dict[int, Any]) -> Answer:
        mine = [figures[pid] for pid in workload if pid in figures]
        return Answer(sum(info.rss for info in mine), sum(info.pss for info in mine), {"processes": len(figures)})

    return read, answer


SUBJECTS: dict[str, Callable[..., Subject]] = {
    "pagewalk": pagewalk_walk,
    "pagewalk-heap": pagewalk_heap,
    "psutil": psutil_full,
}


def resident(name: str) -> int:
    """VmHWM or VmRSS of this process in bytes; ru_maxrss will not do, exec hands on that of the process before."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(f"{name}:"))


def main() -> int:
    """Measure what the request asks for and print the reading, as JSON."""
    request = json.load(sys.stdin)
    read, answer = SUBJECTS[request["subject"]](request["workload"], **request["options"])
    start_up = time.process_time()
    read()
    gc.collect()
    before = resident("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    result = read()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resident("VmHWM")
    rss, pss, more = answer(result)
    more = {**more, "start_up_cpu": start_up, "resident_before": before}
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak, "rss": rss, "pss": pss, "more": more}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
