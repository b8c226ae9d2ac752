"""The VMAs whose pages were kept, and what these pages are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import PFRAME_MASK, PM, SWAP_OFFSET_SHIFT, SWAP_TYPE_MASK, perms_text
from pagewalk.frames import FrameRows
from pagewalk.ownership import Ownership
from pagewalk.pagemap import PageRuns
from pagewalk.smaps import SmapsVMA
from pagewalk.vmas import VMAs

__all__ = ["KeptPages", "MappingFacts", "mapping_facts"]

Ints = NDArray[np.int64]

_Scalar = TypeVar("_Scalar", np.uint8, np.uint32, np.uint64)

# Pages taken apart at a time: what a walk keeps are runs, and a heap of huge pages is few runs of many pages.
PAGES_AT_ONCE = 1 << 20


@dataclass(frozen=True, eq=False, slots=True)
class KeptPages:
    """The VMAs and pages of one address space.

    Attributes
    ----------
    space : int
        Its number among the facts' address spaces.
    vmas : VMAs
        Its VMAs.
    runs : PageRuns
        Its present and swapped pages.
    smaps : sequence of SmapsVMA, or None
        What smaps says of its VMAs, if it was read.
    """

    space: int
    vmas: VMAs
    runs: PageRuns
    smaps: Sequence[SmapsVMA] | None = None


@dataclass(frozen=True, eq=False)
class MappingFacts:
    """The VMAs of the address spaces whose mappings were kept, and their pages.

    Attributes
    ----------
    space : ndarray of int64
        The address space of each VMA.
    start, end, offset, inode : ndarray of uint64
        Addresses and offset in bytes.
    major, minor : ndarray of uint32
        Device of the file.
    perms : ndarray of uint8
        Sum of `abi.VM` bits.
    name : list of str
        Names.
    vm_flags : list of str or None
        VmFlags, two-letter codes; None where they were not read.
    vma, row, pages : ndarray of int64
        Pages of a VMA whose frames belong to a row of the fact table.
    swap_vma, swap_set, slots : ndarray of int64
        Swap entries of a VMA whose slots have an owner set.
    whole : bool
        Whether all pages of these VMAs were kept, not only those of frames that were asked for.
    kernel : mapping of str to ndarray of int64
        The kernel's own figures of each VMA by the names they have in smaps: sizes in bytes, others as they are; -1
        where smaps was not read, has no such figure, or no longer had this VMA. Empty if smaps was not asked for.
    """

    space: Ints
    start: NDArray[np.uint64]
    end: NDArray[np.uint64]
    offset: NDArray[np.uint64]
    inode: NDArray[np.uint64]
    major: NDArray[np.uint32]
    minor: NDArray[np.uint32]
    perms: NDArray[np.uint8]
    name: list[str]
    vm_flags: list[str | None]
    vma: Ints
    row: Ints
    pages: Ints
    swap_vma: Ints
    swap_set: Ints
    slots: Ints
    whole: bool = True
    kernel: Mapping[str, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.space)


def mapping_facts(
    ownership: Ownership,
    rows: FrameRows,
    new_of: NDArray[np.uint32],
    row_of_device: Mapping[int, int],
    kept: Sequence[KeptPages],
    page_size: int,
    whole: bool = True,
) -> MappingFacts:
    """Count the kept pages by VMA and row of the fact table.

    Parameters
    ----------
    ownership : Ownership
        For the owner sets of swap slots.
    rows : FrameRows
        With ``row_of`` kept.
    new_of : ndarray of uint32
        The facts' number of each owner set of the ownership.
    row_of_device : mapping of int to int
        The row of each device frame.
    kept : sequence of KeptPages
        The address spaces.
    page_size : int
        Bytes of a page.
    whole : bool
        Whether all pages of these address spaces were kept.
    """
    first = 0
    present, swapped = [np.empty((3, 0), np.int64)], [np.empty((3, 0), np.int64)]
    for pages in kept:
        ends = pages.vmas.end // np.uint64(page_size)
        for page, word in _expanded(pages.runs):
            vma = np.searchsorted(ends, page, side="right").astype(np.int64) + first
            is_present = (word & np.uint64(PM.PRESENT)) != 0
            pfn = (word[is_present] & np.uint64(PFRAME_MASK)).astype(np.int64)
            inside = pfn < len(rows.row_of)
            row = rows.row_of[np.where(inside, pfn, 0)].astype(np.int64) - 1
            row[~inside] = [row_of_device[number] for number in pfn[~inside].tolist()]
            present.append(_counted(vma[is_present][row >= 0], row[row >= 0]))
            swaps, its_vma = word[~is_present], vma[~is_present]
            numbers = new_of[_swap_sets(ownership, swaps)].astype(np.int64)
            swapped.append(_counted(its_vma[numbers > 0], numbers[numbers > 0]))
        first += len(pages.vmas)
    said = [one for pages in kept for one in _said_of(pages)]
    all_present, all_swapped = np.concatenate(present, axis=1), np.concatenate(swapped, axis=1)
    return MappingFacts(
        space=np.repeat([pages.space for pages in kept], [len(pages.vmas) for pages in kept]).astype(np.int64),
        start=_joined([pages.vmas.start for pages in kept], np.uint64),
        end=_joined([pages.vmas.end for pages in kept], np.uint64),
        offset=_joined([pages.vmas.offset for pages in kept], np.uint64),
        inode=_joined([pages.vmas.inode for pages in kept], np.uint64),
        major=_joined([pages.vmas.major for pages in kept], np.uint32),
        minor=_joined([pages.vmas.minor for pages in kept], np.uint32),
        perms=_joined([pages.vmas.perms for pages in kept], np.uint8),
        name=[name for pages in kept for name in pages.vmas.names()],
        vm_flags=[None if one is None else " ".join(one.vm_flags) for one in said],
        vma=all_present[0],
        row=all_present[1],
        pages=all_present[2],
        swap_vma=all_swapped[0],
        swap_set=all_swapped[1],
        slots=all_swapped[2],
        whole=whole,
        kernel=_kernels_figures(said),
    )


def _said_of(pages: KeptPages) -> list[SmapsVMA | None]:
    """Return what smaps says of each VMA; None of one that was another when smaps was read, a moment after maps."""
    vmas = pages.vmas
    there = {(one.start, one.end, one.perms, one.offset, one.inode, one.name): one for one in pages.smaps or ()}
    if not there:
        return [None] * len(vmas)
    perms = [perms_text(bits) for bits in vmas.perms.tolist()]
    columns = (vmas.start.tolist(), vmas.end.tolist(), perms, vmas.offset.tolist(), vmas.inode.tolist(), vmas.names())
    return [there.get(key) for key in zip(*columns, strict=True)]


def _kernels_figures(said: Sequence[SmapsVMA | None]) -> dict[str, Ints]:
    """Return smaps by column."""
    names = dict.fromkeys(name for one in said if one is not None for name in one.fields)
    return {
        name: np.array([-1 if one is None else one.fields.get(name, -1) for one in said], np.int64) for name in names
    }


def _joined(parts: list[NDArray[_Scalar]], dtype: type[_Scalar]) -> NDArray[_Scalar]:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _expanded(runs: PageRuns) -> list[tuple[NDArray[np.uint64], NDArray[np.uint64]]]:
    """Turn runs into pages, some at a time: page numbers and words; guards and markers left out."""
    is_swap = (runs.word & np.uint64(PM.PRESENT)) == 0
    real = ~is_swap | (
        ((runs.word & np.uint64(PM.GUARD_REGION)) == 0) & ((runs.word & np.uint64(SWAP_TYPE_MASK)) < np.uint64(22))
    )
    page, word, length = runs.page[real], runs.word[real], runs.length[real].astype(np.int64)
    step = np.where(is_swap[real], 1 << SWAP_OFFSET_SHIFT, 1).astype(np.uint64)
    if not len(page):
        return []
    cuts = np.flatnonzero(np.diff(np.cumsum(length) // PAGES_AT_ONCE)) + 1
    out = []
    for part in np.split(np.arange(len(page)), cuts):
        n = length[part]
        within = (np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)).astype(np.uint64)
        out.append((np.repeat(page[part], n) + within, np.repeat(word[part], n) + within * np.repeat(step[part], n)))
    return out


def _counted(vma: Ints, other: Ints) -> Ints:
    """Count equal pairs: rows of vma, other, count."""
    order = np.lexsort((other, vma))
    vma, other = vma[order], other[order]
    new = np.ones(len(vma), bool)
    new[1:] = (vma[1:] != vma[:-1]) | (other[1:] != other[:-1])
    at = np.flatnonzero(new)
    return np.stack((vma[at], other[at], np.diff(np.append(at, len(vma)))))


def _swap_sets(ownership: Ownership, words: NDArray[np.uint64]) -> NDArray[np.uint32]:
    kinds = (words & np.uint64(SWAP_TYPE_MASK)).astype(np.int64)
    slots = ((words & np.uint64(PFRAME_MASK)) >> np.uint64(SWAP_OFFSET_SHIFT)).astype(np.int64)
    out = np.zeros(len(words), np.uint32)
    for kind in np.unique(kinds).tolist():
        out[kinds == kind] = ownership.swap[kind][slots[kinds == kind]]
    return out
