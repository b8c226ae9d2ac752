"""Address spaces that ended while others were read: what they owned is nobody's by the end of the walk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pagewalk.abi import KPF
from pagewalk.errors import ParseError
from pagewalk.facts import Gap
from pagewalk.frames import FrameRows
from pagewalk.listing import Candidate, Listing
from pagewalk.ownership import OwnerSets
from pagewalk.procfs import ProcessStat, ProcFS
from pagewalk.reading import SpaceRead

__all__ = ["REPLACED", "forget_ended", "forget_vanished"]

# Why nothing of a process is known that had an address space when its turn came, and has another by now.
REPLACED = "the process called exec while others were read"


def forget_vanished(procfs: ProcFS, listing: Listing, read: Sequence[SpaceRead], alone: bool) -> list[Gap]:
    """Drop the address spaces that are gone by now: nothing the kernel says of frames from here on counts them.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    listing : Listing
        Told who vanished.
    read : sequence of SpaceRead
        Those that are gone are whole no more.
    alone : bool
        Only some processes are walked: those that came are none of them.

    Returns
    -------
    list of Gap
        Processes that came too late to be read.
    """
    listed = set(procfs.pids())
    for space in read:
        if not space.whole:
            continue
        alive = [pid for pid in space.candidate.pids if pid in listed]
        listing.vanished.update(set(space.candidate.pids) - set(alive))
        if alive:
            space.candidate.pids = alive
        else:
            space.whole = False
    if alone:
        return []
    late = sorted(listed - listing.known)
    return [Gap(pid, "memory", "the process started while the walk was ending") for pid in late]


def forget_ended(
    procfs: ProcFS, listing: Listing, read: Sequence[SpaceRead], rows: FrameRows, sets: OwnerSets
) -> list[Gap]:
    """Drop address spaces that ended while the frames were read, or before but as zombies that are still listed.

    Only where the kernel counts fewer mappings of some frame than were seen: else nothing has ended. Mappings of the
    zero page are never counted (mm/memory.c:do_anonymous_page), and seen in every walk.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    listing : Listing
        Told who vanished.
    read : sequence of SpaceRead
        Those that ended are whole no more.
    rows : FrameRows
        What the kernel says of the frames.
    sets : OwnerSets
        Who was seen to own them.

    Returns
    -------
    list of Gap
        Processes that have another address space by now.
    """
    _, mappings = sets.along_paths()
    counted = (rows.flags & np.uint64(KPF.ZERO_PAGE)) == 0
    if not (counted & (rows.mapcount.astype(np.int64) < mappings[rows.set])).any():
        return []
    gaps = []
    for space in read:
        if not space.whole:
            continue
        candidate = space.candidate
        now = {pid: _stat_now(procfs, candidate, pid) for pid in candidate.pids}
        ended = [pid for pid, stat in now.items() if stat is None]
        moved = [pid for pid, stat in now.items() if stat is not None and stat.layout != candidate.stat.layout]
        listing.vanished.update(ended)
        gaps += [Gap(pid, "memory", REPLACED) for pid in moved]
        left = [pid for pid in candidate.pids if pid not in ended and pid not in moved]
        if left:
            candidate.pids = left
        else:
            space.whole = False
    return gaps


def _stat_now(procfs: ProcFS, candidate: Candidate, pid: int) -> ProcessStat | None:
    """Return what ``stat`` says by now of one of the processes of an address space; None if it has ended."""
    is_first = pid == candidate.pids[0]
    try:
        with candidate.open(procfs) if is_first else procfs.open_process(pid) as process:
            now = procfs.stat(process)
    except (OSError, ParseError):
        return None
    is_another = is_first and now.start_time != candidate.stat.start_time
    return None if now.is_zombie or is_another else now
