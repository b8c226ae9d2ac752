"""Every mapping of the address spaces whose mappings were kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF, perms_text
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.groups import Selection
from pagewalk.mappings import MappingFacts
from pagewalk.shares import PART_BITS, Shares, apportion, divide
from pagewalk.table import Column, Table, objects
from pagewalk.tally import ANON, FIGURES, FILE, HUGETLB, SHMEM, times_of
from pagewalk.views.figures import FIGURE_COLUMNS, unknown_figures

__all__ = ["COLUMNS", "kept_rows", "mapping_figures", "mappings"]

Ints = NDArray[np.int64]

COLUMNS = (
    Column("pid", "id", "process ID, the lowest of those that have this address space"),
    Column("start", "hex", "first address"),
    Column("end", "hex", "address behind the last one"),
    Column("perms", "text", "permissions, as in maps"),
    Column("offset", "hex", "where in the file it begins"),
    Column("inode", "inode", "inode of the file, 0 for none"),
    Column("name", "text", "file, or the kernel's name for it; empty for plain anonymous memory"),
    Column("vss", "bytes", "its size"),
    *FIGURE_COLUMNS,
    Column("vm_flags", "list", "VmFlags, two-letter codes; read from smaps where they are asked for, else unknown"),
)


def mappings(facts: Facts, pid: int | None = None, selection: Selection | None = None) -> Table:
    """Make the table of mappings. Its columns add up to those of the process.

    Parameters
    ----------
    facts : Facts
        Of a walk that kept mappings.
    pid : int, optional
        Those of this process only.
    selection : Selection, optional
        Those of these address spaces only.

    Returns
    -------
    Table
        COLUMNS.

    Raises
    ------
    PagewalkError
        The walk kept no mappings, or none of this process.
    """
    kept, rows = kept_rows(facts, pid, selection)
    figures = mapping_figures(facts, kept)
    data: dict[str, NDArray[np.generic]] = {
        "pid": facts.spaces.pid[kept.space[rows]],
        "start": kept.start[rows],
        "end": kept.end[rows],
        "perms": objects([perms_text(perms) for perms in kept.perms[rows].tolist()]),
        "offset": kept.offset[rows],
        "inode": kept.inode[rows],
        "name": objects([kept.name[row] for row in rows.tolist()]),
        "vss": (kept.end[rows] - kept.start[rows]).astype(np.int64),
        **{name: column[rows] for name, column in figures.items()},
    }
    flags = [kept.vm_flags[row] for row in rows.tolist()]
    data["vm_flags"] = objects([tuple((text or "").split()) for text in flags])
    unknown = {**unknown_figures(facts, len(rows)), "vm_flags": np.array([text is None for text in flags], bool)}
    return Table(COLUMNS, data, unknown)


def kept_rows(
    facts: Facts, pid: int | None = None, selection: Selection | None = None
) -> tuple[MappingFacts, NDArray[np.intp]]:
    """Return the mappings that were kept, and which of them are asked for, by pid and address.

    Parameters
    ----------
    facts : Facts
        Of a walk that kept mappings.
    pid : int, optional
        Those of this process only.
    selection : Selection, optional
        Those of these address spaces only.

    Raises
    ------
    PagewalkError
        The walk kept no mappings, or none of this process.
    """
    kept = facts.mappings
    if kept is None or not kept.whole:
        raise PagewalkError("this walk kept no mappings; ask for them: walk(mappings=True)")
    wanted = np.isin(kept.space, np.flatnonzero(_chosen(facts, kept, pid, selection)))
    # The gate area is the kernel's, listed for every process and part of none (arch/x86: get_gate_vma).
    wanted &= np.array([name != "[vsyscall]" for name in kept.name], bool)
    rows = np.flatnonzero(wanted)
    return kept, rows[np.lexsort((kept.start[rows], facts.spaces.pid[kept.space[rows]]))]


def _chosen(facts: Facts, kept: MappingFacts, pid: int | None, selection: Selection | None) -> NDArray[np.bool_]:
    mask = np.ones(len(facts.spaces), bool) if selection is None else selection.mask.copy()
    if pid is not None:
        mine = np.array([pid in pids for pids in facts.spaces.pids], bool)
        if not np.isin(np.flatnonzero(mine), kept.space).any():
            raise PagewalkError(f"the walk kept no mappings of pid {pid}")
        mask &= mine
    return mask


def mapping_figures(facts: Facts, kept: MappingFacts) -> dict[str, Ints]:
    """Return FIGURES by VMA, in bytes.

    A frame that its address space maps several times gives each of these mappings its part of ``pss`` and ``uss``, so
    that the mappings add up to the process.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    kept : MappingFacts
        Its mappings.
    """
    table, size = facts.table, facts.page_size
    inside, private = table.in_rss, table.in_rss & (table.mapcount < 2)
    sole = inside & (table.owners == 1) & (table.hidden == 0)

    def summed(mask: NDArray[np.bool_]) -> Ints:
        out = np.zeros(len(kept), np.int64)
        np.add.at(out, kept.vma, np.where(mask[kept.row], kept.pages, 0))
        return out * size

    pages = {
        "rss": summed(inside),
        "private": summed(private),
        "anon": summed(inside & (table.kind == ANON)),
        "file": summed(inside & (table.kind == FILE)),
        "shmem": summed(inside & (table.kind == SHMEM)),
        "thp": summed(inside & (table.kind == ANON) & ((table.flags & np.uint64(KPF.THP)) != 0)),
        "hugetlb": summed(table.kind == HUGETLB),
        "ksm": summed(inside & ((table.flags & np.uint64(KPF.KSM)) != 0)),
        "private_dirty": summed(private & table.dirty),
    }
    times = times_of(table.sets, table.set[kept.row], kept.space[kept.vma].astype(np.uint32))
    parts = _Parts(facts, kept, kept.vma, times)
    own = facts.process_figures
    uss = parts.of(np.where(sole[kept.row], kept.pages, 0), np.ones(len(times), np.int64))
    uss_dirty = parts.of(np.where((sole & table.dirty)[kept.row], kept.pages, 0), np.ones(len(times), np.int64))
    shared, shared_dirty = pages["rss"] - uss, summed(inside & table.dirty) - uss_dirty
    swap_times = times_of(table.sets, kept.swap_set.astype(np.uint32), kept.space[kept.swap_vma].astype(np.uint32))
    swap_parts = _Parts(facts, kept, kept.swap_vma, swap_times)
    swap_owners = table.paths[0][kept.swap_set]
    swap = np.zeros(len(kept), np.int64)
    np.add.at(swap, kept.swap_vma, kept.slots * size)
    derived = {
        "pss": parts.of(np.where(inside[kept.row], kept.pages, 0), (table.owners + table.hidden)[kept.row], own["pss"]),
        "uss": uss,
        "shared": shared,
        "shared_clean": shared - shared_dirty,
        "shared_dirty": shared_dirty,
        "private_clean": pages["private"] - pages["private_dirty"],
        "swap": swap,
        "swap_pss": swap_parts.of(kept.slots, swap_owners, own["swap_pss"]),
        "swap_uss": swap_parts.of(np.where(swap_owners == 1, kept.slots, 0), np.ones(len(swap_owners), np.int64)),
    }
    return {name: derived[name] if name in derived else pages[name] for name in FIGURES}


@dataclass(frozen=True, eq=False, slots=True)
class _Parts:
    """Divides pages among their owners and, within an address space, among its mappings of them."""

    facts: Facts
    kept: MappingFacts
    vma: Ints
    times: Ints

    def of(self, pages: Ints, owners: Ints, totals: Ints | None = None) -> Ints:
        """Return bytes by VMA, adding up to ``totals`` by address space, by default to what they exactly are."""
        each = divide(pages, owners * self.times, self.facts.page_size)
        whole, part = np.zeros(len(self.kept), np.int64), np.zeros(len(self.kept), np.int64)
        np.add.at(whole, self.vma, each.whole)
        np.add.at(part, self.vma, each.part)
        kept_spaces, space = np.unique(self.kept.space, return_inverse=True)
        if totals is None:
            # Whole pages when summed over an address space: what was cut off is rounded back.
            sums, parts = np.zeros(len(kept_spaces), np.int64), np.zeros(len(kept_spaces), np.int64)
            np.add.at(sums, space, whole)
            np.add.at(parts, space, part)
            of_spaces = sums + ((parts + (1 << (PART_BITS - 1))) >> PART_BITS)
        else:
            of_spaces = totals[kept_spaces]
        return apportion(Shares(whole, part), of_spaces, space)
