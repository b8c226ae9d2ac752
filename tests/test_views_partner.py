"""Who else owns the frames of each part: against a walk over single pages."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines import machines
from model import PAGE, Kind, Machine, Present
from pagewalk.errors import PagewalkError
from pagewalk.views.partner import COLUMNS, partners, shared_with
from pagewalk.views.parts import parts_of
from smallhost import walked

BY_HAND = [
    ("/memfd:w (deleted)", 20, "redis", 2),  # its first page, which 11 maps twice
    ("/lib/libc.so", 10, "php", 4),
    ("/lib/libc.so", 20, "redis", 3),
]


def test_counted_by_hand() -> None:
    table = partners(walked(mappings=True).facts, 11)
    assert table.columns[-3:] == COLUMNS
    assert set(table.names[:4]) == {"start", "end", "inode", "name"}
    rows = [(row["name"], row["partner"], row["comm"], row["bytes"] // PAGE) for row in table]
    assert rows == BY_HAND


def test_by_object() -> None:
    table = partners(walked(mappings=True).facts, 11, group=True)
    assert set(table.names) == {"inode", "name", "partner", "comm", "bytes"}
    assert [(row["name"], row["partner"], row["comm"], row["bytes"] // PAGE) for row in table] == BY_HAND


def test_hidden_owners_have_no_name() -> None:
    facts = walked(mappings=True).facts
    parts = parts_of(facts, 20)
    shared = shared_with(facts, parts)
    assert dict(zip(parts.data["name"].tolist(), shared.hidden.tolist(), strict=True)) == {
        "[heap]": 1,
        "/memfd:w (deleted)": 0,
        "/lib/libc.so": 0,
    }
    alone = walked(mappings=[20], pids=[20]).facts
    assert len(partners(alone, 20)) == 0
    hidden = shared_with(alone, parts_of(alone, 20)).hidden.tolist()
    assert hidden == [1, 1, 3]


def test_they_must_have_been_kept() -> None:
    with pytest.raises(PagewalkError, match="kept no mappings of pid 10"):
        partners(walked(mappings=[20]).facts, 10)


@given(machines(), st.booleans(), st.data())
def test_as_a_walk_over_pages_says(machine: Machine, group: bool, data: st.DataObject) -> None:
    snapshot = walked(machine, mappings=True)
    spaces = snapshot.facts.spaces
    if not len(spaces):
        return
    me = data.draw(st.sampled_from(range(len(spaces))))
    table = partners(snapshot.facts, int(spaces.pid[me]), group)
    space_of = {process.pid: process.space for process in machine.processes if process.space is not None}
    owned = [
        Counter(entry.pfn for _, _, entry in machine.pages(space_of[int(pid)]) if isinstance(entry, Present))
        for pid in spaces.pid.tolist()
    ]
    expected: Counter[tuple[object, ...]] = Counter()
    for vma, _, entry in machine.pages(space_of[int(spaces.pid[me])]):
        if not isinstance(entry, Present) or machine.frames[entry.pfn].kind in (Kind.ZERO, Kind.SPECIAL):
            continue
        part = (vma.name, vma.inode) if group else vma.start
        for other, frames in enumerate(owned):
            if other != me and entry.pfn in frames:
                expected[part, int(spaces.pid[other])] += PAGE
    found: Counter[tuple[object, ...]] = Counter()
    for row in table:
        part = (row["name"], row["inode"]) if group else row["start"]
        assert row["comm"] == spaces.comm[spaces.pid.tolist().index(row["partner"])]
        found[part, row["partner"]] += row["bytes"]
    assert sum(found.values()) == sum(expected.values())
    if not group:
        assert found == expected
        for start in set(table["start"].tolist()):
            mine = table.where(table["start"] == start)
            order = [(-row["bytes"], row["partner"]) for row in mine]
            assert order == sorted(order)
