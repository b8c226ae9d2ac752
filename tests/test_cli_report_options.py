"""The options of report."""

from __future__ import annotations

import argparse

import pytest

from pagewalk.cli.report_options import options, words

LONG = {
    *("--by", "--sort", "--reverse", "--limit", "--totals", "--columns", "--bytes", "--no-header", "--alone"),
    *(
        "--kernel-pss",
        "--format",
        "--color",
        "--quiet",
        "--verbose",
        "--threads",
        "--strict",
        "--gentle",
        "--verify",
        "--explain",
        "--depth",
        "--nodes",
        "--pairs",
    ),
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("PAGEWALK_")]:
        monkeypatch.delenv(name)


def test_nothing_asked_for() -> None:
    args = options().parse([])
    asked = {name: value for name, value in vars(args).items() if value}
    assert asked == {"color": "auto"}


def test_selections_add_up() -> None:
    args = options().parse(["-p", "1,2", "--pid", "3", "-P", "a", "-P", "b", "-u", "root", "-c", "/x", "--tree", "4"])
    assert (args.pid, args.program, args.user, args.cgroup, args.tree) == ([1, 2, 3], ["a", "b"], ["root"], ["/x"], [4])


def test_one_parse_leaves_nothing_to_the_next() -> None:
    assert options().parse(["-p", "1"]).pid == [1]
    assert options().parse(["-p", "2"]).pid == [2]


def test_the_environment_mirrors_what_is_not_a_selection_or_a_file() -> None:
    mirrored = {name for action in options().mirrored for name in action.option_strings if name.startswith("--")}
    assert mirrored == LONG


def test_depth() -> None:
    assert options().parse(["--depth", "0"]).depth == 0
    assert options().parse([]).depth is None


def test_words() -> None:
    assert words("pss, uss,pid") == ["pss", "uss", "pid"]
    for text in ("", "a,", ",a", "a,,b"):
        with pytest.raises(argparse.ArgumentTypeError, match="list of columns"):
            words(text)
