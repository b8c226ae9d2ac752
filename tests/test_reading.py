"""Address spaces read in threads and folded in order; whatever happens to one, the others are read."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fakeproc
from fakeproc import FakeProcFS
from model import PAGE, Fate, Frame, Kind, Machine, Present, Process, Space, Swapped, Vma
from pagewalk import opening, procfs, reading
from pagewalk.listing import Listing
from pagewalk.ownership import Ownership
from pagewalk.pagemap import ChunkReader, Pace
from pagewalk.reading import Reader

PIDS = (1, 2, 3, 4, 5)
PAGES = 120
LIMIT = 400


def machine() -> Machine:
    """Five processes: each has frames of its own, some that the one before has too, and swap."""
    spaces = []
    for number in range(len(PIDS)):
        frames = [Present(1 + (number * 37 + k * (1 + number % 2)) % 90) for k in range(PAGES)]
        vmas = (
            Vma(16, PAGES // 2, entries=dict(enumerate(frames[: PAGES // 2]))),
            Vma(4096, PAGES, name=b"/lib/x", entries={2 * k: entry for k, entry in enumerate(frames[PAGES // 2 :])}),
            Vma(9000, 2, entries={1: Swapped(0, 5 + number // 2)}),
        )
        spaces.append(Space(vmas, layout=number))
    every = {pfn: Frame(pfn, Kind.ANON) for pfn in range(1, LIMIT)}
    processes = tuple(Process(pid, at, uid=pid * 10, cgroup=f"/c{pid}") for at, pid in enumerate(PIDS))
    return Machine(every, tuple(spaces), processes, LIMIT)


class Injecting(FakeProcFS):
    """Does something of ours when a file of a process is opened: ``on[pid, name]``, name "" for the process itself.

    ``texts[pid, name]`` stands for what the file holds.
    """

    def __init__(self, truth: Machine, root: Path) -> None:
        super().__init__(truth, root)
        self.on: dict[tuple[int, str], Callable[[], None]] = {}
        self.texts: dict[tuple[int, str], bytes] = {}

    def open_process(self, pid: int) -> procfs.Process:
        self.on.get((pid, ""), lambda: None)()
        return super().open_process(pid)

    def open_at(self, process: procfs.Process, name: str) -> int:
        self.on.get((process.pid, name), lambda: None)()
        if (process.pid, name) not in self.texts:
            return super().open_at(process, name)
        fd = os.memfd_create(name)
        os.pwrite(fd, self.texts[process.pid, name], 0)
        return fd


def failing(code: int, name: str = "pagemap") -> Callable[[], None]:
    def fail() -> None:
        raise OSError(code, os.strerror(code), name)

    return fail


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fakeproc.write(machine(), tmp_path_factory.mktemp("reading") / "proc")


@pytest.fixture
def made(template: Path) -> Injecting:
    return Injecting(machine(), template)


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """No descriptor and no thread."""
    files, threads = os.listdir("/proc/self/fd"), threading.active_count()
    yield
    assert os.listdir("/proc/self/fd") == files
    assert threading.active_count() == threads


class Done:
    """All processes listed and read."""

    def __init__(self, made: Injecting, threads: int = 1, chunk: int = 64, **options: Any) -> None:
        self.ownership = Ownership(LIMIT)
        self.reader = Reader(made, self.ownership, pace=Pace(chunk), **options)
        armed, made.on = made.on, {}  # listing is another matter
        candidates = Listing(made).update()
        made.on = armed
        with nothing_left_behind():
            self.spaces = self.reader.read(candidates, threads)

    @property
    def pids(self) -> list[list[int]]:
        return [space.candidate.pids for space in self.spaces]

    def owners(self) -> dict[int, list[tuple[int, int]]]:
        """Of each frame the pids that own it, each with how often."""
        pid_of = {space.number: space.pid for space in self.spaces}
        sets = self.ownership.sets()
        return {
            pfn: [(pid_of.get(number, 0), times) for number, times in sets.members(int(owner))]
            for pfn, owner in enumerate(self.ownership.owner)
            if owner
        }


def truth_of(pids: tuple[int, ...] = PIDS) -> dict[int, list[tuple[int, int]]]:
    owners: dict[int, dict[int, int]] = {}
    for number, pid in enumerate(PIDS):
        for _, _, entry in machine().pages(number):
            if isinstance(entry, Present) and pid in pids:
                mine = owners.setdefault(entry.pfn, {})
                mine[pid] = mine.get(pid, 0) + 1
    return {pfn: sorted(found.items()) for pfn, found in owners.items()}


# All of them


@pytest.mark.parametrize("chunk", [1, 7, 64, 4096])
@pytest.mark.parametrize("threads", [1, 2, 4, 9])
def test_the_same_whatever_the_threads_and_the_chunk(made: Injecting, threads: int, chunk: int) -> None:
    done = Done(made, threads, chunk)
    assert done.pids == [[pid] for pid in PIDS]
    assert [space.number for space in done.spaces] == [0, 1, 2, 3, 4]
    assert done.owners() == truth_of()
    assert (done.reader.refused, done.reader.vanished) == ({}, set())
    cost = done.reader.cost
    assert cost.entries >= 5 * (PAGES + PAGES // 2 + 2)
    assert cost.reads >= cost.entries // chunk
    assert cost.longest_ns > 0


def test_what_is_said_of_a_process(made: Injecting) -> None:
    space = Done(made).spaces[2]
    assert (space.pid, space.uid, space.cgroup, space.cmdline) == (3, 30, "/c3", "/usr/bin/worker")
    assert space.vss == (PAGES // 2 + PAGES + 2) * PAGE
    assert space.whole
    assert (space.vmas, space.runs, space.smaps) == (None, None, None)


@pytest.mark.parametrize("name", ["status", "cmdline", "cgroup"])
def test_what_cannot_be_read_of_it_stays_unknown(made: Injecting, name: str) -> None:
    made.on[3, name] = failing(errno.EACCES)
    space = Done(made).spaces[2]
    known = {"status": space.uid == 30, "cmdline": bool(space.cmdline), "cgroup": bool(space.cgroup)}
    assert not known[name]
    assert space.whole
    assert known["status"] or space.uid == -1


def test_threads_read_ahead_and_wait(made: Injecting, monkeypatch: pytest.MonkeyPatch) -> None:
    """More chunks than may be kept while the first process is slow: those after it wait, and nothing is lost."""
    monkeypatch.setattr(reading, "AHEAD", 5)
    made.on[1, "maps"] = lambda: time.sleep(0.1)
    done = Done(made, threads=4, chunk=8)
    assert done.owners() == truth_of()
    assert done.reader.cost.reads > 4 * 5


def test_progress(made: Injecting) -> None:
    seen: list[tuple[int, int, str]] = []
    reader = Reader(made, Ownership(LIMIT))
    reader.read(Listing(made).update(), progress=lambda *told: seen.append(told))
    assert seen == [(k, 5, "processes") for k in range(1, 6)]
    assert reader.read([], threads=4) == []


# What is kept for mappings


def test_mappings_of_all(made: Injecting) -> None:
    done = Done(made, threads=3, mappings=True)
    for number, space in enumerate(done.spaces):
        assert space.vmas is not None
        assert space.runs is not None
        assert [space.vmas.name(row) for row in range(3)] == ["", "/lib/x", ""]
        pages = [(page, entry) for _, page, entry in machine().pages(number)]
        assert int(space.runs.length.sum()) == len(pages)
        assert space.runs.page.tolist() == sorted(space.runs.page.tolist())


def test_mappings_of_some(made: Injecting) -> None:
    done = Done(made, mappings=[2, 5])
    assert [space.pid for space in done.spaces if space.vmas is not None and space.runs is not None] == [2, 5]


def test_smaps_is_read_where_mappings_are_kept(made: Injecting) -> None:
    done = Done(made, mappings=[2], vm_flags=True)
    assert [space.smaps is not None for space in done.spaces] == [False, True, False, False, False]
    said = done.spaces[1].smaps
    assert said is not None
    assert [vma.start for vma in said] == [16 * PAGE, 4096 * PAGE, 9000 * PAGE]
    assert all("rd" in vma.vm_flags for vma in said)
    made.on[2, "smaps"] = failing(errno.EACCES)
    refused = Done(made, mappings=[2], vm_flags=True).spaces[1]
    assert (refused.smaps, refused.whole) == (None, True)


# In the way


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("name", ["", "pagemap", "maps", "stat"])
@pytest.mark.parametrize("code", [errno.ESRCH, errno.ENOENT])
def test_one_that_goes(made: Injecting, name: str, code: int, threads: int) -> None:
    made.on[3, name] = failing(code)
    done = Done(made, threads)
    assert (done.reader.vanished, done.reader.refused) == ({3}, {})
    assert done.pids == [[1], [2], [4], [5]]
    assert done.owners() == truth_of((1, 2, 4, 5))


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("name", ["", "pagemap", "maps", "stat"])
def test_one_that_may_not_be_read(made: Injecting, name: str, threads: int) -> None:
    made.on[3, name] = failing(errno.EACCES, name or "3")
    done = Done(made, threads)
    assert (done.reader.vanished, done.reader.refused) == (set(), {3: f"{name or 3}: Permission denied"})
    assert done.owners() == truth_of((1, 2, 4, 5))


def test_one_whose_maps_are_not_the_kernels(made: Injecting) -> None:
    made.texts[3, "maps"] = b"00010000-00020000 rw-p 0 0:0 0\nnonsense\n"
    done = Done(made)
    assert list(done.reader.refused) == [3]
    assert "3/maps:2: cannot read a mapping" in done.reader.refused[3]
    assert done.owners() == truth_of((1, 2, 4, 5))


@pytest.mark.parametrize("empty", ["maps", "stat"])
def test_an_empty_file_is_of_one_that_went(made: Injecting, empty: str) -> None:
    made.on[3, "pagemap"] = lambda: made.texts.update({(3, empty): b""})
    done = Done(made)
    assert done.reader.vanished == {3}
    assert done.owners() == truth_of((1, 2, 4, 5))


def test_one_that_exits_between_its_files(made: Injecting) -> None:
    zombie = fakeproc.stat(Process(3, None, fate=Fate.ZOMBIE), Space(()))
    opened: list[int] = []
    made.on[3, "maps"] = lambda: made.texts.update({(3, "stat"): zombie})
    made.on[3, "pagemap"] = lambda: opened.append(1)
    assert Done(made).reader.vanished == {3}
    assert len(opened) == 1  # a zombie is not tried again


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("entries", [0, 1, 16, 50, 4100])
def test_one_that_goes_while_it_is_read(made: Injecting, entries: int, threads: int) -> None:
    """What came of it is folded, or nothing at all; it is said to be not whole, and the others are."""
    made.texts[3, "pagemap"] = Path(made.path("3/pagemap")).read_bytes()[: entries * 8]
    done = Done(made, threads, chunk=32)
    assert done.reader.vanished == {3}
    assert [space.pid for space in done.spaces if space.whole] == [1, 2, 4, 5]
    if threads == 1:  # else what was read ahead may never have come to be folded
        assert len(done.spaces) == (4 if entries <= 16 else 5)
    owners = {pfn: [(pid, times) for pid, times in found if pid != 3] for pfn, found in done.owners().items()}
    assert {pfn: found for pfn, found in owners.items() if found} == truth_of((1, 2, 4, 5))


def test_a_read_that_fails_half_way(made: Injecting, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error that does not mean that the process went."""
    chunks, opened = ChunkReader.chunks, iter(range(9))

    def broken(*arguments: Any, **options: Any) -> Iterator[tuple[int, int]]:
        if next(opened) != 2:
            yield from chunks(*arguments, **options)
            return
        yield next(chunks(*arguments, **options))
        raise OSError(errno.EIO, os.strerror(errno.EIO), "pagemap")

    monkeypatch.setattr(ChunkReader, "chunks", broken)
    done = Done(made)
    assert done.reader.refused == {3: "pagemap: Input/output error"}
    assert [space.pid for space in done.spaces if not space.whole] == [3]


# Exec meanwhile


@pytest.mark.parametrize("what", ["layout", "starttime"])
def test_an_exec_between_two_files_is_tried_again(made: Injecting, what: str) -> None:
    """The pagemap would be of the one address space, the maps of the other."""
    opened: list[str] = []

    def execs() -> None:
        opened.append("maps")
        if len(opened) == 1:
            now = fakeproc.stat(
                Process(3, 2, starttime=999 if what == "starttime" else 100),
                Space(machine().spaces[2].vmas, layout=77 if what == "layout" else 2),
            )
            made.texts[3, "stat"] = now

    made.on[3, "maps"] = execs
    done = Done(made)
    assert len(opened) == 2
    assert done.owners() == truth_of()
    assert done.spaces[2].candidate.stat.start_time == (999 if what == "starttime" else 100)


def test_one_that_calls_exec_again_and_again(made: Injecting) -> None:
    count = iter(range(1000, 2000))

    def execs() -> None:
        stat = fakeproc.stat(Process(3, 2), Space(machine().spaces[2].vmas, layout=next(count)))
        made.texts[3, "stat"] = stat

    made.on[3, "maps"] = execs
    done = Done(made)
    assert next(count) == 1000 + opening.TRIES
    assert done.reader.vanished == {3}


# Twins


@pytest.fixture
def twins(tmp_path: Path) -> Injecting:
    one = machine()
    truth = Machine(one.frames, one.spaces[:1], tuple(Process(pid, 0, starttime=pid) for pid in (7, 8, 9)), LIMIT)
    return Injecting(truth, fakeproc.write(truth, tmp_path / "twins"))


def test_twins_are_read_once(twins: Injecting) -> None:
    done = Done(twins)
    assert (done.pids, done.spaces[0].pid) == ([[7, 8, 9]], 7)


@pytest.mark.parametrize("code", [errno.ESRCH, errno.EACCES])
def test_a_space_is_read_through_another_of_its_processes(twins: Injecting, code: int) -> None:
    """And it is not forgotten why the first could not be read."""
    for pid in (7, 8):
        twins.on[pid, "maps"] = failing(code, "maps")
    done = Done(twins)
    assert (done.pids, done.spaces[0].pid) == ([[9]], 9)
    assert {pid for pid, _ in done.owners()[1]} == {9}
    if code == errno.ESRCH:
        assert (done.reader.vanished, done.reader.refused) == ({7, 8}, {})
    else:
        assert done.reader.refused == dict.fromkeys((7, 8), "maps: Permission denied")


def test_twins_none_of_which_can_be_read(twins: Injecting) -> None:
    twins.on[7, "pagemap"] = failing(errno.ESRCH)
    twins.on[8, "pagemap"] = failing(errno.EACCES)
    twins.on[9, "maps"] = failing(errno.EPERM, "maps")
    done = Done(twins)
    assert done.spaces == []
    assert done.reader.vanished == {7}
    assert done.reader.refused == {8: "pagemap: Permission denied", 9: "maps: Operation not permitted"}


# What ends the walk


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("pid", PIDS)
def test_an_error_in_one_thread_ends_all(made: Injecting, pid: int, threads: int) -> None:
    def breaks() -> None:
        raise RuntimeError("broken")

    candidates = Listing(made).update()
    made.on[pid, "maps"] = breaks
    with nothing_left_behind(), pytest.raises(RuntimeError, match="broken"):
        Reader(made, Ownership(LIMIT), pace=Pace(3)).read(candidates, threads)


@pytest.mark.parametrize("threads", [1, 4])
def test_an_error_while_folding_ends_all(made: Injecting, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ownership = Ownership(LIMIT)
    fold, folded = ownership.fold, iter(range(100))

    def breaks(entries: np.ndarray[Any, np.dtype[np.uint64]]) -> object:
        if next(folded) == 7:
            raise MemoryError
        return fold(entries)

    monkeypatch.setattr(ownership, "fold", breaks)
    candidates = Listing(made).update()
    with nothing_left_behind(), pytest.raises(MemoryError):
        Reader(made, ownership, pace=Pace(32)).read(candidates, threads)
