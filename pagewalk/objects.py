"""Files without a name, who holds them, and the frames they have: what goes back when the last holder ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.frames import FrameRows
from pagewalk.held import HeldFile
from pagewalk.mappings import KeptPages
from pagewalk.pages import page_facts

__all__ = ["Holding", "ObjectFacts", "object_facts"]

Ints = NDArray[np.int64]
# Frame numbers have less than 41 bits (a physical address has 52): room to sort objects before them in one integer.
_PFN_BITS = 42


@dataclass(frozen=True, eq=False, slots=True)
class Holding:
    """The nameless files that one address space holds.

    Attributes
    ----------
    space : int
        Its number among the facts' address spaces.
    mapped : mapping of int to HeldFile
        By row of its VMAs.
    opened : sequence of HeldFile
        By descriptor.
    pages : KeptPages or None
        Its VMAs, and the pages of those that map such files; None where it maps none.
    """

    space: int
    mapped: Mapping[int, HeldFile]
    opened: Sequence[HeldFile]
    pages: KeptPages | None


@dataclass(frozen=True, eq=False)
class ObjectFacts:
    """Files that no directory names: unlinked ones, memfds, shared anonymous memory, segments of System V.

    Attributes
    ----------
    name : list of str
        The kernel's name of each.
    major, minor : ndarray of uint32
        Device.
    inode : ndarray of uint64
        Inode.
    dies : ndarray of bool
        Whether it ends with its last holder. A segment of System V does only once it was removed.
    allocated : ndarray of int64
        Bytes it takes in RAM, in swap, or on disk, mapped or not: the kernel's own figure, -1 unknown.
    holder, held : ndarray of int64
        Pairs of an address space and the object that it maps or has open.
    object, row, frames : ndarray of int64
        Distinct mapped frames of an object that are in a row of the fact table. Private copies of its pages, which
        are anonymous, are among them.
    """

    name: list[str]
    major: NDArray[np.uint32]
    minor: NDArray[np.uint32]
    inode: NDArray[np.uint64]
    dies: NDArray[np.bool_]
    allocated: Ints
    holder: Ints
    held: Ints
    object: Ints
    row: Ints
    frames: Ints

    def __len__(self) -> int:
        return len(self.name)


def object_facts(
    holdings: Sequence[Holding],
    rows: FrameRows,
    row_of_device: Mapping[int, int],
    doomed: Mapping[int, bool],
    page_size: int,
) -> ObjectFacts:
    """Put together what all address spaces hold.

    Parameters
    ----------
    holdings : sequence of Holding
        Of each address space that holds any.
    rows : FrameRows
        With ``row_of`` kept.
    row_of_device : mapping of int to int
        The row of each device frame.
    doomed : mapping of int to bool
        `held.doomed_segments`.
    page_size : int
        Bytes of a page.
    """
    number: dict[tuple[int, int, int, bool], int] = {}
    files: list[HeldFile] = []
    pairs: set[tuple[int, int]] = set()
    kept, object_of_vma = [], [np.zeros(0, np.int64)]
    for holding in holdings:
        for file in (*holding.mapped.values(), *holding.opened):
            if file.key not in number:
                number[file.key] = len(files)
                files.append(file)
            elif files[number[file.key]].allocated < 0:
                files[number[file.key]] = file
            pairs.add((holding.space, number[file.key]))
        if holding.pages is not None:
            kept.append(holding.pages)
            objects = np.full(len(holding.pages.vmas), -1, np.int64)
            for at, file in holding.mapped.items():
                objects[at] = number[file.key]
            object_of_vma.append(objects)
    which, row, frames = _frames(kept, np.concatenate(object_of_vma), rows, row_of_device, page_size)
    holder, held = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    return ObjectFacts(
        name=[file.name for file in files],
        major=np.array([file.major for file in files], np.uint32),
        minor=np.array([file.minor for file in files], np.uint32),
        inode=np.array([file.inode for file in files], np.uint64),
        dies=np.array([_dies(file, doomed) for file in files], np.bool_),
        allocated=np.array([file.allocated for file in files], np.int64),
        holder=holder.copy(),
        held=held.copy(),
        object=which,
        row=row,
        frames=frames,
    )


def _dies(file: HeldFile, doomed: Mapping[int, bool]) -> bool:
    # A segment that is not listed is one of another IPC namespace: it is taken to live on.
    return doomed.get(file.inode, False) if file.is_segment else file.links == 0


def _frames(
    kept: Sequence[KeptPages],
    object_of_vma: Ints,
    rows: FrameRows,
    row_of_device: Mapping[int, int],
    page_size: int,
) -> tuple[Ints, Ints, Ints]:
    """Count the distinct frames of each object by row of the fact table: object, row, frames."""
    pages = page_facts(kept, page_size)
    mine = np.flatnonzero(object_of_vma[pages.vma] >= 0) if len(pages) else np.zeros(0, np.intp)
    base = object_of_vma[pages.vma[mine]] << _PFN_BITS
    start, stop = base + pages.pfn[mine], base + pages.pfn[mine] + pages.length[mine]
    order = np.argsort(start, kind="stable")
    start, stop = start[order], stop[order]
    # What runs before have covered is left out: many processes map the same frames.
    covered = np.concatenate((np.zeros(min(len(stop), 1), np.int64), np.maximum.accumulate(stop)[:-1]))
    start = np.maximum(start, covered)
    length = np.maximum(stop - start, 0)
    within = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    each = np.repeat(start, length) + within
    pfn = each & ((1 << _PFN_BITS) - 1)
    inside = pfn < len(rows.row_of)
    row = rows.row_of[np.where(inside, pfn, 0)].astype(np.int64) - 1
    row[~inside] = [row_of_device[number] for number in pfn[~inside].tolist()]
    counted, frames = np.unique(np.stack((each >> _PFN_BITS, row))[:, row >= 0], axis=1, return_counts=True)
    return counted[0].copy(), counted[1].copy(), frames.astype(np.int64)
