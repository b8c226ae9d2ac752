"""Tables as people read them."""

from __future__ import annotations

import wholeram
from fakesnapshot import NAMES, FakeSnapshot
from pagewalk.cli import people
from pagewalk.uses import STATES
from pagewalk.views import cgroup, charge
from wholeram import DB, JOB, WEB


def test_sharers_are_counted() -> None:
    table = FakeSnapshot().sharing()
    made = people.with_sharers(table)
    assert made["sharers"].tolist() == [3] * len(NAMES)
    assert made.select(table.names).to_dicts() == table.to_dicts()


class TestUses:
    def test_those_that_there_are_and_they_add_up(self) -> None:
        made = people.uses_there_are(wholeram.uses())
        assert set(made["use"]) == set(wholeram.BOOKS)
        states = [state for state in STATES if state.startswith("mapped") and state in made]
        for row in made:
            assert sum(row[state] for state in states) + row["unmapped"] == row["bytes"]
        assert int(made["bytes"].sum()) == wholeram.RAM
        assert made.unknown("kernel_bytes").any()

    def test_states_that_nothing_is_in_are_left_out(self) -> None:
        made = people.uses_there_are(wholeram.uses())
        assert "unevictable" not in made
        assert {"mapped_one", "mapped_several", "mapped_hidden", "dirty", "none"} <= set(made.names)

    def test_one_that_only_the_kernel_knows_of_stays(self) -> None:
        table = wholeram.uses()
        poison = {**people.changed(table, {}).to_dicts()[1], "kernel_bytes": 4096, "difference": -4096}
        assert poison["use"] == "poison"
        made = people.uses_there_are(wholeram.rows_of(table.columns, [poison]))
        assert made["use"].tolist() == ["poison"]

    def test_of_nodes(self) -> None:
        made = people.uses_of_nodes(wholeram.nodes())
        assert "hugetlb" not in made
        assert "poison" not in made
        assert {"free", "anon", "slab", "order2", "fragmentation"} <= set(made.names)


class TestBalance:
    def test_what_a_part_is_of_is_said_once_and_ram_first(self) -> None:
        made = people.parts_together(wholeram.balance())
        assert made["of"].tolist() == ["System RAM", "", "kernel", "", "anon", ""]
        assert made["part"][0] == "MemTotal"
        assert made["bytes"].sum() == wholeram.balance()["bytes"].sum()


class TestCgroups:
    def test_names_and_no_path_that_is_no_news(self) -> None:
        made = people.cgroups_by_name(wholeram.cgroups())
        assert dict(zip(made["path"], made["name"], strict=True))[DB] == "db.service"
        plain = [{"path": "/a", "name": "/a"}, {"path": "/b", "name": "/b"}]
        assert "path" not in people.cgroups_by_name(wholeram.rows_of(cgroup.COLUMNS, plain))

    def test_two_of_one_name_have_their_paths(self) -> None:
        paths = ["/a.slice/x.service", "/b.slice/x.service", "/c.slice/y.service"]
        names = people.names_of(paths)
        assert names == {paths[0]: paths[0], paths[1]: paths[1], paths[2]: "y.service"}

    def test_an_unknown_figure_stays_unknown(self) -> None:
        assert people.cgroups_by_name(wholeram.cgroups()).unknown("kernel_slab").all()


class TestCharges:
    def test_words_for_whose_they_are(self) -> None:
        made = people.charges_by_name(wholeram.charges())
        rows = [(row["charged_to"], row["used_by"], row["foreign"]) for row in made]
        assert rows == [
            ("db.service", "itself", ""),
            ("web.service", "itself", ""),
            ("db.service", "nobody", ""),
            ("db.service", "web.service", "foreign"),
            (JOB, "db.service, web.service (2 cgroups)", "foreign"),
            ("/", "nobody", ""),
        ]

    def test_columns_that_say_nothing_are_left_out(self) -> None:
        row = {"charged_to": WEB, "used_by": (WEB,), "bytes": 4096, "hidden": 0, "foreign": False}
        assert people.charges_by_name(wholeram.rows_of(charge.COLUMNS, [row])).names == (
            "bytes",
            "charged_to",
            "used_by",
        )

    def test_records_keep_the_paths(self) -> None:
        made = people.charges_of_nobody(wholeram.charges())
        assert made["used_by"].tolist()[2:4] == [("nobody",), (WEB,)]
