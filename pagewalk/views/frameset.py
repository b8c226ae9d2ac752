"""Of a set of frames, such as the resident pages of a file: their states, who maps them, and who is charged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF
from pagewalk.facts import Facts
from pagewalk.shares import Shares, apportion, divide
from pagewalk.sorting import distinct
from pagewalk.table import Column, Table, objects
from pagewalk.tally import ANON, ZERO
from pagewalk.views.who import kept_pages, memcg_names

__all__ = ["CHARGE_COLUMNS", "OWNER_COLUMNS", "STATE_COLUMNS", "charges", "frames_of_file", "owners", "states"]

Ints = NDArray[np.int64]

STATE_COLUMNS = (
    Column("bytes", "bytes", "the frames that the walk read"),
    Column("mapped", "bytes", "those that somebody maps, hidden owners counted"),
    Column("unmapped", "bytes", "those that nobody maps"),
    Column("shared", "bytes", "those with several owners, hidden ones counted"),
    Column("hidden", "bytes", "those that hidden owners map"),
    Column("dirty", "bytes", "those to be written before they can be dropped (KPF_DIRTY)"),
    Column("writeback", "bytes", "those being written"),
    Column("active", "bytes", "those on an active list"),
    Column("inactive", "bytes", "those on an inactive list"),
    Column("unevictable", "bytes", "those that cannot be reclaimed (mlock)"),
    Column("large", "bytes", "those in folios of several pages"),
)
OWNER_COLUMNS = (
    Column("pid", "id", "process ID, the lowest of those that have this address space"),
    Column("comm", "text", "name of the process"),
    Column("user", "text", "its user"),
    Column("bytes", "bytes", "frames that it maps, each once"),
    Column("pss", "bytes", "its share: each frame divided by its number of owners"),
    Column("uss", "bytes", "frames that nobody else maps"),
)
CHARGE_COLUMNS = (
    Column("charged_to", "text", "cgroup charged, its inode where the path is not known; empty: charged to none"),
    Column("bytes", "bytes", "frames charged to it"),
    Column("mapped", "bytes", "those that somebody maps"),
    Column("unmapped", "bytes", "those that nobody maps"),
)


def states(facts: Facts, pfns: Ints) -> Table:
    """Say in what states frames are.

    Parameters
    ----------
    facts : Facts
        Of a walk that read them.
    pfns : ndarray of int64
        The frames, each once.

    Returns
    -------
    Table
        STATE_COLUMNS, one row.

    Raises
    ------
    PagewalkError
        The walk kept no frames.
    """
    frames, flags = _counted(facts, pfns), facts.table.flags
    mapped, on_a_list = _mapped(facts), _has(flags, KPF.LRU) & ~_has(flags, KPF.UNEVICTABLE)
    masks = {
        "bytes": np.ones(len(flags), bool),
        "mapped": mapped,
        "unmapped": ~mapped,
        "shared": facts.table.owners + facts.table.hidden > 1,
        "hidden": facts.table.hidden > 0,
        "dirty": _has(flags, KPF.DIRTY),
        "writeback": _has(flags, KPF.WRITEBACK),
        "active": on_a_list & _has(flags, KPF.ACTIVE),
        "inactive": on_a_list & ~_has(flags, KPF.ACTIVE),
        "unevictable": _has(flags, KPF.UNEVICTABLE),
        "large": _has(flags, KPF.COMPOUND_HEAD | KPF.COMPOUND_TAIL),
    }
    return Table(
        STATE_COLUMNS, {name: frames[mask].sum(keepdims=True) * facts.page_size for name, mask in masks.items()}
    )


def owners(facts: Facts, pfns: Ints) -> Table:
    """Make the table of who maps frames, the largest part first.

    Parameters
    ----------
    facts : Facts
        Of a walk that read them.
    pfns : ndarray of int64
        The frames, each once.

    Returns
    -------
    Table
        OWNER_COLUMNS; ``pss`` and the share of hidden owners add up to what is mapped.

    Raises
    ------
    PagewalkError
        The walk kept no frames.
    """
    frames, table, size = _counted(facts, pfns), facts.table, facts.page_size
    sole = (table.owners == 1) & (table.hidden == 0)
    mappers = table.owners + table.hidden
    share, hidden = divide(frames, mappers, size), divide(frames * table.hidden, mappers, size)
    sums = facts.by_space.add_up(
        table.set,
        {"bytes": frames, "uss": np.where(sole, frames, 0), "pss_whole": share.whole, "pss_part": share.part},
    )
    seen, mapped = sums.pss(), int(frames[_mapped(facts)].sum()) * size
    shares = Shares(
        np.append(seen.whole, hidden.whole.sum()),
        np.append(seen.part, hidden.part.sum()),
    )
    pss = apportion(shares, np.array([mapped]), np.zeros(len(shares.whole), np.int64))
    spaces, mine = facts.spaces, sums.frames("bytes") * size
    rows = np.flatnonzero(mine)
    rows = rows[np.lexsort((spaces.pid[rows], -mine[rows]))]
    data: dict[str, NDArray[np.generic]] = {
        "pid": spaces.pid[rows],
        "comm": objects([spaces.comm[row] for row in rows.tolist()]),
        "user": objects([spaces.user[row] for row in rows.tolist()]),
        "bytes": mine[rows],
        "pss": pss[rows],
        "uss": sums.frames("uss")[rows] * size,
    }
    return Table(OWNER_COLUMNS, data)


def charges(facts: Facts, pfns: Ints) -> Table:
    """Make the table of which cgroups frames are charged to, the largest part first.

    Parameters
    ----------
    facts : Facts
        Of a walk that read them.
    pfns : ndarray of int64
        The frames, each once.

    Returns
    -------
    Table
        CHARGE_COLUMNS; ``bytes`` add up to all of them.

    Raises
    ------
    PagewalkError
        The walk kept no frames.
    """
    frames, mapped = _counted(facts, pfns) * facts.page_size, _mapped(facts)
    inodes, at = np.unique(facts.table.memcg, return_inverse=True)
    total, used = np.zeros(len(inodes), np.int64), np.zeros(len(inodes), np.int64)
    np.add.at(total, at, frames)
    np.add.at(used, at, np.where(mapped, frames, 0))
    rows = np.flatnonzero(total)
    rows = rows[np.argsort(-total[rows], kind="stable")]
    data: dict[str, NDArray[np.generic]] = {
        "charged_to": objects(memcg_names(facts, inodes[rows].tolist())),
        "bytes": total[rows],
        "mapped": used[rows],
        "unmapped": (total - used)[rows],
    }
    return Table(CHARGE_COLUMNS, data)


def frames_of_file(facts: Facts, path: str = "", device: tuple[int, int] = (0, 0), inode: int = 0) -> Ints:
    """Find the frames of a file's own pages among those that processes map.

    Parameters
    ----------
    facts : Facts
        Of a walk that kept mappings.
    path : str
        Name of the file; of one without a name any more, what maps calls it, with or without `` (deleted)``.
    device : tuple of int
        Major and minor number of the file's device, to go by its inode instead of its name.
    inode : int
        Its inode, 0 to go by its name.

    Returns
    -------
    ndarray of int64
        Ascending, each once. Copies that processes made by writing (anonymous) are left out.

    Raises
    ------
    PagewalkError
        The walk kept no pages.
    """
    frames, pages, mappings = kept_pages(facts)
    if inode:
        is_it = (mappings.inode == inode) & (mappings.major == device[0]) & (mappings.minor == device[1])
    else:
        # The one byte that maps writes otherwise (fs/proc/task_mmu.c:show_map_vma).
        path = path.replace("\n", "\\012")
        names = (path, f"{path} (deleted)")
        is_it = np.array([name in names for name in mappings.name], bool)
    runs = np.flatnonzero(is_it[pages.vma]) if len(pages) else np.zeros(0, np.int64)
    length = pages.length[runs]
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    pfn = distinct(np.repeat(pages.pfn[runs], length) + within)
    row = frames.rows_of(pfn)
    kind = facts.table.kind[row]
    own: Ints = pfn[(row >= 0) & (kind != ANON) & (kind != ZERO)]
    return own


def _counted(facts: Facts, pfns: Ints) -> Ints:
    """Count these frames by row of the fact table; those that were not read are in none."""
    row = kept_pages(facts)[0].rows_of(pfns)
    return np.bincount(row[row >= 0], minlength=len(facts.table.set)).astype(np.int64)


def _mapped(facts: Facts) -> NDArray[np.bool_]:
    mapped: NDArray[np.bool_] = facts.table.owners + facts.table.hidden > 0
    return mapped


def _has(flags: NDArray[np.uint64], bits: int) -> NDArray[np.bool_]:
    has: NDArray[np.bool_] = (flags & np.uint64(bits)) != 0
    return has
