"""Exit codes and messages."""

from __future__ import annotations

import io
import sys

import pytest

from pagewalk.cli.exits import Exit, Stop, say


def test_the_codes_are_a_contract() -> None:
    assert {code.name: int(code) for code in Exit} == {
        "OK": 0,
        "FAILURE": 1,
        "USAGE": 2,
        "NOTHING": 3,
        "GAPS": 4,
        "UNSUPPORTED": 69,
        "PRIVILEGE": 77,
        "NOT_EXECUTABLE": 126,
        "NOT_FOUND": 127,
        "INTERRUPTED": 130,
        "PIPE": 141,
    }


def test_a_stop_has_its_code() -> None:
    stop = Stop(Exit.NOTHING, "no process")
    assert (stop.code, str(stop)) == (3, "no process")


def test_a_message_is_safe_and_its_lines_stay(capsys: pytest.CaptureFixture[str]) -> None:
    say("first \x1b[31m\n  second\tline \udcff")
    assert capsys.readouterr().err == "pagewalk: first \\x1b[31m\n  second\\tline \\xff\n"


def test_an_ascii_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    say("café")
    stream.seek(0)
    assert stream.read() == "pagewalk: caf\\xe9\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_stream_no_harm(stream: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, stream, None)
    say("hello")
    assert capsys.readouterr().err == ("pagewalk: hello\n" if stream == "stdout" else "")
