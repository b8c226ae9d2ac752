"""What lies between our figures and the kernel's, by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fewframes
from fakebooks import managed
from model import PAGE
from pagewalk.facts import Facts
from pagewalk.views import balance, use
from test_views_use import meminfo

KIB = 1024
ELSE = "else: drivers, modules, pages of networking"
KERNEL = 49  # frames that no flag tells apart


def facts(meminfo_text: str = "", vmstat: str = "", **files: str) -> Facts:
    with fewframes.walked(files={"meminfo": meminfo_text, "vmstat": vmstat, **files}) as snapshot:
        return snapshot.facts


def parts(of: Facts, thing: str) -> dict[str, int]:
    return {row["part"]: row["bytes"] for row in balance.balance(of) if row["of"] == thing}


def test_nothing_known_leaves_all_of_it_unexplained() -> None:
    of = facts(zoneinfo="")
    assert balance.balance(of).columns == balance.COLUMNS
    assert parts(of, "kernel") == {ELSE: KERNEL * PAGE}
    assert parts(of, "System RAM") == {}


# Each account that splits the kernel's memory: its line, and what makes it known. A page here is 4 KiB or more.
ACCOUNTS = [
    ("vmalloc, kernel stacks inside", {"VmallocUsed": 12}, ""),
    ("percpu", {"Percpu": 8}, ""),
    ("secondary page tables", {"SecPageTables": 4}, ""),
    ("zsmalloc", {}, "nr_zspages 3\n"),
    ("large kmalloc", {"Slab": 4 * PAGE // KIB}, ""),
]


@pytest.mark.parametrize(("part", "figures", "vmstat"), ACCOUNTS, ids=[name for name, *_ in ACCOUNTS])
def test_each_account_is_a_part_of_the_kernels(part: str, figures: dict[str, int], vmstat: str) -> None:
    text = meminfo(**{"MemTotal": None, "Slab": None, **figures})
    found = parts(facts(text, vmstat, zoneinfo=""), "kernel")
    expected = {"zsmalloc": 3 * PAGE, "large kmalloc": 3 * PAGE}.get(part, sum(figures.values()) * KIB)
    assert found == {part: expected, ELSE: KERNEL * PAGE - expected}


def test_free_frames_on_the_lists_of_cpus() -> None:
    """fakebooks: one on node 0, two on node 1."""
    assert parts(facts(), "kernel") == {"free, on per-CPU lists": 3 * PAGE, ELSE: (KERNEL - 3) * PAGE}


def test_memory_not_handed_out_yet() -> None:
    """Where struct pages are made lazily MemTotal counts what no zone manages yet."""
    given_out = (managed([0] * 39) + managed([0] * 32)) * PAGE
    total = given_out // KIB + 12
    found = parts(facts(meminfo(MemTotal=total, Slab=0)), "kernel")
    assert found["not yet initialised"] == 12 * KIB
    assert sum(found.values()) == KERNEL * PAGE


def test_without_zones_nothing_says_what_was_handed_out() -> None:
    assert "not yet initialised" not in parts(facts(meminfo(), zoneinfo=""), "kernel")
    assert "not yet initialised" not in parts(facts(meminfo(MemTotal=None)), "kernel")


def test_the_memory_map_is_the_kernels_unless_it_is_reserved() -> None:
    larger = "nr_memmap_pages 1\nnr_memmap_boot_pages 2\n"
    assert parts(facts(vmstat=larger, zoneinfo=""), "kernel")["memory map"] == 3 * PAGE
    # One frame is RESERVED: a map of as much is taken to be that.
    assert "memory map" not in parts(facts(vmstat="nr_memmap_boot_pages 1\n", zoneinfo=""), "kernel")


def test_kernel_stacks_are_shown_within_vmalloc() -> None:
    of = facts(meminfo(VmallocUsed=40, KernelStack=16))
    assert parts(of, "vmalloc") == {"kernel stacks": 16 * KIB}


def test_anonymous_memory_is_mapped_or_not() -> None:
    assert parts(facts(), "anon") == {
        "mapped": 5 * PAGE,
        "unmapped: swap cache, parts of large folios": 0,
    }


def test_ram_is_memtotal_and_what_was_reserved() -> None:
    assert parts(facts(meminfo(MemTotal=40)), "System RAM") == {
        "MemTotal": 40 * KIB,
        "reserved at boot, never handed out": 71 * PAGE - 40 * KIB,
    }


def test_every_part_says_where_it_is_from() -> None:
    of = facts(meminfo(VmallocUsed=40, KernelStack=16, Percpu=4), "nr_zspages 3\n")
    assert all(row["source"] and row["part"] for row in balance.balance(of))


figures = st.dictionaries(
    st.sampled_from(["MemTotal", "VmallocUsed", "Percpu", "SecPageTables", "Slab", "KernelStack"]),
    st.integers(0, 10_000),
)
counters = st.dictionaries(
    st.sampled_from(["nr_zspages", "nr_memmap_pages", "nr_memmap_boot_pages"]), st.integers(0, 1000)
)


@given(said=figures, pages=counters)
def test_the_parts_add_up_to_what_they_are_parts_of(said: dict[str, int], pages: dict[str, int]) -> None:
    """Whatever the kernel says: figures that are too large make the rest negative, and are not cut to fit."""
    text = "".join(f"{name}: {kib} kB\n" for name, kib in said.items())
    of = facts(text, "".join(f"{name} {count}\n" for name, count in pages.items()))
    rows = {row["use"]: row["bytes"] for row in use.uses(of)}
    assert sum(parts(of, "kernel").values()) == rows["kernel"]
    assert sum(parts(of, "anon").values()) == rows["anon"]
    ram = parts(of, "System RAM")
    assert sum(ram.values()) == (71 * PAGE if "MemTotal" in said else 0)
    names = [(row["of"], row["part"]) for row in balance.balance(of)]
    assert len(set(names)) == len(names)
