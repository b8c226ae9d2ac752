"""The table of what stopped being shared, and its sums by process."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from moments import Moments, moments
from pagewalk.difference import PAGE_FIGURES, UNSHARED, changes, compare_pages, match, process_ids, unshared, with_pages
from pagewalk.facts import Facts
from pagewalk.table import Table
from pagewalk.views.process import processes
from smallhost import walked

FIGURES = tuple(column.name for column in PAGE_FIGURES)


def by_process(old: Facts, new: Facts, known: bool = True) -> Table:
    before, after = processes(old), processes(new)
    rows = match(before["pid"].tolist(), after["pid"].tolist())
    pages = compare_pages(old, new, match(process_ids(old.spaces), process_ids(new.spaces))) if known else None
    return with_pages(changes(before, after, rows), rows, after["pid"], new, pages)


@given(moments())
def test_mappings_add_up_to_processes(two: Moments) -> None:
    old, new = (walked(machine, mappings=True).facts for machine in (two.old, two.new))
    pages = compare_pages(old, new, match(process_ids(old.spaces), process_ids(new.spaces)))
    table = unshared(new, pages)
    assert table.columns == UNSHARED
    assert (table["bytes"] == table["copied"] + table["left"]).all()
    assert (table["bytes"] + table["shared_now"] > 0).all()
    assert [(row["pid"], row["start"]) for row in table] == sorted({(row["pid"], row["start"]) for row in table})
    assert {row["end"] > row["start"] for row in table} <= {True}
    for row in by_process(old, new):
        mine = table.where(table["pid"] == row["pid"])
        if row["copied"] is not None:
            assert [row[name] for name in FIGURES] == [int(mine[name].sum()) for name in FIGURES]
        else:
            assert not len(mine)


@given(moments())
def test_only_of_some_processes(two: Moments) -> None:
    old, new = (walked(machine, mappings=True).facts for machine in (two.old, two.new))
    pages = compare_pages(old, new, match(process_ids(old.spaces), process_ids(new.spaces)))
    whole = unshared(new, pages)
    parts = [unshared(new, pages, np.arange(len(new.spaces)) == space).to_dicts() for space in range(len(new.spaces))]
    assert sorted((row for part in parts for row in part), key=lambda row: (row["pid"], row["start"])) == list(whole)


def test_processes_of_one_time_are_not_compared() -> None:
    facts = walked(mappings=True).facts
    assert not any(by_process(facts, facts).unknown("copied"))
    some = walked(mappings=[10]).facts
    assert by_process(facts, some).unknown("left").tolist() == [False, True, True]


def test_without_pages_nothing_is_known() -> None:
    facts = walked().facts
    table = by_process(facts, facts, known=False)
    assert table.columns[-3:] == PAGE_FIGURES
    for name in FIGURES:
        assert table.unknown(name).all()
