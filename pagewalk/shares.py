"""Dividing frames among owners, and rounding to whole bytes so that nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import SnapshotError

__all__ = ["PART_BITS", "Shares", "apportion", "divide"]

Ints = NDArray[np.int64]

# Parts of a byte are kept as 2**-32: a million cut-off parts are less than a thousandth of a byte.
PART_BITS = 32


@dataclass(frozen=True, eq=False, slots=True)
class Shares:
    """Amounts in whole bytes and parts of a byte.

    Attributes
    ----------
    whole : ndarray of int64
        Bytes.
    part : ndarray of int64
        2**-32 bytes, cut off; may be more than a byte where several were added.
    """

    whole: Ints
    part: Ints


def divide(pages: Ints, owners: Ints, page_size: int) -> Shares:
    """Divide pages among so many owners: what each gets.

    Parameters
    ----------
    pages : ndarray of int64
        Pages, or frames.
    owners : ndarray of int64
        How many share them; 0 counts as 1.
    page_size : int
        Bytes of a page.
    """
    owners = np.maximum(owners, 1)
    whole, rest = np.divmod(pages * page_size, owners)
    return Shares(whole, (rest << PART_BITS) // owners)


def apportion(shares: Shares, totals: Ints, group: Ints) -> Ints:
    """Round shares to whole bytes so that each group's add up to its total, by the largest remainders.

    Parameters
    ----------
    shares : Shares
        What each row has.
    totals : ndarray of int64
        What the rows of each group add up to, in bytes.
    group : ndarray of int64
        The group of each row.

    Returns
    -------
    ndarray of int64
        Bytes, each less than two bytes from its share.

    Raises
    ------
    SnapshotError
        The shares are not of these totals.
    """
    share = shares.whole + (shares.part >> PART_BITS)
    remainder = shares.part & ((1 << PART_BITS) - 1)
    left = totals.copy()
    np.subtract.at(left, group, share)
    rows = np.bincount(group, minlength=len(totals))
    if (left < 0).any() or (left > rows + 1).any():
        # Never of a walk; a file can say of itself what it likes.
        raise SnapshotError("these facts contradict each other: shares do not add up to their totals")
    order = np.lexsort((-remainder, group))
    first = np.cumsum(rows) - rows
    rank = np.arange(len(share)) - np.repeat(first, rows)
    # One byte to each of the largest remainders; where a total was itself rounded up there may be one more.
    extra = (rank < left[group[order]]).astype(np.int64) + ((rank == 0) & (left > rows)[group[order]])
    share[order] += extra
    return share
