"""Shared memory and files: who maps a frame, how often, and what a write makes of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import truth
from checks import Look, expect, expect_kernel, process, region
from workloads import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PAGE, PROT_READ, Agent, Region, Stage

FileMaker = Callable[[int], Path]
IPC_PRIVATE, IPC_CREAT, IPC_RMID = 0, 0o1000, 0


def memfd_of(agent: Agent, other: Agent, fd: int) -> int:
    """The same memfd opened by an unrelated process."""
    return other.open(f"/proc/{agent.pid}/fd/{fd}")


def test_one_memfd_mapped_by_several(stage: Stage, look: Look) -> None:
    first, second, third = stage.start(), stage.start(), stage.start()
    fd = first.memfd(32 * PAGE)
    where = {first: first.map(32 * PAGE, flags=MAP_SHARED, fd=fd)}
    first.write(where[first])
    for other in (second, third):
        where[other] = other.map(32 * PAGE, flags=MAP_SHARED, fd=memfd_of(first, other, fd))
    second.read(where[second])  # all of it
    third.read(where[third].part(0, 8))
    # Around a fault on a page of a file, up to 16 pages that are cached are mapped too (mm/memory.c:do_fault_around).
    seen = len(truth.present(third.pid, where[third]))
    assert 8 <= seen <= 32
    snapshot = look()
    expect(snapshot, where, {(first, second, third): seen, (first, second): 32 - seen}, "shmem")
    expect_kernel(snapshot, first, second, third)


def test_one_memfd_mapped_twice_by_one_process(stage: Stage, look: Look) -> None:
    alone, friend = stage.start(), stage.start()
    fd = alone.memfd(24 * PAGE)
    once, again = (alone.map(24 * PAGE, flags=MAP_SHARED, fd=fd) for _ in range(2))
    alone.write(once)
    alone.read(again)
    third = friend.map(8 * PAGE, flags=MAP_SHARED, fd=memfd_of(alone, friend, fd))
    friend.read(third)
    before = look(pids=[alone.pid])
    friend.end()
    after = look()
    # Its uss counts what only it maps, however often. The kernel's private does not: its mapcount is 2.
    for snapshot, uss in ((before, 16), (after, 24)):
        row = process(snapshot, alone)
        assert row["shmem"] == 48 * PAGE
        # The mappings add up to the process: a frame in both of them is half in each.
        assert region(snapshot, alone, once)["uss"] == region(snapshot, alone, again)["uss"] == uss * PAGE // 2
        assert region(snapshot, alone, once)["private"] == 0
        assert region(snapshot, alone, once)["shmem"] == 24 * PAGE
    kernel = truth.rollup(alone.pid)
    expect_kernel(after, alone, pss=False)
    # To the kernel each mapping has half of a page, twice: the same sum, as long as nobody else maps it.
    assert abs(process(after, alone)["pss"] - kernel["pss"]) <= 1024
    # The frames count once in uss, the pages twice in rss.
    row = process(after, alone)
    assert row["uss"] == kernel["private"] + 24 * PAGE
    assert row["uss"] + row["shared"] == row["rss"]


def test_a_frame_mapped_twice_by_one_of_two(stage: Stage, look: Look) -> None:
    twice, once = stage.start(), stage.start()
    fd = twice.memfd(12 * PAGE)
    one, two = (twice.map(12 * PAGE, flags=MAP_SHARED, fd=fd) for _ in range(2))
    twice.write(one)
    twice.read(two)
    other = once.map(12 * PAGE, flags=MAP_SHARED, fd=memfd_of(twice, once, fd))
    once.read(other)
    snapshot = look()
    # Two owners, three mappings: half of each frame for either, where the kernel says two thirds and one third.
    expect(snapshot, {once: other}, {(once, twice): 12}, "shmem")
    assert abs(truth.smaps(once.pid, other)["pss"] - 4 * PAGE) <= 1024
    kernel = truth.rollup(twice.pid)
    assert process(snapshot, twice)["pss"] == pytest.approx(kernel["pss"] - 2 * PAGE, abs=1024)
    assert process(snapshot, once)["pss"] == pytest.approx(truth.rollup(once.pid)["pss"] + 2 * PAGE, abs=1024)
    expect_kernel(snapshot, twice, once, pss=False)


def test_shared_anonymous_memory_across_a_fork(stage: Stage, look: Look) -> None:
    parent = stage.start()
    memory = parent.map(20 * PAGE, flags=MAP_SHARED | MAP_ANONYMOUS)
    parent.write(memory.part(0, 10))
    child = parent.fork()
    # Page tables of shared memory are not copied by fork: the child faults for itself.
    child.write(memory.part(0, 4))
    child.write(memory.part(10, 10))
    both = set(truth.present(parent.pid, memory)) & set(truth.present(child.pid, memory))
    first, second = (len(truth.present(agent.pid, memory)) for agent in (parent, child))
    snapshot = look()
    expect(
        snapshot,
        memory,
        {(parent, child): len(both), (parent,): first - len(both), (child,): second - len(both)},
        "shmem",
    )
    assert 4 <= len(both) <= 10
    assert first >= 10
    assert second >= 14
    expect_kernel(snapshot, parent, child)


def test_system_v_shared_memory(stage: Stage, look: Look) -> None:
    parent = stage.start()
    number = parent.call("shmget", IPC_PRIVATE, 16 * PAGE, IPC_CREAT | 0o600)
    try:
        memory = Region(stage.room(16 * PAGE).start, 16 * PAGE)
        assert parent.call("shmat", number, memory.start, 0) == memory.start
        parent.write(memory)
        child = parent.fork()
        child.write(memory)
    finally:
        parent.call("shmctl", number, IPC_RMID, 0)  # gone with its last user
    snapshot = look()
    expect(snapshot, memory, {(parent, child): 16}, "shmem")
    expect_kernel(snapshot, parent, child)


def test_a_private_mapping_of_a_file_before_and_after_a_write(stage: Stage, look: Look, file: FileMaker) -> None:
    path = file(32)
    first, second = stage.start(), stage.start()
    where = {
        agent: agent.map(32 * PAGE, flags=MAP_PRIVATE, fd=agent.open(path, os.O_RDONLY)) for agent in (first, second)
    }
    for agent in (first, second):
        agent.read(where[agent])
    before = look()
    expect(before, where, {(first, second): 32}, "file")
    expect_kernel(before, first, second)

    first.write(where[first].part(4, 8))
    after = look()
    # The writer has copies of its own; the pages of the file that it wrote are the other's alone.
    mine = region(after, first, where[first])
    assert (mine["anon"], mine["file"], mine["uss"], mine["rss"]) == (8 * PAGE, 24 * PAGE, 8 * PAGE, 32 * PAGE)
    assert abs(mine["pss"] - (8 + 12) * PAGE) <= 1
    theirs = region(after, second, where[second])
    assert (theirs["anon"], theirs["file"], theirs["uss"]) == (0, 32 * PAGE, 8 * PAGE)
    assert abs(theirs["pss"] - (8 + 12) * PAGE) <= 1
    assert process(after, first)["anon"] - process(before, first)["anon"] == 8 * PAGE
    expect_kernel(after, first, second)


def test_a_file_mapped_shared_and_private_and_read_only(stage: Stage, look: Look, file: FileMaker) -> None:
    path = file(16)
    writer, reader = stage.start(), stage.start()
    shared = writer.map(16 * PAGE, flags=MAP_SHARED, fd=writer.open(path))
    view = reader.map(16 * PAGE, prot=PROT_READ, flags=MAP_PRIVATE, fd=reader.open(path, os.O_RDONLY))
    writer.write(shared)
    reader.read(view)
    snapshot = look()
    expect(snapshot, {writer: shared, reader: view}, {(writer, reader): 16}, "file")
    expect_kernel(snapshot, writer, reader)


def test_a_file_on_tmpfs_is_shmem(stage: Stage, look: Look) -> None:
    path = Path(f"/dev/shm/pagewalk-{os.getpid()}")
    if not path.parent.is_dir():
        pytest.skip("no tmpfs at /dev/shm")
    path.write_bytes(os.urandom(8 * PAGE))
    try:
        agent = stage.start()
        memory = agent.map(8 * PAGE, flags=MAP_SHARED, fd=agent.open(path))
        agent.read(memory)
    finally:
        path.unlink()
    snapshot = look()
    expect(snapshot, memory, {(agent,): 8}, "shmem")
    expect_kernel(snapshot, agent)


def test_the_sharing_view_names_the_owners_of_a_memfd(stage: Stage, look: Look) -> None:
    agents = [stage.start() for _ in range(4)]
    fd = agents[0].memfd(200 * PAGE)
    wheres = [agents[0].map(200 * PAGE, flags=MAP_SHARED, fd=fd)]
    agents[0].write(wheres[0])
    for agent in agents[1:]:
        wheres.append(agent.map(200 * PAGE, flags=MAP_SHARED, fd=memfd_of(agents[0], agent, fd)))
        agent.write(wheres[-1])
    agents[3].unmap(wheres[3].part(100, 100))
    sharing = {tuple(row["owners"]): row for row in look().sharing()}
    for who, pages in ((agents, 100), (agents[:3], 100)):
        row = sharing[tuple(sorted(agent.pid for agent in who))]
        assert row["shmem"] == pages * PAGE
        assert row["hidden"] <= row["bytes"] - row["shmem"], "nothing else maps the memfd"
        assert row["comms"] == ["agent"]
