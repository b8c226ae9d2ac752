"""Who is charged for what others use: cgroups and processes made so that every page of the answer is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import cgroups
import knobs
import pagewalk
import truth
from pagewalk import Snapshot
from workloads import MAP_SHARED, PAGE, Agent, Region, Stage, until

# The kernel writes sums of statistics down within two seconds; small ones wait for that (FLUSH_TIME).
PATIENCE = 12.0


@dataclass
class Groups:
    """Cgroups by name, and the processes put into them."""

    stage: Stage
    directories: dict[str, Path]
    agents: dict[str, Agent] = field(default_factory=dict)

    def path(self, name: str) -> str:
        return f"/{self.directories[name].relative_to(cgroups.memory_root())}"

    def start(self, name: str) -> Agent:
        """A process of this cgroup."""
        agent = self.agents[name] = self.stage.start()
        cgroups.enter(self.directories[name], agent.pid)
        return agent

    def charged(self, snap: Snapshot, payer: str) -> dict[frozenset[str], int]:
        """Pages charged to a cgroup, by the cgroups of this test that use them; others are named by their paths."""
        names = {self.path(name): name for name in self.directories}
        return {
            frozenset(names.get(user, user) for user in row["used_by"]): row["bytes"] // PAGE
            for row in snap.charges()
            if row["charged_to"] == self.path(payer)
        }

    def row(self, snap: Snapshot, name: str) -> dict[str, int]:
        """The row of a cgroup."""
        (row,) = [row for row in snap.cgroups() if row["path"] == self.path(name)]
        return row


@pytest.fixture
def directories(root: None) -> Iterator[dict[str, Path]]:
    """Three cgroups; removed after the processes have ended, as they are asked for before them."""
    with ExitStack() as made:
        try:
            found = {name: made.enter_context(cgroups.cgroup(f"pagewalk-{name}")) for name in "abc"}
        except knobs.Unavailable as reason:
            pytest.skip(str(reason))
        yield found


@pytest.fixture
def groups(directories: dict[str, Path], stage: Stage) -> Groups:
    return Groups(stage, directories)


def walk() -> Snapshot:
    return pagewalk.walk(frames="all")


def other(agent: Agent, owner: Agent, fd: int, pages: int) -> Region:
    """Map a file that another process has open, without touching it.

    To be written: a page read brings its neighbours along (mm/memory.c:do_fault_around), a page written does not.
    """
    return agent.map(pages * PAGE, flags=MAP_SHARED, fd=agent.open(f"/proc/{owner.pid}/fd/{fd}"))


def test_what_is_charged(groups: Groups, file: Callable[[int], Path]) -> None:
    """Anonymous, shared and cached memory of one cgroup, to the page, and as memory.stat has it."""
    agent = groups.start("a")
    agent.write(agent.map(300 * PAGE))
    agent.write(agent.map(200 * PAGE, flags=MAP_SHARED, fd=agent.memfd(200 * PAGE)))
    path = file(1).with_name("cache")
    path.touch()
    fd = agent.open(path)
    agent.call("ftruncate", fd, 100 * PAGE)
    cached = agent.map(100 * PAGE, flags=MAP_SHARED, fd=fd)
    agent.write(cached)
    if truth.flags(truth.present(agent.pid, cached)[0]) & truth.KPF_SWAPBACKED:
        pytest.skip(f"{path.parent} is a tmpfs")

    def agrees() -> bool:
        row = groups.row(walk(), "a")
        assert row["charged_shmem"] == 200 * PAGE
        assert row["charged_file"] == 100 * PAGE
        assert row["charged"] == sum(row[f"charged_{kind}"] for kind in ("anon", "file", "shmem", "kernel"))
        # The agent's own stack and data were there before it entered, but for what it has written since.
        assert 300 * PAGE <= row["charged_anon"] <= 316 * PAGE
        assert row["processes"] == 1
        return all(row[f"kernel_{kind}"] == row[f"charged_{kind}"] for kind in ("anon", "file", "shmem"))

    until(agrees, "memory.stat to say the same", PATIENCE, pause=0.5)
    row = groups.row(walk(), "a")
    assert row["difference"] == 0


def test_one_makes_what_others_map(groups: Groups) -> None:
    """A memfd of one cgroup, mapped by a second, and half of it by a third: to the page, and after its maker's end."""
    maker, user, half = (groups.start(name) for name in "abc")
    # Whoever starts first may be charged for pages of the agent's own program, which all of them map.
    program = groups.charged(walk(), "a")
    fd = maker.memfd(400 * PAGE)
    maker.write(maker.map(400 * PAGE, flags=MAP_SHARED, fd=fd))
    user.write(other(user, maker, fd, 400))
    half.write(other(half, maker, fd, 400).part(0, 200))
    snap = walk()
    before = groups.charged(snap, "a")
    assert before[frozenset("abc")] - program.get(frozenset("abc"), 0) == 200
    assert before[frozenset("ab")] - program.get(frozenset("ab"), 0) == 200
    assert groups.row(snap, "a")["charged_not_used"] == 0

    maker.end()
    snap = walk()
    after = groups.charged(snap, "a")
    assert after[frozenset("bc")] - program.get(frozenset("abc"), 0) == 200
    assert after[frozenset("b")] - program.get(frozenset("ab"), 0) == 200
    of_program = sum(pages for users, pages in program.items() if users & {"b", "c"})
    assert groups.row(snap, "a")["charged_not_used"] == (400 + of_program) * PAGE
    foreign = {frozenset(row["used_by"]) for row in snap.charges() if row["foreign"]}
    assert frozenset((groups.path("b"), groups.path("c"))) in foreign
    # And besides what each shares with all agents: the pages of the program's own file.
    assert groups.row(snap, "b")["used_not_charged"] >= 400 * PAGE
    assert groups.row(snap, "c")["used_not_charged"] >= 200 * PAGE

    cgroups.remove(groups.directories["a"])
    snap = walk()
    assert groups.path("a") not in snap.cgroups()["path"].tolist()
    root = {frozenset(row["used_by"]): row["bytes"] // PAGE for row in snap.charges() if row["charged_to"] == "/"}
    assert root[frozenset((groups.path("b"), groups.path("c")))] >= 200


def test_a_cache_that_another_reads(groups: Groups, file: Callable[[int], Path]) -> None:
    """Page cache is charged to the first who touches it, whoever maps it then."""
    path = file(1).with_name("cache")
    path.touch()
    first, second = groups.start("a"), groups.start("b")
    fd = first.open(path)
    first.call("ftruncate", fd, 150 * PAGE)
    region = first.map(150 * PAGE, flags=MAP_SHARED, fd=fd)
    first.write(region)
    if truth.flags(truth.present(first.pid, region)[0]) & truth.KPF_SWAPBACKED:
        pytest.skip(f"{path.parent} is a tmpfs")
    first.unmap(region)
    second.read(other(second, first, fd, 150))
    snap = walk()
    assert groups.charged(snap, "a")[frozenset("b")] == 150
    row = groups.row(snap, "a")
    assert row["charged_not_used"] == 150 * PAGE
    assert row["charged_file"] == 150 * PAGE


def test_the_books_of_cgroups_close(groups: Groups) -> None:
    """Charges add up to all charged frames, and use with the hidden owners' share to the mapped memory."""
    agent = groups.start("a")
    agent.write(agent.map(64 * PAGE))
    snap = walk()
    table = snap.cgroups()
    charged = int(snap.facts.table.frames[snap.facts.table.memcg != 0].sum()) * PAGE
    assert int(table["charged"].sum()) == charged
    assert int(snap.charges()["bytes"].sum()) == charged
    coverage = snap.coverage()
    assert int(table["used"].sum()) + coverage["hidden_pss"] == coverage["mapped_frames"] * PAGE
    for depth in (0, 1, 2):
        folded = snap.cgroups(depth)
        assert int(folded["charged"].sum()) == charged
        assert int(folded["used"].sum()) == int(table["used"].sum())
    assert len(snap.cgroups(0)) == 1
