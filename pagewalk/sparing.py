"""Frames of which pagemap tells all or most that is asked: what is known of them with few words of the kpage files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pagewalk.abi import KPF
from pagewalk.frames import ASK_COUNT, ASK_FLAGS, FrameRows, Needs
from pagewalk.ownership import ROOT_PLAIN, ROOT_SHMEM, ROOT_SOLE, Ownership

__all__ = ["needs", "with_spared"]


def needs(ownership: Ownership) -> Needs:
    """Say what is to be read of the frames of each owner set where flags are of no interest.

    Parameters
    ----------
    ownership : Ownership
        All address spaces folded, their entries told by VMA.

    Returns
    -------
    Needs
        Nothing of anonymous frames that pagemap calls mapped once, and that have one owner, once. Only the mapcount of
        what else is anonymous or shmem: whether a hidden owner has it. All of what maps files of other file systems,
        and of mappings of which it is not known that their pages are none of hugetlbfs.
    """
    roots = ownership.roots()
    owners, mappings = ownership.sets().along_paths()
    told = (roots == ROOT_SOLE) | (roots == ROOT_PLAIN) | (roots == ROOT_SHMEM)
    need = np.where(told, ASK_COUNT, ASK_COUNT | ASK_FLAGS)
    need[(roots == ROOT_SOLE) & (owners == 1) & (mappings == 1)] = 0
    need[0] = 0
    stand_in = np.where(roots == ROOT_SHMEM, np.uint64(KPF.SWAPBACKED), np.uint64(KPF.ANON))
    return Needs(need.astype(np.uint8), mappings.astype(np.uint32), stand_in)


def with_spared(rows: FrameRows, needed: Needs, ownership: Ownership) -> FrameRows:
    """Add rows of the frames that were not read: what pagemap tells of them.

    Parameters
    ----------
    rows : FrameRows
        What was read, some frames of these sets among it.
    needed : Needs
        What was asked for.
    ownership : Ownership
        Whose frames.

    Returns
    -------
    FrameRows
        The rest of their frames anonymous, mapped once, and of no flag else.
    """
    sets = needed.need == 0
    left = np.where(sets, ownership.frames_per_set(), 0)
    np.subtract.at(left, rows.set, np.where(sets[rows.set], rows.frames, 0))
    (more,) = np.nonzero(left > 0)
    n = len(more)
    return replace(
        rows,
        set=np.concatenate((rows.set, more.astype(np.uint32))),
        mapcount=np.concatenate((rows.mapcount, np.ones(n, np.uint64))),
        flags=np.concatenate((rows.flags, np.full(n, int(KPF.ANON), np.uint64))),
        memcg=np.concatenate((rows.memcg, np.zeros(n, np.uint64))),
        zone=np.concatenate((rows.zone, np.zeros(n, np.int64))),
        frames=np.concatenate((rows.frames, left[more])),
        spared=int(left[more].sum()),
    )
