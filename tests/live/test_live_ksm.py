"""Pages merged by the kernel (KSM): one frame, many pages, in many address spaces."""

from __future__ import annotations

import os

import truth
from checks import Look, expect_kernel, process, region
from workloads import MADV_MERGEABLE, PAGE, Agent, Region, Stage, until


def alike(agent: Agent, pages: int, value: int) -> Region:
    """Pages of one and the same content, which the kernel may merge."""
    memory = agent.map(pages * PAGE)
    agent.write(memory, value=value, step=0)
    agent.advise(memory, MADV_MERGEABLE)
    return memory


def merged(*where: tuple[Agent, Region]) -> bool:
    return len({pfn for agent, memory in where for pfn in truth.present(agent.pid, memory)}) == 1


def content() -> int:
    return int.from_bytes(os.urandom(7), "little")


def test_merged_within_and_between_processes(stage: Stage, look: Look, ksm: object) -> None:
    first, second = stage.start(), stage.start()
    both, own = content(), content()
    here, there = alike(first, 40, both), alike(second, 24, both)
    alone = alike(first, 10, own)
    different = first.map(6 * PAGE)
    first.write(different)
    until(lambda: merged((first, here), (second, there)) and merged((first, alone)), "the kernel to merge alike pages")

    snapshot = look()
    figures = region(snapshot, first, here)
    # Forty pages of one frame that two address spaces own.
    assert (figures["rss"], figures["anon"], figures["ksm"]) == (40 * PAGE,) * 3
    assert (figures["uss"], figures["private"], figures["pss"]) == (0, 0, PAGE // 2)
    figures = region(snapshot, second, there)
    assert (figures["rss"], figures["ksm"], figures["uss"], figures["pss"]) == (24 * PAGE, 24 * PAGE, 0, PAGE // 2)
    # Ten pages of a frame that is its alone; the kernel's private is 0, since its mapcount is 10.
    figures = region(snapshot, first, alone)
    assert (figures["rss"], figures["ksm"], figures["uss"], figures["pss"]) == (10 * PAGE, 10 * PAGE, PAGE, PAGE)
    assert figures["private"] == truth.smaps(first.pid, alone)["private"] == 0
    figures = region(snapshot, first, different)
    assert (figures["rss"], figures["ksm"], figures["uss"]) == (6 * PAGE, 0, 6 * PAGE)

    assert process(snapshot, first)["ksm"] == 50 * PAGE
    assert process(snapshot, second)["ksm"] == 24 * PAGE
    # The kernel divides each page by its mappings: 40/64 of a page for one, 24/64 for the other.
    expect_kernel(snapshot, first, second, pss=False)


def test_unmerged_by_a_write(stage: Stage, look: Look, ksm: object) -> None:
    parent = stage.start()
    memory = alike(parent, 20, content())
    until(lambda: merged((parent, memory)), "the kernel to merge alike pages")
    child = parent.fork()
    child.write(memory.part(0, 5))
    snapshot = look()
    figures = region(snapshot, child, memory)
    assert (figures["rss"], figures["ksm"], figures["uss"]) == (20 * PAGE, 15 * PAGE, 5 * PAGE)
    assert figures["pss"] == 5 * PAGE + PAGE // 2
    figures = region(snapshot, parent, memory)
    assert (figures["rss"], figures["ksm"], figures["uss"], figures["pss"]) == (20 * PAGE, 20 * PAGE, 0, PAGE // 2)
    expect_kernel(snapshot, parent, child, pss=False)
