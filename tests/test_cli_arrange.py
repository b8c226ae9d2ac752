"""From tables to a screen."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from answers import MIB
from fakesnapshot import NAMES, FakeSnapshot
from pagewalk.cli.arrange import check_columns, column_list, section_of, summary_sections
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.views import VIEWS
from pagewalk.table import Column, Table, objects


def asked(**wishes: Any) -> Namespace:
    usual = {"sort": None, "reverse": False, "columns": None, "format": "plain", "limit": None, "totals": False}
    return Namespace(**{**usual, **wishes})


def arranged(**wishes: Any) -> Any:
    return section_of("process", FakeSnapshot().processes(), VIEWS["process"], asked(**wishes))


class TestOrder:
    @pytest.mark.parametrize(
        ("wishes", "first"),
        [
            ({}, "postgres"),
            ({"reverse": True}, "python"),
            ({"sort": "comm"}, "bash"),
            ({"sort": "comm", "reverse": True}, "two\nlines"),
            ({"sort": "pid"}, "postgres"),
            ({"sort": "pids", "reverse": True}, "python"),
            ({"sort": "rss"}, "postgres"),
        ],
    )
    def test_the_biggest_first_and_names_from_a(self, wishes: dict[str, Any], first: str) -> None:
        section = arranged(**wishes)
        assert section.table["comm"][0] == first
        assert section.sorted_by == wishes.get("sort", "pss")

    def test_by_a_column_that_is_not_shown(self) -> None:
        section = arranged(sort="comm", columns=["pid"])
        assert section.table["pid"].tolist() == [2, 3, 1, 5, 4]
        assert section.table.names == ("pid",)


class TestColumns:
    def test_a_screen_chooses_records_do_not(self) -> None:
        screen, records = arranged(format="text"), arranged()
        assert set(screen.wanted) == set(screen.shown)
        assert set(records.shown) < set(screen.shown)
        assert screen.measure == "pss"
        assert screen.table.names == records.table.names

    def test_those_asked_for_in_that_order(self) -> None:
        section = arranged(columns=["rss", "comm"], format="text")
        assert (section.shown, section.wanted, section.measure) == (("rss", "comm"), (), None)
        assert arranged(columns=["pss"]).measure == "pss"

    def test_a_column_that_the_answer_lacks_is_not_shown(self) -> None:
        table = Table([Column("pss", "bytes", "")], {"pss": objects([1])})
        section = section_of("process", table, VIEWS["process"], asked(format="text"))
        assert (section.shown, section.wanted) == (("pss",), ("pss",))

    def test_the_screen_of_sharing_counts(self) -> None:
        table = FakeSnapshot().sharing()
        assert "sharers" in section_of("sharing", table, VIEWS["sharing"], asked(format="text")).shown
        assert "sharers" not in section_of("sharing", table, VIEWS["sharing"], asked(format="json")).table
        assert section_of("sharing", table, VIEWS["sharing"], asked(format="text", columns=["owners"])).shown == (
            "owners",
        )


class TestSummary:
    def kinds(self) -> Table:
        columns = (Column("kind", "text", ""), Column("bytes", "bytes", ""))
        return Table(columns, {"kind": objects(["anon", "zero"]), "bytes": objects([MIB, 0])})

    def made(self, style: str) -> Any:
        snapshot = FakeSnapshot()
        return summary_sections(self.kinds(), snapshot.programs(), snapshot.sharing(), asked(format=style))

    @pytest.mark.parametrize(("style", "rows"), [("text", 1), ("plain", 1), ("json", 2), ("ndjson", 2)])
    def test_people_are_spared_kinds_that_are_not_there(self, style: str, rows: int) -> None:
        sections = self.made(style)
        assert [section.key for section in sections] == ["kinds", "program", "sharing"]
        assert [len(section.table) for section in sections] == [rows, len(NAMES), len(NAMES)]

    def test_of_a_selection_has_no_kinds(self) -> None:
        snapshot = FakeSnapshot()
        sections = summary_sections(None, snapshot.programs(), snapshot.sharing(), asked())
        assert [section.key for section in sections] == ["program", "sharing"]

    def test_kinds_stand_whole(self) -> None:
        assert [section.share for section in self.made("text")] == [0, 1, 1]


class TestHelp:
    def test_check(self) -> None:
        columns = VIEWS["user"].columns()
        check_columns(columns, ["name", "pss"], "-s", "user")
        with pytest.raises(Stop, match="-s comm: user has no such column; it has name, processes, rss") as stop:
            check_columns(columns, ["pss", "comm"], "-s", "user")
        assert stop.value.code == Exit.USAGE

    def test_list(self) -> None:
        columns = (Column("pid", "id", "its number"), Column("rss", "bytes", "its size"))
        assert column_list(columns, "process") == (
            "columns of --by process:\n  pid  id     its number\n  rss  bytes  its size\n"
        )
