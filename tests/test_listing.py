"""Which address spaces there are: twins merged, zombies looked behind, and all that may be in the way of it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
from fakeproc import ByOpening
from model import Fate, Space, Vma
from model import Process as Model
from pagewalk.listing import Candidate, Listing, is_gone
from pagewalk.procfs import Process, ProcessStat


def failing(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class Made(ByOpening):
    """A /proc of which every process has a stat, and that fails where it is told to.

    ``space`` says who has which address space; ``fails`` what asking for one raises: by pid for kcmp, by
    (pid, file) for opening, by (pid, "") for the process itself.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        super().__init__(str(root))
        self.space: dict[int, object] = {}
        self.fails: dict[object, int] = {}
        self.compared: list[tuple[int, int]] = []
        self.listed: list[int] | None = None

    def add(self, pid: int, layout: int = 0, space: object = None, fate: Fate = Fate.READ, memory: bool = True) -> None:
        vmas = (Vma(16, 1),) if memory else ()
        self.write(f"{pid}/stat", fakeproc.stat(Model(pid, 0, fate=fate), Space(vmas, layout)))
        self.space[pid] = pid if space is None else space

    def add_thread(self, pid: int, tid: int, layout: int = 0, fate: Fate = Fate.READ) -> None:
        name = f"{pid}/task/{tid}/stat"
        self.write(name, fakeproc.stat(Model(tid, 0, fate=fate), Space((Vma(16, 1),), layout)))
        self.space[tid] = self.space[pid]

    def write(self, name: str, text: bytes) -> None:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)

    def pids(self) -> list[int]:
        return super().pids() if self.listed is None else self.listed

    def open_process(self, pid: int) -> Process:
        if (pid, "") in self.fails:
            raise failing(self.fails[pid, ""])
        return super().open_process(pid)

    def open_at(self, process: Process, name: str) -> int:
        if (process.tid, name) in self.fails:
            raise failing(self.fails[process.tid, name])
        return super().open_at(process, name)

    def same_space(self, pid_a: int, pid_b: int) -> int:
        self.compared.append((pid_a, pid_b))
        for pid in (pid_a, pid_b):
            if pid in self.fails:
                raise failing(self.fails[pid])
        one, other = (hash(self.space[pid]) for pid in (pid_a, pid_b))
        return 0 if one == other else 1 if one < other else 2


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "proc")


def pids(candidates: Iterable[Candidate]) -> list[list[int]]:
    return [candidate.pids for candidate in candidates]


# One after the other


def test_by_process_id_and_ourselves_last(made: Made) -> None:
    for pid in (os.getpid(), 3, 2**22 + 1, 20):
        made.add(pid, layout=pid % 7)
    assert pids(Listing(made).update()) == [[3], [20], [2**22 + 1], [os.getpid()]]


def test_only_what_is_new_is_told(made: Made) -> None:
    seen = Listing(made)
    made.add(5)
    assert pids(seen.update()) == [[5]]
    assert seen.update() == []
    made.add(4, layout=1)
    assert pids(seen.update()) == [[4]]
    assert pids(seen.candidates) == [[5], [4]]
    assert seen.known == {4, 5}


def test_nobody(made: Made) -> None:
    assert Listing(made).update() == []


def test_those_that_are_wanted(made: Made) -> None:
    for pid in (1, 2, 3):
        made.add(pid, layout=pid)

    def wanted(process: Process, stat: ProcessStat) -> bool:
        assert stat.pid == process.pid
        return process.pid != 2

    seen = Listing(made, wanted)
    assert pids(seen.update()) == [[1], [3]]
    assert seen.known == {1, 2, 3}


def test_kernel_threads_and_zombies_are_none(made: Made) -> None:
    made.add(2, fate=Fate.KTHREAD, memory=False)
    made.add(3, fate=Fate.ZOMBIE, memory=False)
    made.add(4, fate=Fate.ZOMBIE, memory=False)
    made.add_thread(4, 4, fate=Fate.ZOMBIE)
    made.add_thread(4, 5, fate=Fate.ZOMBIE)
    seen = Listing(made)
    assert seen.update() == []
    assert not seen.refused
    assert not seen.vanished


# Threads that outlive the first


def test_a_thread_that_runs_on(made: Made) -> None:
    """The first has exited and its files are empty: the address space is read through another."""
    made.add(10, fate=Fate.ZOMBIE, memory=False)
    made.add_thread(10, 10, fate=Fate.ZOMBIE)
    made.add_thread(10, 11, fate=Fate.ZOMBIE)
    made.add_thread(10, 12)
    made.add_thread(10, 13)
    made.fails[11, "stat"] = errno.ESRCH
    (found,) = Listing(made).update()
    assert (found.pids, found.tid, found.stat.pid) == ([10], 12, 12)
    with found.open(made) as process:
        assert (process.pid, process.tid) == (10, 12)
        assert made.stat(process).pid == 12


def test_it_may_share_its_address_space(made: Made) -> None:
    """Compared by the thread that runs, for the first has none any more."""
    made.add(10, fate=Fate.ZOMBIE, memory=False, space="gone")
    made.add_thread(10, 10, fate=Fate.ZOMBIE)
    made.add_thread(10, 12)
    made.space[12] = "one"
    made.add(9, space="one")
    (found,) = Listing(made).update()
    assert found.pids == [9, 10]
    assert {pid for pair in made.compared for pid in pair} == {9, 12}


def test_threads_that_go_while_looked_for(made: Made) -> None:
    made.add(10, fate=Fate.ZOMBIE, memory=False)
    assert Listing(made).update() == []  # no task directory any more
    made.add_thread(10, 11)
    made.fails[11, "stat"] = errno.ESRCH
    assert Listing(made).update() == []


# In the way


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ESRCH])
@pytest.mark.parametrize("name", ["", "stat"])
def test_one_that_goes_between(made: Made, name: str, code: int) -> None:
    made.add(5)
    made.fails[5, name] = code
    seen = Listing(made)
    assert seen.update() == []
    assert (seen.vanished, seen.refused) == ({5}, {})


@pytest.mark.parametrize("name", ["", "stat"])
def test_one_that_may_not_be_looked_at(made: Made, name: str) -> None:
    made.add(5)
    made.fails[5, name] = errno.EACCES
    seen = Listing(made)
    assert seen.update() == []
    assert (seen.vanished, seen.refused) == (set(), {5: "stat: Permission denied"})


def test_one_whose_stat_cannot_be_read(made: Made) -> None:
    made.write("5/stat", b"5 nonsense")
    made.add(6)
    seen = Listing(made)
    assert pids(seen.update()) == [[6]]
    assert list(seen.refused) == [5]
    assert "5/stat:1" in seen.refused[5]


def test_an_empty_stat_is_of_one_that_went(made: Made) -> None:
    made.write("5/stat", b"")
    seen = Listing(made)
    assert seen.update() == []
    assert seen.vanished == {5}


@pytest.mark.parametrize(
    ("code", "gone"), [(errno.ESRCH, True), (errno.ENOENT, True), (errno.EACCES, False), (errno.EIO, False)]
)
def test_what_means_that_it_ended(code: int, gone: bool) -> None:
    assert is_gone(failing(code)) is gone


# Twins


def test_twins_are_one(made: Made) -> None:
    for pid in (8, 5, 30):
        made.add(pid, space="one")
    made.add(6, space="other")
    found = Listing(made).update()
    assert pids(found) == [[5, 8, 30], [6]]
    assert found[0].tid == 5


def test_another_layout_is_another_space(made: Made) -> None:
    """And need not be compared, which costs a call and may be refused."""
    made.add(5, layout=1)
    made.add(6, layout=2)
    assert pids(Listing(made).update()) == [[5], [6]]
    assert made.compared == []


def test_layouts_that_are_hidden_are_not_compared(made: Made) -> None:
    """They read as 0 without the permission to ptrace, and comparing needs the same one."""
    made.add(5, memory=False, space="one")
    made.add(6, memory=False, space="one")
    assert pids(Listing(made).update()) == [[5], [6]]
    assert made.compared == []


def test_a_twin_that_comes_later(made: Made) -> None:
    seen = Listing(made)
    made.add(5, space="one")
    (old,) = seen.update()
    made.add(4, space="one")
    made.add(9, space="one")
    assert seen.update() == []
    assert old.pids == [5, 4, 9]  # the one that it was read through stays the first
    assert len(seen.candidates) == 1


@pytest.mark.parametrize("code", [errno.EPERM, errno.ESRCH])
@pytest.mark.parametrize("refused", [1, 4, 7])
def test_one_that_cannot_be_compared_stays_alone(made: Made, refused: int, code: int) -> None:
    """Wherever it stands among the others, those that are twins are still found."""
    for pid in range(1, 8):
        made.add(pid, space=("x", "y")[pid % 2])
    made.fails[refused] = code
    found = pids(Listing(made).update())
    assert sorted(found) == sorted(
        [[refused], *([pid for pid in range(1, 8) if pid % 2 == odd and pid != refused] for odd in (0, 1))]
    )


def test_none_that_can_be_compared(made: Made) -> None:
    for pid in (1, 2, 3):
        made.add(pid, space="one")
        made.fails[pid] = errno.ENOSYS
    assert pids(Listing(made).update()) == [[1], [2], [3]]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=9), st.integers(0, 9))
def test_every_process_is_in_one_place(plan: list[tuple[int, int, bool]], first: int) -> None:
    """Of equal layout and space together, whatever the order in which they come; one that is refused alone."""
    with tempfile.TemporaryDirectory() as directory:
        made = Made(Path(directory))
        for pid, (layout, space, refused) in enumerate(plan, 1):
            made.add(pid, layout, (layout, space))
            if refused:
                made.fails[pid] = errno.EPERM
        seen = Listing(made)
        made.listed = [pid for pid in range(1, len(plan) + 1) if pid <= first]
        seen.update()
        made.listed = None
        seen.update()
        expected: dict[object, list[int]] = {}
        for pid, (layout, space, refused) in enumerate(plan, 1):
            expected.setdefault(pid if refused else (layout, space), []).append(pid)
        assert sorted(map(sorted, pids(seen.candidates))) == sorted(expected.values())


# Twins that part


def test_a_twin_that_called_exec_is_listed_again(made: Made) -> None:
    for pid in (5, 6, 7):
        made.add(pid, space="one")
    seen = Listing(made)
    (kept,) = seen.update()
    seen.parted()
    assert kept.pids == [5, 6, 7]
    made.add(6, layout=3, space="new")
    seen.parted()
    assert kept.pids == [5, 7]
    assert pids(seen.update()) == [[6]]


def test_a_twin_that_ended_is_left_to_the_last_listing(made: Made) -> None:
    for pid in (5, 6):
        made.add(pid, space="one")
    seen = Listing(made)
    (kept,) = seen.update()
    made.fails[6] = errno.ESRCH
    seen.parted()
    assert kept.pids == [5, 6]
