"""The kernel's own accounts, read beside a walk of all of RAM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pagewalk import memcg, system
from pagewalk.errors import ParseError, PermissionRequired, Unsupported
from pagewalk.frames import Span
from pagewalk.procfs import ProcFS
from pagewalk.table import Table

__all__ = [
    "Accounts",
    "Cgroups",
    "Places",
    "asked_cover",
    "frame_cover",
    "read_accounts",
    "read_cgroups",
    "read_places",
]

# Frames that lie no further apart are asked for together.
NEAR = 64

_Answer = TypeVar("_Answer")
_Gaps = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Places:
    """Where frames are: what the zone numbers of the fact table's rows mean.

    Attributes
    ----------
    names : tuple of (int, str)
        Node and zone by number. Number 0 is outside of System RAM; node -1 and zone ``""`` where nothing tells.
    spans : tuple of system.FrameSpan
        The frames of System RAM that are online, ascending.
    gaps : sequence of (str, str)
        Files that are there and could not be read, and why.
    """

    names: tuple[tuple[int, str], ...]
    spans: tuple[system.FrameSpan, ...]
    gaps: Sequence[tuple[str, str]] = ()

    @property
    def frames(self) -> int:
        """Frames of System RAM that are online."""
        return sum(span.stop - span.start for span in self.spans)


@dataclass(frozen=True, eq=False, slots=True)
class Cgroups:
    """The cgroups that memory is charged to, and what the kernel says of each.

    Attributes
    ----------
    tree : memcg.CgroupTree
        As it was after the frames were read.
    figures : mapping of str to mapping
        For each path `memcg.cgroup_figures`, all below included; what is gone is missing.
    unstable : frozenset of int
        Inodes that did not mean the same cgroup all the time.
    gaps : sequence of (str, str)
        Cgroups whose figures could not be read, and why.
    """

    tree: memcg.CgroupTree
    figures: Mapping[str, Mapping[str, int | None]]
    unstable: frozenset[int]
    gaps: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Accounts:
    """The machine's own figures, taken right after the frames were read.

    Attributes
    ----------
    meminfo : mapping of str to int
        Bytes, by the kernel's names.
    vmstat : mapping of str to int
        Counters, by the kernel's names; empty where there is no vmstat.
    zones : sequence of system.Zone
        The zones of each node; empty where there is no zoneinfo.
    free_blocks : Table or None
        buddyinfo.
    cgroups : Cgroups or None
        None where no hierarchy has the memory controller.
    gaps : sequence of (str, str)
        Files that are there and could not be read, and why.
    """

    meminfo: Mapping[str, int]
    vmstat: Mapping[str, int]
    zones: Sequence[system.Zone]
    free_blocks: Table | None
    cgroups: Cgroups | None = None
    gaps: Sequence[tuple[str, str]] = ()


def _optional(name: str, read: Callable[[], _Answer], absent: _Answer, gaps: _Gaps) -> _Answer:
    """Read one of the accounts; that it is there and cannot be had is a gap, not the end of a walk."""
    try:
        return read()
    except Unsupported:
        return absent
    except (PermissionRequired, ParseError) as error:
        gaps.append((name, str(error)))
        return absent


def _zones(procfs: ProcFS, gaps: _Gaps) -> tuple[system.Zone, ...]:
    return _optional("zoneinfo", lambda: tuple(system.zoneinfo(procfs)), (), gaps)


def read_places(procfs: ProcFS, page_size: int) -> Places:
    """Read which frames are RAM, and of which node and zone.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    page_size : int
        Bytes of a page.

    Raises
    ------
    Unsupported
        There is no iomem, or it names no System RAM.
    PermissionRequired
        The kernel hides the addresses.
    """
    gaps = _Gaps()
    zones, blocks = _zones(procfs, gaps), system.memory_blocks(procfs, page_size)
    spans = system.frame_spans(_online(system.ram_frames(procfs), blocks), zones, blocks)
    named = dict.fromkeys((span.node, span.zone) for span in spans)
    order = {zone: at for at, zone in enumerate(dict.fromkeys(zone.name for zone in zones))}
    names = sorted(named, key=lambda name: (name[0], order.get(name[1], len(order))))
    return Places(((-1, ""), *names), tuple(spans), tuple(gaps))


def _online(ram: Iterable[tuple[int, int]], blocks: Sequence[system.MemoryBlock]) -> list[tuple[int, int]]:
    """Take away what is switched off: iomem calls it System RAM, but the kernel has no page for it.

    (fs/proc/page.c: pfn_to_online_page is NULL there; the words read 0 or, up to 6.15, KPF_NOPAGE.)
    """
    kept: list[tuple[int, int]] = []
    for start, stop in ram:
        at = start
        for block in blocks:
            if not block.online and at < block.stop and block.start < stop:
                kept.append((at, block.start))
                at = block.stop
        kept.append((at, stop))
    return [(start, stop) for start, stop in kept if start < stop]


def frame_cover(places: Places, n_frames: int, unowned: bool) -> list[Span]:
    """Cover all frames of the kpage files by spans of one place each.

    Parameters
    ----------
    places : Places
        Where frames are.
    n_frames : int
        Frames of the kpage files.
    unowned : bool
        Whether frames of RAM without an owner are asked for too. Outside of RAM they never are.

    Returns
    -------
    list of Span
        Ascending, without gap.
    """
    number = {name: at for at, name in enumerate(places.names) if at}
    cover: list[Span] = []
    at = 0
    for span in places.spans:
        start, stop = min(span.start, n_frames), min(span.stop, n_frames)
        if at < start:
            cover.append(Span(at, start))
        if start < stop:
            cover.append(Span(start, stop, number[span.node, span.zone], unowned))
        at = max(at, stop)
    if at < n_frames:
        cover.append(Span(at, n_frames))
    return cover


def asked_cover(cover: Sequence[Span], pfns: NDArray[np.uint64]) -> list[Span]:
    """Cut a cover so that these frames are read whether they have an owner or not.

    Parameters
    ----------
    cover : sequence of Span
        Ascending, without gap.
    pfns : ndarray of uint64
        Frame numbers, ascending.

    Returns
    -------
    list of Span
        Frames close to those asked for may be read as well: a read more costs as much as some of them.
    """
    if not len(pfns):
        return list(cover)
    cuts = np.flatnonzero(np.diff(pfns) > np.uint64(NEAR))
    starts = pfns[np.append(0, cuts + 1)].tolist()
    stops = (pfns[np.append(cuts, len(pfns) - 1)] + np.uint64(1)).tolist()
    out: list[Span] = []
    at = 0
    for span in cover:
        low = span.start
        while at < len(starts) and starts[at] < span.stop:
            first, behind = max(starts[at], low), min(stops[at], span.stop)
            if low < first:
                out.append(replace(span, start=low, stop=first))
            out.append(replace(span, start=first, stop=behind, unowned=True))
            low = behind
            if stops[at] > span.stop:
                break
            at += 1
        if low < span.stop:
            out.append(replace(span, start=low))
    return out


def read_cgroups(procfs: ProcFS) -> memcg.CgroupTree | None:
    """List the cgroups that memory is charged to; None where nothing is.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    """
    hierarchy = memcg.find_hierarchy(procfs)
    return None if hierarchy is None else memcg.cgroup_tree(procfs, hierarchy)


def _cgroups(procfs: ProcFS, before: memcg.CgroupTree | None) -> Cgroups | None:
    after = read_cgroups(procfs)
    if after is None:
        return None
    figures, gaps = {}, _Gaps()
    for cgroup in after.cgroups:
        try:
            said = memcg.cgroup_figures(procfs, after.hierarchy, cgroup.path)
        except (OSError, ParseError) as error:
            gaps.append((cgroup.path, str(error)))
            continue
        if said is not None:
            figures[cgroup.path] = said
    return Cgroups(after, figures, memcg.changed(before or after, after), gaps)


def read_accounts(procfs: ProcFS, before: memcg.CgroupTree | None = None) -> Accounts:
    """Read the machine's own figures; what is not there is empty, what cannot be read is a gap.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    before : memcg.CgroupTree, optional
        The cgroups as they were before the frames were read.
    """
    gaps = _Gaps()
    return Accounts(
        _optional("meminfo", lambda: system.meminfo(procfs), {}, gaps),
        _optional("vmstat", lambda: system.vmstat(procfs), {}, gaps),
        _zones(procfs, gaps),
        _optional("buddyinfo", lambda: system.buddyinfo(procfs), None, gaps),
        _cgroups(procfs, before),
        gaps,
    )
