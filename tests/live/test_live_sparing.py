"""Frames that are not read since pagemap tells enough: the figures are those of a walk that reads them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pagewalk
from checks import process
from pagewalk.abi import KPF, PFRAME_MASK
from pagewalk.plan import OF_FLAGS
from pagewalk.views.process import COLUMNS
from test_live_huge import huge_memory
from test_live_ksm import alike, content, merged
from workloads import (
    MADV_DONTNEED,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    PROT_RW,
    Agent,
    Stage,
    until,
)

NAMES = tuple(column.name for column in COLUMNS if column.name not in OF_FLAGS)
TRIES = 5
# Bytes of pss that processes which come and go elsewhere make, since they own the vdso too. An owner of one page that
# is missed, where no more than four have it, makes 341.
OF_THE_VDSO = 170


def differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    found = {name: (ours[name], theirs[name]) for name in NAMES if ours[name] != theirs[name]}
    if "pss" in found and abs(ours["pss"] - theirs["pss"]) <= OF_THE_VDSO:
        del found["pss"]
    return found


def expect_same(agents: Sequence[Agent], **options: Any) -> tuple[dict[str, int], pagewalk.Snapshot]:
    """Both walks say the same of these; returns the sums of what the sparing one says, and it."""
    for _ in range(TRIES):
        full, lean = pagewalk.walk(**options), pagewalk.walk(columns=NAMES, **options)
        ours, theirs = ([process(snapshot, agent) for agent in agents] for snapshot in (lean, full))
        differ = [differing(row, other) for row, other in zip(ours, theirs, strict=True)]
        if not any(differ):
            break
    assert not any(differ), f"sparing and full differ: {differ}"
    assert all(row[name] is None for row in ours for name in OF_FLAGS)
    return {name: sum(row[name] for row in ours) for name in ("rss", "pss", "uss", "private", "hugetlb")}, lean


def test_a_heap_is_not_read(root: None, stage: Stage) -> None:
    agent = stage.start()
    memory = agent.map(3000 * PAGE)
    agent.write(memory)
    agent.advise(memory.part(0, 100), MADV_DONTNEED)
    agent.read(memory.part(0, 50))  # zero pages
    sums, lean = expect_same([agent])
    assert sums["uss"] >= 2900 * PAGE
    assert lean.coverage()["spared_frames"] >= 2900


def test_copies_on_write(root: None, stage: Stage) -> None:
    parent = stage.start()
    memory = parent.map(1000 * PAGE)
    parent.write(memory)
    children = [parent.fork() for _ in range(3)]
    for number, child in enumerate(children):
        child.write(memory.part(100 * number, 60))
    sums, _ = expect_same([parent, *children])
    assert sums["uss"] >= 180 * PAGE
    # Of one alone, the others are hidden owners all the same.
    expect_same([children[0]], pids=[children[0].pid])


@pytest.mark.parametrize("seen", ["both", "parent", "child"])
def test_a_huge_page_that_a_child_maps_in_part(root: None, stage: Stage, huge: int, seen: str) -> None:
    """The parent's PMD says of all of it what is so of its first page, which the child has let go of."""
    parent = stage.start()
    memory = huge_memory(parent, huge)
    child = parent.fork()
    child.advise(memory.part(0, 1), MADV_DONTNEED)
    child.advise(memory.part(700, 20), MADV_DONTNEED)
    agents = {"both": [parent, child], "parent": [parent], "child": [child]}[seen]
    expect_same(agents, **({} if seen == "both" else {"pids": [agent.pid for agent in agents]}))


def test_huge_pages_of_one_owner(root: None, stage: Stage, huge: int) -> None:
    agent = stage.start()
    memory = huge_memory(agent, huge)
    sums, lean = expect_same([agent])
    assert sums["uss"] >= memory.length
    entry = pagewalk.read_pagemap(agent.pid, memory.start, memory.start + PAGE)
    flags = int(pagewalk.read_kpageflags(entry & np.uint64(PFRAME_MASK))[0])
    if flags & KPF.OWNER_2:  # PG_anon_exclusive, since 5.19
        assert lean.coverage()["spared_frames"] >= memory.length // PAGE


def test_shared_memory_and_files(root: None, stage: Stage, file: Callable[[int], Path]) -> None:
    first, second = stage.start(), stage.start()
    fd = first.memfd(64 * PAGE)
    memory = first.map(64 * PAGE, flags=MAP_SHARED, fd=fd)
    first.write(memory)
    second.read(second.map(64 * PAGE, flags=MAP_SHARED, fd=second.open(f"/proc/{first.pid}/fd/{fd}")))
    path = file(40)
    private = first.map(40 * PAGE, prot=PROT_RW, flags=MAP_PRIVATE, fd=first.open(path))
    first.read(private)
    first.write(private.part(3, 5))
    first.write(first.map(16 * PAGE, flags=MAP_SHARED | MAP_ANONYMOUS))
    expect_same([first, second])
    expect_same([first], pids=[first.pid])


def test_hugetlb_is_no_rss(root: None, stage: Stage, hugetlb: object, huge: int) -> None:
    agent = stage.start()
    for flags in (MAP_PRIVATE, MAP_SHARED):
        agent.write(agent.map(huge, flags=flags | MAP_ANONYMOUS | MAP_HUGETLB))
    sums, _ = expect_same([agent])
    assert sums["hugetlb"] == 2 * huge


def test_merged_pages(root: None, stage: Stage, ksm: object) -> None:
    first, second = stage.start(), stage.start()
    value = content()
    here, there = alike(first, 50, value), alike(second, 20, value)
    until(lambda: merged((first, here), (second, there)), "the kernel to merge alike pages")
    expect_same([first, second])


def test_twins(root: None, stage: Stage) -> None:
    agent = stage.start()
    memory = agent.map(100 * PAGE)
    agent.write(memory)
    twin = agent.twin()
    sums, _ = expect_same([agent])
    assert sums["uss"] >= 100 * PAGE
    assert twin.pid in process(pagewalk.walk(columns=NAMES), agent)["pids"]


def test_verifying_reads_all_and_says_the_same(root: None, stage: Stage) -> None:
    """The count of every frame is read, also of the heap's, and the heap is told the same to the byte."""
    agent = stage.start()
    memory = agent.map(3000 * PAGE)
    agent.write(memory)
    figures = ("rss", "uss", "private", "anon", "hugetlb", "swap")
    lean = pagewalk.walk(columns=NAMES)
    for gentle in (False, True):
        full = pagewalk.walk(columns=NAMES, verify="all", gentle=gentle)
        assert {name: process(full, agent)[name] for name in figures} == {
            name: process(lean, agent)[name] for name in figures
        }
        said = full.coverage()
        assert lean.coverage()["spared_frames"] >= 2500
        assert said["spared_frames"] == 0
        assert said["counted_frames"] + said["uncounted_frames"] == said["mapped_frames"]
        assert (full.host["verify"], full.host["gentle"]) == ("all", gentle)
