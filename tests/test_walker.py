"""The walk: the order of its phases, those that come and go meanwhile, and what it could not see."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import fakeproc
from fakeproc import FakeProcFS
from model import GUARD, PAGE, PM_SWAP, Fate, Frame, Kind, Machine, Marker, Present, Process, Space, Vma
from pagewalk import procfs as procfs_module
from pagewalk import walker
from pagewalk.errors import PagewalkError, PermissionRequired, Unsupported
from pagewalk.facts import Facts
from pagewalk.plan import Plan
from pagewalk.probe import Probe
from pagewalk.walker import machine, walk_machine
from smallhost import FRAMES, HOST, host

ALL = {10: (10,), 11: (11, 12), 20: (20,)}


def walk(procfs: FakeProcFS, **plan: object) -> Facts:
    return walk_machine(procfs, Plan(**plan))  # type: ignore[arg-type]


def spaces(facts: Facts) -> dict[int, tuple[int, ...]]:
    return {pids[0]: tuple(pids) for pids in facts.spaces.pids}


def gaps(facts: Facts) -> dict[int | None, str]:
    return {gap.pid: f"{gap.what}: {gap.reason}" for gap in facts.gaps}


def changed(**fates: Fate) -> Machine:
    """The small host with other fates: ``p10=Fate.REFUSED``."""
    return dataclasses.replace(
        HOST,
        processes=tuple(
            dataclasses.replace(process, fate=fates.get(f"p{process.pid}", process.fate)) for process in HOST.processes
        ),
    )


class Late(FakeProcFS):
    """Something happens at a listing of pids, or when a process is opened after so many listings."""

    def __init__(self, truth: Machine, root: Path) -> None:
        super().__init__(truth, root)
        self.at_listing: dict[int, Callable[[], None]] = {}
        self.opening: Callable[[int, int], None] = lambda listings, pid: None
        self.opened: set[int] = set()

    @property
    def listed_by_now(self) -> bool:
        """Whether every process was looked at: whoever is opened from now on is read."""
        return self.opened >= set(self.by_pid)

    def pids(self) -> list[int]:
        self.at_listing.get(self.listings + 1, lambda: None)()
        return super().pids()

    def open_process(self, pid: int) -> procfs_module.Process:
        self.opening(self.listings, pid)
        self.opened.add(pid)
        return super().open_process(pid)


# All of it


def test_everybody_is_walked() -> None:
    with host() as procfs:
        facts = walk(procfs)
    assert spaces(facts) == ALL
    assert (facts.processes, facts.refused, facts.vanished, facts.missing_frames) == (4, 0, 0, 0)
    assert facts.gaps == ()
    assert (facts.mappings, facts.places, facts.accounts) == (None, None, None)
    assert facts.page_size == PAGE


def test_what_is_said_of_the_walk() -> None:
    with host() as procfs:
        said = walk(procfs).host
    assert set(said) == {
        "hostname", "kernel", "boot_id", "page_size", "ram", "captured_at", "seconds", "longest_lock_hold_ns",
        "mapcount", "verify", "gentle", "phases",
    }  # fmt: skip
    assert (said["page_size"], said["ram"], said["mapcount"]) == (PAGE, 200 * PAGE, "page")
    assert (said["verify"], said["gentle"]) == (None, False)
    assert str(said["captured_at"]).endswith("+00:00")
    assert 0 < said["seconds"] < 60
    assert said["longest_lock_hold_ns"] > 0


def test_a_machine_that_says_nothing_of_itself(tmp_path: Path) -> None:
    said = machine(procfs_module.ProcFS(str(tmp_path)))
    assert said == {"hostname": "", "kernel": "", "boot_id": "", "page_size": PAGE, "ram": None}


def test_a_gentle_walk_says_the_same() -> None:
    with host() as procfs:
        plain, gentle = walk(procfs), walk(procfs, gentle=True, chunk=3)
    assert {name: column.tolist() for name, column in gentle.process_figures.items()} == {
        name: column.tolist() for name, column in plain.process_figures.items()
    }
    assert gentle.coverage() == plain.coverage()
    assert gentle.host["gentle"]


def test_progress_is_told_of_both_phases() -> None:
    seen: list[tuple[int, int, str]] = []
    with host() as procfs:
        walk_machine(procfs, Plan(), lambda *told: seen.append(told))
    assert [told for told in seen if told[2] == "processes"] == [(k, 3, "processes") for k in (1, 2, 3)]
    assert seen[-1] == (200, 200, "frames")


def test_nothing_stays_open() -> None:
    with host() as procfs:
        before = os.listdir("/proc/self/fd")
        walk(procfs, mappings=True, threads=3)
        assert os.listdir("/proc/self/fd") == before


# Those that come and go


def test_newcomers_are_walked_too() -> None:
    with host() as made:
        procfs = FakeProcFS(HOST, Path(made.root), newcomers=[20, 12])
        facts = walk(procfs)
    assert spaces(facts) == ALL
    assert facts.processes == 4


def test_rounds_are_bounded_and_the_rest_is_a_gap() -> None:
    """However many start: after some rounds those that are new are named instead."""
    many = tuple(Process(100 + k, 0, starttime=k) for k in range(12))
    truth = dataclasses.replace(HOST, spaces=HOST.spaces * 5, processes=many)
    truth = dataclasses.replace(truth, processes=tuple(dataclasses.replace(p, space=k) for k, p in enumerate(many)))
    with host(truth) as made:
        procfs = Late(truth, Path(made.root))
        procfs.order = [100]
        for listing in range(2, 9):
            procfs.at_listing[listing] = lambda: procfs.order.append(procfs.order[-1] + 1)
        facts = walk(procfs)
    assert procfs.listings == walker.ROUNDS + 1
    assert list(spaces(facts)) == [100, 101, 102]
    assert gaps(facts) == {103: "memory: the process started while the walk was ending"}


def test_a_twin_that_calls_exec_meanwhile_is_walked_for_itself() -> None:
    truth = dataclasses.replace(HOST, spaces=(*HOST.spaces, dataclasses.replace(HOST.spaces[2], layout=9)))
    with host(truth) as made:
        procfs = Late(truth, Path(made.root))

        def execs(listings: int, pid: int) -> None:
            if listings == 1 and pid == 11 and procfs.by_pid[12].space == 1 and procfs.listed_by_now:
                now = procfs.by_pid[12] = dataclasses.replace(procfs.by_pid[12], space=3, comm=b"sh")
                shutil.rmtree(Path(made.root) / "12")
                fakeproc.write_process(truth, now, Path(made.root) / "12")

        procfs.opening = execs
        facts = walk(procfs)
    assert spaces(facts) == {10: (10,), 11: (11,), 12: (12,), 20: (20,)}
    assert dict(zip(facts.spaces.pids, facts.spaces.comm, strict=True))[12,] == "sh"


def test_one_that_went_is_dropped() -> None:
    """What it had is nobody's that was seen; what it shared still counts in the kernel's mapcount."""
    with host() as made:
        procfs = Late(HOST, Path(made.root))
        procfs.at_listing[3] = lambda: procfs.order.remove(10)
        facts = walk(procfs)
    assert spaces(facts) == {11: (11, 12), 20: (20,)}
    assert (facts.vanished, facts.processes) == (1, 3)
    assert facts.mapped_frames == 10  # not its two pages
    assert facts.coverage()["hidden_frames"] == 1 + 4


def test_of_twins_one_may_go() -> None:
    with host() as made:
        procfs = Late(HOST, Path(made.root))
        procfs.at_listing[3] = lambda: procfs.order.remove(11)
        facts = walk(procfs)
    assert spaces(facts) == {10: (10,), 12: (12,), 20: (20,)}
    assert (facts.vanished, facts.processes) == (1, 3)


@pytest.mark.parametrize("fate", [Fate.GONE_STAT, Fate.GONE_MAPS, Fate.GONE_PAGEMAP, Fate.GONE_READING])
def test_one_that_goes_anywhere_is_counted(fate: Fate) -> None:
    with host(changed(p20=fate)) as procfs:
        facts = walk(procfs)
    assert spaces(facts) == {10: (10,), 11: (11, 12)}
    assert (facts.vanished, facts.refused) == (1, 0)


def test_one_that_is_refused_is_a_gap() -> None:
    with host(changed(p10=Fate.REFUSED, p11=Fate.REFUSED)) as procfs:
        facts = walk(procfs)
    assert spaces(facts) == {12: (12,), 20: (20,)}
    assert (facts.refused, facts.vanished, facts.processes) == (2, 0, 2)
    assert gaps(facts) == dict.fromkeys((10, 11), "memory: pagemap: Permission denied")


def test_kernel_threads_and_zombies_are_no_gaps() -> None:
    others = (Process(2, None, b"kthreadd", fate=Fate.KTHREAD), Process(30, None, fate=Fate.ZOMBIE))
    with host(dataclasses.replace(HOST, processes=(*HOST.processes, *others))) as procfs:
        facts = walk(procfs)
    assert spaces(facts) == ALL
    assert (facts.gaps, facts.refused, facts.vanished) == ((), 0, 0)


# Those that end while the frames are read


def ending(made: FakeProcFS, pid: int, becomes: bytes | None) -> Late:
    """The process ends after the last listing: its frames are counted once less than they were seen."""
    procfs = Late(HOST, Path(made.root))

    def opening(listings: int, opened: int) -> None:
        if listings >= 3 and opened == pid:
            if becomes is None:
                raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
            (Path(made.root) / str(pid) / "stat").write_bytes(becomes)

    procfs.opening = opening
    count = Path(made.root) / "kpagecount"
    fakeproc.write_words(count, ((pfn, max(HOST.mapcount(pfn) - 1, 0)) for pfn in FRAMES if pfn < 100), 200)
    return procfs


def stat_of(pid: int, **changes: object) -> bytes:
    process = next(process for process in HOST.processes if process.pid == pid)
    space = HOST.spaces[process.space or 0]
    layout = changes.pop("layout", space.layout)
    return fakeproc.stat(dataclasses.replace(process, **changes), dataclasses.replace(space, layout=layout))  # type: ignore[arg-type]


def test_one_that_ended_while_frames_were_read() -> None:
    zombie = fakeproc.stat(Process(20, None, fate=Fate.ZOMBIE), Space(()))
    for becomes in (None, zombie, stat_of(20, starttime=999)):
        with host() as made:
            facts = walk(ending(made, 20, becomes))
        assert spaces(facts) == {10: (10,), 11: (11, 12)}
        assert facts.vanished == 1


def test_one_that_called_exec_while_frames_were_read() -> None:
    with host() as made:
        facts = walk(ending(made, 20, stat_of(20, layout=99)))
    assert spaces(facts) == {10: (10,), 11: (11, 12)}
    assert gaps(facts) == {20: "memory: the process called exec while others were read"}


def test_of_twins_one_may_end_while_frames_are_read() -> None:
    """The other has the address space still."""
    with host() as made:
        facts = walk(ending(made, 11, None))
    assert spaces(facts) == {10: (10,), 12: (12,), 20: (20,)}
    assert (facts.vanished, facts.processes) == (1, 3)


def test_nobody_is_looked_at_again_where_the_kernel_agrees() -> None:
    with host() as made:
        procfs = ending(made, 20, None)
        fakeproc.write(HOST, Path(made.root) / "again")
        os.replace(Path(made.root) / "again" / "kpagecount", Path(made.root) / "kpagecount")
        assert spaces(walk(procfs)) == ALL


# Some only


def test_some_alone() -> None:
    """All others count as hidden owners; nobody else is looked for, and nobody is missed."""
    with host() as procfs:
        facts = walk(procfs, pids=[12, 20])
    assert spaces(facts) == {12: (12,), 20: (20,)}
    assert facts.gaps == ()
    assert facts.coverage()["hidden_mappings"] == 2 + 4  # those of 10's libc pages, and what is nobody's
    with host() as procfs:
        assert spaces(walk(procfs, cgroups=["/web"])) == {10: (10,), 11: (11, 12)}
    with host() as procfs:
        assert spaces(walk(procfs, cgroups=["web/a/", "/db"])) == {11: (11, 12), 20: (20,)}
    with host() as procfs:
        assert spaces(walk(procfs, cgroups=["/we"])) == {}
    with host() as procfs:
        assert spaces(walk(procfs, pids=[11, 20], cgroups=["/"])) == {11: (11,), 20: (20,)}


@pytest.mark.parametrize(("pids", "named"), [([99], "99"), ([10, 99, 98], "98, 99"), ([30], "30"), ([2], "2")])
def test_a_pid_that_has_no_memory(pids: list[int], named: str) -> None:
    others = (Process(2, None, b"kthreadd", fate=Fate.KTHREAD), Process(30, None, fate=Fate.ZOMBIE))
    truth = dataclasses.replace(HOST, processes=(*HOST.processes, *others))
    with host(truth) as procfs, pytest.raises(PagewalkError, match=f"no address space to walk for pid {named}: "):
        walk(procfs, pids=pids)


def test_a_pid_that_is_refused_is_a_gap_and_no_mistake() -> None:
    with host(changed(p20=Fate.REFUSED)) as procfs:
        facts = walk(procfs, pids=[20, 10])
    assert spaces(facts) == {10: (10,)}
    assert list(gaps(facts)) == [20]


def test_a_pid_that_may_not_even_be_looked_at_is_a_gap() -> None:
    with host() as made:
        procfs = Late(HOST, Path(made.root))

        def refuse(listings: int, pid: int) -> None:
            if pid == 20:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        procfs.opening = refuse
        facts = walk(procfs, pids=[10, 20])
    assert spaces(facts) == {10: (10,)}
    assert gaps(facts) == {20: "memory: stat: Permission denied"}


# What this kernel and user do not allow


def test_frame_numbers_that_are_hidden() -> None:
    with host() as procfs:
        fakeproc.hide_frame_numbers(HOST, Path(procfs.root))
        with pytest.raises(PermissionRequired, match="hides physical page numbers from uid"):
            walk(procfs)


def test_frame_numbers_that_the_probe_finds_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything of others is read."""
    monkeypatch.setattr(walker, "probe", lambda *_: Probe(frames_visible=False))
    with host() as procfs:
        with pytest.raises(PermissionRequired, match="CAP_SYS_ADMIN"):
            walk(procfs)
        assert procfs.listings == 0


@pytest.mark.parametrize("name", ["kpagecount", "kpageflags"])
def test_a_kernel_without_the_files(name: str) -> None:
    with host() as procfs:
        Path(procfs.path(name)).unlink()
        with pytest.raises(Unsupported, match=name):
            walk(procfs)


def test_a_kernel_without_memcg() -> None:
    with host() as procfs:
        Path(procfs.path("kpagecgroup")).unlink()
        assert not walk(procfs).table.memcg.any()


def test_what_a_kernel_does_not_know_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walker, "probe", lambda *_: Probe(True, False, "folio-average"))
    with host() as procfs:
        facts = walk(procfs)
    assert not facts.ksm_known
    assert facts.host["mapcount"] == "folio-average"
    told = [f"{gap.what}: {gap.reason}" for gap in facts.gaps]
    assert any("ksm: this kernel sets KPF_KSM on every anonymous page" in gap for gap in told)
    assert any("large folios: the kernel keeps only average mapcounts" in gap for gap in told)


def test_memory_that_has_no_frame_in_ram() -> None:
    """Device memory and pages on the move are told of; markers are nothing to tell."""
    moving = Marker(PM_SWAP | 7 << 5 | 25)
    vma = Vma(16, 9, entries={0: Present(1000), 1: Present(1001), 2: moving, 3: GUARD})
    frames = {1000: Frame(1000, Kind.FILE), 1001: Frame(1001, Kind.FILE)}
    with host(Machine(frames, (Space((vma,)),), (Process(5, 0),), limit=10)) as procfs:
        facts = walk(procfs)
    told = [f"{gap.what}: {gap.reason}" for gap in facts.gaps]
    assert [gap.split(":")[0] for gap in told] == ["1 pages", "2 frames of device memory"]
    assert facts.missing_frames == 2


# How many threads


def test_threads_are_as_many_as_pay() -> None:
    cores = len(os.sched_getaffinity(0))
    assert walker._threads(Plan(), 99, 100) == 1
    assert walker._threads(Plan(), 100, 100) == min(4, cores)
    assert walker._threads(Plan(threads=3), 0, 100) == 3
    assert walker._threads(Plan(threads=1), 10**9, 100) == 1
    assert walker._threads(Plan(gentle=True), 10**9, 100) == 1
    assert walker._threads(Plan(gentle=True, threads=2), 0, 100) == 2
