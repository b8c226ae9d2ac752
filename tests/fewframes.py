"""A machine of few frames with its books, every figure of which can be worked out by hand.

=====  =================  ==========  =============================================
pids   cgroup             space       maps the frames
=====  =================  ==========  =============================================
10,50  /web               0           1, 2, 3, 4
20     /db                1           3, 5, 70 (also somebody unseen), 12
30     /db/worker         2           9, 12
40     /idle              3           10, and in two places 71
=====  =================  ==========  =============================================

``/idle`` has no accounts of its own: what its processes take is charged to the root.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fakebooks
import pagewalk
from books import Books, Cgroup, Leftover, Ram, Stretch
from model import KPF, PAGE, Frame, Kind, Machine, Present, Process, Space, Swapped, Vma
from pagewalk.snapshot import Snapshot

ROOT, WEB, DB, WORKER, IDLE, NOBODY = 1, 10, 20, 2**63 + 30, 40, 999

FRAMES = [
    Frame(1, Kind.ANON, memcg=WEB),
    Frame(2, Kind.ANON, memcg=WEB),
    Frame(3, Kind.FILE, memcg=DB),  # of db, and web maps it too
    Frame(4, Kind.FILE, memcg=DB),  # of db, and only web maps it
    Frame(5, Kind.SHMEM, memcg=WORKER),  # of the worker, and only db maps it
    Frame(6, Kind.FILE, memcg=WEB, noise=KPF["ACTIVE"]),
    Frame(7, Kind.SHMEM, memcg=WEB, flag_dirty=True),
    Frame(8, Kind.ANON, memcg=DB, hidden=2),  # mapped by nobody that was seen
    Frame(9, Kind.FILE, memcg=0),
    Frame(10, Kind.ANON, memcg=ROOT),
    Frame(11, Kind.FILE, memcg=NOBODY),
    Frame(12, Kind.SHMEM, memcg=WORKER),
    Frame(70, Kind.ANON, memcg=DB, hidden=1),
    Frame(71, Kind.SHMEM, memcg=ROOT),
]
LEFTOVERS = [
    Leftover(20, "pgtable", memcg=WEB),
    Leftover(21, "slab"),
    Leftover(22, "free"),
    Leftover(23, "free"),
    Leftover(24, "kernel", memcg=DB),
    Leftover(25, "reserved"),
    Leftover(26, "offline"),
    Leftover(27, "kernel", poisoned=True),
    Leftover(80, "free"),
]
RAM = Ram(((1, 40), (64, 96)), (Stretch(0, 40, 0, "DMA32"), Stretch(40, 128, 1, "Normal")))


def space(layout: int, **places: int) -> Space:
    """An address space: by page the frame that is there, after an underscore."""
    entries = {int(page[1:]): Present(pfn) for page, pfn in places.items()}
    return Space((Vma(0x1000, 16, name=b"[heap]", entries=entries),), layout)


SPACES = (
    space(1, _0=1, _1=2, _2=3, _3=4),
    space(2, _0=3, _1=5, _2=70, _5=12),
    space(3, _0=9, _1=12),
    Space((Vma(0x1000, 16, entries={0: Present(10), 1: Present(71), 8: Present(71), 9: Swapped(0, 3)}),), 4),
)
PROCESSES = (
    Process(10, 0, comm=b"nginx", cgroup="/web"),
    Process(50, 0, comm=b"helper", cgroup="/web"),
    Process(20, 1, comm=b"postgres", cgroup="/db", uid=4242),
    Process(30, 2, comm=b"postgres", cgroup="/db/worker", uid=4242),
    Process(40, 3, comm=b"sleeper", cgroup="/idle"),
)
CGROUPS = (
    Cgroup("/", ROOT, {"anon": PAGE, "file": 0, "shmem": PAGE, "slab": 7 * PAGE}),
    Cgroup("/db", DB, {"anon": 2 * PAGE, "file": 5 * PAGE, "shmem": 0, "slab": PAGE}),
    Cgroup("/db/worker", WORKER, {"anon": 0, "file": 0, "shmem": 2 * PAGE, "slab": 2 * PAGE}),
    Cgroup("/idle", IDLE, accounted=False),
    Cgroup("/web", WEB, {"anon": 2 * PAGE, "file": PAGE, "shmem": 2 * PAGE, "slab": 0}),
)


def machine(cgroups: tuple[Cgroup, ...] = CGROUPS, version: int = 2) -> Books:
    """The machine, or the same with other cgroups."""
    held = {frame.pfn: frame for frame in FRAMES}
    return Books(
        Machine(held, SPACES, PROCESSES, limit=128, cgroup_version=version),
        RAM,
        {leftover.pfn: leftover for leftover in LEFTOVERS},
        cgroups,
    )


@contextmanager
def walked(of: Books | None = None, files: dict[str, str] | None = None, **options: Any) -> Iterator[Snapshot]:
    """A walk of all of its RAM; ``files`` are written into its /proc before."""
    with fakebooks.made(machine() if of is None else of) as procfs:
        for name, text in (files or {}).items():
            with open(procfs.path(name), "w", encoding="ascii") as file:
                file.write(text)
        yield pagewalk.walk(procfs=procfs, **{"frames": "all", **options})
