"""The benchmark of what reading does to the process read."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NS = {"p50": 4_000, "p99": 12_000, "p999": 80_000, "max": 900_000}


@pytest.fixture
def victim(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmarks are a folder of the project, not a part of what is installed."""
    monkeypatch.syspath_prepend(REPOSITORY)
    from benchmarks import victim

    return victim


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0 or not os.access("/proc/kpagecount", os.R_OK):
        pytest.skip("needs root and a kernel with /proc/kpagecount")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("the victim and its reader need a CPU each")


def reading(times: int = 1, **more: Any) -> dict[str, Any]:
    """A round in which everything took so many times as long."""
    figures = {name: value * times for name, value in NS.items()}
    return {**figures, "pairs": 1000, "seconds": 2.0, "passes": 4, "wall_ns": 10**9, "cpu_ns": 10**9, **more}


def test_table_and_bar(victim: ModuleType) -> None:
    found = {
        "none": [reading(passes=0, wall_ns=0)] * 3,
        "smaps_rollup": [reading(1000), reading(2000), reading(5000)],
        "pagewalk --gentle": [reading(5), reading(10), reading(100)],
    }
    lines = victim.table(found).splitlines()
    assert [line.split()[0] for line in lines] == ["reader", "none", "smaps_rollup", "pagewalk"]
    assert lines[1].split() == ["none", "4.0", "12.0", "80.0", "900", "500", "-", "-"]
    assert lines[2].split() == ["smaps_rollup", "8,000", "24,000", "160,000", "1,800,000", "500", "250.0", "100.000%"]
    # Within each round 1/200, 1/200 and 1/50: not the ratio of the medians.
    assert lines[3].split()[-1] == "0.500%"
    assert max(map(len, lines)) <= victim.WIDTH
    assert victim.verdict(found) == ["pagewalk --gentle: p99 is 0.500 % of that of smaps_rollup; below 1 %: held"]
    found["pagewalk --gentle"] = [reading(20), reading(40), reading(100)]
    assert victim.verdict(found)[0].endswith("below 1 %: NOT held")
    assert victim.verdict({"none": found["none"]}) == []


def test_a_reader_without_the_one_to_compare_with(victim: ModuleType) -> None:
    assert victim.table({"smaps": [reading()]}).splitlines()[1].split()[-1] == "-"


def test_more_than_there_is_room_for(victim: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(victim, "available", lambda: 1 << 30)
    with pytest.raises(victim.Failure, match=r"1\.0 GiB needs twice that available: choose a smaller --size"):
        victim.measure(1 << 30, 1, 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3})
    with pytest.raises(victim.Failure, match="need a CPU each"):
        victim.measure(1 << 20, 1, 1)


def test_a_process_that_fails_says_why(victim: ModuleType) -> None:
    with victim.Programs() as programs:
        program = str(programs.path("victim"))
        with pytest.raises(victim.Failure, match="ended: /proc/999999999/smaps: No such file"):
            victim.Peer([program, "smaps", "999999999", "0"]).answer("go")
        with pytest.raises(victim.Failure, match="usage: victim"):
            victim.Peer([program, "unknown"])


@pytest.mark.parametrize("words", [["--size", "0"], ["--seconds", "-1"], ["--rounds", "0"]])
def test_sizes_that_make_no_sense(words: list[str], victim: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert victim.main(words) == 2
    assert capsys.readouterr().err.startswith("benchmarks: --size and --seconds are above 0")


@pytest.mark.live
def test_every_reader_reads_the_victim(root: None, victim: ModuleType) -> None:
    """Each is started, reads, and is measured beside; what the victim counts adds up."""
    found = victim.measure(16 << 20, 0.05, 1)
    assert list(found) == list(victim.READERS)
    for name, (said,) in found.items():
        assert 0 < said["p50"] <= said["p99"] <= said["p999"] <= said["max"]
        assert said["pairs"] > 0
        assert (said["passes"] > 0) == (name != "none")
        # A pair takes its time, and they are made one after the other.
        assert said["pairs"] * said["p50"] / 2 < said["seconds"] * 1.1e9
