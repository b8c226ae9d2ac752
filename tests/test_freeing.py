"""What the end of groups would free: against sets of owners and of holders."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facttables import PAGE, SPACES, facts_of, rows_of, swap_rows
from pagewalk.abi import KPF
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.freeing import freed_column, freeing, of_file
from pagewalk.groups import Grouping
from pagewalk.objects import ObjectFacts
from pagewalk.tally import ANON, FILE, HUGETLB, SHMEM

# An object: whether it dies, its size in pages (-1 unknown), its holders, and frames by row.
made_objects = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(-1, 40),
        st.sets(st.integers(0, SPACES - 1), min_size=1),
        st.dictionaries(st.integers(0, 9), st.integers(1, 9), max_size=4),
        st.sampled_from(["/memfd:a (deleted)", "/tmp/b (deleted)"]),
    ),
    max_size=4,
)


def objects_of(made: list[Any]) -> ObjectFacts:
    pairs = [(space, number) for number, (_, _, holders, _, _) in enumerate(made) for space in sorted(holders)]
    frames = [(number, row, n) for number, (_, _, _, rows, _) in enumerate(made) for row, n in rows.items()]
    columns = np.array(frames, np.int64).reshape(-1, 3).T
    zeros = np.zeros(len(made), np.uint32)
    holder, held = np.array(pairs, np.int64).reshape(-1, 2).T
    return ObjectFacts(
        name=[name for *_, name in made],
        major=zeros,
        minor=zeros,
        inode=np.arange(len(made), dtype=np.uint64),
        dies=np.array([dies for dies, *_ in made], bool),
        allocated=np.array([pages * PAGE if pages >= 0 else -1 for _, pages, *_ in made], np.int64),
        holder=holder,
        held=held,
        object=columns[0],
        row=columns[1],
        frames=columns[2],
    )


def of_an_object(
    facts: Facts, members: set[int], dies: bool, pages: int, holders: set[int], rows: dict[int, int], name: str
) -> dict[str, int]:
    """What an object gives back at the end of these address spaces."""
    out = {"shmem": 0, "file": 0, "hugetlb": 0, "unmapped": 0}
    if not dies or not holders <= members:
        return out
    table, shared = facts.table, 0
    for row, frames in rows.items():
        kind = int(table.kind[row])
        its = {SHMEM: "shmem", FILE: "file", HUGETLB: "hugetlb"}.get(kind)
        if its is None or (kind == HUGETLB and int(table.flags[row]) & KPF.ANON):
            continue
        shared += frames if kind == SHMEM else 0
        out[its] += 0 if table.hidden[row] else frames * PAGE
    if pages >= 0 and (name.startswith("/memfd:") or shared):
        out["unmapped"] = max(pages - shared, 0) * PAGE
    return out


def expected(facts: Facts, made: list[Any], of_space: list[int], groups: int) -> dict[str, list[int]]:
    """The same by sets, one group at a time."""
    table = facts.table
    out: dict[str, list[int]] = {
        name: [0] * groups for name in ("anon", "hugetlb", "shmem", "file", "swap", "unmapped", "pgtable")
    }
    for group in range(groups):
        members = {space for space, its in enumerate(of_space) if its == group}
        out["pgtable"][group] = sum(int(facts.spaces.pgtable[space]) for space in members)
        for row, number in enumerate(table.set.tolist()):
            owners = {space for space, _ in table.sets.members(number)}
            if not owners or not owners <= members or table.hidden[row]:
                continue
            frames = int(table.frames[row]) * PAGE
            if table.kind[row] == ANON:
                out["anon"][group] += frames
            elif table.kind[row] == HUGETLB and int(table.flags[row]) & KPF.ANON:
                out["hugetlb"][group] += frames
        for number, slots in zip(table.swap_set.tolist(), table.swap_slots.tolist(), strict=True):
            if {space for space, _ in table.sets.members(number)} <= members:
                out["swap"][group] += slots * PAGE
        for its in made:
            for name, figure in of_an_object(facts, members, *its).items():
                out[name][group] += figure
    return out


@given(rows_of, swap_rows, made_objects, st.lists(st.integers(0, 2), min_size=SPACES, max_size=SPACES))
def test_each_group_by_itself(rows: Any, swaps: Any, made: list[Any], of_space: list[int]) -> None:
    made = [(*rest, {row: n for row, n in its.items() if row < len(rows)}, name) for *rest, its, name in made]
    facts = facts_of(rows, swaps, objects=objects_of(made))
    # The last group is that of all who were not selected: of their end nothing is asked.
    grouping = Grouping(["a", "b"], np.array(of_space), np.zeros(2, np.int64))
    free = freeing(facts, grouping)
    wanted = expected(facts, made, of_space, 2)
    assert {name: getattr(free, name).tolist() for name in wanted} == wanted
    ram, unknown = freed_column(facts, grouping)
    assert ram.tolist() == [
        sum(wanted[name][group] for name in ("anon", "shmem", "file", "pgtable")) for group in (0, 1)
    ]
    assert not unknown.any()


def test_page_tables_that_could_not_be_read_make_the_sum_unknown() -> None:
    facts = facts_of([(((0, 1),), ANON, 1, 0, 5)], objects=objects_of([]))
    spaces = dataclasses.replace(facts.spaces, pgtable=np.array([-1, *[PAGE] * (SPACES - 1)]))
    facts = dataclasses.replace(facts, spaces=spaces)
    grouping = Grouping(["a", "b"], np.array([0] + [1] * (SPACES - 1)), np.zeros(2, np.int64))
    ram, unknown = freed_column(facts, grouping)
    assert unknown.tolist() == [True, False]
    assert ram.tolist() == [5 * PAGE, (SPACES - 1) * PAGE]


def test_a_walk_that_did_not_look() -> None:
    facts = facts_of([])
    grouping = Grouping(["a"], np.zeros(SPACES, np.int64), np.zeros(1, np.int64))
    assert freed_column(facts, grouping)[1].tolist() == [True]
    with pytest.raises(PagewalkError, match=r"walk\(freed=True\)"):
        freeing(facts, grouping)


def test_what_ends_with_its_file() -> None:
    rows = [
        ((), kind, 1, flags, 1)
        for kind, flags in ((ANON, KPF.ANON), (FILE, 0), (SHMEM, 0), (HUGETLB, 0), (HUGETLB, KPF.ANON))
    ]
    assert of_file(facts_of(rows)).tolist() == [False, True, True, True, False]
