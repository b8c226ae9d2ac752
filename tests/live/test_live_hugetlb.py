"""Pages of hugetlbfs: apart from rss, as the kernel has them."""

from __future__ import annotations

import truth
from checks import Look, expect_kernel, process, region
from workloads import (
    GIB,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MFD_HUGETLB,
    PAGE,
    Region,
    Stage,
)


def frames(pid: int, memory: Region) -> set[int]:
    return set(truth.present(pid, memory))


def test_private_across_a_fork(stage: Stage, look: Look, hugetlb: int) -> None:
    parent = stage.start()
    memory = parent.map(3 * hugetlb, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)
    parent.write(Region(memory.start, 2 * hugetlb), stride=hugetlb)
    child = parent.fork()
    child.write(Region(memory.start, hugetlb), stride=hugetlb)  # copies a whole huge page
    assert len(frames(parent.pid, memory) & frames(child.pid, memory)) == hugetlb // PAGE
    snapshot = look()
    for agent in (parent, child):
        here = region(snapshot, agent, memory)
        assert (here["hugetlb"], here["rss"], here["pss"], here["uss"]) == (2 * hugetlb, 0, 0, 0)
        assert process(snapshot, agent)["hugetlb"] == 2 * hugetlb
    expect_kernel(snapshot, parent, child)


def test_shared_across_a_fork(stage: Stage, look: Look, hugetlb: int) -> None:
    parent = stage.start()
    memory = parent.map(2 * hugetlb, flags=MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB)
    parent.write(memory, stride=hugetlb)
    child = parent.fork()
    child.read(Region(memory.start, hugetlb), stride=hugetlb)
    snapshot = look()
    assert region(snapshot, parent, memory)["hugetlb"] == 2 * hugetlb
    assert region(snapshot, child, memory)["hugetlb"] == hugetlb * len(frames(child.pid, memory)) * PAGE // hugetlb
    assert frames(child.pid, memory) <= frames(parent.pid, memory)
    expect_kernel(snapshot, parent, child)


def test_page_tables_shared_by_two_processes(stage: Stage, look: Look, hugetlb: int) -> None:
    """Where a mapping spans what one page table does, processes share the table: one mapping to the kernel."""
    one, other = stage.start(), stage.start()
    fd = one.memfd(GIB, flags=MFD_HUGETLB)
    where = {one: one.map(GIB, flags=MAP_SHARED | MAP_NORESERVE, fd=fd)}
    one.write(Region(where[one].start, 2 * hugetlb), stride=hugetlb)
    fd = other.open(f"/proc/{one.pid}/fd/{fd}")
    where[other] = other.map(GIB, flags=MAP_SHARED | MAP_NORESERVE, fd=fd)
    other.read(Region(where[other].start, 2 * hugetlb), stride=hugetlb)
    part = {agent: Region(here.start, 2 * hugetlb) for agent, here in where.items()}
    assert frames(one.pid, part[one]) == frames(other.pid, part[other])
    snapshot = look()
    for agent in (one, other):
        assert region(snapshot, agent, where[agent])["hugetlb"] == 2 * hugetlb
    expect_kernel(snapshot, one, other)


def test_untouched_is_nothing(stage: Stage, look: Look, hugetlb: int) -> None:
    agent = stage.start()
    memory = agent.map(2 * hugetlb, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)
    snapshot = look()
    here = region(snapshot, agent, memory)
    assert (here["vss"], here["hugetlb"], here["rss"]) == (2 * hugetlb, 0, 0)
    expect_kernel(snapshot, agent)
