"""The options that choose processes, on any verb."""

from __future__ import annotations

import re

import pytest

from pagewalk.cli.choosing import OPTIONS, add_choice, is_chosen
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.options import Parser


def parser() -> Parser:
    made = Parser("verb", "examples")
    group = add_choice(made, "a note")
    group.add_argument("--mine", action="store_true")
    return made


def test_nobody_is_chosen_unless_asked_for() -> None:
    args = parser().parse(["--mine"])
    assert vars(args) == {"pid": [], "tree": [], "program": [], "user": [], "cgroup": [], "mine": True}
    assert not is_chosen(args)


@pytest.mark.parametrize(
    ("words", "name", "values"),
    [
        (["-p", "1,2", "--pid", "3"], "pid", [1, 2, 3]),
        (["--tree", "5", "--tree", "6,7"], "tree", [5, 6, 7]),
        (["-P", "a,b", "--program", ""], "program", ["a,b", ""]),
        (["-u", "root", "--user", "7"], "user", ["root", "7"]),
        (["-c", "/", "--cgroup", "x"], "cgroup", ["/", "x"]),
    ],
)
def test_each_may_be_repeated(words: list[str], name: str, values: list[object]) -> None:
    args = parser().parse(words)
    assert getattr(args, name) == values
    assert is_chosen(args)
    assert words[0] in OPTIONS
    assert not is_chosen(parser().parse([]))


def test_no_process_id() -> None:
    for option in ("-p/--pid", "--tree"):
        with pytest.raises(Stop, match=f"argument {option}: 'x' is no process ID: give PID or PID,PID") as stop:
            parser().parse([option.split("/")[0], "x"])
        assert stop.value.code == Exit.USAGE


def test_the_help_has_them_together() -> None:
    text = parser().format_help()
    group = text[text.index("whose memory:") :]
    assert "a note" in group
    # "-p PID, --pid PID", from Python 3.13 on "-p, --pid PID".
    options = ("-p", "--tree", "-P", "-u", "-c", "--mine")
    assert [len(re.findall(rf" {option}[ ,\n]", group)) for option in options] == [1] * 6
