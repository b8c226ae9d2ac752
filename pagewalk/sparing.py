"""Frames of which pagemap tells all that is asked: what is known of them without a word of the kpage files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF
from pagewalk.frames import FrameRows

__all__ = ["to_read", "with_spared"]


def to_read(sets: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return for each owner set itself, or nobody if its frames are spared: what `read_frames` takes.

    Parameters
    ----------
    sets : ndarray of bool
        The owner sets that are spared.
    """
    return np.where(sets, 0, np.arange(len(sets))).astype(np.uint32)


def with_spared(rows: FrameRows, sets: NDArray[np.bool_], frames: NDArray[np.int64]) -> FrameRows:
    """Add rows of the frames that were not read: what pagemap tells of them.

    Parameters
    ----------
    rows : FrameRows
        What was read, some frames of these sets among it.
    sets : ndarray of bool
        The owner sets that were spared.
    frames : ndarray of int64
        Frames of each owner set.

    Returns
    -------
    FrameRows
        The rest of their frames anonymous, mapped once, and of no flag else.
    """
    left = np.where(sets, frames, 0)
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
