"""The options of run and watch."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from pagewalk.cli.exits import Stop
from pagewalk.cli.footprint_options import add_sampling, seconds, share
from pagewalk.cli.options import Parser


def parser() -> Parser:
    made = Parser("run", "examples")
    add_sampling(made, "stderr")
    return made


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("0.5", 0.5), ("1e-3", 0.001), ("86400", 86400.0)])
def test_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "", "x", "nan", "inf", "1s", "1e9"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"give seconds, such as 0\.5 or 60"):
        seconds(text)


@pytest.mark.parametrize(("text", "value"), [("5%", 0.05), ("0.05", 0.05), ("100%", 1), ("1", 1), ("0.01%", 1e-4)])
def test_a_share(text: str, value: float) -> None:
    assert share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["0", "0%", "101%", "1.1", "-5%", "5 percent", "", "%", "nan", "5%%", "inf%"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"0\.01% to 100%"):
        share(text)


def test_defaults_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    args = parser().parse([])
    assert (args.interval, args.budget, args.format, args.output, args.force) == (None, 0.05, None, None, False)
    monkeypatch.setenv("PAGEWALK_BUDGET", "20%")
    monkeypatch.setenv("PAGEWALK_INTERVAL", "2")
    args = parser().parse(["--interval", "3"])
    assert (args.interval, args.budget) == (3.0, 0.2)
    monkeypatch.setenv("PAGEWALK_BUDGET", "much")
    with pytest.raises(Stop, match="PAGEWALK_BUDGET=much: 'much' is no share of one core"):
        parser().parse([])


def test_the_help_says_where_to() -> None:
    assert "instead of stderr" in parser().format_help()
