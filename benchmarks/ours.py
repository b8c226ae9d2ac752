"""pagewalk's own readers, and other readers in Python: each measured in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from benchmarks.programs import FOLDER, Failure, last_line
from benchmarks.rounds import Reader, Reading
from benchmarks.workloads import RAM, Workload

__all__ = ["COLUMNS", "NUMPY", "OURS", "PSUTIL", "TWO_THREADS", "in_own_process", "pagewalk_readers", "python_peers"]

# The reader of ours whose totals the others' are held against.
OURS = "pagewalk"
# The one that is held to the bars, and the same with two threads.
COLUMNS = "pagewalk, columns"
TWO_THREADS = "pagewalk, 2 threads"
VERIFIED = "pagewalk, verify all"
PSUTIL, NUMPY = "psutil", "good numpy"

# What a question of who owns how much needs: figures that owners decide, and whose they are.
ASKED = (
    *("pid", "comm", "vss", "rss", "pss", "uss", "shared", "private", "anon", "file", "shmem"),
    *("hugetlb", "swap", "swap_pss", "swap_uss"),
)
VERIFY = "all that the kernel says of owned frames read"
LESS = "has no figures of clean and dirty memory, of THP and of KSM"


def _reader(name: str, lacks: str, subject: str, **options: object) -> Reader:
    def read(pids: Sequence[int], workload: Workload) -> Reading:
        extra = {"pids": list(pids)} if subject in ("psutil", "numpy") else {}
        return Reading(**in_own_process(subject, workload, **options, **extra))

    return Reader(name, lacks, read)


def pagewalk_readers(workload: str) -> list[Reader]:
    """pagewalk as it comes, and as the bars have it."""
    two = f"is {COLUMNS}, with two threads; of {RAM}, pagewalk with two"
    if workload == RAM:
        return [_reader(OURS, "", "books", threads=1), _reader(TWO_THREADS, two, "books", threads=2)]
    asked: dict[str, object] = {"columns": ASKED}
    one: dict[str, object] = {**asked, "threads": 1}
    return [
        _reader(OURS, "", "pagewalk"),
        _reader(COLUMNS, f"(one thread) {LESS}", "pagewalk", **one),
        _reader(TWO_THREADS, two, "pagewalk", threads=2, **asked),
        _reader(VERIFIED, f"is {COLUMNS}, with {VERIFY}", "pagewalk", verify="all", **one),
    ]


def python_peers() -> tuple[list[Reader], list[str]]:
    """psutil and numpy, and the names of what is not installed."""
    numpy = _reader(
        NUMPY,
        "reads whole VMAs and all of kpagecount, and sums up 1/mapcount: no owners, groups, swap, kinds of memory, "
        "or pages whose frame was not yet mapped when kpagecount was read",
        "numpy",
    )
    if find_spec("psutil") is None:
        return [numpy], [PSUTIL]
    psutil = _reader(
        PSUTIL, "(memory_full_info) sums up what the kernel says of each process: no owners, groups or frames", "psutil"
    )
    return [psutil, numpy], []


def in_own_process(subject: str, workload: Workload, **options: object) -> dict[str, Any]:
    """Let a reader measure itself in a fresh interpreter (subject.py).

    Parameters
    ----------
    subject : str
        Which.
    workload : Workload
        Whose totals are asked for.
    **options
        Handed to the subject; what JSON can say.

    Returns
    -------
    dict
        The fields of a `Reading`.
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
        raise Failure(f"{subject} failed: {last_line(done.stderr)}")
    reading: dict[str, Any] = json.loads(done.stdout)
    return reading
