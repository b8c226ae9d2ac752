"""The raw readers: the kernel's words as they are, beside an independent reading."""

from __future__ import annotations

import os

import numpy as np
import pytest

import pagewalk
import truth
from workloads import MAP_SHARED, PAGE, Agent, Region, Stage


@pytest.fixture
def busy(stage: Stage) -> tuple[Agent, Region]:
    """An agent with memory of several kinds, and a region of it."""
    agent = stage.start()
    memory = agent.map(64 * PAGE)
    agent.write(memory.part(0, 40), stride=2 * PAGE)
    agent.read(memory.part(50, 10))
    agent.write(agent.map(8 * PAGE, flags=MAP_SHARED, fd=agent.memfd(8 * PAGE)))
    return agent, memory


def test_pagemap(busy: tuple[Agent, Region]) -> None:
    agent, memory = busy
    words = pagewalk.read_pagemap(agent.pid, memory.start, memory.stop)
    assert words.dtype == np.uint64
    assert words.tolist() == truth.pagemap(agent.pid, memory).tolist()
    assert int(((words & np.uint64(pagewalk.PM.PRESENT)) != 0).sum()) == 30


def test_frames(busy: tuple[Agent, Region]) -> None:
    agent, memory = busy
    pfns = truth.present(agent.pid, memory)
    for read, path in (
        (pagewalk.read_kpagecount, "/proc/kpagecount"),
        (pagewalk.read_kpageflags, "/proc/kpageflags"),
        (pagewalk.read_kpagecgroup, "/proc/kpagecgroup"),
    ):
        if not os.path.exists(path):
            continue  # kpagecgroup, without CONFIG_MEMCG
        words = read(np.array(pfns, np.uint64))
        assert words.dtype == np.uint64
        again = [truth.words(path, pfn, 1)[0] for pfn in pfns]
        if path != "/proc/kpageflags":
            assert words.tolist() == again
            continue
        # Where a page is on the LRU may change at any time; what it is may not.
        kept = truth.KPF_ANON | truth.KPF_HUGE | truth.KPF_KSM | truth.KPF_THP | truth.KPF_ZERO_PAGE
        assert [word & kept for word in words.tolist()] == [word & kept for word in again]


def test_maps(busy: tuple[Agent, Region]) -> None:
    agent, memory = busy
    rows = list(pagewalk.read_maps(agent.pid))
    assert [truth.Vma(row["start"], row["end"], row["perms"], row["name"]) for row in rows] == truth.vmas(agent.pid)
    assert memory.start in [row["start"] for row in rows]


def test_smaps_rollup(busy: tuple[Agent, Region]) -> None:
    agent, _ = busy
    words = pagewalk.read_smaps_rollup(agent.pid)
    kernel = truth.rollup(agent.pid)
    assert words["Rss"] == kernel["rss"]
    assert words["Private_Clean"] + words["Private_Dirty"] == kernel["private"]


def test_smaps(busy: tuple[Agent, Region]) -> None:
    agent, memory = busy
    table = pagewalk.read_smaps(agent.pid)
    (row,) = table.where(table["start"] == memory.start)
    assert row["Rss"] == 20 * PAGE


def test_the_kernels_own_view(busy: tuple[Agent, Region]) -> None:
    agent, _ = busy
    table = pagewalk.kernel_processes()
    (row,) = table.where(table["pid"] == agent.pid)
    kernel = truth.rollup(agent.pid)
    for name in ("rss", "pss", "anon", "private", "swap", "swap_pss", "hugetlb"):
        assert row[name] == kernel[name], name
