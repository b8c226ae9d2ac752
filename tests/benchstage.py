"""What tests of the benchmarks stand on: the folder within reach, compiled programs, a run that is made up."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from benchmarks.programs import Programs

REPOSITORY = Path(__file__).resolve().parents[1]
# The benchmarks are a folder of the project, not a part of what is installed, which goes before it.
if str(REPOSITORY) not in sys.path:
    sys.path.append(str(REPOSITORY))

PAGE = os.sysconf("SC_PAGESIZE")
MIB = 1 << 20
READERS = ["floor", "adaptive floor", "smaps_rollup", "pagewalk", "pagewalk, columns", "pagewalk, 2 threads"]

unsanitized = pytest.mark.unsanitized("the floor reads all of the 20 TiB that a sanitizer reserves in each process")


@contextmanager
def compiled() -> Iterator[Programs]:
    """The C programs, where root and a compiler are at hand; else the test is skipped."""
    if os.geteuid() != 0 or not os.access("/proc/kpagecount", os.R_OK):
        pytest.skip("needs root and a kernel with /proc/kpagecount")
    from benchmarks.programs import Failure, Programs

    with Programs() as programs:
        try:
            programs.path("workload", static=True)
        except Failure as failure:
            pytest.skip(str(failure))
        yield programs


def made_run(scale: float = 1.0) -> dict[str, Any]:
    """A run of one workload, as `record.record` makes it, with a bar of each kind."""
    from benchmarks import bars, record

    def reading(cpu: float, rss: int | None) -> dict[str, Any]:
        more = {
            "entries": 10**9,
            "processes": 10**4,
            "start_up_cpu": 0.1,
            "resident_before": 32 << 20,
            "phases": {"frames": cpu, "x": 0.0},
        }
        return {"cpu": cpu, "wall": cpu, "peak": 2 << 30, "rss": rss, "pss": rss, "more": more}

    readers: list[dict[str, Any]] = [
        {"name": name, "lacks": "lacks much of what would be of use to a reader who is to judge it", "readings": []}
        for name in READERS
    ]
    for k, reader in enumerate(readers):
        rss = [None, None, 4096 * 1021, 4096 * 1000, 4096 * 1000, 4096 * 1000][k]
        reader["readings"] = [reading(99.999996 + k, rss), reading(0.0101 * (k + 1), rss)]
    result = {
        "workload": "W1",
        "title": "a title " * 12,
        "processes": 1,
        "all_processes": 99999,
        "known": [{"start": 1, "stop": 2, "figures": {"rss": 0}, "vmas": 1}],
        "readers": readers,
        "left_out": [{"name": "psutil", "why": "not installed"}],
    }
    without: dict[str, Any] = {"workload": "W6", "unavailable": "no KSM here"}
    results = [result, without]
    return record.record(results, bars.measured(results), record.host(), 2, scale)
