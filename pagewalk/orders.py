"""The order of the folio that a frame is part of, from where folios begin and end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF
from pagewalk.pages import FrameRuns

__all__ = ["folio_edges", "folio_orders"]

Ints = NDArray[np.int64]

# A folio of order k starts at a multiple of 2^k frames; the largest is a huge page of 1 GiB in pages of 4 KiB, or of
# 16 GiB in pages of 64 KiB.
ORDERS = np.arange(19)


def _heads(pfns: Ints) -> Ints:
    """Return where the folio of each frame would begin, by its order: shape (len(pfns), len(ORDERS))."""
    heads: Ints = pfns[:, None] >> ORDERS << ORDERS
    return heads


def folio_edges(pfns: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the frames that tell of what order the folios of some frames are.

    Parameters
    ----------
    pfns : ndarray of uint64
        Frames.

    Returns
    -------
    ndarray of uint64
        These frames and those at which their folios may begin, or have ended; ascending, each once.
    """
    # What is no frame number of any machine must not wrap around to one.
    heads = _heads(pfns[pfns < 1 << 55].astype(np.int64))
    return np.unique(
        np.concatenate((pfns, heads.ravel().astype(np.uint64), (heads + (1 << ORDERS)).ravel().astype(np.uint64)))
    )


def folio_orders(frames: FrameRuns, flags: NDArray[np.uint64], pfns: Ints) -> Ints:
    """Say of what order the folios of frames are.

    Parameters
    ----------
    frames : FrameRuns
        The frames read.
    flags : ndarray of uint64
        What kpageflags says, by row of the fact table.
    pfns : ndarray of int64
        Frames.

    Returns
    -------
    ndarray of int64, shape (len(pfns),)
        0 for a base page, -1 where too few frames were read to tell.
    """
    if not len(pfns) or not len(flags):
        return np.full(len(pfns), -1, np.int64)
    heads = _heads(pfns)
    is_read, is_head, is_tail = _told(frames, flags, heads)
    single = is_read[:, 0] & ~is_head[:, 0] & ~is_tail[:, 0]
    # Between a folio's head and the frame all are tails: the nearest head, with none but tails before it.
    at = np.argmax(~is_tail, axis=1)
    rows = np.arange(len(pfns))
    has_head = is_head[rows, at]
    head = heads[rows, at]
    # Of the orders that begin there, the first at whose end the folio has ended.
    ends_read, _, goes_on = _told(frames, flags, heads + (1 << ORDERS))
    torn = np.isin(heads + (1 << ORDERS) - 1, frames.torn)
    last_read = frames.rows_of((heads + (1 << ORDERS) - 1).ravel()).reshape(heads.shape) >= 0
    ended = np.where(ends_read, ~goes_on, last_read & ~torn)
    goes_on = np.where(ends_read, goes_on, torn)
    possible = (heads == head[:, None]) & (ORDERS > 0)
    first = np.argmax(possible & ~goes_on, axis=1)
    known = has_head & possible[rows, first] & ended[rows, first]
    order: Ints = np.where(single, 0, np.where(known, first, -1))
    return order


def _told(frames: FrameRuns, flags: NDArray[np.uint64], pfns: Ints) -> tuple[NDArray[np.bool_], ...]:
    """Say of frames, whatever the shape, whether they were read, are heads, and are tails."""
    row = frames.rows_of(pfns.ravel()).reshape(pfns.shape)
    is_read = row >= 0
    word = np.where(is_read, flags[row], np.uint64(0))
    return (
        is_read,
        (word & np.uint64(KPF.COMPOUND_HEAD)) != 0,
        (word & np.uint64(KPF.COMPOUND_TAIL)) != 0,
    )
