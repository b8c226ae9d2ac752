"""The view of sharing: who has what together with whom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facttables import PAGE, SPACES, Row, facts_of, rows_of
from pagewalk.groups import Selection
from pagewalk.tally import ANON, FILE, KINDS, SHMEM
from pagewalk.views.sharing import COLUMNS, sharing
from smallhost import walked


def told(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[name] if isinstance(row[name], list) else int(str(row[name])) / PAGE for name in row)


def test_counted_by_hand() -> None:
    table = sharing(walked().facts)
    assert table.columns == COLUMNS
    assert table.names == ("owners", "comms", "bytes", "anon", "file", "shmem", "hidden")
    first, *rest = [told(row) for row in table.to_dicts()]
    assert first == ([10, 11, 20], ["php", "redis"], 3, 0, 3, 0, 0)
    # What redis shares with nobody seen, and yet does not have alone.
    assert sorted(rest, key=str) == [
        ([10, 11], ["php"], 1, 0, 1, 0, 0),
        ([11, 20], ["php", "redis"], 1, 0, 0, 1, 0),
        ([20], ["redis"], 1, 1, 0, 0, 1),
    ]


def test_a_selection_shows_sets_with_one_of_it() -> None:
    snapshot = walked()
    rows = sharing(snapshot.facts, snapshot.select(pids=[10])).to_dicts()
    assert [row["owners"] for row in rows] == [[10, 11, 20], [10, 11]]
    assert sharing(snapshot.facts, Selection(np.zeros(3, bool))).to_dicts() == []


@pytest.mark.parametrize(("limit", "rows"), [(None, 4), (0, 0), (1, 1), (3, 3), (99, 4)])
def test_a_limit(limit: int | None, rows: int) -> None:
    snapshot = walked()
    everything = sharing(snapshot.facts).to_dicts()
    assert sharing(snapshot.facts, limit=limit).to_dicts() == everything[:rows]
    chosen = sharing(snapshot.facts, snapshot.select(pids=[20]), limit).to_dicts()
    assert chosen == [row for row in everything if 20 in row["owners"]][: 3 if limit is None else limit]


def test_a_frame_of_one_owner_is_not_shared_however_often_it_is_mapped() -> None:
    rows: list[Row] = [(((1, 2),), SHMEM, 2, 0, 5), (((0, 1),), ANON, 1, 0, 7)]
    assert sharing(facts_of(rows)).to_dicts() == []


@given(rows_of, st.lists(st.booleans(), min_size=SPACES, max_size=SPACES))
def test_sets_are_those_of_the_rows(rows: list[Row], chosen: list[bool]) -> None:
    """How often an owner maps a frame makes no other set of it; the largest come first."""
    facts = facts_of(rows)
    sets: dict[tuple[int, ...], dict[str, int]] = {}
    for path, kind, mapcount, _, frames in rows:
        hidden = mapcount - sum(times for _, times in path) > 0
        if kind in (ANON, FILE, SHMEM) and path and len(path) + hidden > 1:
            figures = sets.setdefault(tuple(10 + space for space, _ in path), dict.fromkeys(table_figures, 0))
            for name in ("bytes", KINDS[kind], *(["hidden"] if hidden else [])):
                figures[name] += frames * PAGE
    for selection in (None, Selection(np.array(chosen))):
        said = sharing(facts, selection).to_dicts()
        assert {tuple(row["owners"]): {name: row[name] for name in table_figures} for row in said} == {
            owners: figures
            for owners, figures in sets.items()
            if selection is None or any(chosen[pid - 10] for pid in owners)
        }
        assert [row["bytes"] for row in said] == sorted((row["bytes"] for row in said), reverse=True)
        assert all(row["comms"] == sorted({f"p{(pid - 10) % 2}" for pid in row["owners"]}) for row in said)


table_figures = ("bytes", "anon", "file", "shmem", "hidden")
