"""``pagewalk freed``: on the small host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pagewalk import snapshot
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.freed import WORDS, in_words
from smallhost import walked

SNAP = walked(freed=True)


@pytest.fixture(autouse=True)
def walks(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How the machine was asked to be walked."""
    calls: list[dict[str, Any]] = []

    def walk(**how: Any) -> object:
        calls.append(how)
        return SNAP

    monkeypatch.setattr(snapshot, "walk", walk)
    return calls


def test_json_has_the_figures_and_the_parts(capsys: pytest.CaptureFixture[str], walks: list[dict[str, Any]]) -> None:
    assert main(["freed", "-p", "11,20", "-f", "json", "--threads", "2"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    (row,) = said["freed"]
    assert (row["processes"], row["anon"], row["shmem"], row["bytes"]) == (3, 12288, 8192, None)
    assert {
        "fate": "freed",
        "kind": "shmem",
        "bytes": 8192,
        "why": "nameless",
        "name": "/memfd:w (deleted)",
        "others": [],
    } in said["fates"]
    assert [how["freed"] for how in walks] == [True]
    assert walks[0]["threads"] == 2
    assert "pids" not in walks[0]  # others may hold what these do


def test_a_file_instead_of_the_machine(
    capsys: pytest.CaptureFixture[str], walks: list[dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "host.pwz"
    SNAP.save(str(file))
    assert main(["freed", "-p", "11,20", "-f", "json"]) == Exit.OK
    live = json.loads(capsys.readouterr().out)
    assert main(["freed", "-p", "11,20", "-f", "json", str(file)]) == Exit.OK
    saved = json.loads(capsys.readouterr().out)
    assert (saved["freed"], saved["fates"]) == (live["freed"], live["fates"])
    assert len(walks) == 1
    assert main(["freed", "-p", "11", "--threads", "2", str(file)]) == Exit.USAGE
    assert "leave one out" in capsys.readouterr().err
    assert main(["freed", "-p", "11", str(tmp_path / "none.pwz")]) == Exit.FAILURE
    assert capsys.readouterr().err.count("\n") == 1


def test_text_says_it_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["freed", "-p", "11", "-f", "text", "--color", "never"]) == Exit.OK
    out = capsys.readouterr().out
    assert "/memfd:w (deleted): others hold it: 20 redis" in out
    assert "others own it too: 10 php, 20 redis" in out
    assert "Ending these 2 processes would free an unknown amount of RAM." in out
    assert max(map(len, out.splitlines())) <= 80


def test_plain_has_one_record_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["freed", "-P", "redis", "-b"]) == Exit.OK
    out, err = capsys.readouterr()
    assert "stays anon   4096 hidden -      -" in out
    assert "pagewalk: Ending this process would free an unknown amount of RAM and 4.00 KiB of swap." in err


def test_csv_holds_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["freed", "-u", "33", "-f", "csv", "-q"]) == Exit.OK
    head, row = capsys.readouterr().out.splitlines()
    assert dict(zip(head.split(","), row.split(","), strict=True))["anon"] == "12288"


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ([], Exit.USAGE, "whose end? Say it by -p, -P, -u, -c or --tree"),
        (["-p", "99"], Exit.NOTHING, "no address space was read for pid 99"),
        (["-P", "nothing"], Exit.NOTHING, "no process matches -P nothing"),
        (["-P", "("], Exit.USAGE, "not a regular expression"),
        (["--tree", "x"], Exit.USAGE, "is no process ID"),
        (["-p", "20", "--alone"], Exit.USAGE, "unrecognized arguments"),
    ],
)
def test_a_wrong_question_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], code: Exit, reason: str
) -> None:
    assert main(["freed", *words]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert reason in err


def test_every_reason_has_its_words() -> None:
    doc = next(column.doc for column in SNAP.fates(pids=[20]).columns if column.name == "why")
    assert all(f"{code} (" in doc for code in WORDS)


def test_others_are_told_as_far_as_there_is_room() -> None:
    comm = {1: "a", 2: "b", 3: "c", 4: "d"}
    assert in_words((), comm) == ""
    assert in_words((1,), comm) == "1 a"
    assert in_words((1, 2, 3, 4), comm) == "1 a, 2 b and 2 more"
