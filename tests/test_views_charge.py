"""The matrix of cgroups charged and cgroups that map."""

from __future__ import annotations

from typing import Any

import pytest

import fewframes
from model import PAGE
from pagewalk.errors import PagewalkError
from pagewalk.table import Table
from pagewalk.views import charge


def charges(depth: int | None = None, **options: Any) -> Table:
    with fewframes.walked(**options) as snapshot:
        return snapshot.charges(depth)


def matrix(table: Table) -> dict[tuple[str, ...], tuple[float, float, bool]]:
    """Pages, those of them that are hidden too, and whether foreign, by cgroup charged and those that use."""
    rows = {(row["charged_to"], *row["used_by"]): row for row in table}
    assert len(rows) == len(table)
    return {key: (row["bytes"] / PAGE, row["hidden"] / PAGE, row["foreign"]) for key, row in rows.items()}


def test_each_pair_is_a_row() -> None:
    table = charges()
    assert table.columns == charge.COLUMNS
    assert matrix(table) == {
        ("/", "/"): (2, 0, False),
        ("/web", "/web"): (2, 0, False),
        ("/web",): (3, 0, False),  # cache that nobody maps, a page table
        ("/db", "/db"): (1, 1, False),
        ("/db", "/db", "/web"): (1, 0, False),
        ("/db", "/web"): (1, 0, True),  # an unwitting payer
        ("/db",): (2, 1, False),
        ("/db/worker", "/db"): (1, 0, True),
        ("/db/worker", "/db", "/db/worker"): (1, 0, False),
        ("(inode 999)",): (1, 0, False),
    }
    assert table.totals()["bytes"] == 15 * PAGE


def test_the_largest_come_first() -> None:
    sizes = [row["bytes"] for row in charges()]
    assert sizes == sorted(sizes, reverse=True)


def test_folded_rows_are_the_pairs_of_ancestors() -> None:
    assert matrix(charges(1)) == {
        ("/", "/"): (2, 0, False),
        ("/web", "/web"): (2, 0, False),
        ("/web",): (3, 0, False),
        ("/db", "/db"): (3, 1, False),
        ("/db", "/db", "/web"): (1, 0, False),
        ("/db", "/web"): (1, 0, True),
        ("/db",): (2, 1, False),
        ("(inode 999)",): (1, 0, False),
    }
    assert matrix(charges(0)) == {("/", "/"): (9, 1, False), ("/",): (5, 1, False), ("(inode 999)",): (1, 0, False)}


def test_processes_that_were_not_walked_are_hidden() -> None:
    found = matrix(charges(pids=[20]))
    # Of web nobody was seen: what db shares with it, it shares with somebody hidden.
    assert found == {
        ("/",): (2, 2, False),
        ("/web",): (5, 2, False),
        ("/db", "/db"): (2, 2, False),
        ("/db",): (3, 2, False),
        ("/db/worker", "/db"): (2, 1, True),
        ("(inode 999)",): (1, 0, False),
    }


def test_sets_that_were_met_in_another_order_are_one() -> None:
    """Whatever the order in which the processes of two cgroups are folded."""
    pairs = {key for key in matrix(charges()) if len(key) == 3}
    assert pairs == {("/db", "/db", "/web"), ("/db/worker", "/db", "/db/worker")}


def test_nothing_is_charged() -> None:
    with fewframes.walked(files={"kpagecgroup": "\0" * 128 * 8}) as snapshot:
        table = snapshot.charges()
        assert len(table) == 0
        assert table.columns == charge.COLUMNS
        assert snapshot.cgroups().totals()["charged"] == 0


def test_charges_need_all_of_ram() -> None:
    with fewframes.walked(frames="mapped") as snapshot, pytest.raises(PagewalkError, match="frames='all'"):
        snapshot.charges()
