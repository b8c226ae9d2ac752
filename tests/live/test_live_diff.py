"""Two walks compared: exactly the pages that were written are no longer shared."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import pagewalk
import truth
from checks import Look
from pagewalk.cli import main
from test_live_huge import huge_memory
from test_live_ksm import content, merged
from workloads import (
    MADV_MERGEABLE,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    Agent,
    Region,
    Stage,
    until,
)


def moved(difference: pagewalk.Difference, agent: Agent, where: Region) -> dict[str, int]:
    """What became of the pages of a region, in pages; the rows of its mappings together."""
    table = difference.unshared()
    rows = table.where((table["pid"] == agent.pid) & (table["start"] >= where.start) & (table["end"] <= where.stop))
    assert (rows["bytes"] == rows["copied"] + rows["left"]).all()
    return {name: int(rows[name].sum()) // PAGE for name in ("copied", "left", "shared_now") if rows[name].any()}


def row(difference: pagewalk.Difference, pid: int, state: str = "same") -> dict[str, object]:
    (found,) = (row for row in difference.processes() if row["pid"] == pid and row["state"] == state)
    return dict(found)


def prefork(stage: Stage, pages: int, children: int) -> tuple[Region, Agent, list[Agent]]:
    """A parent with so many pages, all of them shared with its children."""
    parent = stage.start()
    memory = parent.map(pages * PAGE)
    parent.write(memory)
    return memory, parent, [parent.fork() for _ in range(children)]


def test_exactly_the_bytes_written_are_no_longer_shared(stage: Stage, look: Look, tmp_path: Path) -> None:
    memory, parent, children = prefork(stage, 1024, 4)
    old = look()
    written = [memory.part(0, 100), memory.part(50, 200), memory.part(600, 1), memory.part(0, 24)]
    for child, part in zip(children, written, strict=True):
        child.write(part)
    # And what all of them write is the parent's alone.
    for child in children:
        child.write(memory.part(1000, 8))
    new = look()
    difference = pagewalk.diff(old, new)
    for child, part in zip(children, written, strict=True):
        assert moved(difference, child, memory) == {"copied": part.pages + 8}
    assert moved(difference, parent, memory) == {"left": 8}
    for child, part in zip(children, written, strict=True):
        others = [other for other in (parent, *children) if other is not child]
        theirs = {frame for other in others for frame in truth.present(other.pid, memory)}
        assert theirs.isdisjoint(truth.present(child.pid, part)), "the kernel made no copy of what was written"
    by_file(old, new, children, memory, tmp_path, [part.pages + 8 for part in written])


def by_file(
    old: pagewalk.Snapshot,
    new: pagewalk.Snapshot,
    children: list[Agent],
    memory: Region,
    folder: Path,
    expected: list[int],
) -> None:
    """The same from two files, by the command."""
    for name, snapshot in (("old", old), ("new", new)):
        snapshot.save(folder / f"{name}.pwz")
    out = folder / "changes.json"
    words = [str(folder / "old.pwz"), str(folder / "new.pwz"), "--by", "unshared", "-f", "json", "-o", str(out), "-q"]
    assert main(["diff", *words]) == 0
    rows = json.loads(out.read_text())["unshared"]
    for child, pages in zip(children, expected, strict=True):
        (here,) = (one for one in rows if one["pid"] == child.pid and int(one["start"], 16) == memory.start)
        assert (here["copied"], here["left"], here["bytes"]) == (pages * PAGE, 0, pages * PAGE)


def test_pages_left_by_those_that_ended(stage: Stage, look: Look) -> None:
    memory, parent, (first, second) = prefork(stage, 300, 2)
    first.write(memory.part(0, 40))
    old = look()
    first.end()
    second.end()
    difference = pagewalk.diff(old, look())
    # The first forty were of the parent and the second, all others of three.
    assert moved(difference, parent, memory) == {"left": 300}
    for child in (first, second):
        gone = row(difference, child.pid, "gone")
        assert (gone["rss_new"], gone["copied"]) == (0, None)
        assert gone["rss"] == -int(str(gone["rss_old"]))


def test_some_sharers_left_is_still_shared(stage: Stage, look: Look) -> None:
    memory, parent, (first, second) = prefork(stage, 64, 2)
    old = look()
    first.end()
    second.write(memory.part(0, 10))
    difference = pagewalk.diff(old, look())
    assert moved(difference, second, memory) == {"copied": 10}
    assert moved(difference, parent, memory) == {"left": 10}


def test_memory_unmapped_by_the_other(stage: Stage, look: Look) -> None:
    first, second = stage.start(), stage.start()
    fd = first.memfd(50 * PAGE)
    here = first.map(50 * PAGE, flags=MAP_SHARED, fd=fd)
    first.write(here)
    there = second.map(50 * PAGE, flags=MAP_SHARED, fd=second.open(f"/proc/{first.pid}/fd/{fd}"))
    second.write(there)
    old = look()
    first.write(here)  # of memory that is meant to be shared no copy is made
    second.unmap(there.part(0, 20))
    difference = pagewalk.diff(old, look())
    assert moved(difference, first, here) == {"left": 20}
    assert moved(difference, second, there) == {}


def test_a_private_file(stage: Stage, look: Look, file: Callable[[int], Path]) -> None:
    path = file(30)
    first, second = stage.start(), stage.start()
    regions = []
    for agent in (first, second):
        regions.append(agent.map(30 * PAGE, flags=MAP_PRIVATE, fd=agent.open(path)))
        agent.read(regions[-1])
    old = look()
    first.write(regions[0].part(5, 7))
    difference = pagewalk.diff(old, look())
    assert moved(difference, first, regions[0]) == {"copied": 7}
    assert moved(difference, second, regions[1]) == {"left": 7}


def test_forked_in_between(stage: Stage, look: Look) -> None:
    memory, parent, _ = prefork(stage, 200, 0)
    old = look()
    child = parent.fork()
    child.write(memory.part(0, 50))
    difference = pagewalk.diff(old, look())
    assert moved(difference, parent, memory) == {"shared_now": 150}
    born = row(difference, child.pid, "new")
    assert (born["rss_old"], born["copied"]) == (0, None)
    assert born["rss"] == born["rss_new"]


def test_one_page_of_a_huge_page(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = huge_memory(parent, huge)
    child = parent.fork()
    old = look()
    child.write(memory.part(3, 2))
    difference = pagewalk.diff(old, look())
    assert moved(difference, child, memory) == {"copied": 2}
    assert moved(difference, parent, memory) == {"left": 2}


def test_a_page_of_hugetlbfs_is_copied_whole(stage: Stage, look: Look, hugetlb: int) -> None:
    parent = stage.start()
    memory = parent.map(2 * hugetlb, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)
    parent.write(memory, stride=hugetlb)
    child = parent.fork()
    old = look()
    child.write(Region(memory.start, PAGE))
    difference = pagewalk.diff(old, look())
    assert moved(difference, child, memory) == {"copied": hugetlb // PAGE}
    assert moved(difference, parent, memory) == {"left": hugetlb // PAGE}


def test_merged_and_written(stage: Stage, look: Look, ksm: object) -> None:
    agents = [stage.start(), stage.start()]
    value = content()
    regions = [agent.map(20 * PAGE) for agent in agents]
    for agent, memory in zip(agents, regions, strict=True):
        agent.write(memory, value=value, step=0)
    apart = look()
    for agent, memory in zip(agents, regions, strict=True):
        agent.advise(memory, MADV_MERGEABLE)
    until(lambda: merged(*zip(agents, regions, strict=True)), "the kernel to merge alike pages")
    together = look()
    difference = pagewalk.diff(apart, together)
    for agent, memory in zip(agents, regions, strict=True):
        assert moved(difference, agent, memory) == {"shared_now": 20}
    agents[0].write(regions[0].part(0, 6))
    assert moved(pagewalk.diff(together, look()), agents[0], regions[0]) == {"copied": 6}


def test_exec_in_between(root: None, look: Look) -> None:
    words = ["sh", "-c", "read go; exec sleep 600"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            assert process.stdin is not None
            comm = Path(f"/proc/{process.pid}/comm")
            until(lambda: comm.read_text() == "sh\n", "the shell to begin")
            old = look()
            process.stdin.write(b"go\n")
            process.stdin.flush()
            until(lambda: comm.read_text() == "sleep\n", "the shell to call exec")
            difference = pagewalk.diff(old, look())
        finally:
            process.kill()
    found = row(difference, process.pid)
    assert (found["comm"], found["copied"]) == ("sleep", None)
    assert any("called exec in between" in line for line in difference.remarks())
    assert process.pid not in difference.unshared()["pid"].tolist()


@pytest.mark.parametrize("by", ["program", "process"])
def test_against_this_machine_now(stage: Stage, look: Look, tmp_path: Path, by: str) -> None:
    agent = stage.start()
    agent.rename(b"grown")
    memory = agent.map(500 * PAGE)
    look().save(tmp_path / "old.pwz")
    agent.write(memory)
    out = tmp_path / "changes.json"
    assert main(["diff", str(tmp_path / "old.pwz"), "--by", by, "-f", "json", "-o", str(out), "-q"]) == 0
    (found,) = (one for one in json.loads(out.read_text())[by] if "grown" in (one.get("comm"), one.get("name")))
    assert found["state"] == "same"
    assert (found["anon"], found["uss"]) == (500 * PAGE, 500 * PAGE)
    assert found["pss"] == found["pss_new"] - found["pss_old"]
