"""Transparent huge pages: each base page has its own owners, whatever it is part of."""

from __future__ import annotations

import pytest

import truth
from checks import Look, expect, expect_kernel, expect_picture, region
from workloads import (
    MADV_COLD,
    MADV_COLLAPSE,
    MADV_DONTNEED,
    MADV_HUGEPAGE,
    MADV_NOHUGEPAGE,
    MAP_SHARED,
    PAGE,
    PROT_READ,
    Agent,
    Region,
    Stage,
)


def huge_memory(agent: Agent, size: int, count: int = 2) -> Region:
    """`count` huge pages, each mapped by one entry; what khugepaged would do to them later, it may not."""
    memory = agent.map(size * count, huge=True)
    agent.write(memory)
    agent.advise(memory, MADV_NOHUGEPAGE)
    if truth.smaps(agent.pid, memory)["thp"] != memory.length:
        pytest.skip("the kernel gave small pages where huge ones were asked for: memory is fragmented")
    return memory


def thp(agent: Agent, memory: Region) -> int:
    """Bytes of a region in frames that are parts of a larger page, by the kernel's flags."""
    return sum(PAGE for pfn in truth.present(agent.pid, memory) if truth.flags(pfn) & truth.KPF_THP)


def test_forked(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = huge_memory(parent, huge)
    child = parent.fork()
    snapshot = look()
    expect(snapshot, memory, {(parent, child): memory.pages})
    for agent in (parent, child):
        assert region(snapshot, agent, memory)["thp"] == memory.length
    expect_kernel(snapshot, parent, child)


def test_partly_copied_by_a_child(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = huge_memory(parent, huge)
    child = parent.fork()
    child.write(memory.part(5, 3))
    snapshot = look()
    # The parent still maps it by one entry, which says of all 512 pages what it knows of the first
    # (pagemap bit 56, fs/proc/task_mmu.c:pagemap_pmd_range_thp).
    assert truth.smaps(parent.pid, memory)["thp"] == memory.length
    expect(snapshot, memory, {(parent, child): memory.pages - 3, (parent,): 3, (child,): 3})
    assert region(snapshot, parent, memory)["thp"] == memory.length
    assert region(snapshot, child, memory)["thp"] == memory.length - 3 * PAGE
    expect_kernel(snapshot, parent, child)
    expect_picture(snapshot, [parent, child])


def test_the_first_page_copied_by_a_child(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = huge_memory(parent, huge, count=1)
    child = parent.fork()
    child.write(memory.part(0, 1))
    snapshot = look()
    expect(snapshot, memory, {(parent, child): memory.pages - 1, (parent,): 1, (child,): 1})
    expect_kernel(snapshot, parent, child)


def test_partly_unmapped(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = huge_memory(parent, huge)
    child = parent.fork()
    half = huge // PAGE // 2
    child.unmap(memory.part(0, half))
    parent.advise(memory.part(3 * half, half), MADV_DONTNEED)
    snapshot = look()
    expect(snapshot, memory, {(parent,): half, (parent, child): 2 * half, (child,): half})
    assert region(snapshot, child, memory.part(half, 3 * half))["thp"] == thp(child, memory) == 3 * half * PAGE
    expect_kernel(snapshot, parent, child)


def test_mapped_by_small_entries(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = huge_memory(parent, huge)
    child = parent.fork()
    child.protect(memory.part(10, 1), PROT_READ)  # splits the entry, not the page
    assert truth.smaps(child.pid, memory)["thp"] == memory.length - huge
    snapshot = look()
    expect(snapshot, memory, {(parent, child): memory.pages})
    assert region(snapshot, child, memory)["thp"] == memory.length
    expect_kernel(snapshot, parent, child)


def test_split(stage: Stage, look: Look, huge: int) -> None:
    agent = stage.start()
    memory = huge_memory(agent, huge)
    agent.advise(memory.part(7, 1), MADV_COLD)  # of a part: splits the page (mm/madvise.c)
    if thp(agent, memory) == memory.length:
        pytest.skip("MADV_COLD of a part of a huge page did not split it")
    snapshot = look()
    expect(snapshot, memory, {(agent,): memory.pages})
    assert region(snapshot, agent, memory)["thp"] == thp(agent, memory) == memory.length - huge
    expect_kernel(snapshot, agent)


def test_collapsed(stage: Stage, look: Look, huge: int) -> None:
    agent = stage.start()
    memory = agent.map(huge)
    agent.write(memory)
    before = look()
    assert region(before, agent, memory)["thp"] == 0
    agent.advise(memory, MADV_HUGEPAGE)  # a VMA that forbids huge pages cannot be collapsed
    try:
        agent.advise(memory, MADV_COLLAPSE)
    except OSError as error:
        pytest.skip(f"MADV_COLLAPSE: {error.strerror}")
    after = look()
    assert region(after, agent, memory)["thp"] == huge
    for snapshot in (before, after):
        expect(snapshot, memory, {(agent,): memory.pages})
    expect_kernel(after, agent)


def test_shared_memory_in_huge_pages_is_shmem(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = parent.map(huge, flags=MAP_SHARED, fd=parent.memfd(huge))
    parent.write(memory)
    try:
        parent.advise(memory, MADV_COLLAPSE)
    except OSError as error:
        pytest.skip(f"MADV_COLLAPSE of shared memory: {error.strerror}")
    child = parent.fork()
    child.read(memory.part(0, 1))  # one fault maps it all
    child.unmap(memory.part(0, 100))
    both = len(truth.present(child.pid, memory))
    snapshot = look()
    expect(snapshot, memory, {(parent, child): both, (parent,): memory.pages - both}, "shmem")
    assert region(snapshot, parent, memory)["thp"] == 0
    expect_kernel(snapshot, parent, child)


def test_a_child_of_a_child_copies_another_part(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = huge_memory(parent, huge, count=1)
    child = parent.fork()
    child.write(memory.part(0, 100))
    grandchild = child.fork()
    grandchild.write(memory.part(50, 100))
    rest = memory.pages - 150
    snapshot = look()
    expect(
        snapshot,
        memory,
        {
            (parent, child, grandchild): rest,
            (parent, child): 50,  # pages 100-149
            (parent,): 100,
            (child, grandchild): 50,
            (child,): 50,
            (grandchild,): 100,
        },
    )
    expect_kernel(snapshot, parent, child, grandchild)
    expect_picture(snapshot, [parent, child, grandchild])
