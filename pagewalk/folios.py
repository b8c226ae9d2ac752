"""Large folios under mappings: which pages lie in whole ones, of what order, aligned or not.

What the kernel's ``tools/mm/thpmaps`` tells, by the same rules, but for three things: hugetlb pages are told too, the
huge zero page is not, and order 1 is not left out. Whether a folio is mapped by one PMD or by PTEs no pagemap tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF
from pagewalk.pages import FrameRuns, PageFacts
from pagewalk.tally import HUGETLB, FactTable

__all__ = ["FolioCover", "folio_cover"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class FolioCover:
    """Pages in large folios, counted by VMA, kind and order; one array a column, all of one length.

    Attributes
    ----------
    vma : ndarray of int64
        Row of the mappings, ascending.
    kind : ndarray of int64
        Index into `tally.KINDS`: anon, file, shmem or hugetlb.
    order : ndarray of int64
        The folios are of 2^order pages; 0 where that is not known, since they are mapped in part only.
    aligned : ndarray of int64
        Pages of whole folios at an address that is a multiple of their size. Their frames always are.
    unaligned : ndarray of int64
        Pages of whole folios at another address.
    partial : ndarray of int64
        Pages of folios that this VMA does not map whole and in one piece.
    """

    vma: Ints
    kind: Ints
    order: Ints
    aligned: Ints
    unaligned: Ints
    partial: Ints

    def __len__(self) -> int:
        return len(self.vma)


@dataclass(frozen=True, eq=False, slots=True)
class _Pieces:
    """Runs of pages in large folios, by VMA and address; a head is a piece of one page, tails are pieces of many."""

    vma: Ints
    page: Ints
    pfn: Ints
    length: Ints
    kind: Ints
    is_head: Mask

    def take(self, which: Ints | Mask) -> _Pieces:
        columns = (self.vma, self.page, self.pfn, self.length, self.kind, self.is_head)
        return _Pieces(*(column[which] for column in columns))  # type: ignore[arg-type]


def folio_cover(pages: PageFacts, frames: FrameRuns, table: FactTable) -> FolioCover:
    """Count the pages of each VMA that lie in large folios.

    Parameters
    ----------
    pages : PageFacts
        The pages of the VMAs.
    frames : FrameRuns
        The rows of their frames, with those told whose folio is mapped up to there only.
    table : FactTable
        What the kernel says of each row.
    """
    pieces = _pieces(pages, frames, table)
    if not len(pieces.vma):
        return FolioCover(*(np.zeros(0, np.int64) for _ in range(6)))
    # A head begins a folio. A tail goes on with it where page and frame both follow the ones before.
    behind = pieces.page[:-1] + pieces.length[:-1], pieces.pfn[:-1] + pieces.length[:-1]
    follows = (pieces.vma[1:] == pieces.vma[:-1]) & (pieces.page[1:] == behind[0]) & (pieces.pfn[1:] == behind[1])
    begins = np.flatnonzero(np.append(True, pieces.is_head[1:] | ~follows))
    length = np.add.reduceat(pieces.length, begins)
    first = pieces.take(begins)
    is_whole = first.is_head & ((length & (length - 1)) == 0) & (first.pfn % length == 0)
    is_whole &= (length > 1) & ~_goes_on(first.pfn + length, frames, table)
    is_aligned = is_whole & (first.page % length == 0)
    order = np.where(is_whole, np.log2(length).astype(np.int64), 0)
    return _summed(
        np.stack((first.vma, first.kind, order)),
        np.stack([np.where(mask, length, 0) for mask in (is_aligned, is_whole & ~is_aligned, ~is_whole)]),
    )


def _pieces(pages: PageFacts, frames: FrameRuns, table: FactTable) -> _Pieces:
    """Cut the runs of pages where their frames' rows change, and keep those in large folios."""
    flags = table.flags
    # Compound pages of drivers are no folios of anybody's memory (fs/proc/page.c:stable_page_flags: KPF_THP is said of
    # large_rmappable folios). The huge zero page is a folio, but of nobody.
    is_folio = ((flags & np.uint64(KPF.THP | KPF.HUGE)) != 0) & (table.kind <= HUGETLB)
    is_head = is_folio & ((flags & np.uint64(KPF.COMPOUND_HEAD)) != 0)
    is_large = is_head | (is_folio & ((flags & np.uint64(KPF.COMPOUND_TAIL)) != 0))
    large = np.flatnonzero(is_large[frames.row])
    start, stop, row = frames.pfn[large], frames.pfn[large] + frames.length[large], frames.row[large]
    at = np.searchsorted(stop, pages.pfn, side="right")
    count = np.searchsorted(start, pages.pfn + pages.length, side="left") - at
    which = np.repeat(np.arange(len(pages)), count)
    run = np.repeat(at - np.cumsum(count) + count, count) + np.arange(len(which))
    low = np.maximum(pages.pfn[which], start[run])
    high = np.minimum(pages.pfn[which] + pages.length[which], stop[run])
    pieces = _Pieces(
        vma=pages.vma[which],
        page=pages.page[which].astype(np.int64) + low - pages.pfn[which],
        pfn=low,
        length=high - low,
        kind=table.kind[row[run]].astype(np.int64),
        is_head=is_head[row[run]],
    )
    pieces = pieces.take(np.lexsort((pieces.page, pieces.vma)))
    # Two heads one after the other are no folios, but two frames changed while they were read.
    times = np.where(pieces.is_head, pieces.length, 1)
    if (times == 1).all():
        return pieces
    which = np.repeat(np.arange(len(times)), times)
    within = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
    single = pieces.take(which)
    return _Pieces(
        single.vma,
        single.page + within,
        single.pfn + within,
        np.where(single.is_head, 1, single.length),
        single.kind,
        single.is_head,
    )


def _goes_on(behind: Ints, frames: FrameRuns, table: FactTable) -> Mask:
    """Say whether these frames, each the one behind a folio's mapped part, are of the same folio."""
    row = frames.rows_of(behind)
    is_tail = (table.flags[row] & np.uint64(KPF.COMPOUND_TAIL)) != 0
    return np.where(row >= 0, is_tail, np.isin(behind - 1, frames.torn))


def _summed(keys: Ints, pages: Ints) -> FolioCover:
    """Add up pages, shape (3, n), by keys, shape (3, n): VMA, kind and order."""
    order = np.lexsort(keys[::-1])
    keys, pages = keys[:, order], pages[:, order]
    new = np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0))
    return FolioCover(*keys[:, new], *np.add.reduceat(pages, np.flatnonzero(new), axis=1))
