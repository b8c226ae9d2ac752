"""What would be freed, checked by freeing it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import pagewalk
from checks import Look
from pagewalk.procfs import ProcFS
from pagewalk.system import meminfo, zoneinfo
from workloads import MADV_PAGEOUT, MAP_ANONYMOUS, MAP_SHARED, PAGE, Agent, Region, Stage

MIB = 1 << 20
REAL = ProcFS()
# Elsewhere on the machine memory is taken and freed all the time: a try is of little use while much of it is.
TRIES = 40
measured = pytest.mark.unsanitized("what is freed is measured on the whole machine, on which more is at work then")


def free_now() -> int:
    """RAM that is free, that on the lists of single CPUs counted, in bytes."""
    return meminfo(REAL)["MemFree"] + PAGE * sum(zone.per_cpu for zone in zoneinfo(REAL))


def swap_free() -> int:
    return meminfo(REAL)["SwapFree"]


def freed_by_ending(agents: Sequence[Agent], figure: Callable[[], int], foretold: int) -> int:
    """End them all at once; return by how much that changed a figure of the machine, at the first rest after it."""
    before = figure()
    for agent in agents:
        os.kill(agent.pid, signal.SIGKILL)
    for agent in agents:
        agent.end()
    deadline, last = time.monotonic() + 0.5, before
    # The last of it is given back by work that runs later (tlb_remove_table, memcg).
    while abs((now := figure()) - last) > foretold // 500 and time.monotonic() < deadline:
        last = now
        time.sleep(0.01)
    return now - before


def expect_freed(
    make: Callable[[], tuple[Sequence[Agent], int]], column: str = "bytes", figure: Callable[[], int] = free_now
) -> None:
    """What is foretold is what comes, within 1 %; and it is about what was made."""
    differences = []
    for _ in range(TRIES):
        agents, made = make()
        snapshot = pagewalk.walk(freed=True)
        (row,) = snapshot.freed(pids=[agent.pid for agent in agents]).to_dicts()
        assert abs(row[column] - made) <= max(made // 50, 4 * MIB), "what was made is not what is foretold"
        came = freed_by_ending(agents, figure, row[column])
        differences.append(abs(came - row[column]) / row[column])
        if differences[-1] <= 0.01:
            return
    raise AssertionError(f"foretold and freed differ by {[f'{d:.1%}' for d in differences]}")


@measured
def test_an_anonymous_prefork_tree(stage: Stage) -> None:
    """Shared pages once, copies each, and the page tables of all."""

    def make() -> tuple[Sequence[Agent], int]:
        parent = stage.start()
        memory = parent.map(256 * MIB)
        parent.write(memory)
        children = [parent.fork() for _ in range(6)]
        for child in children:
            child.write(memory.part(0, 16 * MIB // PAGE))
        tables = 7 * memory.pages * 8
        return [parent, *children], 256 * MIB + 6 * 16 * MIB + tables

    expect_freed(make)


def memfd_pair(stage: Stage) -> tuple[Agent, Agent, Region]:
    first, second = stage.start(), stage.start()
    fd = first.memfd(192 * MIB)
    memory = first.map(192 * MIB, flags=MAP_SHARED, fd=fd)
    first.write(memory)
    other = second.open(f"/proc/{first.pid}/fd/{fd}")
    second.read(second.map(96 * MIB, flags=MAP_SHARED, fd=other))
    return first, second, memory


@measured
def test_a_memfd_pair(stage: Stage) -> None:
    def make() -> tuple[Sequence[Agent], int]:
        first, second, _ = memfd_pair(stage)
        return [first, second], 192 * MIB

    expect_freed(make)


def test_one_of_a_memfd_pair_frees_its_page_tables_only(stage: Stage, look: Look) -> None:
    first, second, _ = memfd_pair(stage)
    snapshot = look(freed=True)
    (row,) = snapshot.freed(pids=[first.pid]).to_dicts()
    assert (row["shmem"], row["unmapped"]) == (0, 0)
    assert row["bytes"] < 2 * MIB
    held = [r for r in snapshot.fates(pids=[first.pid]).to_dicts() if r["why"] == "held"]
    assert [(r["bytes"], r["others"], r["name"]) for r in held] == [
        (96 * MIB, [second.pid], "/memfd:pagewalk-test (deleted)")
    ]


def test_a_descriptor_alone_holds_a_memfd(stage: Stage, look: Look) -> None:
    first, second = stage.start(), stage.start()
    fd = first.memfd(4 * MIB)
    memory = first.map(4 * MIB, flags=MAP_SHARED, fd=fd)
    first.write(memory)
    kept = second.open(f"/proc/{first.pid}/fd/{fd}")
    (row,) = look(freed=True).freed(pids=[first.pid]).to_dicts()
    assert row["shmem"] == 0
    second.call("close", kept)
    (row,) = look(freed=True).freed(pids=[first.pid]).to_dicts()
    assert row["shmem"] == 4 * MIB


def test_shared_memory_that_nobody_maps_is_told_apart(stage: Stage, look: Look) -> None:
    """Of 8 MiB written half is unmapped again: no page shows it, the kernel says how much the file has."""
    agent = stage.start()
    fd = agent.memfd(8 * MIB)
    memory = agent.map(8 * MIB, flags=MAP_SHARED, fd=fd)
    agent.write(memory)
    agent.unmap(memory.part(0, 1024))
    (row,) = look(freed=True).freed(pids=[agent.pid]).to_dicts()
    assert (row["shmem"], row["unmapped"]) == (4 * MIB, 4 * MIB)


@measured
def test_a_tmpfs_file(stage: Stage, look: Look) -> None:
    """With a name it stays; without one it goes with its last holder."""
    path = Path(f"/dev/shm/pagewalk-test-{os.getpid()}")
    if not os.access(path.parent, os.W_OK):
        pytest.skip("needs a tmpfs on /dev/shm")
    try:
        agent = stage.start()
        fd = agent.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        agent.call("ftruncate", fd, 16 * MIB)
        agent.write(agent.map(16 * MIB, flags=MAP_SHARED, fd=fd))
        snapshot = look(freed=True)
        assert snapshot.freed(pids=[agent.pid]).to_dicts()[0]["shmem"] == 0
        assert [
            (r["fate"], r["bytes"]) for r in snapshot.fates(pids=[agent.pid]).to_dicts() if r["why"] == "named"
        ] == [("stays", 16 * MIB)]
    finally:
        path.unlink(missing_ok=True)
    assert look(freed=True).freed(pids=[agent.pid]).to_dicts()[0]["shmem"] == 16 * MIB

    def make() -> tuple[Sequence[Agent], int]:
        user = stage.start()
        try:
            fd = user.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        finally:
            path.unlink(missing_ok=True)
        user.call("ftruncate", fd, 256 * MIB)
        user.write(user.map(256 * MIB, flags=MAP_SHARED, fd=fd))
        return [user], 256 * MIB

    expect_freed(make)


def test_anonymous_memory_that_is_shared(stage: Stage, look: Look) -> None:
    parent = stage.start()
    memory = parent.map(16 * MIB, flags=MAP_SHARED | MAP_ANONYMOUS)
    parent.write(memory)
    child = parent.fork()
    snapshot = look(freed=True)
    assert snapshot.freed(pids=[parent.pid]).to_dicts()[0]["shmem"] == 0
    assert snapshot.freed(pids=[parent.pid, child.pid]).to_dicts()[0]["shmem"] == 16 * MIB
    assert snapshot.freed(snapshot.select(trees=[parent.pid])).to_dicts()[0]["shmem"] == 16 * MIB


@pytest.mark.parametrize("removed", [False, True])
def test_a_segment(stage: Stage, look: Look, removed: bool) -> None:
    """It outlives its users until it is removed."""
    agent = stage.start()
    segment = agent.call("shmget", 0, 4 * MIB, 0o1600)
    try:
        start = agent.call("shmat", segment, 0, 0)
        agent.write(Region(start, 4 * MIB))
        if removed:
            agent.call("shmctl", segment, 0, 0)
        (row,) = look(freed=True).freed(pids=[agent.pid]).to_dicts()
        assert row["shmem"] == (4 * MIB if removed else 0)
    finally:
        if not removed:
            agent.call("shmctl", segment, 0, 0)


@measured
def test_swapped_memory(stage: Stage, swap: object) -> None:
    def make() -> tuple[Sequence[Agent], int]:
        agent = stage.start()
        memory = agent.map(64 * MIB)
        agent.write(memory)
        for _ in range(20):
            agent.advise(memory, MADV_PAGEOUT)
        (row,) = pagewalk.walk(pids=[agent.pid]).processes().to_dicts()
        return [agent], row["swap"]

    expect_freed(make, "swap", swap_free)


def test_groups_know_it_too(stage: Stage, look: Look) -> None:
    agent = stage.start()
    agent.rename(b"pw-freed-test")
    memory = agent.map(8 * MIB)
    agent.write(memory)
    agent.fork().write(memory.part(0, 256))
    snapshot = look(freed=True)
    (row,) = (r for r in snapshot.programs().to_dicts() if r["name"] == "pw-freed-test")
    (said,) = snapshot.freed(snapshot.select(programs=["^pw-freed-test$"])).to_dicts()
    assert row["freed"] == said["bytes"] > 9 * MIB
    (without,) = (r for r in look().programs().to_dicts() if r["name"] == "pw-freed-test")
    assert without["freed"] is None
