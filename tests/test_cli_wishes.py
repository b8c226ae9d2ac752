"""Whose memory was asked about."""

from __future__ import annotations

import os
import pwd
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from fakesnapshot import FakeSnapshot
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.wishes import Wishes, descendants
from pagewalk.procfs import Process, ProcFS


def wishes(**given: Any) -> Wishes:
    return Wishes(Namespace(**{"pid": [], "tree": [], "program": [], "user": [], "cgroup": [], **given}))


# Name, effective user, cgroup, parent.
PROCESSES = {
    10: ("postgres", 70, "/db/main", 1),
    11: ("postgres: writer", 70, "/db", 10),
    12: ("bash", 0, "/user.slice", 1),
    13: ("python\nx", 1000, "/", 11),
}


@pytest.fixture
def procfs(tmp_path: Path) -> ProcFS:
    """Four processes, and one of which nothing can be read."""
    for pid, (comm, uid, cgroup, parent) in PROCESSES.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({comm}) S {parent} {' '.join(['1'] * 48)}\n")
        (tmp_path / str(pid) / "status").write_text(f"Name:\tx\nUid:\t9\t{uid}\t9\t9\n")
        (tmp_path / str(pid) / "cgroup").write_text(f"0::{cgroup}\n")
    (tmp_path / "14").mkdir()
    return ProcFS(str(tmp_path))


@pytest.mark.parametrize(
    ("given", "pids"),
    [
        ({}, [10, 11, 12, 13]),
        ({"pid": [11, 12, 14, 99]}, [11, 12]),
        ({"program": ["^postgres$"]}, [10]),
        ({"program": ["postgres", "sh"]}, [10, 11, 12]),
        ({"user": ["70"]}, [10, 11]),
        ({"user": ["root"]}, [12]),
        ({"cgroup": ["/db"]}, [10, 11]),
        ({"cgroup": ["db/main/"]}, [10]),
        ({"cgroup": ["/d"]}, []),
        ({"cgroup": ["/"]}, [10, 11, 12, 13]),
        ({"pid": [10, 12], "user": ["70", "1000"]}, [10]),
        ({"program": ["nothing"]}, []),
        ({"tree": [10]}, [10, 11, 13]),
        ({"tree": [11]}, [11, 13]),
        ({"tree": [13, 11]}, [11, 13]),
        ({"tree": [99]}, []),
        ({"tree": [14]}, []),
        ({"tree": [1]}, []),
        ({"tree": [11], "pid": [12, 13]}, [11, 12, 13]),
        ({"tree": [10], "user": ["70"]}, [10, 11]),
        ({"tree": [12], "program": ["python"]}, []),
    ],
)
def test_pids_now(given: dict[str, list[Any]], pids: list[int], procfs: ProcFS) -> None:
    assert wishes(**given).pids_now(procfs) == pids


def test_what_is_not_asked_about_is_not_read(procfs: ProcFS, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_process: Process) -> None:
        pytest.fail("read for nothing")

    for name in ("uid", "cgroup_of"):
        monkeypatch.setattr(procfs, name, refuse)
    assert wishes(pid=[10]).pids_now(procfs) == [10]


def test_descendants_however_deep_and_crooked() -> None:
    parents = {pid: pid - 1 for pid in range(2, 3000)}
    assert descendants([2990, 2995, 4000], parents) == set(range(2990, 3000))
    # No kernel says so; a walk over what changes meanwhile may.
    assert descendants([1], {1: 3, 2: 1, 3: 2, 4: 4}) == {1, 2, 3}
    assert descendants([], parents) == set()


def test_a_member_without_memory_has_children_all_the_same(procfs: ProcFS) -> None:
    """A zombie leads its living threads, and keeps their children."""
    (Path(procfs.path("11")) / "stat").write_text(f"11 (x) Z 10 {' '.join(['1'] * 48)}\n")
    (Path(procfs.path("11")) / "task" / "11").mkdir(parents=True)
    assert wishes(tree=[10]).pids_now(procfs) == [10, 13]


def test_kernel_threads_and_zombies_have_no_memory(procfs: ProcFS) -> None:
    for pid, state, flags, threads in ((20, "S", 0x200000, []), (21, "Z", 0, [21]), (22, "Z", 0, [22, 23])):
        process = Path(procfs.path(str(pid)))
        process.mkdir()
        (process / "stat").write_text(f"{pid} (x) {state} 1 1 1 1 1 {flags} {' '.join(['1'] * 43)}\n")
        for thread in threads:
            (process / "task" / str(thread)).mkdir(parents=True)
    assert wishes(program=["^x$"]).pids_now(procfs) == [22]


def test_no_descriptor_stays_open(procfs: ProcFS) -> None:
    before = len(os.listdir("/proc/self/fd"))
    wishes(program=["x"]).pids_now(procfs)
    assert len(os.listdir("/proc/self/fd")) == before


def test_words() -> None:
    asked = wishes(pid=[1, 2], tree=[3, 4], program=["a b"], user=["root", "7"], cgroup=["/x"])
    assert str(asked) == "-p 1,2 --tree 3,4 -P a b -u root -u 7 -c /x"
    assert asked
    assert not wishes()
    assert str(wishes()) == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"program": ["["]}, r"-P \[: not a regular expression: unterminated character set at position 0"),
        ({"user": ["nobody at all"]}, "-u nobody at all: no such user"),
    ],
)
def test_wrong_ones_stop(given: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(Stop, match=message) as stop:
        wishes(**given)
    assert stop.value.code == Exit.USAGE


def test_a_user_of_another_machine_is_asked_of_its_snapshot() -> None:
    asked = wishes(user=["nobody at all"], file="host.pwz")
    assert asked
    assert str(asked) == "-u nobody at all"
    with pytest.raises(Stop, match="-u nobody at all: no such user"):
        wishes(user=["nobody at all"], file=None)


def test_a_user_by_name_or_number() -> None:
    name = pwd.getpwuid(0).pw_name
    assert wishes(user=[name, "70"]).uids == {0, 70}


class TestSelect:
    def test_everybody(self) -> None:
        snapshot = FakeSnapshot()
        assert wishes().select(snapshot) is None  # type: ignore[arg-type]
        assert snapshot.selected == {}

    def test_asks_the_snapshot(self) -> None:
        snapshot = FakeSnapshot()
        wishes(pid=[7], program=["a"], user=["0"], cgroup=["/c"]).select(snapshot)  # type: ignore[arg-type]
        assert snapshot.selected == {"pids": [7], "programs": ["a"], "users": ["0"], "cgroups": ["/c"], "trees": []}
        wishes(tree=[7, 8]).select(snapshot)  # type: ignore[arg-type]
        assert snapshot.selected == {"pids": [], "programs": [], "users": [], "cgroups": [], "trees": [7, 8]}

    def test_nobody_of_that_number(self) -> None:
        with pytest.raises(Stop, match="no address space was read for pid 99999") as stop:
            wishes(pid=[99999]).select(FakeSnapshot())  # type: ignore[arg-type]
        assert stop.value.code == Exit.NOTHING

    def test_one_that_was_refused(self) -> None:
        with pytest.raises(Stop, match=r"^process 1 could not be read: Permission denied$"):
            wishes(pid=[1, 99999]).select(FakeSnapshot())  # type: ignore[arg-type]
        with pytest.raises(Stop, match=r"^process 1 could not be read: Permission denied$"):
            wishes(tree=[1, 99999]).select(FakeSnapshot())  # type: ignore[arg-type]
