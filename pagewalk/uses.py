"""What every frame is used for, and in what state it is, from what the kernel says of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF

__all__ = ["STATES", "STATE_DOC", "USES", "USE_DOC", "states_of", "uses_of"]

USE_DOC = {
    "offline": "taken away: balloon, virtio-mem (KPF_OFFLINE)",
    "poison": "hardware-poisoned (KPF_HWPOISON)",
    "free": "free blocks of the buddy allocator",
    "pgtable": "page tables",
    "slab": "slab caches",
    "hugetlb": "pages of hugetlbfs, the free ones of its pool too",
    "zero": "the zero pages",
    "anon": "anonymous memory (KSM and THP inside)",
    "shmem": "shared memory, tmpfs, memfd",
    "file": "page cache of files and block devices",
    "reserved": "kernel text and data, firmware, memory map",
    "kernel": "all else: stacks, vmalloc, percpu, drivers, free pages on per-CPU lists, memory not yet initialised",
}
USES = tuple(USE_DOC)
OFFLINE, POISON, FREE, PGTABLE, SLAB, HUGETLB, ZERO, ANON, SHMEM, FILE, RESERVED, KERNEL = range(len(USES))

STATE_DOC = {
    "mapped_one": "mapped by one owner",
    "mapped_several": "mapped by several owners, hidden ones counted",
    "mapped_hidden": "mapped by hidden owners only",
    "dirty": "unmapped, to be written before it can be dropped (dirty or under writeback)",
    "unevictable": "unmapped and unevictable",
    "active": "unmapped, on an active list",
    "inactive": "unmapped, on an inactive list",
    "none": "none of these",
}
STATES = tuple(STATE_DOC)
MAPPED_ONE, MAPPED_SEVERAL, MAPPED_HIDDEN, DIRTY, UNEVICTABLE, ACTIVE, INACTIVE, NONE = range(len(STATES))


def _has(flags: NDArray[np.uint64], *bits: KPF) -> NDArray[np.bool_]:
    mask = np.uint64(sum(bits))
    has: NDArray[np.bool_] = (flags & mask) != 0
    return has


def _first(order: list[tuple[int, NDArray[np.bool_]]], otherwise: int) -> NDArray[np.uint8]:
    """Return the number of the first mask that is set."""
    masks = [mask for _, mask in order]
    return np.select(masks, [np.uint8(number) for number, _ in order], np.uint8(otherwise)).astype(np.uint8)


def uses_of(flags: NDArray[np.uint64], mapped: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Say what frames are used for: the first that applies.

    Parameters
    ----------
    flags : ndarray of uint64
        Words of kpageflags.
    mapped : ndarray of bool
        Whether the kernel counts a mapping of the frame: what is mapped without being anonymous is of a file, on no
        list too (pages of a driver, which its Rss calls file). What pagemap shows without that is no page of a
        process (vm_normal_page refused it), or given back since.

    Returns
    -------
    ndarray of uint8
        Indexes into USES.
    """
    on_a_list = _has(flags, KPF.LRU, KPF.ACTIVE, KPF.UNEVICTABLE, KPF.WRITEBACK)
    cached = on_a_list | (_has(flags, KPF.UPTODATE, KPF.DIRTY) & ~_has(flags, KPF.RESERVED))
    is_shmem = _has(flags, KPF.SWAPBACKED) & (cached | mapped)
    order = [
        (OFFLINE, _has(flags, KPF.OFFLINE)),
        (POISON, _has(flags, KPF.HWPOISON)),
        (FREE, _has(flags, KPF.BUDDY)),
        (PGTABLE, _has(flags, KPF.PGTABLE)),
        (SLAB, _has(flags, KPF.SLAB)),
        (HUGETLB, _has(flags, KPF.HUGE)),
        (ZERO, _has(flags, KPF.ZERO_PAGE)),
        (ANON, _has(flags, KPF.ANON)),
        (SHMEM, is_shmem),
        (FILE, cached | (mapped & ~_has(flags, KPF.RESERVED))),
        (RESERVED, _has(flags, KPF.RESERVED)),
    ]
    return np.select([mask for _, mask in order], [np.uint8(use) for use, _ in order], np.uint8(KERNEL)).astype(
        np.uint8
    )


def states_of(flags: NDArray[np.uint64], owners: NDArray[np.int64], hidden: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Say in what state frames are: the first that applies.

    Parameters
    ----------
    flags : ndarray of uint64
        Words of kpageflags.
    owners : ndarray of int64
        Owners that were seen.
    hidden : ndarray of int64
        Hidden mappings.

    Returns
    -------
    ndarray of uint8
        Indexes into STATES.
    """
    on_a_list = _has(flags, KPF.LRU)
    order = [
        (MAPPED_ONE, (owners == 1) & (hidden == 0)),
        (MAPPED_SEVERAL, owners > 0),
        (MAPPED_HIDDEN, hidden > 0),
        (DIRTY, _has(flags, KPF.DIRTY, KPF.WRITEBACK)),
        (UNEVICTABLE, _has(flags, KPF.UNEVICTABLE)),
        (ACTIVE, on_a_list & _has(flags, KPF.ACTIVE)),
        (INACTIVE, on_a_list),
    ]
    return _first(order, NONE)
