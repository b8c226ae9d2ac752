"""The tables of the summary."""

from __future__ import annotations

from typing import Any

import pytest

import wholeram
from fakesnapshot import NAMES, FakeSnapshot
from pagewalk.cli.summary import summary_sections
from pagewalk.cli.views import Question
from pagewalk.table import Table
from pagewalk.uses import USES
from test_cli_arrange import asked
from wholeram import DB, JOB


class Machine(FakeSnapshot):
    """With so many cgroups, and payers only if told."""

    def __init__(self, cgroups: int = 4, pays: bool = True) -> None:
        super().__init__()
        self.count, self.pays = cgroups, pays

    def cgroups(self, depth: int | None = None) -> Table:
        rows = wholeram.cgroups(depth).to_dicts()[: self.count]
        return wholeram.rows_of(
            wholeram.cgroups().columns, [row if self.pays else {**row, "charged_not_used": 0} for row in rows]
        )


def made(
    machine: FakeSnapshot | None = None,
    is_selected: bool = False,
    has_books: bool = True,
    depth: int | None = None,
    **wishes: Any,
) -> dict[str, Any]:
    snapshot: Any = machine or FakeSnapshot()
    question = Question(depth=depth)
    return {s.key: s for s in summary_sections(snapshot, question, asked(**wishes), is_selected, has_books)}


class TestKeys:
    @pytest.mark.parametrize("style", ["json", "ndjson"])
    def test_of_machine_formats(self, style: str) -> None:
        assert list(made(format=style)) == ["use", "kinds", "program", "cgroup", "sharing"]

    @pytest.mark.parametrize("style", ["text", "plain"])
    def test_for_people(self, style: str) -> None:
        assert list(made(format=style)) == ["use", "program", "cgroup", "sharing"]

    @pytest.mark.parametrize("style", ["text", "plain", "json"])
    def test_without_all_of_ram(self, style: str) -> None:
        assert list(made(has_books=False, format=style)) == ["kinds", "program", "sharing"]

    @pytest.mark.parametrize("style", ["text", "plain", "json"])
    def test_of_a_selection(self, style: str) -> None:
        assert list(made(is_selected=True, format=style)) == ["program", "sharing"]


class TestUses:
    def test_are_all_there_whatever_number_is_asked_for(self) -> None:
        use = made(format="json", limit=3)["use"]
        assert set(use.rows()["use"]) == set(USES)
        assert use.rows()["bytes"].tolist() == sorted(use.rows()["bytes"], reverse=True)
        assert made(limit=3)["program"].limit == 3

    def test_end_with_their_total_on_a_screen(self) -> None:
        assert [made(format=style)["use"].totals for style in ("text", "plain", "json")] == [True, False, False]
        assert made(totals=True)["use"].totals

    def test_kinds_that_there_are_not_are_for_programs(self) -> None:
        kinds = made(has_books=False)["kinds"]
        assert len(kinds.table) == 3


class TestPayers:
    def test_those_that_pay_for_others_the_largest_bill_first(self) -> None:
        table = made()["cgroup"].table
        assert table["path"].tolist() == [DB, JOB]
        assert made(depth=1)["cgroup"].table["path"].tolist() == ["/jobs"]

    def test_programs_see_all(self) -> None:
        assert len(made(format="json")["cgroup"].table) == 4
        assert len(made(Machine(pays=False), format="json")["cgroup"].table) == 4

    @pytest.mark.parametrize("machine", [Machine(pays=False), Machine(cgroups=1), Machine(cgroups=0)])
    def test_are_left_out_where_nobody_pays_for_another(self, machine: Machine) -> None:
        assert list(made(machine)) == ["use", "program", "sharing"]


def test_programs_stand_beside_the_rest() -> None:
    assert {key: section.side for key, section in made(format="text").items()} == {
        "use": "",
        "program": "left",
        "cgroup": "right",
        "sharing": "right",
    }
    assert len(made()["sharing"].table) == len(NAMES)
