"""Page by page: what stopped being shared between two walks, and what began to be.

Runs are cut at each other's ends and never taken apart, so that a heap of huge pages costs what its runs are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.difference.matching import Pairs
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.mappings import MappingFacts
from pagewalk.pages import FrameRuns, PageFacts
from pagewalk.tally import HUGETLB, SHMEM, FactTable

__all__ = ["PageChanges", "compare_pages"]

Ints = NDArray[np.int64]

# Where the kernel puts code and data of its own into an address space, by chance and for its whole life: another
# place is another address space, which exec made. The first that both times have decides.
_FIXED = {"[vdso]": "start", "[stack]": "end"}


@dataclass(frozen=True, eq=False, slots=True)
class PageChanges:
    """Pages whose frames were shared at one time and not at the other, by VMA of the new walk.

    A frame is shared unless it has one owner and no hidden one. Pages that are present both times are compared, of
    frames that are memory of processes (in rss, or of hugetlbfs).

    Attributes
    ----------
    copied : ndarray of int64
        Were shared, and are the process's own now on another frame: copied when it wrote to them.
    left : ndarray of int64
        Were shared, and are its own now on the same frame: whoever shared it wrote, unmapped it or ended.
    shared_now : ndarray of int64
        Were its own, and are shared now: by a fork, by another mapping of the file, or merged by KSM.
    compared : ndarray of bool
        By address space of the new walk: whether its pages could be compared. It was there both times, and both walks
        kept its mappings.
    replaced : ndarray of bool
        By address space of the new walk: whether its process called exec meanwhile, so that nothing is compared.
    """

    copied: Ints
    left: Ints
    shared_now: Ints
    compared: NDArray[np.bool_]
    replaced: NDArray[np.bool_]


def compare_pages(old: Facts, new: Facts, spaces: Pairs) -> PageChanges:
    """Compare the pages of the address spaces that are there both times.

    Parameters
    ----------
    old, new : Facts
        Of one boot of one machine, with mappings kept.
    spaces : Pairs
        The address spaces.

    Returns
    -------
    PageChanges
        Counts of pages.

    Raises
    ------
    PagewalkError
        A walk kept no mappings, the page sizes differ, or pages of one address space overlap (a damaged file).
    """
    before, after = _kept(old), _kept(new)
    if old.page_size != new.page_size:
        raise PagewalkError(f"pages of {old.page_size} and of {new.page_size} bytes cannot be compared")
    both = np.flatnonzero(spaces.both)
    both = both[np.isin(spaces.old[both], before.mappings.space) & np.isin(spaces.new[both], after.mappings.space)]
    exec_called = _replaced(before.mappings, after.mappings, spaces.old[both], spaces.new[both])
    chosen = both[~exec_called]
    copied, left, shared_now = _counted(before, after, Pairs(spaces.old[chosen], spaces.new[chosen]))
    compared, replaced = np.zeros(len(new.spaces), np.bool_), np.zeros(len(new.spaces), np.bool_)
    compared[spaces.new[chosen]] = True
    replaced[spaces.new[both[exec_called]]] = True
    return PageChanges(copied, left, shared_now, compared, replaced)


def _kept(facts: Facts) -> _Kept:
    kept = facts.mappings
    if kept is None or not kept.whole or facts.pages is None or facts.frames is None:
        raise PagewalkError("this walk kept no mappings; ask for them: walk(mappings=True)")
    return _Kept(len(facts.spaces), facts.table, kept, facts.pages, facts.frames)


def _replaced(old: MappingFacts, new: MappingFacts, old_spaces: Ints, new_spaces: Ints) -> NDArray[np.bool_]:
    """Say which of these address spaces are another one by now, though the process is the same."""
    before, after = _places(old), _places(new)
    out = np.zeros(len(old_spaces), np.bool_)
    for at, (was, is_now) in enumerate(zip(old_spaces.tolist(), new_spaces.tolist(), strict=True)):
        for name in _FIXED:
            places = before.get((was, name)), after.get((is_now, name))
            if None not in places:
                out[at] = places[0] != places[1]
                break
    return out


def _places(kept: MappingFacts) -> dict[tuple[int, str], int]:
    """Return where the kernel put what stays in its place, by address space and name."""
    found = {}
    for row, name in enumerate(kept.name):
        if name in _FIXED:
            edge = kept.start if _FIXED[name] == "start" else kept.end
            found[int(kept.space[row]), name] = int(edge[row])
    return found


@dataclass(frozen=True, eq=False, slots=True)
class _Kept:
    """What a walk kept of single pages."""

    spaces: int
    table: FactTable
    mappings: MappingFacts
    pages: PageFacts
    frames: FrameRuns


@dataclass(frozen=True, eq=False, slots=True)
class _Present:
    """Present pages of some address spaces, one behind the other on one line, ascending and disjoint."""

    start: Ints
    stop: Ints
    pfn: Ints
    vma: Ints


@dataclass(frozen=True, eq=False, slots=True)
class _Frames:
    """Runs of frames that are memory of processes, ascending and disjoint, each shared or not."""

    start: Ints
    stop: Ints
    is_shared: NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class _Pages:
    """Pages that are present both times, as runs on both sides."""

    vma: Ints
    old_pfn: Ints
    new_pfn: Ints
    length: Ints

    def within(self, pfn: Ints, frames: _Frames) -> _Pages:
        """Return those of the pages whose frames, which are `pfn`, are among `frames`."""
        at, _, start, stop = _overlaps(pfn, pfn + self.length, frames.start, frames.stop)
        later = start - pfn[at]
        return _Pages(self.vma[at], self.old_pfn[at] + later, self.new_pfn[at] + later, stop - start)


def _counted(old: _Kept, new: _Kept, spaces: Pairs) -> tuple[Ints, Ints, Ints]:
    """Count pages by VMA of the new walk: copied, left, shared now."""
    was, is_now = _on_a_line(old, new, spaces)
    at, by, start, stop = _overlaps(was.start, was.stop, is_now.start, is_now.stop)
    old_pfn = was.pfn[at] + (start - was.start[at])
    new_pfn = is_now.pfn[by] + (start - is_now.start[by])
    pages = _Pages(is_now.vma[by], old_pfn, new_pfn, stop - start)
    counts, vmas = [], len(new.mappings)
    before, after = _frames(old), _frames(new)
    for was_shared in (True, False):
        # Those of frames that were shared, or that were not; and of them those that are the other thing now.
        such = pages.within(pages.old_pfn, _some(before, was_shared))
        changed = such.within(such.new_pfn, _some(after, not was_shared))
        stayed = changed.old_pfn == changed.new_pfn
        for which in (~stayed, stayed):
            count = np.zeros(vmas, np.int64)
            np.add.at(count, changed.vma[which], changed.length[which])
            counts.append(count)
    copied, left, merged, joined = counts
    return copied, left, merged + joined


def _on_a_line(old: _Kept, new: _Kept, spaces: Pairs) -> tuple[_Present, _Present]:
    """Put the address spaces behind one another, the same for both walks: a page has one number in all."""
    sides = [_present(old, spaces.old), _present(new, spaces.new)]
    widths = np.zeros(len(spaces), np.uint64)
    for number, runs in sides:
        np.maximum.at(widths, number, runs.stop.astype(np.uint64))
    # Less than 2^36 pages each where addresses have 48 bits: there is room for 2^27 address spaces.
    if int(widths.astype(np.float64).sum()) >= 1 << 62:
        raise PagewalkError("pages lie at addresses that no kernel gives: the snapshot is damaged")
    base = (np.cumsum(widths) - widths).astype(np.int64)
    placed = []
    for number, runs in sides:
        shift = base[number]
        order = np.argsort(runs.start + shift, kind="stable")
        line = _Present(*(column[order] for column in (runs.start + shift, runs.stop + shift, runs.pfn, runs.vma)))
        _check_disjoint(line.start, line.stop)
        placed.append(line)
    return placed[0], placed[1]


def _present(kept: _Kept, spaces: Ints) -> tuple[Ints, _Present]:
    """Return the present pages of these address spaces, and which of them each run is in."""
    pages = kept.pages
    number_of = np.full(kept.spaces, -1, np.int64)
    number_of[spaces] = np.arange(len(spaces))
    number = number_of[kept.mappings.space[pages.vma]]
    chosen = number >= 0
    start = pages.page[chosen].astype(np.int64)
    return number[chosen], _Present(start, start + pages.length[chosen], pages.pfn[chosen], pages.vma[chosen])


def _frames(kept: _Kept) -> _Frames:
    """Return the frames that are memory of processes: neither the zero page nor what has no struct page."""
    table, frames = kept.table, kept.frames
    is_memory = (table.owners > 0) & ((table.kind <= SHMEM) | (table.kind == HUGETLB))
    is_shared = (table.owners > 1) | (table.hidden > 0)
    chosen = is_memory[frames.row]
    start, length, row = frames.pfn[chosen], frames.length[chosen], frames.row[chosen]
    _check_disjoint(start, start + length)
    return _Frames(start, start + length, is_shared[row])


def _some(frames: _Frames, is_shared: bool) -> _Frames:
    """Return those runs that are shared, or those that are not; what touches is one run."""
    chosen = frames.is_shared == is_shared
    start, stop = frames.start[chosen], frames.stop[chosen]
    begins = np.ones(len(start), np.bool_)
    begins[1:] = start[1:] != stop[:-1]
    ends = np.ones(len(start), np.bool_)
    ends[:-1] = begins[1:]
    return _Frames(start[begins], stop[ends], np.full(int(begins.sum()), is_shared))


def _overlaps(start: Ints, stop: Ints, starts: Ints, stops: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Cut ranges at the ends of others, which are ascending and disjoint.

    Returns which range each part is of, which of the others it is in, and its start and stop.
    """
    first = np.searchsorted(stops, start, side="right")
    parts = np.maximum(np.searchsorted(starts, stop, side="left") - first, 0)
    at = np.repeat(np.arange(len(start)), parts)
    other = np.repeat(first - np.cumsum(parts) + parts, parts) + np.arange(len(at))
    return at, other, np.maximum(start[at], starts[other]), np.minimum(stop[at], stops[other])


def _check_disjoint(start: Ints, stop: Ints) -> None:
    """Stop where ranges overlap: cutting them at each other's ends could take without bound."""
    if len(start) and (int(start[0]) < 0 or (stop <= start).any() or (start[1:] < stop[:-1]).any()):
        raise PagewalkError("two pages are said to be in one place: the snapshot is damaged")
