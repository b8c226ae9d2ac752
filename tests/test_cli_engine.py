"""The command on the engine itself, over a made /proc: every view in every format, the figures of a fork."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import pagewalk.snapshot
from fakeproc import FakeProcFS, write
from model import PAGE, Fate, Frame, Kind, Machine, Present, Process, Space, Vma
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.output import FORMATS
from pagewalk.cli.views import VIEWS

Captured = pytest.CaptureFixture[str]


def forked() -> Machine:
    """Two processes that share two frames and have one each of their own, and one that is refused."""
    heap = {0: Present(16), 1: Present(17)}
    spaces = [Space((Vma(256, 4, entries={**heap, 2: Present(own)}),), layout=own) for own in (18, 19)]
    return Machine(
        frames={pfn: Frame(pfn, Kind.ANON) for pfn in (16, 17, 18, 19)},
        spaces=(*spaces, Space(())),
        processes=(
            Process(10, 0, comm=b"parent"),
            Process(11, 1, comm=b"two\nlines", uid=70),
            Process(12, 2, comm=b"guard", fate=Fate.REFUSED),
        ),
        limit=64,
    )


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = forked()
    write(made, tmp_path / "proc")
    walk = pagewalk.snapshot.walk

    def walk_it(**how: Any) -> pagewalk.snapshot.Snapshot:
        return walk(procfs=FakeProcFS(made, tmp_path / "proc"), **how)

    monkeypatch.setattr(pagewalk.snapshot, "walk", walk_it)


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_in_every_format(view: str, style: str, capsys: Captured) -> None:
    assert main(["--by", view, "-f", style]) == Exit.OK
    assert capsys.readouterr().out


def test_figures_of_a_fork(capsys: Captured) -> None:
    assert main(["--by", "process", "-f", "json", "-s", "pid"]) == Exit.OK
    value = json.loads(capsys.readouterr().out)
    figures = [{name: row[name] // PAGE for name in ("rss", "pss", "uss", "shared")} for row in value["process"]]
    assert figures == [{"rss": 3, "pss": 2, "uss": 1, "shared": 2}] * 2
    assert [gap["pid"] for gap in value["gaps"]] == [12]
    assert value["coverage"]["mapped_frames"] == 4


def test_summary_and_selection(capsys: Captured) -> None:
    assert main(["-f", "json"]) == Exit.OK
    value = json.loads(capsys.readouterr().out)
    (shared,) = value["sharing"]
    assert (shared["owners"], shared["bytes"]) == ([10, 11], 2 * PAGE)
    assert main(["-u", "70", "-H", "--columns", "pid,comm", "-q"]) == Exit.OK
    assert capsys.readouterr().out == "11 two\\nlines\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-p", "12"], Exit.NOTHING, "process 12 could not be read: "),
        (["-p", "99"], Exit.NOTHING, "no address space was read for pid 99 (there are 10, 11)"),
        (["-P", "^none$"], Exit.NOTHING, "no process matches -P ^none$"),
        (["--strict", "-q"], Exit.GAPS, "1 gap under --strict"),
    ],
)
def test_ends(words: list[str], code: Exit, message: str, capsys: Captured) -> None:
    assert main(words) == code
    assert capsys.readouterr().err.startswith(f"pagewalk: {message}")
