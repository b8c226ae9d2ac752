"""The options of maps."""

from __future__ import annotations

import pytest

from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.maps_options import EXAMPLES, options


def test_what_is_not_asked_for() -> None:
    args = options().parse(["7"])
    assert (args.pid, args.file, args.sort, args.columns, args.limit) == ("7", None, None, None, None)
    assert not any((args.group, args.reverse, args.totals, args.legend, args.stack, args.no_smaps, args.alone))


def test_all_of_them() -> None:
    words = "7 host.pwz --group -s pss -r -n 3 -t --columns a,b --legend --stack --no-smaps --alone -b -H -f json"
    args = options().parse(words.split())
    assert (args.file, args.sort, args.columns, args.limit) == ("host.pwz", "pss", ["a", "b"], 3)
    assert all((args.group, args.reverse, args.totals, args.legend, args.stack, args.no_smaps, args.alone))
    assert (args.bytes, args.no_header, args.format) == (True, True, "json")


@pytest.mark.parametrize("words", [["help", "maps"], ["maps", "-h"], ["maps", "--help"]])
def test_the_help_leads_with_examples(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == Exit.OK
    out = capsys.readouterr().out
    assert out.startswith(EXAMPLES)
    for option in ("--group", "--legend", "--stack", "--no-smaps", "--alone", "--columns", "FILE", "exit codes:"):
        assert option in out


def test_examples_fit_a_screen() -> None:
    assert max(map(len, EXAMPLES.splitlines())) <= 80


def test_examples_are_understood() -> None:
    for line in EXAMPLES.splitlines():
        if "pagewalk maps 1234" in line and not line.startswith("pagewalk"):
            words = line.split("pagewalk maps ")[1].split("  ")[0].split("|")[0].split()
            options().parse(words)
