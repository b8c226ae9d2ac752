"""The whole walk: the owners of every page of the machine and the figures of every process, end to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.peers import in_own_process, peers
from benchmarks.programs import Failure, Programs
from benchmarks.rounds import Reader, Reading, all_pids, interleaved
from benchmarks.workloads import WORKLOADS, Workload

__all__ = ["OURS", "run"]

# The reader of ours whose totals the others' are held against.
OURS = "pagewalk"


def run(
    names: Sequence[str], scale: float, rounds: int, progress: Callable[[str], None] = lambda _text: None
) -> list[dict[str, Any]]:
    """Start each workload, let all readers read the machine round after round, end it.

    Parameters
    ----------
    names : sequence of str
        Keys of WORKLOADS.
    scale : float
        Times the size of each.
    rounds : int
        Readings of each reader.
    progress : callable, optional
        Told what is done now.

    Returns
    -------
    list of dict
        One a workload: what it is, what of it is known, and every reading of every reader, as JSON has them.

    Raises
    ------
    Failure
        A workload cannot be had here, a reader failed, or pagewalk's figures are not those known by construction.
    """
    results = []
    with Programs() as programs:
        readers = [*peers(programs), *pagewalk_readers()]
        for name in names:
            progress(f"{name}: setting up")
            with WORKLOADS[name](programs, scale) as workload:
                results.append(_measured(workload, readers, rounds, progress))
    return results


# What a question of who owns how much needs.
COLUMNS = (
    *("pid", "comm", "vss", "rss", "pss", "uss", "shared", "private", "anon", "file", "shmem"),
    *("hugetlb", "swap", "swap_pss", "swap_uss"),
)


def pagewalk_readers() -> list[Reader]:
    """pagewalk as it comes, with one thread, and asked only for figures that owners decide."""

    def reader(name: str, lacks: str = "", **options: object) -> Reader:
        def read(pids: Sequence[int], workload: Workload) -> Reading:
            return in_own_process("pagewalk", workload, **options)

        return Reader(name, lacks, read)

    return [
        reader(OURS),
        reader(f"{OURS}, 1 thread", threads=1),
        reader(
            f"{OURS}, columns",
            "has no figures of clean and dirty memory, of THP and of KSM",
            threads=1,
            columns=COLUMNS,
        ),
    ]


def check(workload: Workload) -> None:
    """Hold pagewalk's figures of the workload's heap to what is known of it by construction."""
    if not workload.heap:
        return
    found = in_own_process("pagewalk-heap", workload, start=workload.heap)
    # A mapping's pss is whole bytes, so each may be short of less than one.
    assert found.rss is not None
    assert found.pss is not None
    if found.rss != workload.rss or abs(found.pss - workload.pss) > len(workload.pids):
        raise Failure(
            f"{workload.name}: pagewalk says rss {found.rss} and pss {found.pss} of the heap, "
            f"which has {workload.rss} and {workload.pss}"
        )


def _measured(
    workload: Workload, readers: Sequence[Reader], rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    progress(f"{workload.name}: checking figures")
    check(workload)
    before = len(all_pids())
    readings = interleaved(
        readers, workload, rounds, lambda done, name: progress(f"{workload.name}: round {done + 1} of {rounds}, {name}")
    )
    return {
        "workload": workload.name,
        "title": workload.title,
        "processes": len(workload.pids),
        "all_processes": before,
        "heap": {"rss": workload.rss, "pss": workload.pss, "checked": bool(workload.heap)},
        "readers": [
            {"name": reader.name, "lacks": reader.lacks, "readings": [asdict(each) for each in readings[reader.name]]}
            for reader in readers
        ],
    }
