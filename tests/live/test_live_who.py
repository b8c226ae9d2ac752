"""Who owns a frame, and who has the pages of a file: frames placed by hand, on the running kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cgroups
import pagewalk
import truth
from knobs import Unavailable
from pagewalk.cli import main
from workloads import (
    MADV_GUARD_INSTALL,
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_PRIVATE,
    MAP_SHARED,
    MFD_HUGETLB,
    PAGE,
    PROT_READ,
    Agent,
    Region,
    Stage,
)

FileMaker = Callable[[int], Path]
AGING = int(pagewalk.KPF.REFERENCED | pagewalk.KPF.ACTIVE)
SHMEM = Path("/dev/shm")


class Command:
    """``pagewalk who`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object) -> tuple[int, str, str]:
        code = main(["who", *map(str, words)])
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *words: object) -> dict[str, Any]:
        code, out, err = self(*words, "-f", "json")
        assert (code, err) == (0, "")
        answer: dict[str, Any] = json.loads(out)
        return answer


@pytest.fixture
def who(root: None, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


def at(agent: Agent, address: int) -> str:
    return f"{agent.pid}:{address:x}"


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


@pytest.fixture
def looked_at(file: FileMaker, stage: Stage) -> tuple[Path, Agent, Region]:
    """A file of 40 pages, all in memory, of which one process has mapped 12."""
    path = file(40)
    agent = stage.start()
    region = agent.map(12 * PAGE, prot=PROT_READ, flags=MAP_SHARED, fd=agent.open(path, os.O_RDONLY))
    agent.read(region)
    return path, agent, region


def figures(answer: dict[str, Any]) -> dict[str, int]:
    (row,) = answer["file"]
    return {name: figure // PAGE for name, figure in row.items() if isinstance(figure, int) and figure}


class TestFile:
    def test_mapped_and_not(self, looked_at: tuple[Path, Agent, Region], who: Command) -> None:
        path, agent, region = looked_at
        mapped = len(truth.present(agent.pid, region))
        answer = who.json("--file", path)
        found = figures(answer)
        assert (found["size"], found["resident"], found["mapped"], found["unmapped"]) == (40, 40, mapped, 40 - mapped)
        assert [(row["pid"], row["bytes"], row["pss"], row["uss"]) for row in answer["owners"]] == [
            (agent.pid, mapped * PAGE, mapped * PAGE, mapped * PAGE)
        ]
        assert sum(row["bytes"] for row in answer["charged"]) == 40 * PAGE

    def test_as_fincore_has_it(self, who: Command) -> None:
        try:
            done = subprocess.run(
                ["fincore", "-bnr", "-o", "RES", sys.executable], capture_output=True, text=True, check=True
            )
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs fincore of util-linux: {error}")
        answer = who.json("--file", sys.executable)
        assert answer["file"][0]["resident"] == int(done.stdout)
        assert os.getpid() in {row["pid"] for row in answer["owners"]}, "this process runs it"

    def test_nothing_is_disturbed(self, looked_at: tuple[Path, Agent, Region], who: Command) -> None:
        path, agent, region = looked_at
        os.sync()
        pfns = truth.present(agent.pid, region)
        before = [truth.flags(pfn) & AGING for pfn in pfns]
        atime = path.stat().st_atime_ns
        for _ in range(3):
            assert os.getpid() not in {row["pid"] for row in who.json("--file", path)["owners"]}
        assert [truth.flags(pfn) & AGING for pfn in pfns] == before
        assert [truth.mapcount(pfn) for pfn in pfns] == [1] * len(pfns)
        assert path.stat().st_atime_ns == atime
        assert str(path) not in Path("/proc/self/maps").read_text()

    def test_pages_dropped_from_the_cache(self, tmp_path: Path, who: Command) -> None:
        path = tmp_path / "file"
        path.write_bytes(bytes(4096 * PAGE))
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 2048 * PAGE, os.POSIX_FADV_DONTNEED)
        before = figures(who.json("--file", path))
        if before["resident"] == 4096:
            pytest.skip("this file system keeps what it is told to drop")
        assert figures(who.json("--file", path))["resident"] <= before["resident"], "looking brought nothing in"

    def test_without_a_name(self, stage: Stage, who: Command) -> None:
        agent = stage.start()
        fd = agent.memfd(50 * PAGE)
        region = agent.map(50 * PAGE, flags=MAP_SHARED, fd=fd)
        agent.write(region.part(10, 5))
        for path in (f"/proc/{agent.pid}/fd/{fd}", f"/proc/{agent.pid}/map_files/{region.start:x}-{region.stop:x}"):
            answer = who.json("--file", path)
            assert figures(answer)["resident"] == figures(answer)["mapped"] == 5
            assert [row["pid"] for row in answer["owners"]] == [agent.pid]
        assert os.stat(f"/proc/{agent.pid}/fd/{fd}").st_blocks * 512 == 5 * PAGE, "holes stay holes"

    def test_tmpfs(self, who: Command) -> None:
        if not SHMEM.is_dir():
            pytest.skip("no tmpfs at /dev/shm")
        path = SHMEM / f"pagewalk-who-{os.getpid()}"
        path.write_bytes(os.urandom(9 * PAGE))
        try:
            answer = who.json("--file", path)
        finally:
            path.unlink()
        assert (figures(answer)["resident"], figures(answer)["unmapped"], answer["owners"]) == (9, 9, [])

    def test_hugetlbfs(self, stage: Stage, who: Command, hugetlb: int) -> None:
        agent = stage.start()
        fd = agent.memfd(4 * hugetlb, flags=MFD_HUGETLB)
        region = agent.map(4 * hugetlb, flags=MAP_SHARED, fd=fd)
        agent.write(Region(region.start, 2 * hugetlb), stride=hugetlb)
        agent.unmap(Region(region.start, hugetlb))
        path = f"/proc/{agent.pid}/fd/{fd}"
        answer = who.json("--file", path)
        found = answer["file"][0]
        assert (found["size"], found["resident"], found["mapped"], found["unmapped"]) == tuple(
            pages * hugetlb for pages in (4, 2, 1, 1)
        )
        assert [(row["pid"], row["bytes"]) for row in answer["owners"]] == [(agent.pid, hugetlb)]
        assert os.stat(path).st_blocks * 512 == 2 * hugetlb, "no hole became a huge page"

    def test_overlayfs(self, stage: Stage, who: Command, tmp_path: Path) -> None:
        """The pages are those of the file below, which is what gets mapped."""
        folders = [tmp_path / name for name in ("lower", "upper", "work", "merged")]
        for folder in folders:
            folder.mkdir()
        lower, upper, work, merged = folders
        (lower / "file").write_bytes(os.urandom(30 * PAGE))
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        done = subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", merged], capture_output=True)
        if done.returncode != 0:
            pytest.skip(f"no overlayfs here: {done.stderr.decode().strip()}")
        try:
            agent = stage.start()
            fd = agent.open(merged / "file", os.O_RDONLY)
            region = agent.map(30 * PAGE, prot=PROT_READ, flags=MAP_PRIVATE, fd=fd)
            agent.read(region)
            for path in (merged / "file", lower / "file"):
                answer = who.json("--file", path)
                assert figures(answer)["resident"] == figures(answer)["mapped"] == 30
                assert [row["pid"] for row in answer["owners"]] == [agent.pid]
        finally:
            # The agent has a file of it open for a while yet.
            subprocess.run(["umount", "--lazy", merged], check=True)

    def test_a_file_that_is_cut_meanwhile(self, stage: Stage, who: Command) -> None:
        agent = stage.start()
        fd = agent.memfd(64 * PAGE)
        stop = threading.Event()

        def cut() -> None:
            with open(f"/proc/{agent.pid}/fd/{fd}", "r+b", buffering=0) as file:
                while not stop.is_set():
                    os.ftruncate(file.fileno(), 0)
                    os.pwrite(file.fileno(), bytes(64 * PAGE), 0)

        thread = threading.Thread(target=cut)
        thread.start()
        try:
            for _ in range(2):
                found = figures(who.json("--file", f"/proc/{agent.pid}/fd/{fd}"))
                assert found.get("mapped", 0) + found.get("unmapped", 0) + found.get("moved", 0) == found.get(
                    "resident", 0
                )
        finally:
            stop.set()
            thread.join()


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
