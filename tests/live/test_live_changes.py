"""Processes that come and go while the machine is walked: figures may be missed, never be wrong."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import pagewalk
import truth
from checks import Look, expect, expect_kernel, process, region
from fakeproc import ByOpening
from pagewalk.procfs import Process
from workloads import MADV_COLD, MADV_COLLAPSE, MADV_DONTNEED, MAP_SHARED, PAGE, Agent, Region, Stage, until


class Interrupted(ByOpening):
    """The real /proc, where something happens as a file of one process is about to be opened.

    Parameters
    ----------
    pid, name
        The file.
    what : callable
        What happens before it is opened, the first time.
    """

    def __init__(self, pid: int, name: str, what: Callable[[], object]) -> None:
        super().__init__()
        self.pid, self.name, self.what = pid, name, what
        self.happened = False

    def open_at(self, process: Process, name: str) -> int:
        if (process.pid, name) == (self.pid, self.name) and not self.happened:
            self.happened = True
            self.what()
        return super().open_at(process, name)


class Refused(ByOpening):
    """The real /proc, where some processes may not be read."""

    def __init__(self, *agents: Agent, name: str = "pagemap") -> None:
        super().__init__()
        self.pids_refused = {agent.pid for agent in agents}
        self.name = name

    def open_at(self, process: Process, name: str) -> int:
        if process.pid in self.pids_refused and name == self.name:
            raise PermissionError(13, "Permission denied", name)
        return super().open_at(process, name)


def pair(stage: Stage) -> tuple[Region, Agent, Agent]:
    parent = stage.start()
    memory = parent.map(100 * PAGE)
    parent.write(memory)
    child = parent.fork()
    child.write(memory.part(0, 30))
    return memory, parent, child


@pytest.mark.parametrize("name", ["stat", "maps", "pagemap", "status", "cmdline", "cgroup"])
def test_a_process_that_exits_as_it_is_read(stage: Stage, look: Look, name: str) -> None:
    memory, parent, child = pair(stage)
    procfs = Interrupted(child.pid, name, child.end)
    snapshot = look(procfs=procfs)
    if not procfs.happened:
        pytest.skip(f"the walker does not open {name}")
    assert process(snapshot, parent)["rss"] >= 100 * PAGE
    expect(snapshot, memory, {(parent,): 100})
    expect_kernel(snapshot, parent)


def test_a_process_that_exits_between_its_maps_and_its_pages_is_a_gap(stage: Stage, look: Look) -> None:
    _, _, child = pair(stage)
    procfs = Interrupted(child.pid, "pagemap", child.end)
    snapshot = look(procfs=procfs)
    assert procfs.happened
    assert snapshot.coverage()["vanished"] >= 1


def test_a_process_that_starts_during_the_walk(stage: Stage, look: Look) -> None:
    memory, parent, child = pair(stage)
    born: list[Agent] = []
    procfs = Interrupted(parent.pid, "pagemap", lambda: born.append(parent.fork()))
    snapshot = look(procfs=procfs)
    # Walked at the end: all owners of the memory are known.
    expect(snapshot, memory, {(parent, born[0]): 30, (parent, child, born[0]): 70, (child,): 30})


def in_order(stage: Stage) -> tuple[Agent, Agent]:
    """Two processes, the first of them read first: by number, which may have begun anew in between."""
    first, second = sorted((stage.start(), stage.start()), key=lambda agent: agent.pid)
    return first, second


def test_a_process_that_ends_after_it_was_read(stage: Stage, look: Look) -> None:
    first, second = in_order(stage)
    fd = first.memfd(50 * PAGE)
    first.write(first.map(50 * PAGE, flags=MAP_SHARED, fd=fd))
    memory = second.map(50 * PAGE, flags=MAP_SHARED, fd=second.open(f"/proc/{first.pid}/fd/{fd}"))
    second.write(memory)
    procfs = Interrupted(second.pid, "pagemap", first.end)
    snapshot = look(procfs=procfs)
    assert procfs.happened
    # What the first had when it was read is a fact of that moment; the kernel's counts are of a later one.
    assert region(snapshot, second, memory)["shmem"] == 50 * PAGE
    assert process(snapshot, second)["rss"] == truth.rollup(second.pid)["rss"]


def test_memory_given_back_between_the_pages_and_the_frames(stage: Stage, look: Look) -> None:
    first, second = in_order(stage)
    memory = first.map(500 * PAGE)
    first.write(memory)
    procfs = Interrupted(second.pid, "pagemap", lambda: first.unmap(memory))
    snapshot = look(procfs=procfs)
    assert procfs.happened
    expect_kernel(snapshot, second)


@pytest.mark.parametrize("name", ["pagemap", "maps"])
def test_a_process_that_may_not_be_read_is_a_hidden_owner(stage: Stage, look: Look, name: str) -> None:
    memory, parent, child = pair(stage)
    snapshot = look(procfs=Refused(child, name=name))
    assert all(child.pid not in row["pids"] for row in snapshot.processes())
    assert [row["pid"] for row in snapshot.gaps()].count(child.pid) == 1
    assert snapshot.coverage()["refused"] >= 1
    # The 70 frames that the child still shares: half of each is the hidden owner's.
    here = region(snapshot, parent, memory)
    assert (here["rss"], here["uss"]) == (100 * PAGE, 30 * PAGE)
    assert abs(here["pss"] - (30 + 35) * PAGE) <= 1
    assert snapshot.coverage()["hidden_frames"] >= 70
    (alone,) = (row for row in snapshot.sharing() if row["owners"] == [parent.pid])
    assert alone["hidden"] >= 70 * PAGE
    # And so pss still equals the kernel's.
    expect_kernel(snapshot, parent)


def test_all_but_one_hidden(stage: Stage, look: Look) -> None:
    memory, _, child = pair(stage)
    snapshot = look(pids=[child.pid])
    assert [row["pid"] for row in snapshot.processes()] == [child.pid]
    here = region(snapshot, child, memory)
    assert (here["rss"], here["uss"]) == (100 * PAGE, 30 * PAGE)
    assert abs(here["pss"] - (30 + 35) * PAGE) <= 1
    expect_kernel(snapshot, child)


def test_hundreds_of_processes_starting_and_dying(stage: Stage, look: Look) -> None:
    memory, parent, child = pair(stage)
    for _ in range(2):
        stage.spawn("churn", "12")
    before = forks()
    until(lambda: forks() - before > 100, "the machine to be busy")
    snapshots: list[pagewalk.Snapshot] = []
    deadline = time.monotonic() + 6
    while len(snapshots) < 3 or (len(snapshots) < 8 and time.monotonic() < deadline):
        snapshots.append(look())
    assert forks() - before > 300
    for snapshot in snapshots:
        # Those at rest are exact all the same.
        expect(snapshot, memory, {(parent, child): 70, (parent,): 30, (child,): 30})
        for agent in (parent, child):
            assert process(snapshot, agent)["pids"] == [agent.pid]
    expect_kernel(snapshots[-1], parent, child, pss=False)  # the vdso is everybody's, and they come and go


def test_memory_that_moves_to_other_frames_all_the_time(stage: Stage, look: Look, huge: int) -> None:
    memory, parent, child = pair(stage)
    restless = stage.start()
    moving = restless.map(4 * huge, huge=True)
    restless.write(moving)
    try:
        restless.advise(moving, MADV_COLLAPSE)
    except OSError as error:
        pytest.skip(f"MADV_COLLAPSE: {error.strerror}")
    done = threading.Event()

    def move() -> None:
        while not done.is_set():
            with suppress(OSError):  # no huge page to be had just now
                restless.advise(moving.part(1, 1), MADV_COLD)  # splits the first
                restless.advise(moving.part(1, moving.pages - 1), MADV_DONTNEED)
                restless.write(moving)
                restless.advise(moving, MADV_COLLAPSE)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        snapshots = [look() for _ in range(5)]
    finally:
        done.set()
        mover.join()
    for snapshot in snapshots:
        expect(snapshot, memory, {(parent, child): 70, (parent,): 30, (child,): 30})
        expect_kernel(snapshot, parent, child, pss=False)
        assert region(snapshot, restless, moving)["rss"] <= moving.length


def forks() -> int:
    """Processes started since the machine was."""
    match = re.search(r"^processes (\d+)", Path("/proc/stat").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1])
