"""Uses by state, beside the kernel's own figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import fewframes
from books import STATES, USES, Ram, Stretch
from model import PAGE, Frame, Kind
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.views import use

KIB = 1024
MEMINFO = {
    "MemTotal": 9000, "MemFree": 100, "Buffers": 11, "Cached": 70, "AnonPages": 40, "Shmem": 30, "Slab": 4,
    "PageTables": 8, "Hugetlb": 0, "HardwareCorrupted": 4,
}  # fmt: skip


def meminfo(**changes: int | None) -> str:
    figures = {name: kib for name, kib in {**MEMINFO, **changes}.items() if kib is not None}
    return "".join(f"{name}: {kib:10} kB\n" for name, kib in figures.items())


def facts(files: dict[str, str] | None = None) -> Facts:
    with fewframes.walked(files=files) as snapshot:
        return snapshot.facts


def test_each_frame_of_ram_is_in_one_cell() -> None:
    matrix = use.use_matrix(facts())
    cells = {
        (USES[row], STATES[column]): int(matrix[row, column]) for row, column in zip(*np.nonzero(matrix), strict=True)
    }
    assert cells == {
        ("offline", "none"): 1,
        ("poison", "none"): 1,
        ("free", "none"): 3,
        ("pgtable", "none"): 1,
        ("slab", "none"): 1,
        ("anon", "mapped_one"): 3,
        ("anon", "mapped_several"): 1,
        ("anon", "mapped_hidden"): 1,
        ("shmem", "mapped_one"): 2,
        ("shmem", "mapped_several"): 1,
        ("shmem", "dirty"): 1,
        ("file", "mapped_one"): 2,
        ("file", "mapped_several"): 1,
        ("file", "active"): 1,
        ("file", "inactive"): 1,
        ("reserved", "none"): 1,
        ("kernel", "none"): 71 - 22,
    }


def test_rows_and_columns_add_up() -> None:
    of = facts()
    table = use.uses(of)
    assert table.columns == use.COLUMNS
    rows = list(table)
    assert [row["use"] for row in rows] == USES
    assert all(row["bytes"] == sum(row[state] for state in STATES) for row in rows)
    assert table.totals()["bytes"] == 71 * PAGE
    assert of.places is not None
    assert of.places.frames == 71


def test_the_kernels_figures_stand_beside() -> None:
    rows = {row["use"]: row for row in use.uses(facts({"meminfo": meminfo(), "zoneinfo": ""}))}
    kernel = {name: row["kernel_bytes"] for name, row in rows.items()}
    assert kernel == {
        "offline": None,
        "poison": 4 * KIB,
        "free": 100 * KIB,
        "pgtable": 8 * KIB,
        "slab": 4 * KIB,
        "hugetlb": 0,
        "zero": None,
        "anon": 40 * KIB,
        "shmem": 30 * KIB,
        "file": (70 + 11 - 30) * KIB,
        "reserved": None,
        "kernel": None,
    }
    for row in rows.values():
        known = row["kernel_bytes"] is not None
        assert row["difference"] == (row["bytes"] - row["kernel_bytes"] if known else None)


def test_free_memory_is_what_the_zones_have() -> None:
    """MemFree may count what has not been handed to the zones yet."""
    figures = use.kernel_figures(facts({"meminfo": meminfo(MemFree=8000)}))
    # fakebooks: half of the frames of each zone.
    assert figures["free"] == (39 // 2 + 32 // 2) * PAGE


@pytest.mark.parametrize("absent", sorted(MEMINFO))
def test_an_absent_figure_is_unknown_and_not_0(absent: str) -> None:
    told = facts({"meminfo": meminfo(), "zoneinfo": ""})
    lacking = facts({"meminfo": meminfo(**{absent: None}), "zoneinfo": ""})
    before, after = use.kernel_figures(told), use.kernel_figures(lacking)
    concerned = {
        "MemFree": {"free"}, "Buffers": {"file"}, "Cached": {"file"}, "AnonPages": {"anon"}, "Shmem": {"shmem", "file"},
        "Slab": {"slab"}, "PageTables": {"pgtable"}, "Hugetlb": {"hugetlb"}, "HardwareCorrupted": {"poison"},
    }.get(absent, set())  # fmt: skip
    assert {name for name in before if before.get(name) != after.get(name)} == concerned
    assert all(after.get(name) is None for name in concerned)
    table = use.uses(lacking)
    for row in table:
        assert (row["kernel_bytes"] is None) == (row["use"] in concerned or before.get(row["use"]) is None)


def test_frames_outside_of_ram_are_in_no_row() -> None:
    """A device's memory among the frame numbers: owned, but not RAM."""
    of = fewframes.machine()
    ram = Ram(((1, 3),), (Stretch(0, 128, 0, "Normal"),))
    with fewframes.walked(dataclasses.replace(of, ram=ram, leftovers={})) as snapshot:
        assert use.use_matrix(snapshot.facts).sum() == 2
        assert snapshot.coverage()["mapped_frames"] == 10


def test_what_pagemap_alone_shows_is_no_cache() -> None:
    """A page that vm_normal_page refuses, or one given back since: the kernel counts no mapping of it."""
    of = fewframes.machine()
    held = {**of.machine.frames, 9: Frame(9, Kind.SPECIAL)}
    with fewframes.walked(dataclasses.replace(of, machine=dataclasses.replace(of.machine, frames=held))) as snapshot:
        matrix = use.use_matrix(snapshot.facts)
        assert snapshot.nodes().totals()["file"] == 4 * PAGE
    assert (matrix[USES.index("file")].sum(), matrix[USES.index("kernel")].sum()) == (4, 50)


def test_what_the_kernel_calls_no_page_is_a_hole() -> None:
    """Up to 6.15 a hole within a range of iomem says so."""
    of = facts()
    nopage = np.where(of.table.flags == 0, np.uint64(1 << 20), of.table.flags)
    holed = dataclasses.replace(of, table=dataclasses.replace(of.table, flags=nopage))
    assert use.use_matrix(holed).sum() == 71 - 49
    assert use.use_matrix(holed)[USES.index("kernel")].sum() == 0


def test_uses_need_all_of_ram() -> None:
    with fewframes.walked(frames="mapped") as snapshot, pytest.raises(PagewalkError, match="frames='all'"):
        snapshot.uses()
    with (
        fewframes.walked(frames="mapped", nodes=True) as snapshot,
        pytest.raises(PagewalkError, match="frames='all'"),
    ):
        snapshot.uses()
