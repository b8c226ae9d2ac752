"""Figures that follow from facts, against fractions over the rows; and what holds of them whatever the rows are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facttables import PAGE, SPACES, Path, Row, facts_of, rows_of, spaces_of, swap_rows
from pagewalk.abi import KPF
from pagewalk.accounts import Places
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.groups import Selection, group_by
from pagewalk.tally import ANON, FIGURES, FILE, HUGETLB, KINDS, SHMEM, SPECIAL, ZERO

Swaps = list[tuple[Path, int]]


def seen(row: Row) -> int:
    return sum(times for _, times in row[0])


def hidden(row: Row) -> int:
    return max(row[2] - seen(row), 0)


def resident(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[0] and row[1] <= SHMEM]


def is_dirty(row: Row) -> bool:
    """The rows have no frame with a copy in swap."""
    return bool(row[3] & KPF.DIRTY) or row[3] & (KPF.ANON | KPF.SWAPBACKED) == KPF.ANON | KPF.SWAPBACKED


def figures(facts: Facts, row: int) -> dict[str, int]:
    return {name: int(column[row]) for name, column in facts.process_figures.items()}


@given(rows_of, swap_rows)
def test_pss_adds_up_to_the_mapped_memory(rows: list[Row], swaps: Swaps) -> None:
    """To the byte, hidden owners counted; swap likewise; and nobody is two bytes off."""
    facts = facts_of(rows, swaps)
    pss, swap_pss = facts.process_figures["pss"], facts.process_figures["swap_pss"]
    mapped = sum(frames for *_, frames in resident(rows))
    assert facts.mapped_frames == mapped
    assert pss.sum() + facts.hidden_pss == mapped * PAGE
    assert swap_pss.sum() == sum(slots for _, slots in swaps) * PAGE == facts.swap_slots * PAGE
    for space in range(SPACES):
        mine = [row for row in resident(rows) if space in dict(row[0])]
        exact = sum((Fraction(row[4] * PAGE, len(row[0]) + hidden(row)) for row in mine), Fraction())
        assert abs(pss[space] - exact) < 2
        swapped = [Fraction(slots * PAGE, len(path)) for path, slots in swaps if space in dict(path)]
        assert abs(swap_pss[space] - sum(swapped)) < 2
    unseen = [Fraction(row[4] * PAGE * hidden(row), len(row[0]) + hidden(row)) for row in resident(rows)]
    assert abs(facts.hidden_pss - sum(unseen, Fraction())) < 2


@given(rows_of, swap_rows)
def test_figures_hang_together(rows: list[Row], swaps: Swaps) -> None:
    facts = facts_of(rows, swaps)
    assert tuple(facts.process_figures) == FIGURES
    for space in range(SPACES):
        said = figures(facts, space)
        assert all(value >= 0 for value in said.values())
        assert said["anon"] + said["file"] + said["shmem"] == said["rss"]
        assert said["shared_clean"] + said["shared_dirty"] == said["shared"] == said["rss"] - said["uss"]
        assert said["private_clean"] + said["private_dirty"] == said["private"]
        assert said["uss"] <= said["pss"] <= said["rss"] + 1
        assert said["swap_uss"] <= said["swap_pss"] <= said["swap"] + 1
        assert said["thp"] <= said["anon"]
        mine = [row for row in rows if space in dict(row[0])]
        assert said["rss"] == sum(row[4] * dict(row[0])[space] for row in resident(mine)) * PAGE
        sole = [row for row in resident(mine) if len(row[0]) == 1 and not hidden(row)]
        assert said["uss"] == sum(row[4] for row in sole) * PAGE
        dirty = sum(row[4] * dict(row[0])[space] for row in resident(mine) if is_dirty(row))
        assert said["shared_dirty"] == (dirty - sum(row[4] for row in sole if is_dirty(row))) * PAGE
        assert said["hugetlb"] == sum(row[4] * dict(row[0])[space] for row in mine if row[1] == HUGETLB) * PAGE
        assert said["swap"] == sum(slots * dict(path).get(space, 0) for path, slots in swaps) * PAGE


@given(
    rows_of,
    swap_rows,
    st.lists(st.sampled_from("abcdefghij"), min_size=SPACES, max_size=SPACES),
    st.lists(st.booleans(), min_size=SPACES, max_size=SPACES),
)
def test_a_group_counts_a_frame_once(rows: list[Row], swaps: Swaps, keys: list[str], chosen: list[bool]) -> None:
    facts = facts_of(rows, swaps)
    grouping = group_by(facts.spaces, keys, Selection(np.array(chosen)))
    said = facts.group_figures(grouping)
    assert tuple(said) == FIGURES
    for number, name in enumerate(grouping.names):
        members = {k for k in range(SPACES) if keys[k] == name and chosen[k]}
        mine = [row for row in resident(rows) if members & dict(row[0]).keys()]
        assert said["rss"][number] == sum(row[4] for row in mine) * PAGE
        whole = [row for row in mine if dict(row[0]).keys() <= members and not hidden(row)]
        assert said["uss"][number] == sum(row[4] for row in whole) * PAGE
        assert said["shared"][number] == said["rss"][number] - said["uss"][number]
        for figure in ("pss", "swap_pss"):
            assert said[figure][number] == sum(int(facts.process_figures[figure][k]) for k in members)
        assert said["swap"][number] == sum(slots for path, slots in swaps if members & dict(path).keys()) * PAGE
        own = sum(slots for path, slots in swaps if dict(path).keys() <= members)
        assert said["swap_uss"][number] == own * PAGE
    assert all(len(column) == len(grouping.names) for column in said.values())


def test_a_frame_mapped_twice_by_its_only_owner_is_its_own() -> None:
    """The kernel calls it shared, for its mapcount is 2 (DESIGN section 2)."""
    said = figures(facts_of([(((1, 2),), SHMEM, 2, KPF.SWAPBACKED, 10)]), 1)
    assert {name: value for name, value in said.items() if value} == {
        "rss": 20 * PAGE,
        "pss": 10 * PAGE,
        "uss": 10 * PAGE,
        "shared": 10 * PAGE,
        "shared_clean": 10 * PAGE,
        "shmem": 20 * PAGE,
    }


def test_what_belongs_to_no_rss() -> None:
    """The zero page, special PTEs and hugetlb: only the last has a figure."""
    rows: list[Row] = [(((0, 1),), kind, 0, 0, 7) for kind in (HUGETLB, ZERO, SPECIAL)]
    facts = facts_of(rows)
    assert {name: value for name, value in figures(facts, 0).items() if value} == {"hugetlb": 7 * PAGE}
    assert facts.mapped_frames == 0


def test_nobody_at_all() -> None:
    facts = facts_of([], spaces=spaces_of(0))
    assert (facts.mapped_frames, facts.hidden_pss, facts.swap_slots) == (0, 0, 0)
    assert all(len(column) == 0 for column in facts.process_figures.values())
    assert facts.group_figures(group_by(facts.spaces, []))["rss"].tolist() == []
    assert facts.coverage()["mapped_frames"] == 0


# Whole machines


@given(rows_of, swap_rows)
def test_memory_by_kind(rows: list[Row], swaps: Swaps) -> None:
    said = facts_of(rows, swaps).kind_figures()
    assert list(said) == [*KINDS, "swap"]
    for number, kind in enumerate(KINDS):
        mine = [row for row in rows if row[1] == number and row[0]]
        sole = sum(row[4] for row in mine if len(row[0]) == 1 and not hidden(row))
        total = sum(row[4] for row in mine)
        unseen = sum(row[4] for row in mine if hidden(row))
        expected = {"bytes": total, "private": sole, "shared": total - sole, "hidden": unseen}
        assert said[kind] == {name: frames * PAGE for name, frames in expected.items()}
    slots, own = sum(n for _, n in swaps), sum(n for path, n in swaps if len(path) == 1)
    assert said["swap"] == {"bytes": slots * PAGE, "private": own * PAGE, "shared": (slots - own) * PAGE, "hidden": 0}


@given(rows_of)
def test_coverage(rows: list[Row]) -> None:
    facts = facts_of(rows, processes=7, refused=2, vanished=3)
    said = facts.coverage()
    counted = [row for row in resident(rows) if row[2] >= 0]

    def frames(some: list[Row]) -> int:
        return sum(row[4] for row in some)

    assert said == {
        "processes": 7,
        "address_spaces": SPACES,
        "refused": 2,
        "vanished": 3,
        "mapped_frames": frames(resident(rows)),
        "explained_frames": frames([row for row in counted if row[2] == seen(row)]),
        "hidden_frames": frames([row for row in counted if row[2] > seen(row)]),
        "hidden_mappings": sum(row[4] * hidden(row) for row in counted),
        "hidden_pss": facts.hidden_pss,
        "drifted_frames": frames([row for row in counted if row[2] < seen(row)]),
        "uncounted_frames": frames([row for row in resident(rows) if row[2] < 0]),
        "hugetlb_frames": frames([row for row in rows if row[0] and row[1] == HUGETLB]),
        "counted_frames": frames(counted),
        "spared_frames": 0,
        "special_frames": frames([row for row in rows if row[0] and row[1] in (ZERO, SPECIAL)]),
    }
    known = ("explained_frames", "hidden_frames", "drifted_frames", "uncounted_frames")
    assert sum(said[name] for name in known) == said["mapped_frames"]


# Where frames are


def test_the_nodes_of_frames() -> None:
    facts = facts_of([(((0, 1),), ANON, 1, 0, 5), (((0, 2), (1, 1)), FILE, 3, 0, 7), (((1, 1),), ZERO, 0, 0, 9)])
    for number, zone in enumerate((2, 1, 2)):
        facts.table.zone[number] = zone
    placed = facts_of([], table=facts.table, places=Places(((-1, ""), (0, "DMA"), (3, "Normal")), ()))
    told = {node: column.tolist() for node, column in placed.node_figures().items()}
    assert told == {0: [14 * PAGE, 7 * PAGE, 0, 0, 0], 3: [5 * PAGE, 0, 0, 0, 0]}


def test_where_frames_are_must_have_been_asked() -> None:
    facts = facts_of([])
    with pytest.raises(PagewalkError, match=r"walk\(nodes=True\)"):
        facts.node_figures()
    with pytest.raises(PagewalkError, match=r"walk\(frames='all'\)"):
        facts.in_ram  # noqa: B018
