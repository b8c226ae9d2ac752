"""Two moments of a made machine, and page by page what changed between them, in plain Python."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from machines import Shape, machines
from model import RESIDENT, Entry, Kind, Machine, Present, Process, Space, Vma
from oracle import Oracle

# Frames whose sharing means anything: memory of processes.
MEMORY = RESIDENT | {Kind.HUGETLB}
SHAPE = Shape(sparse_pages=700, fates=False)


@dataclass(frozen=True)
class Moments:
    """A machine before and after."""

    old: Machine
    new: Machine


@st.composite
def moments(draw: st.DrawFn) -> Moments:
    """A machine, and what became of it: pages written, let go, merged; processes ended, begun, replaced."""
    old = draw(machines(SHAPE))
    spaces = tuple(draw(_changed(space, old)) for space in old.spaces)
    processes = tuple(process for process in (draw(_later(one)) for one in old.processes) if process is not None)
    frames = dict(old.frames)
    if draw(st.booleans()):
        frames = {pfn: replace(frame, hidden=0) if frame.hidden > 0 else frame for pfn, frame in frames.items()}
    return Moments(old, replace(old, frames=frames, spaces=spaces, processes=processes or old.processes[:1]))


@st.composite
def _changed(draw: st.DrawFn, space: Space, machine: Machine) -> Space:
    vmas = []
    for vma in space.vmas:
        entries: dict[int, Entry] = {}
        for page, entry in vma.entries.items():
            fate = draw(st.sampled_from(["keep", "keep", "keep", "move", "move", "drop"]))
            if fate == "move" and isinstance(entry, Present):
                kind = machine.frames[entry.pfn].kind
                alike = [pfn for pfn, frame in machine.frames.items() if frame.kind is kind]
                entries[page] = Present(draw(st.sampled_from(alike)))
            elif fate != "drop":
                entries[page] = entry
        vmas.append(replace(vma, entries=entries))
    return replace(space, vmas=tuple(vmas))


@st.composite
def _later(draw: st.DrawFn, process: Process) -> Process | None:
    fate = draw(st.sampled_from(["same"] * 6 + ["gone", "another"]))
    if fate == "gone":
        return None
    return process if fate == "same" else replace(process, starttime=process.starttime + 7)


class PagesOracle:
    """What stopped being shared, a page at a time: counts by (pid, start of the VMA, what)."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self.counts: Counter[tuple[int, int, str]] = Counter()
        old, new = Oracle(moments.old), Oracle(moments.new)
        before = identities(moments.old)
        for identity, space in identities(moments.new).items():
            if identity in before:
                self.compare(identity[0], old, before[identity], new, space)

    def compare(self, pid: int, old: Oracle, was: int, new: Oracle, is_now: int) -> None:
        there = dict(present(old.machine, was))
        for (vma, page), pfn in ((place, pfn) for place, pfn in located(new.machine, is_now)):
            if page not in there:
                continue
            first, then = sharing(old, there[page]), sharing(new, pfn)
            if first is None or then is None or first == then:
                continue
            what = "shared_now" if then else "left" if pfn == there[page] else "copied"
            self.counts[pid, vma.start, what] += 1


def sharing(oracle: Oracle, pfn: int) -> bool | None:
    """Whether a frame is shared; None where it is no memory of processes."""
    return None if oracle.frame(pfn).kind not in MEMORY else oracle.sharers(pfn) > 1


def identities(machine: Machine) -> dict[tuple[int, int], int]:
    """The address space of each process that is the lowest of its address space, by its ID and start."""
    homes: dict[int, list[Process]] = {}
    for process in machine.processes:
        if process.space is not None:
            homes.setdefault(process.space, []).append(process)
    lowest = {space: min(some, key=lambda process: process.pid) for space, some in homes.items()}
    return {(process.pid, process.starttime): space for space, process in lowest.items()}


def located(machine: Machine, space: int) -> list[tuple[tuple[Vma, int], int]]:
    """The present pages of an address space: VMA and page number, and frame."""
    return [
        ((vma, page), entry.pfn)
        for vma, page, entry in machine.pages(space)
        if isinstance(entry, Present) and not vma.skipped
    ]


def present(machine: Machine, space: int) -> list[tuple[int, int]]:
    """The present pages of an address space: page number and frame."""
    return [(page, pfn) for (_, page), pfn in located(machine, space)]
