"""The views of changes: what they show, in what order."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
import pytest

import pagewalk
from laterhost import LATER
from pagewalk.cli.changes import CHANGES, change_section, changed_rows, uses_that_changed, with_marks
from pagewalk.compared import COLUMNS, Difference
from pagewalk.difference import change_columns
from pagewalk.table import Column, Table, objects
from pagewalk.uses import USES
from pagewalk.views import use
from smallhost import walked

# The last column of plain records may hold spaces; no other does.
WITH_SPACES = {"name", "cmdline", "path"}


@pytest.fixture(scope="module")
def difference() -> Difference:
    return pagewalk.diff(walked(mappings=True), walked(LATER, mappings=True))


def asked(**wishes: Any) -> Namespace:
    none: dict[str, Any] = {
        "format": "plain", "sort": None, "reverse": False, "columns": None, "limit": None, "totals": False,
    }  # fmt: skip
    return Namespace(**{**none, **wishes})


class TestViews:
    def test_each_question_has_one(self) -> None:
        assert CHANGES.keys() == COLUMNS.keys()

    @pytest.mark.parametrize("key", CHANGES)
    def test_they_show_columns_that_there_are(self, key: str) -> None:
        view = CHANGES[key]
        known = {column.name for column in view.columns()}
        shown, wanted, plain = (set(text.split()) for text in (view.shown, view.wanted, view.plain))
        assert shown <= known
        assert wanted == shown
        assert plain <= known
        assert view.measure in plain
        assert set(view.labels) <= known
        assert view.plain.split()[-1] in WITH_SPACES or WITH_SPACES.isdisjoint(view.plain.split())


def change_table(names: str, figures: list[tuple[int, int]], unknown: tuple[int, ...] = ()) -> Table:
    old, new = (np.array([figure[k] for figure in figures], np.int64) for k in (0, 1))
    return Table(
        change_columns((Column("name", "text", "it"), Column("pss", "bytes", "what it has"))),
        {
            "name": objects(names),
            "state": objects(["new" if a == 0 and b else "gone" if a and b == 0 else "same" for a, b in figures]),
            "pss": new - old,
            "pss_old": old,
            "pss_new": new,
        },
        {"pss": np.isin(np.arange(len(figures)), unknown)},
    )


TABLE = change_table("abcde", [(5, 5), (9, 2), (0, 3), (4, 0), (7, 8)])


class TestRows:
    def test_what_changed(self) -> None:
        assert changed_rows(TABLE).tolist() == [False, True, True, True, True]
        assert changed_rows(change_table("ab", [(0, 0), (7, 8)], unknown=(1,))).tolist() == [False, False]

    def test_the_greatest_change_first_whichever_way(self) -> None:
        view = CHANGES["program"]
        section = change_section("program", TABLE, view, asked())
        assert section.table["name"].tolist() == ["b", "d", "c", "e"]
        assert section.signed == {"pss"}
        assert section.shown == ("state", "pss", "pss_old", "pss_new", "name")
        backwards = change_section("program", TABLE, view, asked(reverse=True))
        assert backwards.table["name"].tolist() == ["e", "c", "d", "b"]

    def test_growth_or_decrease_first_where_asked(self) -> None:
        for reverse, names in ((False, ["c", "e", "d", "b"]), (True, ["b", "d", "e", "c"])):
            section = change_section("program", TABLE, CHANGES["program"], asked(sort="pss", reverse=reverse))
            assert section.table["name"].tolist() == names

    def test_all_where_asked(self) -> None:
        assert len(change_section("program", TABLE, CHANGES["program"], asked(), keep_all=True).table) == 5

    def test_unknown_ones_come_last(self) -> None:
        table = change_table("abc", [(1, 2), (1, 99), (9, 0)], unknown=(1,))
        section = change_section("program", table, CHANGES["program"], asked(), keep_all=True)
        assert section.table["name"].tolist() == ["c", "a", "b"]

    def test_what_has_no_state_is_shown_whole(self, difference: Difference) -> None:
        section = change_section("unshared", difference.unshared(), CHANGES["unshared"], asked())
        assert section.table["pid"].tolist() == [10, 20]
        assert not section.signed


class TestForPeople:
    def test_only_new_and_gone_are_marked(self) -> None:
        assert with_marks(TABLE).sort("name", descending=False)["state"].tolist() == ["", "", "new", "gone", ""]
        assert "state" not in with_marks(change_table("ab", [(1, 2), (3, 2)]))

    def test_states_that_nothing_went_to(self) -> None:
        columns = change_columns(use.COLUMNS)
        n = len(USES)
        data: dict[str, Any] = {column.name: np.zeros(n, np.int64) for column in columns}
        data |= {"use": objects(USES), "state": objects(["same"] * n)}
        data["dirty"] = np.arange(n) - 3
        table = uses_that_changed(Table(columns, data))
        assert "dirty" in table
        assert "inactive" not in table
        assert {"use", "bytes", "kernel_bytes"} <= set(table.names)

    @pytest.mark.parametrize("key", ["process", "program", "user", "mapping"])
    def test_each_has_a_section(self, difference: Difference, key: str) -> None:
        from pagewalk.cli.views import Question

        table = CHANGES[key].ask(difference, Question())
        section = change_section(key, table, CHANGES[key], asked(format="text"))
        assert 0 < len(section.table) < len(table) + 1
        assert set(section.wanted) == set(section.shown)
        assert "pss" in section.signed
        assert "copied" not in section.signed
