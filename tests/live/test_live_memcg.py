"""The tree of cgroups, and what the kernel says is charged to one whose every page the test ordered."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import cgroups
import knobs
import truth
from pagewalk import memcg
from pagewalk.labels import label
from pagewalk.memcg import CgroupTree, Hierarchy
from pagewalk.procfs import ProcFS
from workloads import MADV_PAGEOUT, MAP_SHARED, PAGE, Agent, Region, Stage, until

PROCFS = ProcFS()
# The kernel writes sums of statistics down within two seconds; small ones wait for that (FLUSH_TIME).
PATIENCE = 10.0
# Pages of the agent itself: its stack, its table of files.
SLACK = 4 * PAGE


@pytest.fixture
def hierarchy(root: None) -> Hierarchy:
    found = memcg.find_hierarchy(PROCFS)
    if found is None:
        pytest.skip("no hierarchy with the memory controller")
    return found


@pytest.fixture
def group(hierarchy: Hierarchy) -> Iterator[Path]:
    """A cgroup of its own, with accounts. Ask for it before `stage`: its processes must end first."""
    made = cgroups.cgroup(f"pagewalk test\u202e {os.getpid()}")
    try:
        directory = made.__enter__()
    except knobs.Unavailable as reason:
        pytest.skip(str(reason))
    yield directory
    made.__exit__(None, None, None)


def listed(hierarchy: Hierarchy) -> CgroupTree:
    return memcg.cgroup_tree(PROCFS, hierarchy)


def path_of(directory: Path) -> str:
    return f"/{directory.relative_to(cgroups.memory_root())}"


def charged_to(agent: Agent, region: Region) -> set[int]:
    """What kpagecgroup says of the frames of a region."""
    frames = truth.present(agent.pid, region)
    assert len(frames) == region.pages
    return {truth.words("/proc/kpagecgroup", pfn, 1)[0] for pfn in frames}


def figures(hierarchy: Hierarchy, directory: Path) -> dict[str, int | None]:
    found = memcg.cgroup_figures(PROCFS, hierarchy, path_of(directory))
    assert found is not None
    return found


@contextmanager
def resident(stage: Stage, directory: Path) -> Iterator[Agent]:
    """An agent that takes memory in this cgroup, and is gone before the cgroup is removed."""
    agent = stage.start()
    try:
        cgroups.enter(directory, agent.pid)
        agent.write(agent.map(PAGE))
        yield agent
    finally:
        agent.end()


def slack(agent: Agent, hierarchy: Hierarchy, directory: Path) -> int:
    """How far the cgroup's figures may stay behind: tried, for kernels before 5.13 never write down what CPUs hold.

    There each CPU keeps up to 64 pages of each figure to itself (mm/memcontrol.c:MEMCG_CHARGE_BATCH).
    """
    few = agent.map(7 * PAGE)
    agent.write(few)
    deadline = time.monotonic() + PATIENCE / 2
    while time.monotonic() < deadline:
        # It has been in the cgroup for no more than these and the page it entered with.
        if 0 <= (figures(hierarchy, directory)["anon"] or 0) - few.length <= SLACK:
            return SLACK
        time.sleep(0.2)
    return 64 * PAGE * (os.cpu_count() or 1)


def test_the_hierarchy(hierarchy: Hierarchy) -> None:
    directory = cgroups.memory_root()
    assert hierarchy.directory == str(directory)
    assert hierarchy.version == (2 if (directory / "cgroup.controllers").exists() else 1)


def test_every_directory_once(hierarchy: Hierarchy) -> None:
    before = listed(hierarchy)
    walked = {directory: os.stat(directory).st_ino for directory, _, _ in os.walk(hierarchy.directory)}
    after = listed(hierarchy)
    lasting = before.by_inode.keys() - memcg.changed(before, after)
    assert lasting <= set(walked.values()) <= before.by_inode.keys() | after.by_inode.keys()
    assert before.gaps == after.gaps == ()


def test_a_cgroup_comes_and_goes(group: Path, hierarchy: Hierarchy) -> None:
    before = listed(hierarchy)
    found = before.by_path[path_of(group)]
    assert found.inode == cgroups.inode(group)
    assert found.charged
    assert before.by_inode[found.inode] is found
    cgroups.remove(group)
    after = listed(hierarchy)
    assert found.inode in memcg.changed(before, after)
    assert path_of(group) not in after.by_path
    assert memcg.cgroup_figures(PROCFS, hierarchy, path_of(group)) is None


def test_every_cgroup_has_a_name(hierarchy: Hierarchy) -> None:
    assert all(label(cgroup.path) for cgroup in listed(hierarchy).cgroups)


def test_frames_name_the_cgroup_by_its_inode(group: Path, stage: Stage, hierarchy: Hierarchy) -> None:
    with resident(stage, group) as agent, PROCFS.open_process(agent.pid) as process:
        region = agent.map(50 * PAGE)
        agent.write(region)
        (inode,) = charged_to(agent, region)
        assert listed(hierarchy).by_inode[inode].path == path_of(group) == PROCFS.cgroup_of(process)


def test_a_cgroup_without_accounts(group: Path, stage: Stage, hierarchy: Hierarchy) -> None:
    """Under version 2 the memory controller is not handed on by itself."""
    with cgroups.cgroup("inner", group) as inner, resident(stage, inner) as agent:
        region = agent.map(10 * PAGE)
        agent.write(region)
        found = listed(hierarchy)
        (inode,) = charged_to(agent, region)
        assert found.by_inode[inode].path == found.charged_path(path_of(inner))
        assert inode == cgroups.inode(group if hierarchy.version == 2 else inner)


def mapped(agent: Agent, kind: str, length: int, path: Path) -> Region:
    """Memory of a kind, none of it there yet."""
    if kind == "anon":
        return agent.map(length)
    path.touch()
    fd = agent.memfd(length) if kind == "shmem" else agent.open(path)
    agent.call("ftruncate", fd, length)
    return agent.map(length, flags=MAP_SHARED, fd=fd)


@pytest.mark.parametrize("kind", ["anon", "shmem", "file"])
def test_figures(group: Path, stage: Stage, hierarchy: Hierarchy, tmp_path: Path, kind: str) -> None:
    with resident(stage, group) as agent:
        region = mapped(agent, kind, 700 * PAGE, tmp_path / "file")
        behind = slack(agent, hierarchy, group)
        before = figures(hierarchy, group)
        agent.write(region)
        if kind == "file" and truth.flags(truth.present(agent.pid, region)[0]) & truth.KPF_SWAPBACKED:
            pytest.skip(f"{tmp_path} is a tmpfs")

        def counted() -> bool:
            now = figures(hierarchy, group)
            for name in ("anon", "shmem", "file"):
                was, value = before[name], now[name]
                assert was is not None
                assert value is not None
                if abs(value - was - (region.length if name == kind else 0)) > behind:
                    return False
            return True

        until(counted, f"{region.pages} pages more of {kind}, and of nothing else", PATIENCE, pause=0.2)
        usage = figures(hierarchy, group)["usage"]
        assert usage is not None
        assert usage >= region.length


def test_swap_cache_is_no_file(group: Path, stage: Stage, swap_file: None, hierarchy: Hierarchy) -> None:
    with resident(stage, group) as agent:
        region = agent.map(700 * PAGE)
        behind = slack(agent, hierarchy, group)
        agent.write(region)
        agent.advise(region, MADV_PAGEOUT)
        assert agent.read(region)
        until(
            lambda: (figures(hierarchy, group)["anon"] or 0) >= region.length - behind, "its pages to be back", PATIENCE
        )
        found = figures(hierarchy, group)
        if found["swapcached"] is None:
            pytest.skip("this kernel does not count the swap cache of cgroups (before 5.12)")
        assert found["swapcached"] > 0
        assert found["file"] is not None
        assert found["file"] <= behind


def test_a_cgroup_of_its_own(group: Path, stage: Stage, hierarchy: Hierarchy) -> None:
    """What is below is counted above; without the children it is not."""
    with cgroups.cgroup("inner", group) as inner:
        if hierarchy.version == 2:
            cgroups.hand_on(group)
        with resident(stage, inner) as agent:
            behind = slack(agent, hierarchy, inner)
            region = agent.map(700 * PAGE)
            agent.write(region)

            def counted() -> bool:
                above, below = figures(hierarchy, group), figures(hierarchy, inner)
                own = memcg.own_figures(above, [below])["anon"]
                assert own is not None
                low = region.length - behind
                return (above["anon"] or 0) >= low <= (below["anon"] or 0) and own <= behind

            until(counted, "the pages to be counted in both", PATIENCE, pause=0.2)
