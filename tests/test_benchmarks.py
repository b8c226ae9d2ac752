"""The benchmarks give figures of what they say they measure, and leave nothing behind. Never how long it took."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchstage import MIB, READERS, REPOSITORY, compiled, unsanitized

if TYPE_CHECKING:
    from benchmarks.programs import Programs
    from benchmarks.workloads import Workload

pytestmark = unsanitized


@pytest.fixture
def programs() -> Iterator[Programs]:
    with compiled() as programs:
        yield programs


@pytest.fixture
def command(programs: Programs) -> list[str]:
    """The benchmarks, over their own processes only where the kernel allows a /proc for these alone."""
    apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    try:
        able = subprocess.run([*apart, "true"], capture_output=True).returncode == 0
    except OSError:
        able = False
    return [*(apart if able else []), sys.executable, "-m", "benchmarks"]


def running(folder: Path) -> list[int]:
    """Processes that run a program of this folder."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if program.startswith(f"{folder}/"):
            found.append(int(pid))
    return found


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def run_of(command: list[str], folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """A run and what it prints; nothing else is left in the folder."""
    done = subprocess.run(
        [*command, *arguments, "--rounds", "1", "--json", folder / "run.json"],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert os.listdir(folder) == ["run.json"]
    assert running(folder) == []
    return json.loads((folder / "run.json").read_text()), done.stdout


def test_a_run(command: list[str], tmp_path: Path) -> None:
    run, text = run_of(command, tmp_path, "--workload", "W1", "--workload", "W3", "--scale", "0.004")
    assert [result["workload"] for result in run["workloads"]] == ["W1", "W3"]
    for result in run["workloads"]:
        readings = {reader["name"]: reader["readings"] for reader in result["readers"]}
        assert set(READERS) <= set(readings)
        assert all(len(mine) == 1 for mine in readings.values())
        left_out = {each["name"] for each in result["left_out"]}
        assert {"smaps", "psutil", "good numpy", "smem", "ps_mem", "pmap -X", "page-types"} <= left_out | set(readings)
        [floor], [adaptive], [ours] = readings["floor"], readings["adaptive floor"], readings["pagewalk"]
        assert floor["more"]["entries"] == floor["more"]["pages"] > 0
        assert floor["more"]["processes"] >= result["processes"]
        assert adaptive["more"]["pages"] == floor["more"]["pages"]
        assert 0 < adaptive["more"]["populated"] <= adaptive["more"]["entries"]
        # All that say what is resident, but page-types, say the same of the workload: it holds still.
        said = {name: mine[0]["rss"] for name, mine in readings.items() if mine[0]["rss"] is not None}
        said.pop("page-types", None)
        assert set(said.values()) == {ours["rss"]}, said
        assert ours["more"]["phases"]["processes"] > 0
        for known in result["known"]:
            exceeds = ours["pss"] - known["figures"]["pss"]
            assert 0 < exceeds < MIB + result["processes"] * MIB // 4  # the program, and each one's stack and data
    assert {(bar["workload"], bar["base"]) for bar in run["bars"]} >= {("W1", "floor"), ("W3", "adaptive floor")}
    assert all(bar["ratio"] > 0 and bar["met"] == (bar["ratio"] <= bar["most"]) for bar in run["bars"] if bar["ratio"])
    assert "What must hold" in text
    assert "of scale 0.004" in " ".join(text.split())


@pytest.mark.slow
def test_all_of_ram(command: list[str], tmp_path: Path) -> None:
    run, text = run_of(command, tmp_path, "--workload", "RAM")
    [result] = run["workloads"]
    readings = {reader["name"]: reader["readings"] for reader in result["readers"]}
    assert list(readings) == ["kpage floor", "pagewalk", "pagewalk, 2 threads"]
    [floor], [ours], [two] = readings.values()
    assert floor["more"]["words"] in (2 * floor["more"]["frames"], 3 * floor["more"]["frames"])
    assert ours["rss"] == two["rss"] == floor["more"]["frames"] * os.sysconf("SC_PAGESIZE")
    assert [bar["cost"] for bar in run["bars"]] == ["cpu", "wall"]
    assert "its uses add up to all of them" in " ".join(text.split())


def test_a_workload_ends_when_what_it_is_for_fails(programs: Programs) -> None:
    from benchmarks.workloads import sleepers

    pids: list[int] = []

    def fail_within() -> None:
        with sleepers(programs, 3) as workload:
            pids.extend(workload.pids)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_within()
    assert len(pids) == 4
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_nothing_is_left_behind(programs: Programs, tmp_path: Path, number: int, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--workload", "W3", "--scale", "0.006"],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert eventually(lambda: len(running(tmp_path)) >= 7)
    finally:
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (code, b"")
    assert eventually(lambda: running(tmp_path) == [])
    if number != signal.SIGKILL:
        assert os.listdir(tmp_path) == []


def test_without_root_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.__main__ import main

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    assert main() == 77
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "benchmarks: reading every process needs root\n"


def test_what_cannot_be_had_is_told_or_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import bench_walk, workloads
    from benchmarks.held import Unavailable

    def missing(programs: object, scale: float) -> Any:
        raise Unavailable("no such memory")

    monkeypatch.setitem(workloads.WORKLOADS, "W6", missing)
    assert bench_walk.run(["W6"], 1, 1, patient=True) == [{"workload": "W6", "unavailable": "no such memory"}]
    with pytest.raises(Unavailable, match="no such memory"):
        bench_walk.run(["W6"], 1, 1)


def test_a_book_that_does_not_close_is_told() -> None:
    from benchmarks.bench_walk import check_ram
    from benchmarks.held import PAGE
    from benchmarks.programs import Failure
    from benchmarks.rounds import Reading

    floor = Reading(0, 0, more={"frames": 7})
    check_ram({"kpage floor": [floor], "pagewalk": [Reading(0, 0, rss=7 * PAGE)]})
    with pytest.raises(Failure, match="RAM: pagewalk says"):
        check_ram({"kpage floor": [floor], "pagewalk": [Reading(0, 0, rss=7 * PAGE + 1)]})


def test_rounds_begin_with_another_reader_each() -> None:
    from benchmarks.rounds import Reader, Reading, interleaved, ratios
    from benchmarks.workloads import Workload

    seen: list[str] = []

    def reader(name: str, rounds: int | None = None) -> Reader:
        def read(pids: object, workload: Workload) -> Reading:
            seen.append(name)
            return Reading(len(seen), 0)

        return Reader(name, "", read, rounds)

    readings = interleaved([reader("a"), reader("b", 1), reader("c")], Workload("W", "", ()), 3)
    assert "".join(seen) == "abc" + "ca" + "ca"
    assert [each.cpu for each in readings["a"]] == [1, 5, 7]
    assert [each.cpu for each in readings["b"]] == [2]
    # Only rounds in which both were measured are compared.
    assert ratios([2.0, 9.0, 8.0], [1.0, 3.0]) == [2.0, 3.0]
