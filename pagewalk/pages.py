"""Where frames are mapped, page by page, and which row of the fact table each frame has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF, PFRAME_MASK, PM
from pagewalk.frames import FrameRows
from pagewalk.mappings import KeptPages
from pagewalk.sorting import distinct

__all__ = ["FrameRuns", "PageFacts", "find_torn", "frame_runs", "page_facts"]

Ints = NDArray[np.int64]


def _none() -> Ints:
    return np.zeros(0, np.int64)


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
    torn : ndarray of int64
        Those frames, ascending, whose folio goes on in a frame that was not read: nobody owns that one. Looked for
        where a run of pages ends.
    """

    pfn: Ints
    length: Ints
    row: Ints
    torn: Ints = field(default_factory=_none)

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
        none = _none()
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


def find_torn(
    frames: FrameRuns,
    pages: PageFacts,
    flags: NDArray[np.uint64],
    flags_of: Callable[[Ints], NDArray[np.uint64]],
) -> FrameRuns:
    """Return the frames with those told whose folio is mapped up to there only.

    Parameters
    ----------
    frames : FrameRuns
        The frames read.
    pages : PageFacts
        The pages kept.
    flags : ndarray of uint64
        What kpageflags says, by row of the fact table.
    flags_of : callable
        Reads what kpageflags says of frames; asked only where no row tells.
    """
    last = distinct(pages.pfn + pages.length - 1)
    row = frames.rows_of(last)
    of_folio = (flags[row] & np.uint64(KPF.COMPOUND_HEAD | KPF.COMPOUND_TAIL)) != 0 if len(flags) else row < 0
    last = last[(row >= 0) & of_folio]
    last = last[frames.rows_of(last + 1) < 0]
    if not len(last):
        return frames
    return replace(frames, torn=last[(flags_of(last + 1) & np.uint64(KPF.COMPOUND_TAIL)) != 0])
