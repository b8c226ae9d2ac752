"""Cgroups: what is charged to each, what its processes use, and where the two part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.charging import Charging, charging
from pagewalk.facts import Facts
from pagewalk.freeing import freed_column
from pagewalk.table import Column, Table, objects
from pagewalk.tally import times_of
from pagewalk.uses import ANON, FILE, SHMEM, uses_of
from pagewalk.views.figures import FREED_COLUMN

__all__ = ["COLUMNS", "cgroups"]

Ints = NDArray[np.int64]

COLUMNS = (
    Column("path", "text", "the cgroup, in the hierarchy of the memory controller"),
    Column("name", "text", "systemd unit, container or pod that the path names, else the path"),
    Column("inode", "inode", "inode of its directory, which kpagecgroup gives; unknown for one that is only named"),
    Column("processes", "count", "processes in it"),
    Column("charged", "bytes", "every frame charged to it, mapped or not"),
    Column("charged_anon", "bytes", "the anonymous ones of them"),
    Column("charged_file", "bytes", "the page cache of them"),
    Column("charged_shmem", "bytes", "the shared memory of them"),
    Column("charged_kernel", "bytes", "the rest of them: page tables, pipe buffers and such, but no slab"),
    Column("used", "bytes", "the pss of its processes"),
    Column("rss", "bytes", "distinct frames that its processes map"),
    Column("uss", "bytes", "frames that only its processes map"),
    FREED_COLUMN,
    Column("charged_not_used", "bytes", "charged to it, mapped only by processes elsewhere"),
    Column("used_not_charged", "bytes", "mapped by its processes, charged elsewhere"),
    Column("kernel_anon", "bytes", "the kernel's figure (memory.stat), without cgroups that have a row of their own"),
    Column("kernel_file", "bytes", "likewise, without shared memory"),
    Column("kernel_shmem", "bytes", "likewise"),
    Column("kernel_slab", "bytes", "likewise: slab, which no page shows; unknown under cgroup v1"),
    Column("difference", "bytes", "charged anon, file and shmem, less the kernel's"),
)
_KERNEL = ("anon", "file", "shmem", "slab")


def cgroups(facts: Facts, depth: int | None = None) -> Table:
    """Make the table of cgroups. Rows do not overlap: ``charged`` adds up to all charged frames.

    Parameters
    ----------
    facts : Facts
        Of a walk of all of RAM.
    depth : int, optional
        Count cgroups deeper than this (the root is 0) with their ancestor at it; by default each is alone.

    Returns
    -------
    Table
        COLUMNS, by path.
    """
    found = charging(facts, depth)
    size = facts.page_size
    n = len(found.paths)
    charged = _charged(facts, found)
    figures = facts.group_figures(found.grouping)
    freed, unread = freed_column(facts, found.grouping)
    not_used, not_charged = _parted(facts, found)
    kernel = {name: [found.kernel(path, name) for path in found.paths] for name in _KERNEL}
    unknown = {f"kernel_{name}": np.array([f is None for f in column], bool) for name, column in kernel.items()}
    columns = {f"kernel_{name}": np.array([f or 0 for f in column], np.int64) for name, column in kernel.items()}
    ours = charged["charged_anon"] + charged["charged_file"] + charged["charged_shmem"]
    theirs = columns["kernel_anon"] + columns["kernel_file"] + columns["kernel_shmem"]
    inodes = [found.inode(path) for path in found.paths]
    data: dict[str, NDArray[np.generic]] = {
        "path": objects(found.paths),
        "name": objects([found.label(path) for path in found.paths]),
        "inode": np.array([inode or 0 for inode in inodes], np.uint64),
        "processes": found.grouping.processes,
        **{name: column * size for name, column in charged.items()},
        "used": figures["pss"],
        "rss": figures["rss"],
        "uss": figures["uss"],
        "freed": freed,
        "charged_not_used": not_used * size,
        "used_not_charged": not_charged * size,
        **columns,
        "difference": ours * size - theirs,
    }
    unknown["freed"] = unread
    unknown["difference"] = unknown["kernel_anon"] | unknown["kernel_file"] | unknown["kernel_shmem"]
    unknown["inode"] = np.array([inode is None for inode in inodes], bool)
    table = Table(COLUMNS, data, unknown)
    return table.sort("path", descending=False) if n else table


def _charged(facts: Facts, found: Charging) -> dict[str, Ints]:
    """Count the frames charged to each cgroup by use."""
    table, n = facts.table, len(found.paths)
    use = uses_of(table.flags, table.mapcount > 0)
    charged = found.of_row >= 0
    kinds = {"charged_anon": ANON, "charged_file": FILE, "charged_shmem": SHMEM}

    def count(rows: NDArray[np.bool_]) -> Ints:
        out = np.zeros(n, np.int64)
        np.add.at(out, found.of_row[rows], table.frames[rows])
        return out

    columns = {"charged": count(charged), **{name: count(charged & (use == kind)) for name, kind in kinds.items()}}
    columns["charged_kernel"] = columns["charged"] - sum(columns[name] for name in kinds)
    return columns


def _parted(facts: Facts, found: Charging) -> tuple[Ints, Ints]:
    """Count frames charged to a cgroup and mapped only elsewhere, and those mapped by it and charged elsewhere."""
    table, n = facts.table, len(found.paths)
    by_group = facts.regrouped(found.grouping)
    owned = (table.owners > 0) & (found.of_row >= 0)
    rows = np.flatnonzero(owned)
    at_home = times_of(by_group.sets, by_group.of_row[rows], found.of_row[rows].astype(np.uint32)) > 0
    not_used, home = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.add.at(not_used, found.of_row[rows[~at_home]], table.frames[rows[~at_home]])
    np.add.at(home, found.of_row[rows[at_home]], table.frames[rows[at_home]])
    mapped = by_group.add_up(by_group.of_row, {"charged": np.where(owned, table.frames, 0)}).frames("charged")[:n]
    return not_used, mapped - home
