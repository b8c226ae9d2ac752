"""What of a file is in memory, who maps it and who pays: files made by hand, on the running kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pagewalk
import truth
from asking import Command
from workloads import MAP_PRIVATE, MAP_SHARED, MFD_HUGETLB, PAGE, PROT_READ, Agent, Region, Stage

FileMaker = Callable[[int], Path]
AGING = int(pagewalk.KPF.REFERENCED | pagewalk.KPF.ACTIVE)
SHMEM = Path("/dev/shm")


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
