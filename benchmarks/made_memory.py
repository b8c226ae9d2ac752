"""What a walk takes of memory, by the size of the machine: measured, and as the walk says before it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.made_machine import FILE, HUGE_FRAMES, PAGE, Area, MadeMachine, made_machine
from benchmarks.made_reading import read_machine
from benchmarks.made_series import COLUMNS_ONLY, DEFAULT, EVERYTHING, KINDS, processes_with_sets
from benchmarks.programs import Failure

__all__ = ["AUDIT", "LIMIT", "MACHINES", "WAYS", "memory_by_size"]

GIB = 1 << 30
# What a terabyte may take.
LIMIT = 3 * GIB
# Everything that is known of a frame and a page kept: two ids a frame, and the pages of every process.
AUDIT = "audit"
_PLAIN = (COLUMNS_ONLY, DEFAULT, EVERYTHING)
WAYS: Mapping[str, Mapping[str, Any]] = {kind: KINDS[kind] for kind in _PLAIN} | {
    AUDIT: {"threads": 1, "frames": "all", "mappings": True}
}
# Bytes of RAM; each with its part of 10,000 processes a TiB, in which each makes as many owner sets.
MACHINES = (64 * GIB, 256 * GIB, 1024 * GIB)
PROCESSES = 10_000
SETS = 64
FILE_PAGES = 4096
# Frames between those of one large process: so many owners are in a page of the table of owners, which is touched
# whole as it is where every frame has an owner.
STEP = PAGE // 4


def memory_by_size(scale: float, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Walk machines of growing size in each way.

    Parameters
    ----------
    scale : float
        Times their sizes.
    progress : callable
        Told what is done now.

    Returns
    -------
    list of dict
        One a machine: ``ram`` in bytes, ``processes``, ``sets``, and what each way of walking took by its name.
    """
    found = []
    for ram in MACHINES:
        frames = max(2 * FILE_PAGES, int(ram * scale) // PAGE)
        processes = max(1, int(PROCESSES * scale * ram / MACHINES[-1]))
        progress(f"memory: {frames * PAGE / GIB:.0f} GiB of RAM, making {processes} processes")
        with made_machine(frames, (processes << 14) + (64 << 20)) as machine:
            rss = _fill(machine, processes)
            walks = {}
            for kind, options in WAYS.items():
                progress(f"memory: {frames * PAGE / GIB:.0f} GiB of RAM, walking: {kind}")
                walks[kind] = read_machine(machine.directory, 0, **options)
                if walks[kind]["found"]["rss"] != rss:
                    raise Failure(f"pagewalk says rss {walks[kind]['found']['rss']} of a made machine that has {rss}")
            found.append(
                {"ram": frames * PAGE, "processes": machine.processes, "sets": processes * SETS, "walks": walks}
            )
    return found


def _fill(machine: MadeMachine, processes: int) -> int:
    rss = processes_with_sets(machine, SETS, FILE_PAGES, processes)
    first = 2 * HUGE_FRAMES + FILE_PAGES
    pfns = np.arange(first, machine.frames, STEP, dtype=np.uint64)
    # Of a file of which the kpage files say nothing more: their pages would take two thirds of the frames' own.
    machine.process([Area(FILE | pfns, len(pfns))])
    return rss + len(pfns) * PAGE
