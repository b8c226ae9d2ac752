"""Who owns a frame: pages placed by hand, on the running kernel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cgroups
import pagewalk
import truth
from asking import Command, at
from knobs import Unavailable
from workloads import (
    MADV_GUARD_INSTALL,
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    Agent,
    Region,
    Stage,
)


def frame(agent: Agent, where: Region) -> int:
    (pfn,) = truth.present(agent.pid, where.part(0, 1))
    return pfn


Six = tuple[list[Agent], dict[int, list[str]], int]


@pytest.fixture
def six(stage: Stage) -> Six:
    """One page of a memfd in four processes at six addresses: two of them have it twice."""
    agents = [stage.start() for _ in range(4)]
    fd = agents[0].memfd(3 * PAGE)
    places: dict[int, list[str]] = {}
    for number, agent in enumerate(agents):
        mine = fd if agent is agents[0] else agent.open(f"/proc/{agents[0].pid}/fd/{fd}")
        regions = [agent.map(3 * PAGE, flags=MAP_SHARED, fd=mine) for _ in range(2 if number % 2 else 1)]
        for region in regions:
            agent.write(region.part(1, 1))
        places[agent.pid] = [hex(region.page(1)) for region in regions]
    return agents, places, frame(agents[0], Region(int(places[agents[0].pid][0], 16), PAGE))


def owners(row: dict[str, Any]) -> dict[int, list[str]]:
    return {owner["pid"]: owner["addresses"] for owner in row["owners"]}


def test_four_processes_at_six_addresses(six: Six, who: Command) -> None:
    agents, places, pfn = six
    assert sum(map(len, places.values())) == 6
    for word in (at(agents[3], int(places[agents[3].pid][1], 16)), str(pfn), hex(pfn)):
        (row,) = who.json(word)["who"]
        assert (row["pfn"], row["mapcount"], row["seen"], row["hidden"]) == (pfn, 6, 6, 0)
        assert owners(row) == places
        assert {owner["mapping"] for owner in row["owners"]} == {"/memfd:pagewalk-test (deleted)"}
        assert (row["use"], row["order"]) == ("shmem", 0)
        assert {"SWAPBACKED", "UPTODATE"} <= set(row["flags"])
    _, out, err = who(pfn)
    assert all(address in out for some in places.values() for address in some)
    assert "could not be read" not in err


def test_a_process_left_out_is_a_hidden_owner(six: Six) -> None:
    agents, places, pfn = six
    for left_out in agents:
        rest = {pid: some for pid, some in places.items() if pid != left_out.pid}
        snapshot = pagewalk.walk(pids=list(rest), pfns=[pfn])
        (row,) = snapshot.who([pfn])
        assert owners(row) == rest
        assert row["hidden"] == len(places[left_out.pid])
    flat = pagewalk.walk(pfns=[pfn]).places([pfn])
    assert [(row["pid"], hex(row["address"]), row["offset"]) for row in flat] == [
        (pid, address, PAGE)
        for pid in sorted(places)
        for address in sorted(places[pid], key=lambda text: int(text, 16))
    ]


def test_pages_after_a_fork_and_a_write(stage: Stage, who: Command) -> None:
    parent = stage.start()
    memory = parent.map(2 * PAGE)
    parent.write(memory)
    child = parent.fork()
    child.write(memory.part(1, 1))
    answer = who.json(at(parent, memory.page(0)), at(child, memory.page(1)))
    of = {one["asked"]: one["pfn"] for one in answer["asked"]}
    row = {row["pfn"]: row for row in answer["who"]}
    assert owners(row[of[at(parent, memory.page(0))]]) == {
        agent.pid: [hex(memory.page(0))] for agent in (parent, child)
    }
    assert owners(row[of[at(child, memory.page(1))]]) == {child.pid: [hex(memory.page(1))]}


def test_huge_pages(stage: Stage, who: Command, huge: int) -> None:
    agent = stage.start()
    memory = agent.map(2 * huge, huge=True)
    aligned = Region(-(-memory.start // huge) * huge, huge)
    agent.write(aligned, stride=PAGE)
    pfn = frame(agent, aligned)
    if not truth.flags(pfn) & truth.KPF_THP:
        pytest.skip("the kernel had no huge page to give")
    address = aligned.page(77)
    (row,) = who.json(at(agent, address))["who"]
    assert (row["pfn"], 1 << row["order"]) == (pfn + 77, huge // PAGE)
    assert owners(row) == {agent.pid: [hex(address)]}
    (row,) = pagewalk.walk(pfns=[pfn + 77]).who(pfn + 77)
    assert row["order"] == (huge // PAGE).bit_length() - 1


def test_hugetlb_pages(stage: Stage, who: Command, hugetlb: int) -> None:
    agent = stage.start()
    memory = agent.map(hugetlb, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)
    agent.write(memory, stride=hugetlb)
    (row,) = who.json(at(agent, memory.page(3)))["who"]
    assert (row["use"], 1 << row["order"], row["hidden"]) == ("hugetlb", hugetlb // PAGE, 0)
    assert owners(row) == {agent.pid: [hex(memory.page(3))]}


def test_the_cgroup_that_pays(stage: Stage, who: Command) -> None:
    agent, friend = stage.start(), stage.start()
    try:
        with cgroups.cgroup("pagewalk-who") as directory:
            cgroups.enter(directory, agent.pid)
            fd = agent.memfd(PAGE)
            memory = agent.map(PAGE, flags=MAP_SHARED, fd=fd)
            agent.write(memory)
            path = f"/proc/{agent.pid}/fd/{fd}"
            friends = friend.map(PAGE, flags=MAP_SHARED, fd=friend.open(path))
            friend.read(friends)
            (row,) = who.json(at(friend, friends.start))["who"]
            assert row["memcg"] == f"/{directory.name}"
            assert set(owners(row)) == {agent.pid, friend.pid}
            assert (row["node"], row["zone"]) != (None, None)
            assert who.json("--file", path)["charged"] == [
                {"charged_to": f"/{directory.name}", "bytes": PAGE, "mapped": PAGE, "unmapped": 0}
            ]
            agent.end()
    except Unavailable as reason:
        pytest.skip(str(reason))


class TestNothingThere:
    def says(self, who: Command, word: str, message: str) -> None:
        code, out, err = who(word)
        assert (code, out) == (3, "")
        assert err.count("\n") == 1
        assert message in err

    def test_places_without_a_frame(self, stage: Stage, who: Command) -> None:
        agent = stage.start()
        memory = agent.map(8 * PAGE)
        agent.read(memory.part(1, 1))
        self.says(who, at(agent, memory.page(0)), "never touched")
        self.says(who, at(agent, memory.page(1)), "is on the zero page")
        self.says(who, at(agent, memory.stop + PAGE), "is not mapped: before it")
        self.says(who, at(agent, 0xFFFFFFFFFF600000), "is ")
        shared = agent.map(PAGE, flags=MAP_SHARED, fd=agent.memfd(PAGE))
        self.says(who, at(agent, shared.start), "or swapped, which pagemap does not tell")

    def test_a_guard_region(self, stage: Stage, who: Command) -> None:
        agent = stage.start()
        memory = agent.map(4 * PAGE)
        try:
            agent.advise(memory.part(1, 1), MADV_GUARD_INSTALL)
        except OSError as error:
            pytest.skip(f"this kernel has no guard regions: {error}")
        # Up to 6.14 the entry does not say what kind of marker it is (PM_GUARD_REGION).
        entry = truth.pagemap(agent.pid, memory.part(1, 1))[0]
        self.says(who, at(agent, memory.page(1)), "guard region" if entry & truth.GUARD else "(entry of type 31)")

    def test_swapped(self, stage: Stage, who: Command, swap: object) -> None:
        agent = stage.start()
        memory = agent.map(16 * PAGE)
        agent.write(memory)
        agent.advise(memory, MADV_PAGEOUT)
        entries = truth.pagemap(agent.pid, memory)
        swapped = next((page for page, entry in enumerate(entries) if truth.swapped(entry)), None)
        if swapped is None:
            pytest.skip("nothing was swapped")
        slot = (entries[swapped] & truth.PFRAME) >> 5
        self.says(who, at(agent, memory.page(swapped)), f"slot {slot})")

    def test_processes_without_memory(self, who: Command) -> None:
        self.says(who, "2:1000", "kernel thread")
        with subprocess.Popen(["true"]) as ended:
            os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
            self.says(who, f"{ended.pid}:1000", "is a zombie")
        self.says(who, f"{ended.pid}:1000", f"no process {ended.pid} here")

    def test_frames_that_are_none(self, who: Command) -> None:
        self.says(who, str(1 << 54), "is no frame of System RAM")
        code, out, _ = who("0")
        assert code == 0
        assert "reserved" in out


def test_a_saved_walk_gives_the_same_answer(six: Six, who: Command, tmp_path: Path) -> None:
    agents, places, pfn = six
    snapshot = pagewalk.walk(mappings=True)
    file = tmp_path / "host.pwz"
    snapshot.save(file)
    for word in (str(pfn), at(agents[1], int(places[agents[1].pid][0], 16))):
        (row,) = who.json(word, file)["who"]
        assert owners(row) == places
        assert (row["pfn"], row["mapcount"], row["hidden"]) == (pfn, 6, 0)
    answer = who.json("--file", "/memfd:pagewalk-test", file)
    assert np.isin([agent.pid for agent in agents], [row["pid"] for row in answer["owners"]]).all()
    assert answer["file"][0]["resident"] is None
