"""Memory in swap: owners of slots, as of frames."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest

import truth
from checks import Look, expect, expect_kernel, process, region
from workloads import MADV_DONTNEED, MADV_PAGEOUT, MAP_SHARED, PAGE, PATIENCE, Agent, Region, Stage


def paged_out(agent: Agent, pages: int) -> Region:
    """Anonymous memory, all of it in swap."""
    memory = agent.map(pages * PAGE)
    agent.write(memory)
    deadline = time.monotonic() + PATIENCE / 4
    while (left := pages - in_swap(agent, memory)) and time.monotonic() < deadline:
        agent.advise(memory, MADV_PAGEOUT)  # leaves what is being used otherwise just now
    if left:
        pytest.skip(f"MADV_PAGEOUT left {left} of {pages} pages in memory")
    return memory


def in_swap(agent: Agent, memory: Region) -> int:
    return sum(truth.swapped(entry) for entry in truth.pagemap(agent.pid, memory))


def slots(agent: Agent, memory: Region) -> set[int]:
    return {entry & truth.PFRAME for entry in truth.pagemap(agent.pid, memory) if truth.swapped(entry)}


def expect_swap(figures: dict[str, int], pages: int, pss: Fraction | int, uss: int) -> None:
    assert (figures["swap"], figures["swap_uss"]) == (pages * PAGE, uss * PAGE)
    assert abs(Fraction(figures["swap_pss"]) - pss * PAGE) <= 1


def test_paged_out(stage: Stage, look: Look, swap: object) -> None:
    agent = stage.start()
    memory = paged_out(agent, 128)
    agent.write(memory.part(0, 28))
    left = in_swap(agent, memory)  # what was read ahead into the swap cache is not mapped
    assert left == 100
    snapshot = look()
    expect(snapshot, memory, {(agent,): 28})
    expect_swap(region(snapshot, agent, memory), 100, 100, 100)
    expect_swap(process(snapshot, agent), 100, 100, 100)
    expect_kernel(snapshot, agent)


def test_paged_out_before_a_fork(stage: Stage, look: Look, swap: object) -> None:
    parent = stage.start()
    memory = paged_out(parent, 120)
    first, second = parent.fork(), parent.fork()
    first.write(memory.part(0, 30))  # its own copies
    second.advise(memory.part(20, 40), MADV_DONTNEED)
    assert len(slots(parent, memory)) == 120
    assert (len(slots(first, memory)), len(slots(second, memory))) == (90, 80)
    snapshot = look()
    third = Fraction(1, 3)
    # pages      0-19: parent, second   20-29: parent   30-59: parent, first   60-119: all
    expect_swap(region(snapshot, parent, memory), 120, 10 + 10 + 15 + 60 * third, 10)
    expect_swap(region(snapshot, first, memory), 90, 15 + 60 * third, 0)
    expect_swap(region(snapshot, second, memory), 80, 10 + 60 * third, 0)
    expect(snapshot, memory, {(first,): 30})
    expect_kernel(snapshot, parent, first, second)


def test_a_page_read_back_by_one_is_in_swap_for_the_other(stage: Stage, look: Look, swap: object) -> None:
    parent = stage.start()
    memory = paged_out(parent, 64)
    child = parent.fork()
    child.read(memory.part(0, 16))
    assert in_swap(parent, memory) == 64
    assert in_swap(child, memory) == 48
    snapshot = look()
    expect_swap(region(snapshot, parent, memory), 64, 16 + 24, 16)
    expect_swap(region(snapshot, child, memory), 48, 24, 0)
    expect(snapshot, memory, {(child,): 16})
    expect_kernel(snapshot, parent, child)


def test_twins_have_their_slots_once(stage: Stage, look: Look, swap: object) -> None:
    one = stage.start()
    memory = paged_out(one, 32)
    one.twin()
    snapshot = look()
    expect_swap(region(snapshot, one, memory), 32, 32, 32)
    expect_kernel(snapshot, one)


def test_swapped_tmpfs_is_not_in_any_pagemap(stage: Stage, look: Look, swap: object) -> None:
    agent = stage.start()
    memory = agent.map(64 * PAGE, flags=MAP_SHARED, fd=agent.memfd(64 * PAGE))
    agent.write(memory)
    for _ in range(10):
        agent.advise(memory, MADV_PAGEOUT)
    out = 64 - len(truth.present(agent.pid, memory))
    if out == 0:
        pytest.skip("MADV_PAGEOUT left the shared memory where it was")
    snapshot = look()
    expect(snapshot, memory, {(agent,): 64 - out}, "shmem")
    assert region(snapshot, agent, memory)["swap"] == 0
    kernel = truth.rollup(agent.pid)
    assert kernel["swap_pss"] == 0
    expect_kernel(snapshot, agent, shmem_swap=kernel["swap"])
    assert kernel["swap"] <= 64 * PAGE
