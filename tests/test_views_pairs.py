"""The view of pairs: how much every two share, and each has alone."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
import pagewalk
from facttables import PAGE, SPACES, Row, facts_of, rows_of, spaces_of
from fakeproc import FakeProcFS
from machines import Shape, machines, orders
from model import Kind, Machine
from oracle import Oracle
from pagewalk.errors import PagewalkError
from pagewalk.groups import Selection
from pagewalk.snapshot import Snapshot
from pagewalk.table import Table
from pagewalk.tally import ANON, FILE, KINDS, SHMEM
from pagewalk.views import pairs as pairs_view
from pagewalk.views.pairs import COLUMNS, PROGRAM_COLUMNS, pairs
from smallhost import walked

FIGURES = ("bytes", "anon", "file", "shmem")
SMALL = Shape(sparse_pages=700)
everyone = st.lists(st.booleans(), min_size=SPACES, max_size=SPACES)

# The figures of every two, and of each with itself, which is a set of one.
Told = dict[frozenset[Any], dict[str, int]]


def pages(table: Table) -> list[list[Any]]:
    """The rows, bytes as pages."""
    return [[row[name] // PAGE if name in FIGURES else row[name] for name in row] for row in table]


def told(table: Table) -> Told:
    """Pages of every pair, of which each is there once, the lower one first."""
    one, other = ("program", "with_program") if "program" in table else ("pid", "with_pid")
    found = {frozenset([row[one], row[other]]): {name: row[name] // PAGE for name in FIGURES} for row in table}
    assert len(found) == len(table)
    assert all(row[one] <= row[other] for row in table)
    assert table["bytes"].tolist() == sorted(table["bytes"].tolist(), reverse=True)
    return found


def test_processes_counted_by_hand() -> None:
    table = pairs(walked().facts)
    assert table.columns == COLUMNS
    assert table.names == ("pid", "comm", "with_pid", "with_comm", "bytes", "anon", "file", "shmem")
    assert pages(table) == [
        [10, "php", 11, "php", 4, 0, 4, 0],
        [11, "php", 20, "redis", 4, 0, 3, 1],
        [10, "php", 20, "redis", 3, 0, 3, 0],
        [10, "php", 10, "php", 2, 2, 0, 0],
        [11, "php", 11, "php", 2, 1, 0, 1],
        [20, "redis", 20, "redis", 2, 2, 0, 0],  # without the one that hidden owners have too
    ]


def test_programs_counted_by_hand() -> None:
    table = walked().pairs("program")
    assert table.columns == PROGRAM_COLUMNS
    assert table.names == ("program", "with_program", "bytes", "anon", "file", "shmem")
    assert pages(table) == [
        ["php", "php", 5, 3, 1, 1],
        ["php", "redis", 4, 0, 3, 1],
        ["redis", "redis", 2, 2, 0, 0],
    ]


def test_of_a_selection_the_others_are_owners_all_the_same() -> None:
    snapshot = walked()
    chosen = snapshot.select(pids=[10, 20])
    assert [row[::2] for row in pages(snapshot.pairs(select=chosen))] == [
        [10, 20, 3, 3],
        [10, 10, 2, 0],
        [20, 20, 2, 0],
    ]
    # php is one process of two: what it shares with the other it has not alone.
    assert pages(snapshot.pairs("program", chosen)) == [
        ["php", "redis", 3, 0, 3, 0],
        ["php", "php", 2, 2, 0, 0],
        ["redis", "redis", 2, 2, 0, 0],
    ]


@pytest.mark.parametrize("by", ["process", "program"])
def test_of_nobody(by: str) -> None:
    snapshot = walked()
    table = snapshot.pairs(by, Selection(np.zeros(3, bool)))
    assert (len(table), table.names) == (0, snapshot.pairs(by).names)
    alone: list[Row] = [(((0, 1),), ANON, 1, 0, 7)]
    # Who has nothing alone and shares nothing is still there.
    assert sorted(row["bytes"] // PAGE for row in pairs(facts_of(alone), by)) == [0] * (4 if by == "process" else 1) + [
        7
    ]


def test_other_pairs_are_not_known() -> None:
    with pytest.raises(PagewalkError, match="pairs by 'user' are not known; there are 'process' and 'program'"):
        pairs(facts_of([]), "user")


def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = facts_of([])
    monkeypatch.setattr(pairs_view, "MOST", SPACES)
    assert len(pairs(facts)) == SPACES
    monkeypatch.setattr(pairs_view, "MOST", 4)
    with pytest.raises(
        PagewalkError, match=r"^5 address spaces have too many pairs, 4 can be had: select some of them, or"
    ):
        pairs(facts)
    assert len(pairs(facts, selection=Selection(np.arange(SPACES) < 4))) == 4
    monkeypatch.setattr(pairs_view, "MOST", 1)
    with pytest.raises(PagewalkError, match=r"^2 programs have too many pairs, 1 can be had: select some of them$"):
        pairs(facts, "program")


def test_equal_ones_stand_by_pid_whatever_the_order_of_the_walk() -> None:
    rows: list[Row] = [(tuple((space, 1) for space in range(SPACES)), FILE, SPACES, 0, 3)]
    for pids in ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [2, 5, 1, 3, 4]):
        table = pairs(facts_of(rows, spaces=spaces_of(pids=[(pid,) for pid in pids])))
        two = list(zip(table["pid"].tolist(), table["with_pid"].tolist(), strict=True))
        assert two[:10] == sorted(combinations(range(1, 6), 2), key=lambda pair: pair[::-1])
        assert two[10:] == [(pid, pid) for pid in range(1, 6)]


def test_nothing_is_lost_in_a_large_count() -> None:
    rows: list[Row] = [(((0, 1), (1, 2)), FILE, 3, 0, 1 << 40)]
    assert pages(pairs(facts_of(rows)))[0][4] == 1 << 40


@given(rows_of, everyone, st.permutations(range(SPACES)))
def test_pairs_are_those_of_the_rows(rows: list[Row], chosen: list[bool], pids: list[int]) -> None:
    """Against a dictionary of sets, whatever the pids and who is selected."""
    spaces = spaces_of(pids=[(10 + pid,) for pid in pids])
    facts = facts_of(rows, spaces=spaces)
    by_pid = {10 + pid: {space} for space, pid in enumerate(pids)}
    by_program = {"p0": {0, 2, 4}, "p1": {1, 3}}
    for selection in (None, Selection(np.array(chosen))):
        members = {space for space in range(SPACES) if selection is None or chosen[space]}
        for by, groups in (("process", by_pid), ("program", by_program)):
            assert told(pairs(facts, by, selection)) == counted(rows, groups, members)


def counted(rows: list[Row], groups: Mapping[Any, set[int]], members: set[int]) -> Told:
    there = {label: group & members for label, group in groups.items() if group & members}
    found: defaultdict[frozenset[Any], Counter[str]] = defaultdict(Counter)
    found.update({frozenset([label]): Counter() for label in there})
    for path, kind, mapcount, _, frames in rows:
        if kind not in (ANON, FILE, SHMEM):
            continue
        owners = {space for space, _ in path}
        is_hidden = mapcount > sum(times for _, times in path)
        meets = [frozenset(two) for two in combinations(there, 2) if all(there[label] & owners for label in two)]
        alone = [frozenset([label]) for label in there if owners and owners <= there[label] and not is_hidden]
        for pair in meets + alone:
            found[pair] += Counter({"bytes": frames, KINDS[kind]: frames})
    return {pair: {name: figures[name] for name in FIGURES} for pair, figures in found.items()}


@given(data=st.data(), machine=machines(SMALL))
def test_pairs_equal_the_oracle_in_any_order(data: st.DataObject, machine: Machine) -> None:
    with fakeproc.made(machine) as root:
        snapshot = pagewalk.walk(procfs=FakeProcFS(machine, root, data.draw(orders(machine))))
    oracle = Oracle(machine)
    by_pid: dict[Any, set[int]] = {oracle.pids(space)[0]: {space} for space in oracle.spaces}
    programs = oracle.groups(lambda process: os.fsdecode(process.comm))
    by_program: dict[Any, set[int]] = {str(name): group for name, group in programs.items()}
    for by, groups in (("process", by_pid), ("program", by_program)):
        table = snapshot.pairs(by)
        said = told(table)
        truth = {pair: figures_of(kinds) for pair, kinds in oracle.pairs(groups).items()}
        assert said == truth
        check_laws(snapshot, oracle, by, groups, said)


def figures_of(kinds: Counter[Kind]) -> dict[str, int]:
    return {"bytes": kinds.total(), **{kind.value: kinds[kind] for kind in (Kind.ANON, Kind.FILE, Kind.SHMEM)}}


def check_laws(snapshot: Snapshot, oracle: Oracle, by: str, groups: Mapping[Any, set[int]], said: Told) -> None:
    """One with itself is its uss; two share no more than either has, and each has more only by what it has alone."""
    table = snapshot.processes() if by == "process" else snapshot.programs()
    uss = {row["pid" if by == "process" else "name"]: row["uss"] for row in table}
    assert {label: said[frozenset([label])]["bytes"] * PAGE for label in groups} == uss
    rss = {label: oracle.group(group)["rss"] for label, group in groups.items()}
    for pair, figures in said.items():
        assert figures["bytes"] == sum(figures[name] for name in FIGURES[1:])
        if len(pair) == 2:
            assert 0 < figures["bytes"] * PAGE <= min(rss[label] - uss[label] for label in pair)
