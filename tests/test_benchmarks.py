"""The benchmarks give figures of what they say they measure, and leave nothing behind. Never how long it took."""

from __future__ import annotations

import io
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from benchmarks.programs import Programs
    from benchmarks.workloads import Workload

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = os.sysconf("SC_PAGESIZE")
MIB = 1 << 20
READERS = ["floor", "smaps_rollup", "pagewalk", "pagewalk, 1 thread"]

unsanitized = pytest.mark.unsanitized("the floor reads all of the 20 TiB that a sanitizer reserves in each process")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are a folder of the project, not a part of what is installed."""
    monkeypatch.syspath_prepend(REPOSITORY)


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0 or not os.access("/proc/kpagecount", os.R_OK):
        pytest.skip("needs root and a kernel with /proc/kpagecount")


@pytest.fixture
def programs(root: None) -> Any:
    from benchmarks.programs import Failure, Programs

    with Programs() as programs:
        try:
            programs.path("workload", static=True)
        except Failure as failure:
            pytest.skip(str(failure))
        yield programs


@pytest.fixture
def command(programs: Programs, tmp_path: Path) -> list[str]:
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


def vma_pages(pid: int) -> int:
    """Pages of the VMAs of a process, by its maps; the kernel's own [vsyscall] is none of them."""
    pages = 0
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        start, end = (int(word, 16) for word in line.split()[0].split("-"))
        pages += (end - start) // PAGE if start < 1 << 63 else 0
    return pages


@unsanitized
def test_a_run(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*command, "--scale", "0.01", "--rounds", "1", "--json", tmp_path / "run.json"],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    run = json.loads((tmp_path / "run.json").read_text())
    assert [result["workload"] for result in run["workloads"]] == ["W1", "W2a", "W3"]
    for result in run["workloads"]:
        readings = {reader["name"]: reader["readings"] for reader in result["readers"]}
        assert list(readings)[:2] == READERS[:2]
        assert set(READERS) <= set(readings)
        assert all(len(mine) == 1 for mine in readings.values())
        for each in readings["floor"]:
            assert each["more"]["entries"] == each["more"]["pages"] > 0
            assert each["more"]["processes"] >= result["processes"]
        for name in READERS[1:]:
            assert [each["rss"] for each in readings[name]] == [readings["pagewalk"][0]["rss"]]
        if result["heap"]["checked"]:
            exceeds = readings["pagewalk"][0]["pss"] - result["heap"]["pss"]
            assert 0 < exceeds < MIB + result["processes"] * MIB // 4  # the program, and each one's stack and data
    assert os.listdir(tmp_path) == ["run.json"]
    assert running(tmp_path) == []


@unsanitized
@pytest.mark.parametrize("name", ["W1", "W2a", "W3"])
def test_the_floor_reads_all_pages_of_the_workload(programs: Programs, name: str) -> None:
    from benchmarks.peers import floor
    from benchmarks.workloads import WORKLOADS

    with WORKLOADS[name](programs, 0.01) as workload:
        reading = floor(programs).read(workload.pids, workload)
        expected = sum(map(vma_pages, workload.pids))
    assert reading.more["entries"] == reading.more["pages"] == expected
    assert reading.more["processes"] == len(workload.pids)


def heap_of(workload: Workload) -> tuple[int, float]:
    """What pagewalk says of the heap: pages, and each frame once."""
    import pagewalk

    snapshot = pagewalk.walk(pids=workload.pids, mappings=True)
    mine = [row for row in snapshot.mappings() if row["start"] == workload.heap]
    assert len(mine) == len(workload.pids)
    return sum(row["rss"] for row in mine), sum(row["pss"] for row in mine)


def test_prefork_is_what_it_says(programs: Programs) -> None:
    from benchmarks.workloads import prefork

    with prefork(programs, size=1005 * PAGE, children=7, stride=100) as workload:
        rss, pss = heap_of(workload)
    copied = 5 * 11 + 2 * 10  # of 1005 pages the first five residues of 100 have eleven, the others ten
    assert rss == workload.rss == 1005 * 8 * PAGE
    assert workload.pss == (1005 + copied) * PAGE
    assert abs(pss - workload.pss) <= len(workload.pids) == 8


def test_a_heap_is_what_it_says(programs: Programs) -> None:
    from benchmarks.workloads import heap

    with heap(programs, size=5 * PAGE + 1) as workload:
        assert heap_of(workload) == (workload.rss, workload.pss) == (5 * PAGE, 5 * PAGE)


def test_wrong_figures_are_told(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from benchmarks import bench_walk, workloads
    from benchmarks.programs import Failure
    from benchmarks.rounds import Reading

    with workloads.heap(programs, size=PAGE) as workload:
        claimed = dataclasses.replace(workload, pss=workload.pss + 2)
    monkeypatch.setattr(bench_walk, "in_own_process", lambda *_, **__: Reading(0, 0, 0, PAGE, PAGE))
    bench_walk.check(workload)
    with pytest.raises(Failure, match=r"W2a: pagewalk says rss \d+ and pss \d+ of the heap"):
        bench_walk.check(claimed)


def test_what_does_not_fit_is_not_started(programs: Programs) -> None:
    from benchmarks.programs import Failure
    from benchmarks.workloads import heap

    with pytest.raises(Failure, match="choose a smaller --scale"), heap(programs, size=1 << 60):
        pass


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


@unsanitized
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_nothing_is_left_behind(programs: Programs, tmp_path: Path, number: int, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--workload", "W3", "--scale", "0.02"],
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


def test_rounds_begin_with_another_reader_each() -> None:
    from benchmarks.rounds import Reader, Reading, interleaved, ratio
    from benchmarks.workloads import Workload

    seen: list[str] = []

    def reader(name: str) -> Reader:
        def read(pids: object, workload: object) -> Reading:
            seen.append(name)
            return Reading(len(seen), 0)

        return Reader(name, "", read)

    readings = interleaved([reader(name) for name in "abc"], Workload("W", "", ()), 2)
    assert "".join(seen) == "abcbca"
    assert [each.cpu for each in readings["a"]] == [1, 6]
    assert ratio([2.0, 9.0, 8.0], [1.0, 3.0, 1.0]) == 3.0


def made_run() -> dict[str, Any]:
    from benchmarks import record

    def reading(cpu: float, rss: int | None) -> dict[str, Any]:
        more = {"entries": 10**9, "processes": 10**4, "start_up_cpu": 0.1, "resident_before": 32 << 20}
        return {"cpu": cpu, "wall": cpu, "peak": 2 << 30, "rss": rss, "pss": rss, "more": more}

    readers: list[dict[str, Any]] = [
        {"name": name, "lacks": "lacks much of what would be of use to a reader who is to judge it", "readings": []}
        for name in READERS
    ]
    for k, reader in enumerate(readers):
        rss = [None, 4096 * 1021, 4096 * 1000, 4096 * 1000][k]
        reader["readings"] = [reading(99.999996 + k, rss), reading(0.0101 * (k + 1), rss)]
    result = {
        "workload": "W9",
        "title": "a title " * 12,
        "processes": 1,
        "all_processes": 99999,
        "heap": {"rss": 0, "pss": 0, "checked": True},
        "readers": readers,
    }
    return record.record([result], record.host(), 2, 1.0)


def test_the_table_fits_and_tells_what_differs() -> None:
    from benchmarks import table

    text = table.text(made_run())
    assert max(map(len, text.splitlines())) <= 80
    rows = {line[:14].strip(): line.split() for line in text.splitlines()}
    assert rows["floor"][-1] == "none"
    assert rows["smaps_rollup"][-2:] == ["rss", "+2.1%"]
    assert rows["pagewalk"][-1] == "ours"
    assert rows["1 thread"][-1] == "equal"


def test_the_table_does_without_git() -> None:
    from benchmarks import table

    run = made_run()
    run["pagewalk"] = {"version": "1.2", "commit": None, "changed": None}
    assert "pagewalk 1.2, Linux" in table.text(run)


def test_a_kept_run_is_never_written_over_and_names_nobody(tmp_path: Path) -> None:
    from benchmarks import record

    run = made_run()
    paths = [record.keep(run, tmp_path) for _ in range(3)]
    assert len(set(paths)) == 3
    assert paths[0].name == f"{run['date'][:10]}-{platform.release()}.json"
    assert json.loads(paths[2].read_text()) == json.loads(paths[0].read_text()) == run
    written = io.StringIO()
    record.write(run, written)
    for name in (platform.node(), str(REPOSITORY), sys.prefix):
        assert f'"{name}' not in written.getvalue()
