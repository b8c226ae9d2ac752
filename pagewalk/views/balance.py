"""What lies between our figures and the kernel's: every difference by its name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects
from pagewalk.uses import ANON, KERNEL, RESERVED, SLAB, STATES, USES
from pagewalk.views.use import use_matrix

__all__ = ["COLUMNS", "balance"]

COLUMNS = (
    Column("of", "text", "the use, or the total, that this is a part of"),
    Column("part", "text", "what it is"),
    Column("bytes", "bytes", "how much; the parts of one thing add up to it"),
    Column("source", "text", "where the figure is from"),
)


@dataclass(frozen=True, slots=True)
class _Part:
    of: str
    part: str
    bytes: int
    source: str


def balance(facts: Facts) -> Table:
    """Make the table of parts: of the kernel's memory, of anonymous memory, and of RAM down to MemTotal.

    Parameters
    ----------
    facts : Facts
        Of a walk of all of RAM.

    Returns
    -------
    Table
        COLUMNS.
    """
    matrix = use_matrix(facts) * facts.page_size
    parts = [*_kernel(facts, matrix.sum(axis=1)), *_anon(matrix), *_total(facts, int(matrix.sum()))]
    return Table(
        COLUMNS,
        {
            "of": objects([part.of for part in parts]),
            "part": objects([part.part for part in parts]),
            "bytes": np.array([part.bytes for part in parts], np.int64),
            "source": objects([part.source for part in parts]),
        },
    )


def _kernel(facts: Facts, totals: NDArray[np.int64]) -> list[_Part]:
    """Split the frames that no flag tells apart, as far as the kernel says what they are."""
    accounts, size = facts.accounts, facts.page_size
    if accounts is None:
        return []
    meminfo, vmstat = accounts.meminfo, accounts.vmstat
    managed = sum(zone.managed for zone in accounts.zones) * size
    memmap = (vmstat.get("nr_memmap_pages", 0) + vmstat.get("nr_memmap_boot_pages", 0)) * size
    found = [
        # Deferred initialisation (CONFIG_DEFERRED_STRUCT_PAGE_INIT): MemTotal counts it, no zone manages it yet.
        ("not yet initialised", meminfo.get("MemTotal", 0) - managed if managed else 0, "MemTotal - managed"),
        ("free, on per-CPU lists", sum(zone.per_cpu for zone in accounts.zones) * size, "zoneinfo pagesets"),
        # The memory map is RESERVED where it was made before the allocator was up and its own map was initialised.
        ("memory map", memmap if memmap > totals[RESERVED] else 0, "vmstat nr_memmap_pages, nr_memmap_boot_pages"),
        ("vmalloc, kernel stacks inside", meminfo.get("VmallocUsed", 0), "meminfo VmallocUsed"),
        ("percpu", meminfo.get("Percpu", 0), "meminfo Percpu"),
        ("secondary page tables", meminfo.get("SecPageTables", 0), "meminfo SecPageTables"),
        ("zsmalloc", vmstat.get("nr_zspages", 0) * size, "vmstat nr_zspages"),
        # kmalloc above two pages is Slab for meminfo, and has no flag (mm/slub.c:___kmalloc_large_node).
        ("large kmalloc", max(meminfo.get("Slab", 0) - int(totals[SLAB]), 0), "meminfo Slab - slab"),
    ]
    parts = [_Part("kernel", part, figure, source) for part, figure, source in found if figure > 0]
    rest = int(totals[KERNEL]) - sum(part.bytes for part in parts)
    parts.append(_Part("kernel", "else: drivers, modules, pages of networking", rest, "kernel - the above"))
    stacks = meminfo.get("KernelStack", 0)
    if stacks:
        parts.append(_Part("vmalloc", "kernel stacks", stacks, "meminfo KernelStack"))
    return parts


def _anon(matrix: NDArray[np.int64]) -> list[_Part]:
    """AnonPages counts what is mapped: swap cache and the unmapped pages of large folios are not in it."""
    anon = matrix[USES.index("anon")]
    mapped = int(anon[: STATES.index("mapped_hidden") + 1].sum())
    return [
        _Part(USES[ANON], "mapped", mapped, "frames with owners or a mapcount"),
        _Part(USES[ANON], "unmapped: swap cache, parts of large folios", int(anon.sum()) - mapped, "frames without"),
    ]


def _total(facts: Facts, ram: int) -> list[_Part]:
    """MemTotal is what the allocator was given: RAM without firmware's, the kernel's own text and data and the map."""
    accounts = facts.accounts
    if accounts is None or "MemTotal" not in accounts.meminfo:
        return []
    total = accounts.meminfo["MemTotal"]
    return [
        _Part("System RAM", "MemTotal", total, "meminfo"),
        _Part("System RAM", "reserved at boot, never handed out", ram - total, "iomem - MemTotal"),
    ]
