"""What would be freed and what would stay, of the small host: counted by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facttables import facts_of, rows_of, swap_rows
from model import PAGE
from pagewalk.errors import PagewalkError
from pagewalk.groups import Selection, select
from pagewalk.views.freed import COLUMNS, FATES, fates, freed
from smallhost import walked
from test_freeing import made_objects, objects_of

FACTS = dataclasses.replace(walked(freed=True).facts)
SPACES = dataclasses.replace(FACTS.spaces, pgtable=np.full(3, 2 * PAGE))
HOST = dataclasses.replace(FACTS, spaces=SPACES)


def freed_by(*pids: int) -> dict[str, int]:
    """Pages, without zeros."""
    (row,) = freed(HOST, select(HOST.spaces, pids=pids)).to_dicts()
    return {name: figure if name == "processes" else figure // PAGE for name, figure in row.items() if figure}


def fates_of(*pids: int) -> set[tuple[Any, ...]]:
    """Each part: fate, kind, pages, why, name, others."""
    rows = fates(HOST, select(HOST.spaces, pids=pids)).to_dicts()
    return {(r["fate"], r["kind"], r["bytes"] // PAGE, r["why"], r["name"], tuple(r["others"])) for r in rows}


def test_one_process_with_hidden_owners_and_a_memfd_that_others_map() -> None:
    assert freed_by(20) == {"processes": 1, "anon": 2, "pgtable": 2, "bytes": 4, "swap": 1}
    assert fates_of(20) == {
        ("freed", "anon", 2, "sole", "", ()),
        ("freed", "pgtable", 2, "sole", "", ()),
        ("freed", "swap", 1, "sole", "", ()),
        ("stays", "anon", 1, "hidden", "", ()),
        ("stays", "shmem", 1, "shared", "", (11,)),
        ("stays", "file", 3, "shared", "", (10, 11)),
    }


def test_a_memfd_that_another_process_holds_without_that_page() -> None:
    assert freed_by(11) == freed_by(12) == {"processes": 2, "anon": 1, "pgtable": 2, "bytes": 3}
    assert ("stays", "shmem", 1, "held", "/memfd:w (deleted)", (20,)) in fates_of(11)


def test_all_holders_of_a_memfd() -> None:
    assert freed_by(11, 20) == {"processes": 3, "anon": 3, "shmem": 2, "pgtable": 4, "bytes": 9, "swap": 1}
    assert ("freed", "shmem", 2, "nameless", "/memfd:w (deleted)", ()) in fates_of(11, 20)


def test_everybody() -> None:
    assert freed_by(10, 11, 20) == {
        "processes": 4, "anon": 5, "shmem": 2, "pgtable": 6, "bytes": 13, "swap": 2, "hugetlb": 2,
    }  # fmt: skip
    assert fates_of(10, 11, 20) == {
        ("freed", "anon", 5, "sole", "", ()),
        ("freed", "hugetlb", 2, "pool", "", ()),
        ("freed", "shmem", 2, "nameless", "/memfd:w (deleted)", ()),
        ("freed", "pgtable", 6, "sole", "", ()),
        ("freed", "swap", 2, "sole", "", ()),
        ("stays", "anon", 1, "hidden", "", ()),
        ("stays", "file", 4, "cache", "", ()),
    }


def test_nobody() -> None:
    none = Selection(np.zeros(3, bool))
    (row,) = freed(HOST, none).to_dicts()
    assert set(row.values()) == {0}
    assert len(fates(HOST, none)) == 0


def test_page_tables_that_were_not_read() -> None:
    (row,) = freed(FACTS, select(FACTS.spaces, pids=[20])).to_dicts()
    assert (row["anon"], row["pgtable"], row["bytes"]) == (2 * PAGE, None, None)


def test_a_segment_and_a_file_that_lives() -> None:
    assert HOST.objects is not None
    objects = dataclasses.replace(HOST.objects, dies=np.array([False]), name=["/SYSV00000000 (deleted)"])
    facts = dataclasses.replace(HOST, objects=objects)
    rows = fates(facts, select(facts.spaces, pids=[11, 20])).to_dicts()
    assert [(r["bytes"], r["why"]) for r in rows if r["kind"] == "shmem"] == [(2 * PAGE, "segment")]


@given(rows_of, swap_rows, made_objects, st.lists(st.booleans(), min_size=4, max_size=4))
def test_the_parts_are_the_frames_and_the_total(rows: Any, swaps: Any, made: list[Any], chosen: list[bool]) -> None:
    """Frames of a row are at most once in an object here, as they are on a machine."""
    room = [frames for *_, frames in rows]
    objects = []
    for *rest, its, name in made:
        taken = {row: min(n, room[row]) for row, n in its.items() if row < len(rows)}
        for row, n in taken.items():
            room[row] -= n
        objects.append((*rest, {row: n for row, n in taken.items() if n}, name))
    facts = facts_of(rows, swaps, objects=objects_of(objects))
    selection = Selection(np.resize(np.array(chosen), len(facts.spaces)))
    total, parts = freed(facts, selection).to_dicts()[0], fates(facts, selection).to_dicts()
    table = facts.table
    members = set(np.flatnonzero(selection.mask).tolist())
    owned = sum(
        int(table.frames[row])
        for row, number in enumerate(table.set.tolist())
        if members & {space for space, _ in table.sets.members(number)} and table.kind[row] <= 3
    )
    frames = [part for part in parts if part["kind"] in ("anon", "file", "shmem", "hugetlb")]
    assert sum(part["bytes"] for part in frames) == owned * PAGE
    assert total["anon"] == sum(p["bytes"] for p in frames if p["fate"] == "freed" and p["kind"] == "anon")
    assert total["bytes"] == total["anon"] + total["file"] + total["shmem"] + total["pgtable"]


def test_a_walk_that_did_not_look() -> None:
    facts = walked().facts
    for view in (freed, fates):
        with pytest.raises(PagewalkError, match=r"walk\(freed=True\)"):
            view(facts, select(facts.spaces, pids=[20]))


def test_columns() -> None:
    names = [column.name for column in COLUMNS]
    assert {"anon", "file", "shmem", "swap", "bytes"} <= set(names)
    assert [column.name for column in FATES] == ["fate", "kind", "bytes", "why", "name", "others"]
