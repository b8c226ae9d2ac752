"""One address space, part by part: our figures, large folios, who else owns the frames, and the kernel's own words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects
from pagewalk.tally import FIGURES
from pagewalk.views.figures import FIGURE_COLUMNS, unknown_figures
from pagewalk.views.folio import cover_of
from pagewalk.views.mapping import COLUMNS as MAPPING_COLUMNS
from pagewalk.views.mapping import mapping_figures
from pagewalk.views.partner import shared_with
from pagewalk.views.parts import OBJECT_COLUMNS, VMA_COLUMNS, Parts, parts_of

__all__ = ["COLUMNS", "GROUP_COLUMNS", "maps"]

Ints = NDArray[np.int64]

LARGE_COLUMNS = (
    Column("large_aligned", "bytes", "pages of whole large folios at a multiple of their size, see `folios`"),
    Column("large_unaligned", "bytes", "pages of whole large folios at another address"),
    Column("large_partial", "bytes", "pages of large folios that are not mapped whole and in one piece"),
)
PARTNER_COLUMNS = (
    Column("hidden", "bytes", "pages whose frames have hidden owners too"),
    Column("others", "id", "number of other owners of these frames"),
    Column("partners", "list", "their process IDs, the one with most of these frames first"),
    Column("partner_comms", "list", "their names, in that order"),
    Column("partner_bytes", "list", "bytes of these pages whose frames they own too, in that order"),
)
# The kernel's own figures: by our column, the name in smaps. What no page shows, and only smaps knows.
KERNELS = {
    "kernel_referenced": "Referenced",
    "kernel_shared_dirty": "Shared_Dirty",
    "kernel_private_dirty": "Private_Dirty",
    "kernel_lazy_free": "LazyFree",
    "kernel_locked": "Locked",
    "kernel_anon_huge_pages": "AnonHugePages",
    "kernel_shmem_pmd_mapped": "ShmemPmdMapped",
    "kernel_file_pmd_mapped": "FilePmdMapped",
}
# And what it says of a VMA that does not add up.
KERNEL_TRAITS = {
    "kernel_page_size": "KernelPageSize",
    "kernel_mmu_page_size": "MMUPageSize",
    "kernel_thp_eligible": "THPeligible",
    "kernel_protection_key": "ProtectionKey",
}
SHMEM_SWAP = "kernel_shmem_swap"
KERNEL_COLUMNS = (
    Column("kernel_referenced", "bytes", "the kernel's (smaps): pages used of late"),
    Column("kernel_shared_dirty", "bytes", "the kernel's: pages with a mapcount above 1 whose PTE or folio is dirty"),
    Column("kernel_private_dirty", "bytes", "the kernel's: pages with a mapcount of 1 whose PTE or folio is dirty"),
    Column("kernel_lazy_free", "bytes", "the kernel's: pages given up with MADV_FREE, and not taken yet"),
    Column("kernel_locked", "bytes", "the kernel's: its Pss where memory is locked"),
    Column("kernel_anon_huge_pages", "bytes", "the kernel's: anonymous memory mapped by PMDs"),
    Column("kernel_shmem_pmd_mapped", "bytes", "the kernel's: shared memory mapped by PMDs"),
    Column("kernel_file_pmd_mapped", "bytes", "the kernel's: page cache mapped by PMDs"),
    Column(SHMEM_SWAP, "bytes", "swapped shared memory: the kernel's Swap without the pages that pagemap shows"),
)
TRAIT_COLUMNS = (
    Column("kernel_page_size", "id", "the kernel's: bytes of a page here"),
    Column("kernel_mmu_page_size", "id", "the kernel's: bytes of a page of the MMU here"),
    Column("kernel_thp_eligible", "flag", "the kernel's: whether it may get transparent huge pages"),
    Column("kernel_protection_key", "id", "the kernel's: memory protection key"),
)
VM_FLAGS = MAPPING_COLUMNS[-1]

COLUMNS = (
    *VMA_COLUMNS,
    *FIGURE_COLUMNS,
    *LARGE_COLUMNS,
    *PARTNER_COLUMNS,
    *KERNEL_COLUMNS,
    *TRAIT_COLUMNS,
    VM_FLAGS,
)
GROUP_COLUMNS = (
    *OBJECT_COLUMNS,
    *FIGURE_COLUMNS,
    *LARGE_COLUMNS,
    *PARTNER_COLUMNS,
    *KERNEL_COLUMNS,
)


def maps(facts: Facts, pid: int, group: bool = False) -> Table:
    """Make the table of what a process maps. Its columns of bytes add up to those of the process.

    Parameters
    ----------
    facts : Facts
        Of a walk that kept its mappings.
    pid : int
        The process.
    group : bool
        One row an object that it maps (a file, ``[heap]``, anonymous memory) instead of one a VMA.

    Returns
    -------
    Table
        COLUMNS, by address; or GROUP_COLUMNS, by the first address. The kernel's own figures are unknown unless smaps
        was read, and of a VMA that changed before it was.

    Raises
    ------
    PagewalkError
        The walk kept no mappings, or none of this process.
    """
    parts = parts_of(facts, pid, group)
    data = dict(parts.data)
    figures = mapping_figures(facts, parts.kept)
    data |= {name: parts.sums(figures[name]) for name in FIGURES}
    data |= _large(facts, parts) | _partners(facts, parts)
    kernel, unknown = _kernels(parts, figures["swap"])
    data |= kernel
    unknown |= unknown_figures(facts, len(parts))
    if not group:
        traits, unknown_traits = _traits(parts)
        data |= traits
        unknown |= unknown_traits
    return Table(GROUP_COLUMNS if group else COLUMNS, data, unknown)


def _large(facts: Facts, parts: Parts) -> dict[str, NDArray[np.generic]]:
    cover = cover_of(facts, parts)
    amounts = (cover.aligned, cover.unaligned, cover.partial)
    return {
        column.name: parts.counted(cover.vma, amount) * facts.page_size
        for column, amount in zip(LARGE_COLUMNS, amounts, strict=True)
    }


def _partners(facts: Facts, parts: Parts) -> dict[str, NDArray[np.generic]]:
    shared = shared_with(facts, parts)
    cuts = np.searchsorted(shared.part, np.arange(len(parts) + 1)).tolist()
    columns = {
        "partners": facts.spaces.pid[shared.space].tolist(),
        "partner_comms": [facts.spaces.comm[space] for space in shared.space.tolist()],
        "partner_bytes": (shared.pages * facts.page_size).tolist(),
    }
    data: dict[str, NDArray[np.generic]] = {
        name: objects(tuple(cells[low:high]) for low, high in pairwise(cuts)) for name, cells in columns.items()
    }
    data["hidden"] = shared.hidden * facts.page_size
    data["others"] = np.diff(cuts).astype(np.int64)
    return data


def _kernels(parts: Parts, swap: Ints) -> tuple[dict[str, NDArray[np.generic]], dict[str, NDArray[np.bool_]]]:
    """Return the sums of the kernel's own figures, and of which parts they are not known."""
    nothing = np.full(len(parts.kept), -1, np.int64)
    said = {name: parts.kept.kernel.get(field, nothing) for name, field in KERNELS.items()}
    # Swapped tmpfs has no entry in a pagemap (mm/shmem.c:shmem_swap_usage), so what the kernel counts beyond ours.
    # Less than ours: memory went to swap, or came back, between the two readings.
    kernels_swap = parts.kept.kernel.get("Swap", nothing)
    said[SHMEM_SWAP] = np.where(kernels_swap >= swap, kernels_swap - swap, -1)
    data: dict[str, NDArray[np.generic]] = {name: parts.sums(column) for name, column in said.items()}
    return data, {name: ~parts.every(column >= 0) for name, column in said.items()}


def _traits(parts: Parts) -> tuple[dict[str, NDArray[np.generic]], dict[str, NDArray[np.bool_]]]:
    """Return what the kernel says of single VMAs."""
    nothing = np.full(len(parts.kept), -1, np.int64)
    said = {name: parts.kept.kernel.get(field, nothing)[parts.rows] for name, field in KERNEL_TRAITS.items()}
    data: dict[str, NDArray[np.generic]] = dict(said)
    data["kernel_thp_eligible"] = said["kernel_thp_eligible"] > 0
    unknown = {name: column < 0 for name, column in said.items()}
    flags = [parts.kept.vm_flags[row] for row in parts.rows.tolist()]
    data[VM_FLAGS.name] = objects([tuple((text or "").split()) for text in flags])
    unknown[VM_FLAGS.name] = np.array([text is None for text in flags], bool)
    return data, unknown
