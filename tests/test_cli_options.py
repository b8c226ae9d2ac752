"""Parsing that speaks as the rest of the command does."""

from __future__ import annotations

import argparse

import pytest

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.options import Parser, pids, positive


def made() -> Parser:
    parser = Parser("verb", "pagewalk verb: something\n\nexamples:\n  pagewalk verb\n")
    parser.mirror(parser.add_argument("-n", "--row-limit", type=positive, help="rows"))
    parser.mirror(parser.add_argument("--quick", action="store_true", help="be quick"))
    parser.mirror(parser.add_argument("--shape", choices=("round", "square"), default="round", help="shape"))
    return parser


def test_errors_stop_with_one_line() -> None:
    with pytest.raises(Stop, match=r"unrecognized arguments: --slow \(see `pagewalk help verb`\)") as stop:
        made().parse(["--slow"])
    assert stop.value.code == Exit.USAGE


def test_a_word_is_not_cut_short() -> None:
    with pytest.raises(Stop, match="unrecognized"):
        made().parse(["--qui"])


def test_help_leads_with_examples() -> None:
    text = made().format_help()
    assert text.startswith("pagewalk verb: something\n\nexamples:\n")
    assert "usage: pagewalk verb [-n ROW_LIMIT] [--quick]" in text


@pytest.mark.parametrize(
    ("environment", "arguments", "expected"),
    [
        ({}, [], (None, False, "round")),
        ({"ROW_LIMIT": "3", "QUICK": "1", "SHAPE": "square"}, [], (3, True, "square")),
        ({"ROW_LIMIT": "", "QUICK": "", "SHAPE": ""}, [], (None, False, "round")),
        ({"QUICK": "Yes"}, [], (None, True, "round")),
        ({"QUICK": "off"}, [], (None, False, "round")),
        ({"ROW_LIMIT": "3", "SHAPE": "square"}, ["-n", "4", "--shape", "round"], (4, False, "round")),
    ],
)
def test_the_environment_sets_defaults(
    environment: dict[str, str],
    arguments: list[str],
    expected: tuple[int | None, bool, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(f"PAGEWALK_{name}", text)
    args = made().parse(arguments)
    assert (args.row_limit, args.quick, args.shape) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ROW_LIMIT", "x", "PAGEWALK_ROW_LIMIT=x: 'x' is no number from 1 up"),
        ("QUICK", "2", "PAGEWALK_QUICK=2: choose from 1, yes,"),
        ("SHAPE", "oval", "PAGEWALK_SHAPE=oval: choose from round, square"),
    ],
)
def test_a_wrong_variable_is_named(name: str, text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PAGEWALK_{name}", text)
    with pytest.raises(Stop, match=message):
        made().parse([])


@pytest.mark.parametrize(("columns", "widest"), [("50", 50), ("4000", 100), ("0", 100), ("x", 100)])
def test_help_follows_the_width(columns: str, widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    parser = made()
    parser.add_argument("--long", help="word " * 60)
    assert max(map(len, parser.format_help().splitlines())) <= widest


class TestValues:
    def test_pids(self) -> None:
        assert pids("1, 22,333") == [1, 22, 333]

    @pytest.mark.parametrize("text", ["", "1,", "0", "-1", "1.5", "٣", "9" * 20, "9" * 5000, "self"])
    def test_no_pids(self, text: str) -> None:
        with pytest.raises((argparse.ArgumentTypeError, ValueError)):
            pids(text)

    def test_positive(self) -> None:
        assert positive("7") == 7
        for text in ("0", "-7", "", "1e3", "²"):
            with pytest.raises(argparse.ArgumentTypeError):
                positive(text)


def test_options_among_words() -> None:
    parser = Parser("verb", "examples\n")
    parser.add_argument("words", nargs="*")
    parser.mirror(parser.add_argument("-n", "--row-limit", type=positive))
    with pytest.raises(Stop, match="unrecognized arguments: b"):
        parser.parse(["a", "-n", "3", "b"])
    args = parser.parse(["a", "-n", "3", "b"], mixed=True)
    assert (args.words, args.row_limit) == (["a", "b"], 3)
    assert "words ..." in parser.format_help()
