"""How a walk is done, whatever the verb."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

import pagewalk.snapshot
from fakesnapshot import FakeSnapshot, walks_to
from pagewalk.cli import main
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.explaining import Explanation
from pagewalk.cli.options import Parser
from pagewalk.cli.walking import add_walking, given, refuse_for_file, walked


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every `walk` gives the made snapshot; what it was called with is noted."""
    for name in ("THREADS", "GENTLE", "VERIFY", "EXPLAIN"):
        monkeypatch.delenv(f"PAGEWALK_{name}", raising=False)
    noted: list[dict[str, Any]] = []
    monkeypatch.setattr(pagewalk.snapshot, "walk", walks_to(FakeSnapshot(), noted))
    return noted


def parsed(*words: str) -> Namespace:
    parser = Parser("verb", "")
    add_walking(parser)
    return Namespace(**vars(parser.parse(list(words))), quiet=True)


def asked(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in call.items() if name != "progress"} for call in calls]


@pytest.mark.parametrize(
    ("words", "how"),
    [
        ([], {}),
        (["--threads", "3"], {"threads": 3}),
        (["--gentle"], {"gentle": True}),
        (["--verify", "all"], {"verify": "all"}),
    ],
)
def test_each_option_is_one_of_the_walk(words: list[str], how: dict[str, Any], calls: list[dict[str, Any]]) -> None:
    walked(parsed(*words), freed=True)
    assert asked(calls) == [{**how, "freed": True}]


def test_to_explain_is_to_be_told_of_the_plan(calls: list[dict[str, Any]]) -> None:
    args = parsed("--explain")
    walked(args)
    (how,) = asked(calls)
    assert isinstance(args.explanation, Explanation)
    assert how == {"explain": args.explanation.plan}
    assert not hasattr(parsed(), "explanation")


def test_a_verb_may_lack_them(calls: list[dict[str, Any]]) -> None:
    walked(Namespace(quiet=True))
    assert asked(calls) == [{}]


def test_what_was_given_is_no_default_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(parsed("--gentle", "--threads", "2")) == {"--gentle": True, "--threads": 2}
    monkeypatch.setenv("PAGEWALK_GENTLE", "1")
    monkeypatch.setenv("PAGEWALK_VERIFY", "all")
    args = parsed("--threads", "2")
    assert (args.gentle, args.verify) == (True, "all")
    assert given(args) == {"--threads": 2}


@pytest.mark.parametrize("words", [["--threads", "2"], ["--gentle"], ["--verify", "all"], ["--explain"]])
def test_a_file_is_not_walked(words: list[str]) -> None:
    refuse_for_file(parsed(), "host.pwz")
    with pytest.raises(Stop, match=rf"{words[0]} is of a walk of this machine, host\.pwz is a snapshot") as stop:
        refuse_for_file(parsed(*words), "host.pwz")
    assert stop.value.code == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "host.pwz", "--gentle"], "--gentle is of a walk"),
        (["maps", "7", "host.pwz", "--verify", "all"], "--verify is of a walk"),
        (["who", "7:1000", "host.pwz", "--explain"], "--explain is of a walk"),
        (["freed", "-p", "7", "host.pwz", "--gentle"], "--gentle is of a walk"),
        (["diff", "a.pwz", "b.pwz", "--verify", "all"], "--verify is of a walk"),
        (["--kernel-pss", "--gentle"], "--kernel-pss takes no walk, --gentle is of one"),
        (["--by", "mapping", "--columns", "vm_flags", "--gentle"], "vm_flags is in smaps only"),
        (["maps", "7", "--gentle", "--legend"], "leave --gentle out"),
        (["maps", "7", "--gentle", "--columns", "kernel_page_size"], "leave --gentle out"),
        (["snapshot", "-o", "x.pwz", "--smaps", "--gentle"], "leave one out"),
        (["--verify", "some"], "argument --verify: invalid choice: 'some'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(
    words: list[str], said: str, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == Exit.USAGE
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert calls == []
