"""The whole walk: the owners of every page of the machine and the figures of every process, end to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.held import PAGE, Unavailable
from benchmarks.kernelfiles import KPAGE_FLOOR
from benchmarks.ours import OURS, in_own_process
from benchmarks.programs import Failure, Programs
from benchmarks.readers import readers_of
from benchmarks.rounds import Reading, all_pids, interleaved
from benchmarks.workloads import RAM, WORKLOADS, Workload

__all__ = ["check", "check_ram", "run"]

Progress = Callable[[str], None]


def run(
    names: Sequence[str], scale: float, rounds: int, progress: Progress = lambda _text: None, patient: bool = False
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
    patient : bool
        Whether to go on without a workload that cannot be had here.

    Returns
    -------
    list of dict
        One a workload: what it is, what of it is known, and every reading of every reader, as JSON has them; or why
        it could not be had.

    Raises
    ------
    Failure
        A workload cannot be had here, a reader failed, or pagewalk's figures are not those known by construction.
    """
    results = []
    with Programs() as programs:
        for name in names:
            progress(f"{name}: setting up")
            try:
                with WORKLOADS[name](programs, scale) as workload:
                    results.append(_measured(workload, programs, rounds, progress))
            except Unavailable as reason:
                if not patient:
                    raise
                results.append({"workload": name, "unavailable": str(reason)})
    return results


def check(workload: Workload) -> None:
    """Hold pagewalk's figures of the workload's memory to what is known of it by construction."""
    if not workload.known:
        return
    reading = in_own_process("known", workload, known=[asdict(known) for known in workload.known])
    for known, found in zip(workload.known, reading["more"]["found"], strict=True):
        rows = known.vmas * len(workload.pids)
        # A row's pss is whole bytes, so each may be short of less than one.
        off = [
            name
            for name, figure in known.figures.items()
            if abs(found["figures"][name] - figure) > (rows if name in ("pss", "swap_pss") else 0)
        ]
        if off or found["vmas"] != rows:
            raise Failure(
                f"{workload.name}: pagewalk says {_listed(found['figures'], found['vmas'])} of the memory at "
                f"{known.start:#x}, which has {_listed(known.figures, rows)}"
            )


def check_ram(readings: dict[str, list[Reading]]) -> None:
    """Hold the sum of pagewalk's uses to the frames of System RAM, as the floor counted them."""
    for floor, mine in zip(readings[KPAGE_FLOOR], readings[OURS], strict=False):
        ram = floor.more["frames"] * PAGE
        if mine.rss != ram:
            raise Failure(f"{RAM}: pagewalk says what {mine.rss} bytes are used for, and the System RAM has {ram}")


def _listed(figures: dict[str, int] | Any, vmas: int) -> str:
    return ", ".join([*(f"{name} {figure}" for name, figure in figures.items()), f"VMAs {vmas}"])


def _measured(workload: Workload, programs: Programs, rounds: int, progress: Progress) -> dict[str, Any]:
    progress(f"{workload.name}: checking figures")
    check(workload)
    readers, left_out = readers_of(workload.name, programs)
    before = len(all_pids())
    readings = interleaved(
        readers, workload, rounds, lambda done, name: progress(f"{workload.name}: round {done + 1} of {rounds}, {name}")
    )
    if workload.name == RAM:
        check_ram(readings)
    return {
        "workload": workload.name,
        "title": workload.title,
        "processes": len(workload.pids),
        "all_processes": before,
        "known": [asdict(known) for known in workload.known],
        "readers": [
            {"name": reader.name, "lacks": reader.lacks, "readings": [asdict(each) for each in readings[reader.name]]}
            for reader in readers
        ],
        "left_out": [{"name": name, "why": why} for name, why in left_out],
    }
