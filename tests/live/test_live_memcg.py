"""The tree of cgroups, and what the kernel says is charged to one whose every page the test ordered."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    made = cgroups.cgroup("pagewalk test\u202e")
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


def resident(agent: Agent, directory: Path) -> Agent:
    """An agent that takes memory in this cgroup from now on."""
    cgroups.enter(directory, agent.pid)
    agent.write(agent.map(PAGE))
    return agent


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
    agent = resident(stage.start(), group)
    region = agent.map(50 * PAGE)
    agent.write(region)
    (inode,) = charged_to(agent, region)
    assert listed(hierarchy).by_inode[inode].path == path_of(group) == PROCFS.cgroup_of(PROCFS.open_process(agent.pid))


def test_a_cgroup_without_accounts(group: Path, stage: Stage, hierarchy: Hierarchy) -> None:
    """Under version 2 the memory controller is not handed on by itself."""
    with cgroups.cgroup("inner", group) as inner:
        agent = resident(stage.start(), inner)
        region = agent.map(10 * PAGE)
        agent.write(region)
        found = listed(hierarchy)
        (inode,) = charged_to(agent, region)
        assert found.by_inode[inode].path == found.charged_path(path_of(inner))
        assert inode == cgroups.inode(group if hierarchy.version == 2 else inner)
        agent.end()


@pytest.mark.parametrize("kind", ["anon", "shmem", "file"])
def test_figures(group: Path, stage: Stage, hierarchy: Hierarchy, tmp_path: Path, kind: str) -> None:
    pages = 700
    agent = resident(stage.start(), group)
    if kind == "anon":
        region = agent.map(pages * PAGE)
    else:
        path = tmp_path / "file"
        path.touch()
        fd = agent.memfd(pages * PAGE) if kind == "shmem" else agent.open(path)
        agent.call("ftruncate", fd, pages * PAGE)
        region = agent.map(pages * PAGE, flags=MAP_SHARED, fd=fd)
    before: dict[str, int | None] = {}

    def settled() -> bool:
        nonlocal before
        last, before = before, figures(hierarchy, group)
        return last == before

    until(settled, "the cgroup to be at rest", PATIENCE, pause=2.2)
    agent.write(region)
    if kind == "file" and truth.flags(truth.present(agent.pid, region)[0]) & truth.KPF_SWAPBACKED:
        pytest.skip(f"{tmp_path} is a tmpfs")

    def counted() -> bool:
        now = figures(hierarchy, group)
        for name in ("anon", "shmem", "file"):
            was, value = before[name], now[name]
            assert was is not None
            assert value is not None
            wanted = pages * PAGE if name == kind else 0
            if not wanted <= value - was <= wanted + SLACK:
                return False
        return True

    until(counted, f"{pages} pages more of {kind}", PATIENCE, pause=0.2)
    usage = figures(hierarchy, group)["usage"]
    assert usage is not None
    assert usage >= pages * PAGE


def test_swap_cache_is_no_file(group: Path, stage: Stage, swap: None, hierarchy: Hierarchy) -> None:
    agent = resident(stage.start(), group)
    region = agent.map(500 * PAGE)
    agent.write(region)
    agent.advise(region, MADV_PAGEOUT)
    assert agent.read(region)
    until(lambda: (figures(hierarchy, group)["anon"] or 0) >= region.length, "its pages to be back", PATIENCE)
    found = figures(hierarchy, group)
    if not found["swapcached"]:
        pytest.skip("nothing stayed in the swap cache: swap without one, or a kernel that does not count it")
    assert found["file"] is not None
    assert found["file"] <= SLACK


def test_a_cgroup_of_its_own(group: Path, stage: Stage, hierarchy: Hierarchy) -> None:
    """What is below is counted above; without the children it is not."""
    pages = 400
    with cgroups.cgroup("inner", group) as inner:
        if hierarchy.version == 2:
            cgroups.hand_on(group)
        agent = resident(stage.start(), inner)
        region = agent.map(pages * PAGE)
        agent.write(region)

        def counted() -> bool:
            above, below = figures(hierarchy, group), figures(hierarchy, inner)
            own = memcg.own_figures(above, [below])
            return (above["anon"] or 0) >= pages * PAGE <= (below["anon"] or 0) and own["anon"] == 0

        until(counted, "the pages to be counted in both", PATIENCE, pause=0.2)
        agent.end()
