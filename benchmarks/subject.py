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
    """What a subject found: totals in bytes of the workload's processes, or of RAM, and what else it counted."""

    rss: int
    pss: int | None
    more: Mapping[str, Any]


# A subject: what is imported and made ready, then a callable that is measured, and one that makes the answer of what
# that returned, when the clock has stopped.
Subject = tuple[Callable[[], Any], Callable[[Any], Answer]]


def pagewalk_processes(workload: Sequence[int], **options: Any) -> Subject:
    """pagewalk's walk of the machine, and the figures of every process, or those asked for."""
    from pagewalk import walk

    def read() -> Any:
        snapshot = walk(**options)
        walked = time.process_time()
        return snapshot, snapshot.processes(), time.process_time() - walked

    def answer(result: Any) -> Answer:
        snapshot, table, view_cpu = result
        wanted = set(workload)
        mine = [row for row in table if wanted.intersection(row["pids"])]
        more = _told(snapshot, view_cpu)
        return Answer(sum(row["rss"] for row in mine), sum(row["pss"] for row in mine), more)

    return read, answer


def pagewalk_books(workload: Sequence[int], threads: int) -> Subject:
    """pagewalk's walk of all of RAM, and what it is used for, whose it is and who pays. The rss is that of RAM."""
    from pagewalk import walk

    def read() -> Any:
        snapshot = walk(frames="all", threads=threads)
        walked = time.process_time()
        tables = snapshot.uses(), snapshot.cgroups(), snapshot.charges()
        return snapshot, tables, time.process_time() - walked

    def answer(result: Any) -> Answer:
        snapshot, (uses, _, _), view_cpu = result
        return Answer(sum(row["bytes"] for row in uses), None, _told(snapshot, view_cpu))

    return read, answer


def _told(snapshot: Any, view_cpu: float) -> dict[str, Any]:
    """What the walk says of itself, and the CPU seconds of its phases and of making the tables."""
    phases = {phase["phase"]: phase["cpu_seconds"] for phase in snapshot.host.get("phases", ())}
    hold = snapshot.host["longest_lock_hold_ns"]
    return {"phases": {**phases, "tables": view_cpu}, "longest_lock_hold_ns": hold, **snapshot.coverage()}


def pagewalk_known(workload: Sequence[int], known: Sequence[Mapping[str, Any]]) -> Subject:
    """pagewalk's figures of stretches of addresses, summed over the processes: to check them, not to time them."""
    from pagewalk import walk

    def answer(snapshot: Any) -> Answer:
        pids = set(workload)
        table = [row for row in snapshot.mappings() if row["pid"] in pids]
        found = []
        for each in known:
            mine = [row for row in table if each["start"] <= row["start"] < each["stop"]]
            sums = {column: sum(row[column] for row in mine) for column in each["figures"]}
            found.append({"vmas": len(mine), "figures": sums})
        return Answer(0, 0, {"found": found})

    return lambda: walk(mappings=workload), answer


def psutil_full(workload: Sequence[int], pids: Sequence[int]) -> Subject:
    """psutil's memory_full_info of every process."""
    import psutil  # type: ignore[import-untyped, unused-ignore]

    def read() -> dict[int, tuple[int, float]]:
        figures = {}
        for pid in pids:
            try:
                info = psutil.Process(pid).memory_full_info()
            except psutil.Error:  # a kernel thread in some versions, or it has ended
                continue
            figures[pid] = info.rss, info.pss
        return figures

    return read, lambda figures: _summed(figures, workload)


def numpy_whole(workload: Sequence[int], pids: Sequence[int]) -> Subject:
    """The good numpy version."""
    from benchmarks import numpy_reader

    return lambda: numpy_reader.read(pids), lambda figures: _summed(figures, workload)


def _summed(figures: Mapping[int, tuple[int, float]], workload: Sequence[int]) -> Answer:
    mine = [figures[pid] for pid in workload if pid in figures]
    return Answer(sum(rss for rss, _ in mine), round(sum(pss for _, pss in mine)), {"processes": len(figures)})


SUBJECTS: dict[str, Callable[..., Subject]] = {
    "pagewalk": pagewalk_processes,
    "books": pagewalk_books,
    "known": pagewalk_known,
    "psutil": psutil_full,
    "numpy": numpy_whole,
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
