"""Where frames are mapped, page by page, and which row of the fact table each frame has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import PFRAME_MASK, PM
from pagewalk.frames import FrameRows
from pagewalk.mappings import KeptPages

__all__ = ["FrameRuns", "PageFacts", "frame_runs", "page_facts"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class PageFacts:
    """The present pages that a walk kept, as runs within one VMA whose frames follow each other.

    Attributes
    ----------
    vma : ndarray of int64
        Row of the mappings.
    page : ndarray of uint64
        First virtual page number.
    pfn : ndarray of int64
        Its frame; it goes up by one a page.
    length : ndarray of int64
        Pages.
    """

    vma: Ints
    page: NDArray[np.uint64]
    pfn: Ints
    length: Ints

    def __len__(self) -> int:
        return len(self.vma)

    def holding(self, pfn: int) -> tuple[Ints, NDArray[np.uint64]]:
        """Return where a frame is mapped: rows of the mappings, and virtual page numbers.

        Parameters
        ----------
        pfn : int
            The frame.
        """
        at = np.flatnonzero((self.pfn <= pfn) & (pfn < self.pfn + self.length))
        return self.vma[at], self.page[at] + (pfn - self.pfn[at]).astype(np.uint64)


@dataclass(frozen=True, eq=False, slots=True)
class FrameRuns:
    """The row of the fact table of every frame that a walk read, as runs.

    Attributes
    ----------
    pfn : ndarray of int64
        First frame of each run, ascending.
    length : ndarray of int64
        Frames.
    row : ndarray of int64
        Row of the fact table.
    """

    pfn: Ints
    length: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.pfn)

    def rows_of(self, pfns: Ints) -> Ints:
        """Return the row of each of these frames, -1 where it was not read.

        Parameters
        ----------
        pfns : ndarray of int64
            Frame numbers.
        """
        if not len(self.pfn):
            return np.full(len(pfns), -1, np.int64)
        at = np.searchsorted(self.pfn, pfns, side="right") - 1
        inside = (at >= 0) & (pfns < self.pfn[at] + self.length[at])
        return np.where(inside, self.row[at], -1)


def page_facts(kept: Sequence[KeptPages], page_size: int) -> PageFacts:
    """Cut the kept runs where VMAs end.

    Parameters
    ----------
    kept : sequence of KeptPages
        In the order in which `mapping_facts` was given them.
    page_size : int
        Bytes of a page.
    """
    parts, before = [], 0
    for pages in kept:
        present = (pages.runs.word & np.uint64(PM.PRESENT)) != 0
        page, word = pages.runs.page[present], pages.runs.word[present]
        stop = page + pages.runs.length[present]
        starts = pages.vmas.start // np.uint64(page_size)
        ends = pages.vmas.end // np.uint64(page_size)
        # Runs lie in VMAs: from the one with the first page to the one with the last, each has a part.
        first = np.searchsorted(ends, page, side="right")
        vmas = np.searchsorted(ends, stop - np.uint64(1), side="right") - first + 1
        which = np.repeat(np.arange(len(page)), vmas)
        vma = np.repeat(first - np.cumsum(vmas) + vmas, vmas) + np.arange(len(which))
        low, high = np.maximum(page[which], starts[vma]), np.minimum(stop[which], ends[vma])
        pfn = (word & np.uint64(PFRAME_MASK))[which] + (low - page[which])
        parts.append((vma + before, low, pfn.astype(np.int64), (high - low).astype(np.int64)))
        before += len(pages.vmas)
    if not parts:
        none = np.zeros(0, np.int64)
        return PageFacts(none, none.astype(np.uint64), none, none)
    return PageFacts(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def frame_runs(rows: FrameRows, row_of_device: Mapping[int, int]) -> FrameRuns:
    """Find the runs of frames of one row.

    Parameters
    ----------
    rows : FrameRows
        With ``row_of`` kept.
    row_of_device : mapping of int to int
        The row of each device frame.
    """
    row_of = rows.row_of
    changes = np.flatnonzero(row_of[1:] != row_of[:-1]) + 1
    start = np.concatenate((np.zeros(min(len(row_of), 1), np.int64), changes))
    length = np.diff(np.append(start, len(row_of)))
    row = row_of[start].astype(np.int64) - 1
    read = row >= 0
    device = sorted(row_of_device.items())  # beyond the frames of the kpage files
    return FrameRuns(
        np.concatenate((start[read], np.array([pfn for pfn, _ in device], np.int64))),
        np.concatenate((length[read], np.ones(len(device), np.int64))),
        np.concatenate((row[read], np.array([number for _, number in device], np.int64))),
    )
