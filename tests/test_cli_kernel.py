"""--kernel-pss: every figure marked as the kernel's."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import Any

import pytest

import pagewalk.kernel
from fakesnapshot import FakeSnapshot
from pagewalk.cli import main
from pagewalk.cli.exits import Exit

Captured = pytest.CaptureFixture[str]


class Estimate(FakeSnapshot):
    """The part of a snapshot that an estimate has."""

    def coverage(self) -> dict[str, int]:
        return {"processes": 5, "address_spaces": 5, "refused": 2, "vanished": 1}


@pytest.fixture(autouse=True)
def estimate(monkeypatch: pytest.MonkeyPatch) -> Estimate:
    made = Estimate(gaps=2)
    made.host["figures"] = "kernel"

    def walk(**_how: Any) -> None:
        pytest.fail("no walk is needed")

    monkeypatch.setattr(pagewalk.kernel, "kernel_estimate", lambda: made)
    monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
    return made


def test_every_record_says_whose_figures_they_are(capsys: Captured) -> None:
    for words in ([], ["--columns", "pid,comm"]):
        assert main(["--kernel-pss", "-q", *words]) == Exit.OK
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ["source"] + ["kernel"] * 5
        assert main(["--kernel-pss", "-f", "csv", *words]) == Exit.OK
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [row["source"] for row in rows] == ["kernel"] * 5
        assert main(["--kernel-pss", "-f", "json", *words]) == Exit.OK
        value = json.loads(capsys.readouterr().out)
        assert [row["source"] for row in value["process"]] == ["kernel"] * 5
        assert value["host"]["figures"] == "kernel"
        assert value["coverage"]["refused"] == 2
        assert len(value["gaps"]) == 2


def test_a_screen_says_it_above_and_below(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["--kernel-pss", "-f", "text"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("the kernel's own figures")
    foot = " ".join(lines[-3:])
    assert "the kernel's own figures (smaps_rollup), not counted by pagewalk" in foot
    assert foot.endswith("5 processes read, 2 refused, 1 vanished (uid 1000 may read its own only)")
    assert max(map(len, lines)) <= 80


def test_remarks_go_to_stderr(capsys: Captured) -> None:
    assert main(["--kernel-pss"]) == Exit.OK
    assert capsys.readouterr().err.splitlines()[0].startswith("pagewalk: These are the kernel's own figures")


def test_selection(estimate: Estimate, capsys: Captured) -> None:
    assert main(["--kernel-pss", "-p", "7", "-q", "-H"]) == Exit.OK
    assert estimate.selected["pids"] == [7]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_nothing(capsys: Captured) -> None:
    assert main(["--kernel-pss", "-P", "nothing"]) == Exit.NOTHING
    assert main(["--kernel-pss", "-p", "99999"]) == Exit.NOTHING
    assert capsys.readouterr().err == (
        "pagewalk: no process matches -P nothing\n"
        "pagewalk: no address space was read for pid 99999 (there are 1, 2, 3)\n"
    )


def test_strict() -> None:
    assert main(["--kernel-pss", "--strict", "-q"]) == Exit.GAPS
