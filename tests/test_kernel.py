"""The kernel's own estimate as one object, over a made ``/proc``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given

import fakeproc
import fakesmaps
from fakeproc import FakeProcFS
from machines import Shape, machines
from model import PAGE, Fate, Frame, Kind, Machine, Present, Process, Space, Swapped, Vma
from pagewalk.errors import PagewalkError
from pagewalk.kernel import KernelEstimate, kernel_estimate, kernel_processes
from pagewalk.tally import FIGURES
from pagewalk.views import gap, process

FRAMES = {
    1: Frame(1, Kind.ANON),
    2: Frame(2, Kind.FILE, hidden=1),
    3: Frame(3, Kind.SHMEM),
    4: Frame(4, Kind.ANON, ksm=True),
}
HEAP = Vma(0x1000, 8, name=b"[heap]", entries={0: Present(1), 1: Present(2), 4: Swapped(0, 9)})
SHARED = Vma(0x2000, 2, "rw-s", name=b"/memfd:x (deleted)", inode=3, entries={0: Present(3), 1: Present(4)})
MACHINE = Machine(
    FRAMES,
    (Space((HEAP,), layout=0), Space((SHARED,), layout=1)),
    (
        Process(30, 0, comm=b"two words", cmdline=b"/bin/x\0-v\0", uid=4242, cgroup="/a"),
        Process(20, 0, comm=b"two words", uid=4242, cgroup="/a"),
        Process(10, 1, comm=b"other", cgroup="/a/b"),
        Process(40, 1, fate=Fate.REFUSED),
        Process(50, 1, fate=Fate.GONE_MAPS),
        Process(60, None, fate=Fate.KTHREAD),
        Process(70, None, fate=Fate.ZOMBIE),
    ),
    limit=64,
)


@pytest.fixture
def estimate(tmp_path: Path) -> KernelEstimate:
    return kernel_estimate(procfs=FakeProcFS(MACHINE, fakeproc.write(MACHINE, tmp_path / "proc")))


def test_processes_have_the_columns_of_a_walk(estimate: KernelEstimate) -> None:
    table = estimate.processes()
    assert table.columns == process.COLUMNS
    rows = {row["pid"]: row for row in table}
    assert list(rows) == [10, 20]
    # Twins are one row, named after the lower of them.
    assert rows[20]["pids"] == [20, 30]
    assert [rows[20][name] for name in ("comm", "uid", "cgroup")] == ["two words", 4242, "/a"]
    assert [rows[20][name] for name in ("rss", "anon", "swap")] == [2 * PAGE, PAGE, PAGE]
    # A page with two mappings counts half in pss, and is Shared.
    assert [rows[20][name] for name in ("pss", "private", "shared")] == [PAGE * 3 // 2, PAGE, PAGE]


def test_what_smaps_does_not_say_is_unknown(estimate: KernelEstimate) -> None:
    table = estimate.processes()
    unknown = {name for name in FIGURES if table.unknown(name).any()}
    assert unknown == {"file", "shmem", "thp", "swap_uss"}
    assert all(table.unknown(name).all() for name in unknown)
    assert all(row[name] is None for row in table for name in unknown)


def test_a_selection_is_of_the_same_words(estimate: KernelEstimate) -> None:
    assert [row["pid"] for row in estimate.processes(estimate.select(cgroups=["/a/b"]))] == [10]
    assert [row["pid"] for row in estimate.processes(estimate.select(pids=[30]))] == [20]
    assert [row["pid"] for row in estimate.processes(estimate.select(programs=["other"], users=["0"]))] == [10]
    assert [row["pid"] for row in estimate.processes(estimate.select(trees=[30], pids=[10]))] == [10, 20]
    assert [row["pid"] for row in estimate.processes(estimate.select(trees=[30]))] == [20]
    assert len(estimate.processes(estimate.select(cgroups=["/nowhere"]))) == 0
    with pytest.raises(PagewalkError, match="40"):
        estimate.select(pids=[40])


def test_what_could_not_be_read_is_told(estimate: KernelEstimate) -> None:
    assert estimate.coverage() == {"processes": 3, "address_spaces": 2, "refused": 1, "vanished": 1}
    gaps = estimate.gaps()
    assert gaps.columns == gap.COLUMNS
    (only,) = gaps
    assert (only["pid"], only["what"]) == (40, "memory")
    assert re.search("denied", only["reason"])


def test_the_host_says_whose_figures_these_are(estimate: KernelEstimate) -> None:
    assert estimate.host["figures"] == "kernel"
    assert (estimate.host["page_size"], estimate.host["ram"]) == (PAGE, 64 * PAGE)
    assert estimate.host["boot_id"]
    assert 0 <= float(str(estimate.host["seconds"])) < 60


def test_a_root_can_be_named(tmp_path: Path) -> None:
    root = fakeproc.write(MACHINE, tmp_path / "proc")
    assert {row["pid"] for row in kernel_processes(str(root))} >= {10, 20, 30, 40}
    assert kernel_estimate(str(root)).coverage()["refused"] == 0


def test_our_own_process_on_the_running_kernel() -> None:
    """Whoever runs this may read their own."""
    (mine,) = (row for row in kernel_processes() if os.getpid() in row["pids"])
    assert mine["rss"] > 0
    assert mine["uss"] + mine["shared"] == mine["rss"]
    assert mine["uss"] <= mine["pss"] + 1024


@given(machine=machines(Shape(sparse_pages=700)))
def test_figures_are_the_rollups(machine: Machine) -> None:
    with fakeproc.made(machine) as root:
        rows = {row["pid"]: row for row in kernel_processes(procfs=FakeProcFS(machine, root))}
        by_pid = {one.pid: one for one in machine.processes}
        for pid, row in rows.items():
            space = by_pid[pid].space
            assert space is not None
            text = fakesmaps.rollup(machine, machine.spaces[space]).decode()
            said = {name: int(kib) * 1024 for name, kib in re.findall(r"(\w+): +(\d+) kB", text)}
            sums = {
                "rss": ["Rss"],
                "pss": ["Pss"],
                "uss": ["Private_Clean", "Private_Dirty"],
                "shared": ["Shared_Clean", "Shared_Dirty"],
                "anon": ["Anonymous"],
                "hugetlb": ["Shared_Hugetlb", "Private_Hugetlb"],
                "swap": ["Swap"],
                "swap_pss": ["SwapPss"],
                "ksm": ["KSM"],
            }
            assert {name: row[name] for name in sums} == {
                name: sum(said[field] for field in fields) for name, fields in sums.items()
            }
