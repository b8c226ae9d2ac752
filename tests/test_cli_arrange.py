"""From tables to a screen."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

import wholeram
from fakesnapshot import FakeSnapshot
from pagewalk.cli.arrange import balance_section, check_columns, column_list, section_of
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

    @pytest.mark.parametrize(
        ("wishes", "nodes", "descending"),
        [({}, [0, 1], False), ({"reverse": True}, [1, 0], True), ({"sort": "free", "reverse": True}, [1, 0], False)],
    )
    def test_of_the_answer_itself(self, wishes: dict[str, Any], nodes: list[int], descending: bool) -> None:
        section = section_of("node", wholeram.nodes(), VIEWS["node"], asked(**wishes))
        assert section.table["node"].tolist() == nodes
        assert (section.sorted_by, section.descending) == (wishes.get("sort"), descending)
        assert section.measure == "bytes"

    def test_of_the_balance_whatever_is_asked(self) -> None:
        section = balance_section(wholeram.balance(), asked(sort="use", reverse=True, columns=["use"], limit=1))
        assert section.rows()["of"].tolist() == [part[0] for part in wholeram.PARTS]
        assert section.measure is None


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

    def test_numbered_ones_stand_where_they_belong(self) -> None:
        nodes = wholeram.nodes()
        section = section_of("node", nodes, VIEWS["node"], asked(format="text"))
        assert section.shown[-3:] == ("order0", "order1", "order2")
        assert not any(name.startswith("order") for name in arranged(format="text").shown)
        table = FakeSnapshot().processes(nodes=True)
        section = section_of("process", table, VIEWS["process"], asked(format="text"))
        assert section.wanted[5:7] == ("node0", "node1")

    def test_a_number_that_there_is_not(self) -> None:
        with pytest.raises(Stop, match="--columns order7: node has no such column here; it has node, zone"):
            section_of("node", wholeram.nodes(), VIEWS["node"], asked(columns=["order7"]))

    def test_the_screen_of_sharing_counts(self) -> None:
        table = FakeSnapshot().sharing()
        assert "sharers" in section_of("sharing", table, VIEWS["sharing"], asked(format="text")).shown
        assert "sharers" not in section_of("sharing", table, VIEWS["sharing"], asked(format="json")).table
        assert section_of("sharing", table, VIEWS["sharing"], asked(format="text", columns=["owners"])).shown == (
            "owners",
        )


class TestHelp:
    def test_check(self) -> None:
        check_columns(VIEWS["user"], ["name", "pss"], "-s", "user")
        check_columns(VIEWS["node"], ["order12", "free"], "-s", "node")
        with pytest.raises(Stop, match="-s comm: user has no such column; it has name, processes, rss") as stop:
            check_columns(VIEWS["user"], ["pss", "comm"], "-s", "user")
        assert stop.value.code == Exit.USAGE

    def test_list(self) -> None:
        first, *lines = column_list(VIEWS["user"], "it").splitlines()
        columns = VIEWS["user"].columns()
        assert first == "columns of --by it:"
        assert [line.split()[:2] for line in lines] == [[column.name, column.unit] for column in columns]
        assert len({line.index(column.doc) for line, column in zip(lines, columns, strict=True)}) == 1
        assert "elsewhere (FOR OTHERS on a screen)\n" in column_list(VIEWS["cgroup"], "cgroup")
