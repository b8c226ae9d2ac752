"""Who owns a frame: every address space with all addresses, and what the kernel says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF, perms_text
from pagewalk.errors import PagewalkError, SnapshotError
from pagewalk.facts import Facts
from pagewalk.mappings import MappingFacts
from pagewalk.orders import folio_orders
from pagewalk.pages import FrameRuns, PageFacts
from pagewalk.sorting import distinct
from pagewalk.table import Column, Table, objects
from pagewalk.uses import USES, ZERO, uses_of

__all__ = ["COLUMNS", "PLACE_COLUMNS", "found_frames", "kept_pages", "memcg_names", "places", "who"]

Ints = NDArray[np.int64]
_Scalar = TypeVar("_Scalar", bound=np.generic)

FRAME_COLUMNS = (
    Column("pfn", "id", "frame number"),
    Column("use", "text", "what it is used for; unknown of what is no RAM, or was not read"),
    Column("mapcount", "count", "mappings of it that the kernel counts"),
    Column("seen", "count", "mappings of it that were seen"),
    Column("hidden", "count", "mappings that the kernel counts beyond those: of processes that could not be read"),
    Column("order", "id", "its folio is of 2^order pages; 0 is a base page"),
    Column("node", "id", "NUMA node"),
    Column("zone", "text", "zone"),
    Column("memcg", "text", "cgroup that it is charged to, empty for none; its inode where the path is not known"),
    Column("flags", "list", "what kpageflags says, under the kernel's names"),
)
COLUMNS = (
    *FRAME_COLUMNS,
    Column("owners", "list", "its owners: pid, comm, addresses and mapping of each"),
)
PLACE_COLUMNS = (
    Column("pfn", "id", "frame number"),
    Column("pid", "id", "process ID, the lowest of those that have this address space"),
    Column("comm", "text", "name of the process"),
    Column("user", "text", "its user"),
    Column("address", "hex", "where it maps the frame; unknown where the walk kept no mappings of it"),
    Column("perms", "text", "permissions of the mapping"),
    Column("offset", "hex", "where that is in the file; unknown of memory without one"),
    Column("mapping", "text", "file, or the kernel's name for it; empty for plain anonymous memory"),
)


# The kernel's names of the bits of kpageflags.
FLAG_NAMES = {flag.bit_length() - 1: str(flag.name) for flag in KPF}


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """What is known of some frames.

    Attributes
    ----------
    pfn : ndarray of int64
        The frames, ascending, each once.
    row : ndarray of int64
        Their rows of the fact table, -1 of those not read.
    frame, vma : ndarray of int64
        One item a page that maps one of them, by frame, pid and address: index into ``pfn``, row of the mappings.
    page : ndarray of uint64
        Its virtual page number.
    """

    pfn: Ints
    row: Ints
    frame: Ints
    vma: Ints
    page: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Owner:
    """An address space that owns a frame, and its pages there: address and row of the mappings."""

    space: int
    pages: list[tuple[int, int]]


def found_frames(facts: Facts, pfns: Ints) -> Found:
    """Find frames among those that a walk read, and the pages that map them.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    pfns : ndarray of int64
        The frames.

    Raises
    ------
    PagewalkError
        The walk kept no frames.
    """
    frames, pages, mappings = kept_pages(facts)
    pfn = distinct(pfns)
    low = np.searchsorted(pfn, pages.pfn)
    count = np.searchsorted(pfn, pages.pfn + pages.length) - low
    run = np.repeat(np.arange(len(pages)), count)
    frame = np.repeat(low - np.cumsum(count) + count, count) + np.arange(len(run))
    vma, page = pages.vma[run], pages.page[run] + (pfn[frame] - pages.pfn[run]).astype(np.uint64)
    order = np.lexsort((page, facts.spaces.pid[mappings.space[vma]], frame))
    return Found(pfn, frames.rows_of(pfn), frame[order], vma[order], page[order])


def kept_pages(facts: Facts) -> tuple[FrameRuns, PageFacts, MappingFacts]:
    """Return what a walk kept page by page.

    Parameters
    ----------
    facts : Facts
        Of the walk.

    Raises
    ------
    PagewalkError
        It kept nothing.
    """
    if facts.frames is None or facts.pages is None or facts.mappings is None:
        raise PagewalkError("this walk kept no frames; ask for them: walk(pfns=[...]) or walk(mappings=True)")
    return facts.frames, facts.pages, facts.mappings


def who(facts: Facts, pfns: Ints) -> Table:
    """Make the table of frames with their owners.

    Parameters
    ----------
    facts : Facts
        Of a walk that was asked for these frames, or kept mappings.
    pfns : ndarray of int64
        The frames.

    Returns
    -------
    Table
        COLUMNS, a row a frame, ascending.

    Raises
    ------
    PagewalkError
        The walk kept no frames.
    """
    found = found_frames(facts, pfns)
    table, row = facts.table, found.row
    # Of what was not read, and of device memory, the kernel says nothing.
    told = row >= 0
    told[told] = table.mapcount[row[told]] >= 0
    mapcount, hidden, zone = (_of_rows(column, row, told) for column in (table.mapcount, table.hidden, table.zone))
    flags, memcg = (_of_rows(column, row, told) for column in (table.flags, table.memcg))
    use = uses_of(flags, mapcount > 0)
    is_ram = told & ((flags & np.uint64(KPF.NOPAGE)) == 0)
    if facts.places is not None:
        # From 6.16 a hole reads as 0, as a frame without flags does (KERNEL.md, section 3.1).
        is_ram &= (zone > 0) | (flags != 0) | (mapcount > 0)
    order = folio_orders(kept_pages(facts)[0], table.flags, found.pfn)
    # A block of free frames is no folio.
    order[~is_ram | ((flags & np.uint64(KPF.BUDDY)) != 0)] = -1
    names = ((-1, ""),) if facts.places is None else facts.places.names
    node = np.array([names[number][0] for number in zone.tolist()], np.int64)
    owners = [[] if use[k] == ZERO else _owners(facts, found, k) for k in range(len(row))]
    data: dict[str, NDArray[np.generic]] = {
        "pfn": found.pfn,
        "use": objects([USES[number] for number in use.tolist()]),
        "mapcount": mapcount,
        "seen": _of_rows(table.seen, row, row >= 0),
        "hidden": hidden,
        "order": order,
        "node": node,
        "zone": objects([names[number][1] for number in zone.tolist()]),
        "memcg": objects(memcg_names(facts, memcg.tolist())),
        "flags": objects([_flag_names(word, facts.ksm_known) for word in flags.tolist()]),
        "owners": objects([tuple(_told(facts, owner) for owner in some) for some in owners]),
    }
    unknown = {
        "use": ~is_ram,
        **dict.fromkeys(("mapcount", "hidden", "memcg", "flags"), ~told),
        "order": order < 0,
        **dict.fromkeys(("node", "zone"), node < 0),
        **dict.fromkeys(("seen", "owners"), row < 0),
    }
    return Table(COLUMNS, data, unknown)


def places(facts: Facts, pfns: Ints) -> Table:
    """Make the table of all pages that map some frames.

    Parameters
    ----------
    facts : Facts
        Of a walk that was asked for these frames, or kept mappings.
    pfns : ndarray of int64
        The frames.

    Returns
    -------
    Table
        PLACE_COLUMNS, a row a page, by frame, pid and address. An owner whose mappings were not kept has a row without
        an address. Who has the zero page nobody is told: it is no one's.

    Raises
    ------
    PagewalkError
        The walk kept no frames.
    """
    found = found_frames(facts, pfns)
    zero = (facts.table.flags & np.uint64(KPF.ZERO_PAGE)) != 0
    rows: list[tuple[int, int, int, int]] = []
    for k, (pfn, row) in enumerate(zip(found.pfn.tolist(), found.row.tolist(), strict=True)):
        for owner in _owners(facts, found, k) if row >= 0 and not zero[row] else ():
            rows += [(pfn, owner.space, *page) for page in owner.pages or [(0, -1)]]
    mappings, spaces = kept_pages(facts)[2], facts.spaces
    vmas = np.array([vma for *_, vma in rows], np.int64)
    address = np.array([at for _, _, at, _ in rows], np.uint64)
    safe = np.where(vmas < 0, 0, vmas)
    known = vmas >= 0
    start, offset, inode = (
        np.where(known, column[safe], np.uint64(0)) if len(column) else np.zeros(len(rows), np.uint64)
        for column in (mappings.start, mappings.offset, mappings.inode)
    )
    data: dict[str, NDArray[np.generic]] = {
        "pfn": np.array([pfn for pfn, *_ in rows], np.int64),
        "pid": np.array([spaces.pids[space][0] for _, space, *_ in rows], np.int64),
        "comm": objects([spaces.comm[space] for _, space, *_ in rows]),
        "user": objects([spaces.user[space] for _, space, *_ in rows]),
        "address": address,
        "perms": objects([perms_text(int(mappings.perms[vma])) if vma >= 0 else "" for vma in vmas.tolist()]),
        "offset": offset + (address - start),
        "mapping": objects([mappings.name[vma] if vma >= 0 else "" for vma in vmas.tolist()]),
    }
    unknown = {**dict.fromkeys(("address", "perms", "mapping"), ~known), "offset": ~known | (inode == 0)}
    return Table(PLACE_COLUMNS, data, unknown)


def _of_rows(column: NDArray[_Scalar], row: Ints, known: NDArray[np.bool_]) -> NDArray[_Scalar]:
    """Return a column of the fact table by frame, 0 where it is not known."""
    out = np.zeros(len(row), column.dtype)
    out[known] = column[row[known]]
    return out


def memcg_names(facts: Facts, inodes: Sequence[int]) -> list[str]:
    """Return what is shown of cgroups: the path, the inode where that is not known, empty for none.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    inodes : sequence of int
        What kpagecgroup says.
    """
    return [facts.memcg_paths.get(inode, f"inode {inode}") if inode else "" for inode in inodes]


def _flag_names(word: int, ksm_known: bool) -> tuple[str, ...]:
    """Return the kernel's names of the bits of a word; of bits without one, their number."""
    names = [FLAG_NAMES.get(bit, f"bit {bit}") for bit in range(64) if word >> bit & 1]
    # Set on every anonymous page from 6.12 to 6.18 (dee3d0bef2b0).
    return tuple("KSM?" if name == "KSM" and not ksm_known else name for name in names)


def _owners(facts: Facts, found: Found, k: int) -> list[Owner]:
    """Return the owners of a frame, by pid."""
    if found.row[k] < 0:
        return []
    mappings = kept_pages(facts)[2]
    members = facts.table.sets.members(int(facts.table.set[found.row[k]]))
    pages: dict[int, list[tuple[int, int]]] = {space: [] for space, _ in members}
    first, behind = np.searchsorted(found.frame, (k, k + 1)).tolist()
    for at in range(first, behind):
        vma = int(found.vma[at])
        space = int(mappings.space[vma])
        if space not in pages:
            # Never of a walk; a file can say of itself what it likes.
            raise SnapshotError(f"these facts contradict each other: who maps frame {found.pfn[k]} does not own it")
        pages[space].append((int(found.page[at]) * facts.page_size, vma))
    return [Owner(space, pages[space]) for space in sorted(pages, key=lambda space: facts.spaces.pids[space])]


def _told(facts: Facts, owner: Owner) -> dict[str, object]:
    """Return an owner as JSON has it; mapping and perms are those of all its pages, each once."""
    mappings, spaces = kept_pages(facts)[2], facts.spaces
    vmas = [vma for _, vma in owner.pages]
    names = dict.fromkeys(mappings.name[vma] for vma in vmas)
    perms = dict.fromkeys(perms_text(int(mappings.perms[vma])) for vma in vmas)
    return {
        "pid": spaces.pids[owner.space][0],
        "comm": spaces.comm[owner.space],
        "user": spaces.user[owner.space],
        "addresses": [f"{address:#x}" for address, _ in owner.pages],
        "mapping": ", ".join(names) if vmas else None,
        "perms": ", ".join(perms) if vmas else None,
    }
