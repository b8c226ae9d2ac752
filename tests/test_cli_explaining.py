"""``--explain``: the plan before, the costs after, on stderr and in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import pagewalk.snapshot
from fakesnapshot import HOST
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.explaining import cost_lines, plan_lines
from pagewalk.forecast import Extent, forecast
from pagewalk.plan import Plan
from smallhost import host

LARGE = Extent(frames=1 << 28, processes=10_000, spaces=9_999, pages=1 << 28, kept=1 << 28)
ROW = {"seconds": 0.25, "cpu_seconds": 0.125, "entries": 0, "words": 0, "scans": 0, "reads": None}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `walk` is one of the small host."""
    walk = pagewalk.snapshot.walk

    def of_host(**how: Any) -> pagewalk.snapshot.Snapshot:
        with host() as procfs:
            return walk(procfs=procfs, **how)

    monkeypatch.setattr(pagewalk.snapshot, "walk", of_host)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(),
        Plan(columns=frozenset({"pid"}), gentle=True),
        Plan(everything=True, mappings=True, held=True, vm_flags=True, places=True),
        Plan(columns=frozenset(f"a_rather_long_column_{k}" for k in range(20)), threads=4),
    ],
)
def test_a_plan_fits_80_columns(plan: Plan) -> None:
    lines = plan_lines(forecast(plan, LARGE, plan.threads or 1))
    assert max(map(len, lines)) <= 80
    named = " ".join(" ".join(lines).split())
    for read in forecast(plan, LARGE, 1)["reads"]:
        assert read["file"] in named


def test_what_a_plan_says() -> None:
    said = "\n".join(plan_lines(forecast(Plan(columns=frozenset({"pss", "cmdline"})), LARGE, 1)))
    assert "for     cmdline, pss; 10000 processes, 268,435,456 pages" in said
    assert "1 thread, 32,768 entries a read, 32,768 pages a scan, no pauses" in said
    assert "not     read, since nothing asked for needs it: status, cgroup, smaps, fd" in said
    assert "memory  up to about " in said
    gentle = "\n".join(plan_lines(forecast(Plan(gentle=True, chunk=8192), LARGE, 1)))
    assert "1 thread, 8,192 entries a read, 4,096 pages a scan, pauses of 50.0 us" in gentle


def test_what_it_cost_adds_up_and_fits_80_columns() -> None:
    rows = [
        {**ROW, "phase": "starting", "seconds": None},
        {**ROW, "phase": "processes", "entries": 34_000_000_000, "scans": 7, "reads": 1_000_000},
        {**ROW, "phase": "frames", "words": 800_000_000, "reads": 99_000_000},
    ]
    memory = {"resident_before": 40 << 20, "peak_before": 50 << 20, "peak_after": 70 << 20}
    said = {**HOST, "memory": memory}
    lines = cost_lines(rows, said, {"memory": 100 << 20})
    assert max(map(len, lines)) <= 80
    cells = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert cells["phase"] == ["wall", "s", "CPU", "s", "entries", "words", "reads", "scans"]
    assert cells["starting"] == ["?", "0.1250", "-", "-", "?", "-"]
    assert cells["all"] == ["0.5000", "0.3750", "34,000,000,000", "800,000,000", "100,000,000", "7"]
    text = " ".join(" ".join(lines).split())
    assert "held for 1.25 ms at a time at most" in text
    assert "40.0 MiB before the walk (most until then: 50.0 MiB), 70.0 MiB at most by its end: 30.0 MiB more" in text
    assert "100 MiB were foretold" in text


def test_a_kernel_that_says_nothing_of_us() -> None:
    memory = {"resident_before": -1, "peak_before": -1, "peak_after": -1}
    assert not [line for line in cost_lines([], {**HOST, "memory": memory}, {}) if "memory" in line]


@pytest.mark.usefixtures("machine")
def test_stdout_stays_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--by", "process", "-b", "-H", "--columns", "pid,pss"]
    assert main([*words, "-q"]) == Exit.OK
    plain, quiet = capsys.readouterr()
    assert quiet == ""
    assert main([*words, "-q", "--explain"]) == Exit.OK
    out, err = capsys.readouterr()
    assert out == plain
    assert err.index("pagewalk: the plan of the walk\n") < err.index("pagewalk: what it has cost\n")
    assert max(map(len, err.splitlines())) <= 80


@pytest.mark.usefixtures("machine")
def test_json_has_it_where_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--by", "process", "-f", "json"]
    assert main(words) == Exit.OK
    assert "explain" not in json.loads(capsys.readouterr().out)
    assert main([*words, "--explain"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    told = said["explain"]
    assert told["plan"]["processes"] == 4
    assert [row["phase"] for row in told["phases"]] == [
        "starting", "opening", "accounts", "listing", "processes", "frames", "tabulating", "view",
    ]  # fmt: skip
    assert told["memory"] == said["host"]["memory"]
    assert told["longest_lock_hold_ns"] == said["host"]["longest_lock_hold_ns"]
    assert sum(row["seconds"] for row in said["host"]["phases"]) <= said["host"]["seconds"] + 1e-3


@pytest.mark.usefixtures("machine")
def test_verified_frames_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--by", "process", "--columns", "pid,pss"]
    assert main([*words, "--verify", "all"]) == Exit.OK
    checked, err = capsys.readouterr()
    assert "; verified by the counts of all " in err
    assert main(words) == Exit.OK
    out, err = capsys.readouterr()
    assert out == checked
    assert "verified" not in err


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("words", [["freed", "-p", "10"], ["--by", "program", "-p", "10"], ["--by", "mapping"]])
def test_every_verb_that_walks_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--explain", "-f", "json"]) == Exit.OK
    out, err = capsys.readouterr()
    assert json.loads(out)["explain"]["phases"][-1]["phase"] == "view"
    assert ["writing" in line for line in err.splitlines()].count(True) == 1


@pytest.mark.usefixtures("machine")
def test_a_snapshot_is_explained_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "host.pwz")
    assert main(["snapshot", "-o", file, "--explain"]) == Exit.OK
    out, err = capsys.readouterr()
    assert out == ""
    assert "\n  writing " in err
    assert err.index("saved ") < err.index("pagewalk: what it has cost\n")
    # What was asked of one walk is no part of what is saved: but what it cost is.
    assert main(["report", file, "--by", "process", "-f", "json"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert "explain" not in said
    assert [row["phase"] for row in said["host"]["phases"]][:2] == ["opening", "accounts"]


@pytest.mark.usefixtures("machine")
def test_a_walk_is_gentle_or_verified_with_the_same_answer(capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for words in ([], ["--gentle"], ["--verify", "all"], ["--gentle", "--verify", "all", "--threads", "2"]):
        assert main(["--by", "process", "-b", "-q", *words]) == Exit.OK
        answers.append(capsys.readouterr().out)
    assert len(set(answers)) == 1
