"""How an answer is written, whatever the verb."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pytest

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.options import Parser
from pagewalk.cli.walking import add_walking
from pagewalk.cli.writing import add_writing, finish, settle_format
from pagewalk.render.screen import Screen, Section
from pagewalk.table import Column, Table
from pagewalk.views.gap import COLUMNS as GAPS

ROWS = Table([Column("pid", "id", "a process"), Column("rss", "bytes", "its memory")], {"pid": [7], "rss": [8192]})
SCREEN = Screen((Section("process", ROWS, ("pid", "rss")),), remarks=("1 process read",))


def gaps(n: int) -> Table:
    return Table(GAPS, {"pid": np.arange(n), "what": ["memory"] * n, "reason": ["refused"] * n})  # type: ignore[dict-item]


def parsed(*words: str) -> argparse.Namespace:
    parser = Parser("verb", "")
    add_writing(parser)
    add_walking(parser)
    return parser.parse(list(words))


def test_what_is_no_terminal_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    args = parsed()
    settle_format(args)
    assert args.format == "plain"
    assert finish(SCREEN, gaps(0), args) == Exit.OK
    out, err = capsys.readouterr()
    assert out.splitlines() == ["pid     rss", "  7 8.00KiB"]
    assert err == "pagewalk: 1 process read\n"


def test_a_terminal_gets_a_screen_with_the_remarks_at_its_foot(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    args = parsed("--color", "never")
    settle_format(args)
    assert args.format == "text"
    finish(SCREEN, gaps(0), args)
    assert terminal.getvalue().splitlines()[-1] == "1 process read"


@pytest.mark.parametrize(
    ("words", "said"), [(["-q"], ""), (["-f", "json"], ""), (["-f", "csv"], "pagewalk: 1 process read\n")]
)
def test_remarks_are_said_once(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    args = parsed(*words)
    settle_format(args)
    finish(SCREEN, gaps(0), args)
    assert capsys.readouterr().err == said


def test_gaps_are_an_error_only_where_that_is_wished(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code in (["-q"], Exit.OK), (["-q", "--strict"], Exit.GAPS):
        args = parsed(*words)
        settle_format(args)
        assert finish(SCREEN, gaps(2), args) == code
    assert "2 gaps under --strict, so exit 4" in capsys.readouterr().err
    args = parsed("-q", "-v")
    settle_format(args)
    finish(SCREEN, gaps(2), args)
    assert capsys.readouterr().err.splitlines() == [f"pagewalk: process {pid}: memory: refused" for pid in (0, 1)]


def test_a_file_that_exists_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    with pytest.raises(Stop, match="exists already; --force replaces it"):
        settle_format(parsed("-o", str(there)))
    args = parsed("-o", str(there), "--force", "-f", "csv", "-b", "-q")
    settle_format(args)
    assert finish(SCREEN, gaps(0), args) == Exit.OK
    assert there.read_text().splitlines() == ["pid,rss", "7,8192"]


def test_the_environment_sets_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWALK_FORMAT", "json")
    monkeypatch.setenv("PAGEWALK_THREADS", "3")
    args = parsed()
    settle_format(args)
    assert (args.format, args.threads) == ("json", 3)
