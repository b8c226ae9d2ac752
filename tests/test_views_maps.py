"""One address space, part by part: the columns of other views beside each other, and the kernel's own words."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakesmaps
import pagewalk
from machines import machines
from model import PAGE, Machine
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.snapshot import Snapshot
from pagewalk.table import SUMMABLE
from pagewalk.tally import FIGURES
from pagewalk.views.folio import folios
from pagewalk.views.mapping import mappings
from pagewalk.views.maps import COLUMNS, GROUP_COLUMNS, maps
from pagewalk.views.partner import partners
from smallhost import host, walked


@pytest.fixture(scope="module")
def told() -> Snapshot:
    """Smaps read too."""
    return walked(mappings=True, vm_flags=True)


def with_kernel(facts: Facts, **figures: list[int]) -> Facts:
    """The facts with other words of the kernel."""
    assert facts.mappings is not None
    columns = {name: np.array(column, np.int64) for name, column in figures.items()}
    return replace(facts, mappings=replace(facts.mappings, kernel={**facts.mappings.kernel, **columns}))


def test_its_columns(told: Snapshot) -> None:
    assert maps(told.facts, 20).columns == COLUMNS
    assert maps(told.facts, 20, group=True).columns == GROUP_COLUMNS
    assert all("the kernel's" in column.doc.lower() for column in COLUMNS if column.name.startswith("kernel_"))


@given(machines(), st.data())
def test_it_says_what_the_other_views_say(machine: Machine, data: st.DataObject) -> None:
    snapshot = walked(machine, mappings=True, vm_flags=True)
    if not len(snapshot.processes()):
        return
    pid = data.draw(st.sampled_from(snapshot.processes()["pid"].tolist()))
    table, objects = maps(snapshot.facts, pid), maps(snapshot.facts, pid, group=True)
    known = mappings(snapshot.facts, pid)
    for name in known.names:
        assert table.select([name]).to_dicts() == known.select([name]).to_dicts(), name
    large = folios(snapshot.facts, pid).totals()
    shared = partners(snapshot.facts, pid)
    for one in (table, objects):
        sums = one.totals()
        assert [sums[f"large_{name}"] for name in ("aligned", "unaligned", "partial")] == [
            large[name] for name in ("aligned", "unaligned", "partial")
        ]
        assert sum(map(sum, one["partner_bytes"])) == shared.totals()["bytes"]
        assert [len(some) for some in one["partners"]] == one["others"].tolist()
        assert (one["hidden"] <= one["rss"] + one["hugetlb"]).all()
        for row in one:
            assert row["partner_bytes"] == sorted(row["partner_bytes"], reverse=True)
            assert row["large_aligned"] + row["large_unaligned"] + row["large_partial"] <= row["rss"] + row["hugetlb"]
    for column in GROUP_COLUMNS:
        if column.unit in SUMMABLE and column.name in table:
            assert objects.totals()[column.name] == table.totals()[column.name], column.name


def test_the_kernels_words_are_those_of_smaps(told: Snapshot) -> None:
    table = maps(told.facts, 20)
    heap = next(iter(table))
    assert (heap["kernel_referenced"], heap["kernel_private_dirty"], heap["kernel_lazy_free"]) == (3 * PAGE, 0, 0)
    assert (heap["kernel_page_size"], heap["kernel_thp_eligible"]) == (PAGE, False)
    assert "rd" in heap["vm_flags"]
    assert heap["kernel_protection_key"] is None, "this smaps has no such line"
    huge = maps(told.facts, 10).where(maps(told.facts, 10)["hugetlb"] > 0)
    assert huge["kernel_page_size"].tolist() == [2 * PAGE]
    assert set(fakesmaps.FIELDS) - fakesmaps.ROLLUP_ONLY <= set(
        told.facts.mappings.kernel if told.facts.mappings else ()
    )


def test_without_smaps_the_kernels_words_are_unknown() -> None:
    facts = walked(mappings=True).facts
    for table in (maps(facts, 20), maps(facts, 20, group=True)):
        for name in table.names:
            is_kernels = name.startswith("kernel_") or name == "vm_flags"
            assert table.unknown(name).all() == is_kernels, name
            assert table.unknown(name).any() == is_kernels, name


def test_a_smaps_that_is_refused_is_a_gap() -> None:
    with host() as procfs:
        os.rename(procfs.path("20/smaps"), procfs.path("20/elsewhere"))
        facts = pagewalk.walk(procfs=procfs, mappings=[10, 20], vm_flags=True).facts
    assert maps(facts, 20).unknown("kernel_referenced").all()
    assert not maps(facts, 10).unknown("kernel_referenced").any()
    (gap,) = (gap for gap in facts.gaps if gap.what == "the kernel's own figures")
    assert gap.pid == 20
    assert "smaps" in gap.reason


def test_swapped_shared_memory_is_what_the_kernel_counts_beyond_ours(told: Snapshot) -> None:
    """Less than ours is no figure: memory came back, or went, between the two readings."""
    kept = told.facts.mappings
    assert kept is not None
    ours = mappings(told.facts)["swap"]  # of all, by pid and address
    rows = np.lexsort((kept.start, told.facts.spaces.pid[kept.space]))
    swap = np.full(len(kept), -1)
    swap[[row for row in rows if kept.name[row] != "[vsyscall]"]] = ours
    for beyond, said in ((0, 0), (5 * PAGE, 5 * PAGE), (-PAGE, None)):
        facts = with_kernel(told.facts, Swap=(swap + beyond).tolist())
        heap = next(iter(maps(facts, 20)))
        assert (heap["swap"], heap["kernel_shmem_swap"]) == (PAGE, said)


def test_of_an_object_one_vma_of_which_is_unknown_nothing_is_said(told: Snapshot) -> None:
    kept = told.facts.mappings
    assert kept is not None
    row = next(
        row for row in range(len(kept)) if kept.name[row] == "[heap]" and told.facts.spaces.pid[kept.space[row]] == 20
    )
    referenced = kept.kernel["Referenced"].tolist()
    referenced[row] = -1
    table = maps(with_kernel(told.facts, Referenced=referenced), 20, group=True)
    assert {one["name"]: one["kernel_referenced"] for one in table} == {
        "[heap]": None,
        "/memfd:w (deleted)": PAGE,
        "/lib/libc.so": 3 * PAGE,
    }


def test_they_must_have_been_kept() -> None:
    with pytest.raises(PagewalkError, match="kept no mappings of pid 10"):
        maps(walked(mappings=[20]).facts, 10)


def test_figures_are_all_there(told: Snapshot) -> None:
    assert set(FIGURES) <= set(maps(told.facts, 20, group=True).names)
