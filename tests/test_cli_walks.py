"""The walk that a question needs, and no more."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

import pagewalk.snapshot
from fakesnapshot import FakeSnapshot
from pagewalk.cli.report import settle
from pagewalk.cli.report_options import options
from pagewalk.cli.views import VIEWS
from pagewalk.cli.walks import take_walk, walk_options
from pagewalk.cli.wishes import Wishes
from pagewalk.errors import PagewalkError, ParseError, PermissionRequired, Unsupported

# What is read of a machine with so many frames of RAM, some of them mapped.
RAM, MAPPED = 1000, 10


def asked(*words: str) -> tuple[Namespace, Wishes]:
    args = options().parse(list(words))
    settle(args)
    return args, Wishes(args)


class Reader:
    """A `walk` that counts the frames it reads, and fails as it is told to where all of RAM is wanted."""

    def __init__(self, error: Exception | None = None, always: bool = False) -> None:
        self.error, self.always = error, always
        self.read: list[int] = []

    def __call__(self, frames: str = "mapped", **_how: Any) -> FakeSnapshot:
        self.read.append(RAM if frames == "all" else MAPPED)
        if self.error is not None and (self.always or frames == "all"):
            raise self.error
        return FakeSnapshot()


def reader(monkeypatch: pytest.MonkeyPatch, **how: Any) -> Reader:
    made = Reader(**how)
    monkeypatch.setattr(pagewalk.snapshot, "walk", made)
    return made


class TestHowMuch:
    @pytest.mark.parametrize("view", VIEWS)
    def test_all_of_ram_only_for_what_is_said_of_it(self, view: str, monkeypatch: pytest.MonkeyPatch) -> None:
        walk = reader(monkeypatch)
        assert take_walk(*asked("--by", view))[1] == ""
        assert walk.read == [RAM if view in ("use", "node", "cgroup", "charge") else MAPPED]

    @pytest.mark.parametrize(
        ("words", "frames"),
        [
            ((), RAM),
            (("-f", "json"), RAM),
            (("-p", "1"), MAPPED),
            (("--by", "summary", "-p", "1"), MAPPED),
            (("--by", "cgroup", "-c", "/a"), RAM),
            (("--by", "process", "--nodes"), MAPPED),
        ],
    )
    def test_of_a_summary_and_a_selection(
        self, words: tuple[str, ...], frames: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        walk = reader(monkeypatch)
        take_walk(*asked(*words))
        assert walk.read == [frames]

    @pytest.mark.parametrize(
        ("words", "how"),
        [
            (("--by", "process"), {}),
            (("--by", "process", "--nodes"), {"nodes": True}),
            (("--by", "process", "-s", "node0"), {"nodes": True}),
            (("--by", "process", "--columns", "pid,node3"), {"nodes": True}),
            (("--by", "mapping", "-p", "7", "--columns", "start,vm_flags"), {"mappings": [7], "vm_flags": True}),
            (("--by", "mapping"), {"mappings": True}),
            (("--by", "mapping", "-p", "7"), {"mappings": [7]}),
            (("--by", "use", "--threads", "2"), {"frames": "all"}),
            ((), {"frames": "all", "freed": True}),
            (("-p", "7", "--by", "summary"), {"freed": True}),
            (("--by", "program"), {"freed": True}),
            (("--by", "user"), {"freed": True}),
            (("--by", "cgroup"), {"frames": "all", "freed": True}),
            (("--by", "program", "--alone", "-p", "7"), {}),
            (("--by", "process", "--columns", "pid,uss,comm"), {"columns": {"pid", "uss", "comm", "pss"}}),
            (("--by", "process", "--columns", "pid,uss", "-s", "thp"), {"columns": {"pid", "uss", "thp"}}),
            (
                ("--by", "process", "--columns", "pid", "-u", "0", "-c", "/a"),
                {"columns": {"pid", "pss", "user", "cgroup"}},
            ),
            (("--by", "program", "--columns", "name,uss"), {"columns": {"uss", "pss"}}),
            (("--by", "user", "--columns", "name,freed"), {"columns": {"freed", "pss", "user"}, "freed": True}),
            (("--by", "process", "--columns", "pid,bytes", "--pairs"), {}),
        ],
    )
    def test_nothing_more_is_asked_for(self, words: tuple[str, ...], how: dict[str, Any]) -> None:
        assert walk_options(*asked(*words)) == how

    @pytest.mark.parametrize(
        ("words", "columns", "asks"),
        [
            (("-f", "text"), "80", False),
            (("-f", "text"), "120", True),
            (("-f", "plain"), "80", True),
            (("-f", "json"), "80", True),
            (("-f", "text", "-o", "new"), "80", True),
        ],
    )
    def test_what_a_narrow_screen_has_no_room_for(
        self, words: tuple[str, ...], columns: str, asks: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", columns)
        assert walk_options(*asked(*words)).get("freed", False) == asks


class TestWithoutAllOfRam:
    @pytest.mark.parametrize(
        "error",
        [Unsupported("iomem names no System RAM"), PermissionRequired("hidden"), ParseError("iomem", 3, "a range")],
    )
    def test_the_summary_makes_do(self, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
        walk = reader(monkeypatch, error=error)
        assert take_walk(*asked())[1] == str(error)
        assert walk.read == [RAM, MAPPED]

    def test_a_view_of_all_of_ram_does_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        walk = reader(monkeypatch, error=Unsupported("no iomem"))
        with pytest.raises(Unsupported):
            take_walk(*asked("--by", "use"))
        assert walk.read == [RAM]

    def test_what_hides_the_rest_as_well_is_met_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader(monkeypatch, error=PermissionRequired("hidden"), always=True)
        with pytest.raises(PermissionRequired):
            take_walk(*asked())

    @pytest.mark.parametrize("words", [(), ("--by", "summary", "-p", "1")])
    def test_another_failure_is_no_reason(self, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        walk = reader(monkeypatch, error=PagewalkError("odd"), always=True)
        with pytest.raises(PagewalkError, match="odd"):
            take_walk(*asked(*words))
        assert len(walk.read) == 1
        walk = reader(monkeypatch, error=Unsupported("no kpagecount"), always=True)
        with pytest.raises(Unsupported):
            take_walk(*asked("--by", "summary", "-p", "1"))
        assert walk.read == [MAPPED]
