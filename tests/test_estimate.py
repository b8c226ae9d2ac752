"""The kernel's own estimate of every process: read, refused, gone, and what it does not say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given

import fakeproc
import fakesmaps
import machines
from model import Fate, Machine
from pagewalk.estimate import Estimate, read_estimate
from pagewalk.procfs import ProcFS
from pagewalk.smaps import parse_smaps_rollup
from pagewalk.tally import FIGURES

ROLLUP = b"1000-2000 ---p 00000000 00:00 0      [rollup]\nRss:                  12 kB\nPss:                   7 kB\n"


def estimate(machine: Machine) -> tuple[Estimate, dict[int, dict[str, int]]]:
    """The estimate, and by pid what smaps_rollup of the address space says."""
    with fakeproc.made(machine) as root:
        found = read_estimate(fakeproc.FakeProcFS(machine, root))
    words = {
        process.pid: parse_smaps_rollup(fakesmaps.rollup(machine, machine.spaces[process.space]))
        for process in machine.processes
        if process.space is not None and machine.spaces[process.space].vmas
    }
    return found, words


@given(machines.machines())
def test_the_kernels_figures(machine: Machine) -> None:
    found, words = estimate(machine)
    for row, pids in enumerate(found.spaces.pids):
        said = words[pids[0]]
        assert found.figures["rss"][row] == said["Rss"]
        assert found.figures["pss"][row] == said["Pss"]
        assert found.figures["uss"][row] == said["Private_Clean"] + said["Private_Dirty"]
        assert found.figures["hugetlb"][row] == said["Shared_Hugetlb"] + said["Private_Hugetlb"]
        for name in ("file", "shmem", "thp", "swap_uss"):
            assert found.unknown[name][row], name  # never 0: the kernel does not say
        for name in ("rss", "pss", "anon", "swap", "swap_pss"):
            assert not found.unknown[name][row], name
    assert set(found.figures) == set(found.unknown) == set(FIGURES)


@given(machines.machines())
def test_each_process_is_accounted_for(machine: Machine) -> None:
    found, _ = estimate(machine)
    read = {pid for pids in found.spaces.pids for pid in pids}
    fates = {process.pid: process.fate for process in machine.processes}
    assert all(fates[pid] is not Fate.KTHREAD for pid in read)
    assert not read & found.refused.keys()
    assert {pid for pid, fate in fates.items() if fate is Fate.REFUSED} <= found.refused.keys() | read
    for reason in found.refused.values():
        assert reason.startswith("smaps_rollup: ")
        assert "\n" not in reason
    assert found.vanished <= sum(fate.gone for fate in fates.values()) + len(machine.processes)


def test_an_old_kernel_says_less(tmp_path: Path) -> None:
    """What this kernel's smaps_rollup has no line for is unknown, and not 0."""
    (tmp_path / "7").mkdir()
    for name, text in (
        ("smaps_rollup", ROLLUP),
        ("status", b"Uid:\t0\t5\t0\t0\n"),
        ("cmdline", b"a\0b\0"),
        ("cgroup", b"0::/x\n"),
    ):
        (tmp_path / "7" / name).write_bytes(text)
    fields = ["7", "(a b)", "S", "1", *["0"] * 48]
    (tmp_path / "7" / "stat").write_text(" ".join(fields))
    found = read_estimate(ProcFS(str(tmp_path)))
    assert found.spaces.pids == [(7,)]
    assert (found.spaces.comm, found.spaces.cmdline, found.spaces.cgroup) == (["a b"], ["a b"], ["/x"])
    assert found.spaces.uid.tolist() == [5]
    assert (found.figures["rss"][0], found.figures["pss"][0]) == (12288, 7168)
    known = {name for name in FIGURES if not found.unknown[name][0]}
    assert known == {"rss", "pss"}


@given(machines.machines())
def test_shapes(machine: Machine) -> None:
    found, _ = estimate(machine)
    for column in (*found.figures.values(), found.spaces.uid, found.spaces.vss):
        assert column.dtype == np.int64
        assert len(column) == len(found.spaces)
    for mask in found.unknown.values():
        assert mask.dtype == bool
        assert len(mask) == len(found.spaces)
