"""Where a verb's snapshot comes from."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

import pagewalk.snapshot
from fakesnapshot import FakeSnapshot
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.options import Parser
from pagewalk.cli.source import add_file, need_live, snapshot_of
from pagewalk.errors import SnapshotError


def test_the_argument() -> None:
    parser = Parser("maps", "")
    add_file(parser)
    assert parser.parse([]).file is None
    assert parser.parse(["host.pwz"]).file == "host.pwz"


def test_what_only_a_walk_has() -> None:
    need_live(Namespace(file=None), {"--alone": True})
    need_live(Namespace(file="host.pwz"), {"--alone": False})
    with pytest.raises(Stop, match=r"--alone is of a walk of this machine, host\.pwz is a snapshot") as stop:
        need_live(Namespace(file="host.pwz"), {"--alone": True})
    assert stop.value.code == Exit.USAGE


def test_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def walk(**how: Any) -> FakeSnapshot:
        asked.append(how)
        return FakeSnapshot()

    monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
    snapshot_of(Namespace(file=None, quiet=True), freed=True)
    snapshot_of(Namespace(file=None, quiet=True, threads=None))
    snapshot_of(Namespace(file=None, quiet=True, threads=3), mappings=True)
    without_bar = [{name: value for name, value in how.items() if name != "progress"} for how in asked]
    assert without_bar == [{"freed": True}, {}, {"threads": 3, "mappings": True}]


def test_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pagewalk.snapshot, "load", lambda path: f"loaded {path}")
    assert str(snapshot_of(Namespace(file="host.pwz", quiet=True, threads=None))) == "loaded host.pwz"
    with pytest.raises(Stop, match="--threads"):
        snapshot_of(Namespace(file="host.pwz", quiet=True, threads=2))
    monkeypatch.undo()
    (tmp_path / "x.pwz").write_text("no snapshot")
    with pytest.raises(SnapshotError, match="no snapshot"):
        snapshot_of(Namespace(file=str(tmp_path / "x.pwz"), quiet=True), freed=True)


def test_a_file_that_is_larger_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_path: str) -> None:
        raise MemoryError

    monkeypatch.setattr(pagewalk.snapshot, "load", load)
    with pytest.raises(Stop, match=r"host\.pwz: not enough memory for it"):
        snapshot_of(Namespace(file="host.pwz", quiet=True))
