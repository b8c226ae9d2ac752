"""The bar that long walks have."""

from __future__ import annotations

import io
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pagewalk.cli import progress
from pagewalk.cli.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Made in the test itself: between a fixture and its test, pytest sets stderr anew."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


def walk(bar: ProgressBar) -> None:
    with bar as told:
        for done in range(4):
            told(done, 4, "pagemaps [bold]")
        told(1, 2, "frames")


def test_a_short_walk_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    walk(ProgressBar())
    assert terminal.getvalue() == ""


def test_a_long_walk_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    walk(ProgressBar())
    shown = terminal.getvalue()
    assert "frames" in shown
    assert "1/2" in shown
    # It leaves no trace: the cursor goes back up over what is erased.
    assert shown.rstrip().endswith("\x1b[2K")


def test_threads_that_come_first_at_once_begin_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal_of(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    begun: list[int] = []
    begin, together = progress.begin, threading.Barrier(4)

    def slowly() -> Any:
        begun.append(1)
        time.sleep(0.05)
        return begin()

    monkeypatch.setattr(progress, "begin", slowly)
    with ProgressBar() as bar, ThreadPoolExecutor(4) as pool:

        def tell(number: int) -> None:
            together.wait()
            bar(number, 4, "frames")

        list(pool.map(tell, range(4)))
    assert len(begun) == 1


def test_never_off_a_terminal_nor_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    walk(ProgressBar(enabled=False))
    assert terminal.getvalue() == ""
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        walk(ProgressBar())
        assert not stream or stream.getvalue() == ""


def test_is_taken_away_when_the_walk_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal_of(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    bar = ProgressBar()

    def fail() -> None:
        with bar as told:
            told(1, 2, "pagemaps")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert bar.bar is not None
    assert not bar.bar.live.is_started
