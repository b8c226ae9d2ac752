"""The view of processes: its columns, its rows, and every figure of a machine counted by hand."""

from __future__ import annotations

import pwd

import numpy as np
import pytest

from facttables import facts_of, spaces_of
from pagewalk.accounts import Places
from pagewalk.errors import PagewalkError
from pagewalk.groups import Selection
from pagewalk.tally import ANON, FIGURES
from pagewalk.views.process import COLUMNS, estimated_processes, node_columns, processes
from smallhost import counted, walked

PAGE = 4096
# DESIGN section 7, to the letter: a contract.
NAMES = (
    "pid", "pids", "comm", "cmdline", "user", "uid", "cgroup", "vss", "rss", "pss", "uss", "shared", "private", "anon",
    "file", "shmem", "thp", "hugetlb", "ksm", "shared_clean", "shared_dirty", "private_clean", "private_dirty", "swap",
    "swap_pss", "swap_uss",
)  # fmt: skip

# In pages: counted by hand from smallhost.
BY_HAND = {
    10: counted(
        "vss=10 rss=6 uss=2 shared=4 private=2 anon=2 file=4 hugetlb=2 shared_clean=4 private_clean=1 "
        "private_dirty=1 swap=1"
    ),
    11: counted("vss=12 rss=8 uss=2 shared=6 private=2 anon=1 file=4 shmem=3 shared_clean=6 private_dirty=2 swap=1"),
    20: counted(
        "vss=13 rss=7 uss=2 shared=5 private=2 anon=3 file=3 shmem=1 thp=2 shared_clean=4 shared_dirty=1 "
        "private_dirty=2 swap=1 swap_uss=1"
    ),
}
PARTS = {
    10: {"pss": 2 + 3 / 3 + 1 / 2, "swap_pss": 1 / 2},
    11: {"pss": 2 + 1 / 2 + 3 / 3 + 1 / 2, "swap_pss": 1 / 2},
    20: {"pss": 2 + 1 / 3 + 1 / 2 + 3 / 3, "swap_pss": 1},
}


def test_its_columns_are_those_of_the_contract() -> None:
    table = processes(walked().facts)
    assert table.names == tuple(column.name for column in COLUMNS) == NAMES
    assert table.columns == COLUMNS
    assert [column.unit for column in COLUMNS] == ["id", "list", "text", "text", "text", "id", "text"] + ["bytes"] * 19
    assert all(column.doc for column in COLUMNS)


def test_figures_counted_by_hand() -> None:
    rows = processes(walked().facts).to_dicts()
    assert [row["pid"] for row in rows] == [10, 11, 20]
    for row in rows:
        pages = {name: row[name] / PAGE for name in ("vss", *FIGURES) if row[name] and "pss" not in name}
        assert pages == BY_HAND[row["pid"]]
        for name, part in PARTS[row["pid"]].items():
            assert abs(row[name] - part * PAGE) <= 1


def test_what_is_said_beside_them() -> None:
    first, second, third = processes(walked().facts).to_dicts()
    assert (first["pids"], second["pids"], third["pids"]) == ([10], [11, 12], [20])
    assert (first["comm"], first["cmdline"], first["cgroup"]) == ("php", "php -f a b", "/web")
    assert (first["uid"], first["user"]) == (0, pwd.getpwuid(0).pw_name)
    assert (third["uid"], third["cmdline"]) == (33, "redis-server *:6379")


def test_a_selection_shows_some_and_counts_all() -> None:
    snapshot = walked()
    all_rows = {row["pid"]: row for row in snapshot.processes().to_dicts()}
    chosen = processes(snapshot.facts, snapshot.select(pids=[20, 12])).to_dicts()
    assert chosen == [all_rows[11], all_rows[20]]
    assert processes(snapshot.facts, Selection(np.zeros(3, bool))).to_dicts() == []


def test_rows_are_by_process_id_whatever_the_order_of_folding() -> None:
    facts = facts_of([(((0, 1),), ANON, 1, 0, 5)], spaces=spaces_of(3, pids=[(30,), (4, 90), (7,)]))
    table = processes(facts)
    assert table["pid"].tolist() == [4, 7, 30]
    assert table["rss"].tolist() == [0, 0, 5 * PAGE]
    assert table["comm"].tolist() == ["p1", "p0", "p0"]


def test_what_is_not_known_is_not_zero() -> None:
    facts = facts_of([], spaces=spaces_of(2, uid=np.array([0, -1])), ksm_known=False)
    rows = processes(facts).to_dicts()
    assert [row["ksm"] for row in rows] == [None, None]
    assert [row["uid"] for row in rows] == [0, None]
    assert [row["user"] for row in rows] == ["root", None]
    assert processes(facts_of([], spaces=spaces_of(1))).to_dicts()[0]["ksm"] == 0


# Nodes


def test_nodes_are_columns_behind() -> None:
    facts = facts_of([(((0, 2),), ANON, 1, 0, 5)])
    facts.table.zone[0] = 2
    placed = facts_of([], table=facts.table, places=Places(((-1, ""), (0, "DMA"), (3, "Normal")), ()))
    table = processes(placed, nodes=True)
    assert table.columns == (*COLUMNS, *node_columns([0, 3]))
    assert (table.names[-2:], table.column("node3").unit) == (("node0", "node3"), "bytes")
    assert table["node3"].tolist() == [10 * PAGE, 0, 0, 0, 0]
    assert table["node0"].tolist() == [0] * 5
    assert processes(placed).names == NAMES


def test_nodes_must_have_been_asked_for() -> None:
    with pytest.raises(PagewalkError, match="nodes=True"):
        processes(walked().facts, nodes=True)


# The kernel's own estimate


def test_an_estimate_has_the_same_columns() -> None:
    spaces = spaces_of(3, pids=[(9,), (5,), (7,)])
    figures = {name: np.array([3, 1, 2]) * 10 for name in FIGURES}
    unknown = {name: np.array([True, False, name == "ksm"]) for name in FIGURES}
    table = estimated_processes(spaces, figures, unknown)
    assert table.columns == COLUMNS
    assert table["pid"].tolist() == [5, 7, 9]
    assert [row["pss"] for row in table.to_dicts()] == [10, 20, None]
    assert [row["ksm"] for row in table.to_dicts()] == [10, None, None]
    some = estimated_processes(spaces, figures, unknown, Selection(np.array([True, False, True])))
    assert [row["rss"] for row in some.to_dicts()] == [20, None]
