"""What pagewalk must answer for a machine, said slowly: sets of owners and fractions, from DESIGN section 2.

Nothing here is shared with the engine, and nothing is clever: every figure is a sum over frames of what its definition
says, so that where the two disagree one of them can be read and judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TypeVar

from model import PAGE, RESIDENT, Fate, Frame, Kind, Machine, Present, Process, Swapped, Vma

Figures = dict[str, Fraction]
Slot = tuple[int, int]
Label = TypeVar("Label")


@dataclass(frozen=True)
class Shared:
    """One row of the sharing view, in bytes."""

    bytes: int
    anon: int
    file: int
    shmem: int
    hidden: int


class Oracle:
    """Every figure of a machine, as seen through the processes that could be read.

    Parameters
    ----------
    machine : Machine
        The truth.
    pids : iterable of int, optional
        Walk these only; all others count as hidden owners.
    """

    def __init__(self, machine: Machine, pids: Iterable[int] | None = None) -> None:
        wanted = None if pids is None else set(pids)
        self.machine = machine
        self.processes = [
            process
            for process in machine.processes
            if process.fate is Fate.READ and process.space is not None and (wanted is None or process.pid in wanted)
        ]
        self.spaces = sorted({process.space for process in self.processes if process.space is not None})
        # How often each address space maps each frame, and has each swap slot.
        self.maps: dict[int, Counter[int]] = {}
        self.slots: dict[int, Counter[Slot]] = {}
        owners: defaultdict[int, set[int]] = defaultdict(set)
        slot_owners: defaultdict[Slot, set[int]] = defaultdict(set)
        for space in self.spaces:
            entries = [entry for vma, _, entry in machine.pages(space) if not vma.skipped]
            self.maps[space] = Counter(entry.pfn for entry in entries if isinstance(entry, Present))
            self.slots[space] = Counter((e.type, e.offset) for e in entries if isinstance(e, Swapped))
            for pfn in self.maps[space]:
                owners[pfn].add(space)
            for slot in self.slots[space]:
                slot_owners[slot].add(space)
        self.owners = {pfn: frozenset(found) for pfn, found in owners.items()}
        self.slot_owners = {slot: frozenset(found) for slot, found in slot_owners.items()}
        self.seen = sum(self.maps.values(), Counter())

    # One frame

    def frame(self, pfn: int) -> Frame:
        return self.machine.frames[pfn]

    def hidden(self, pfn: int) -> int:
        """Mappings that the kernel counts beyond the ones seen."""
        return max(0, self.machine.mapcount(pfn) - self.seen[pfn])

    def sharers(self, pfn: int) -> int:
        """Owners of a frame, hidden ones counted."""
        return len(self.owners[pfn]) + self.hidden(pfn)

    def is_private(self, pfn: int) -> bool:
        """The kernel's notion of private."""
        return self.machine.mapcount(pfn) < 2

    @property
    def resident(self) -> list[int]:
        """The frames that belong to some address space's rss."""
        return sorted(pfn for pfn in self.owners if self.frame(pfn).kind in RESIDENT)

    # Figures

    def process(self, space: int) -> Figures:
        """One address space: every page counts in rss, every frame once in pss and uss."""
        return self._figures({space}, self.maps[space], self.slots[space], self._vss(space))

    def group(self, spaces: Iterable[int]) -> Figures:
        """Several address spaces as one: every frame and every slot counts once."""
        members = set(spaces)
        frames = Counter({pfn: 1 for pfn, owners in self.owners.items() if owners & members})
        slots = Counter({slot: 1 for slot, owners in self.slot_owners.items() if owners & members})
        return self._figures(members, frames, slots, sum(self._vss(space) for space in members))

    def groups(self, label: Callable[[Process], object]) -> dict[object, set[int]]:
        """Address spaces by the label of their process with the lowest pid."""
        lowest = {space: min(self.pids(space)) for space in self.spaces}
        labels = {process.pid: label(process) for process in self.processes}
        found: defaultdict[object, set[int]] = defaultdict(set)
        for space, pid in lowest.items():
            found[labels[pid]].add(space)
        return dict(found)

    def mapping(self, space: int, vma: Vma) -> Figures:
        """One VMA: pss and uss of a frame that its own address space maps k times are a k-th for each time."""
        entries = [] if vma.skipped else list(vma.entries.values())
        pages = Counter(entry.pfn for entry in entries if isinstance(entry, Present))
        slots = Counter((entry.type, entry.offset) for entry in entries if isinstance(entry, Swapped))
        figures = self._figures({space}, pages, slots, vma.pages * PAGE)
        own, kept = self.maps[space], self.slots[space]
        times = {pfn: Fraction(count, own[pfn]) for pfn, count in pages.items() if self.frame(pfn).kind in RESIDENT}
        lone = [pfn for pfn in times if self.sharers(pfn) == 1]
        figures["pss"] = PAGE * sum((times[pfn] / self.sharers(pfn) for pfn in times), Fraction())
        figures["uss"] = PAGE * sum((times[pfn] for pfn in lone), Fraction())
        figures["shared"] = figures["rss"] - figures["uss"]
        lone_dirty = PAGE * sum((times[pfn] for pfn in lone if self.frame(pfn).dirty), Fraction())
        dirty = PAGE * sum(pages[pfn] for pfn in times if self.frame(pfn).dirty)
        figures["shared_dirty"] = dirty - lone_dirty
        figures["shared_clean"] = figures["shared"] - figures["shared_dirty"]
        parts = {slot: Fraction(count, kept[slot]) for slot, count in slots.items()}
        owners = self.slot_owners
        figures["swap_pss"] = PAGE * sum((part / len(owners[slot]) for slot, part in parts.items()), Fraction())
        figures["swap_uss"] = PAGE * sum((p for slot, p in parts.items() if len(owners[slot]) == 1), Fraction())
        return figures

    def _vss(self, space: int) -> int:
        return PAGE * sum(vma.pages for vma in self.machine.spaces[space].vmas if not vma.is_gate)

    def _figures(self, members: set[int], pages: Counter[int], slots: Counter[Slot], vss: int) -> Figures:
        """Sum the definitions over ``pages`` (frame -> times it counts) and ``slots``."""

        def total(which: Callable[[int, Frame], bool]) -> Fraction:
            chosen = (pfn for pfn in pages if which(pfn, self.frame(pfn)))
            return Fraction(PAGE * sum(pages[pfn] for pfn in chosen if self.frame(pfn).kind in RESIDENT))

        lone = [pfn for pfn in pages if self.frame(pfn).kind in RESIDENT and self._is_unique(pfn, members)]
        figures = {
            "vss": Fraction(vss),
            "rss": total(lambda pfn, frame: True),
            "pss": PAGE * sum((self._part(pfn, members) for pfn in pages), Fraction()),
            "uss": Fraction(PAGE * len(lone)),
            "private": total(lambda pfn, frame: self.is_private(pfn)),
            "anon": total(lambda pfn, frame: frame.kind is Kind.ANON),
            "file": total(lambda pfn, frame: frame.kind is Kind.FILE),
            "shmem": total(lambda pfn, frame: frame.kind is Kind.SHMEM),
            "thp": total(lambda pfn, frame: frame.kind is Kind.ANON and frame.large),
            "ksm": total(lambda pfn, frame: frame.ksm),
            "private_dirty": total(lambda pfn, frame: self.is_private(pfn) and frame.dirty),
            "private_clean": total(lambda pfn, frame: self.is_private(pfn) and not frame.dirty),
            "hugetlb": Fraction(PAGE * sum(n for pfn, n in pages.items() if self.frame(pfn).kind is Kind.HUGETLB)),
            "swap": Fraction(PAGE * sum(slots.values())),
            "swap_pss": PAGE * sum((self._slot_part(slot, members) for slot in slots), Fraction()),
            "swap_uss": Fraction(PAGE * sum(self.slot_owners[slot] <= members for slot in slots)),
        }
        figures["shared"] = figures["rss"] - figures["uss"]
        # What is not unique, by whether it must be written: the complement of uss within rss, not of private.
        dirty = total(lambda pfn, frame: frame.dirty)
        figures["shared_dirty"] = dirty - PAGE * sum(self.frame(pfn).dirty for pfn in lone)
        figures["shared_clean"] = figures["shared"] - figures["shared_dirty"]
        return figures

    def _is_unique(self, pfn: int, members: set[int]) -> bool:
        return self.owners[pfn] <= members and self.hidden(pfn) == 0

    def _part(self, pfn: int, members: set[int]) -> Fraction:
        if self.frame(pfn).kind not in RESIDENT:
            return Fraction()
        return Fraction(len(self.owners[pfn] & members), self.sharers(pfn))

    def _slot_part(self, slot: Slot, members: set[int]) -> Fraction:
        owners = self.slot_owners[slot]
        return Fraction(len(owners & members), len(owners))

    # Whole views

    def pids(self, space: int) -> list[int]:
        """The readable processes of an address space."""
        return sorted(process.pid for process in self.processes if process.space == space)

    def sharing(self) -> dict[frozenset[int], Shared]:
        """Bytes of every owner set, of frames with more than one owner, hidden ones counted."""
        frames: defaultdict[frozenset[int], list[int]] = defaultdict(list)
        for pfn in self.resident:
            if self.sharers(pfn) > 1:
                frames[self.owners[pfn]].append(pfn)

        def of_kind(pfns: list[int], kind: Kind) -> int:
            return PAGE * sum(self.frame(pfn).kind is kind for pfn in pfns)

        return {
            owners: Shared(
                bytes=PAGE * len(pfns),
                anon=of_kind(pfns, Kind.ANON),
                file=of_kind(pfns, Kind.FILE),
                shmem=of_kind(pfns, Kind.SHMEM),
                hidden=PAGE * sum(self.hidden(pfn) > 0 for pfn in pfns),
            )
            for owners, pfns in frames.items()
        }

    def pairs(self, groups: dict[Label, set[int]]) -> dict[frozenset[Label], Counter[Kind]]:
        """Frames of every two groups, by kind: those that both own; of a group with itself those that it has alone."""
        found = {frozenset([label]): self._of_kinds(self._alone(members)) for label, members in groups.items()}
        for one, other in combinations(groups, 2):
            both = [pfn for pfn in self.resident if self.owners[pfn] & groups[one] and self.owners[pfn] & groups[other]]
            if both:
                found[frozenset([one, other])] = self._of_kinds(both)
        return found

    def _alone(self, members: set[int]) -> list[int]:
        return [pfn for pfn in self.resident if self._is_unique(pfn, members)]

    def _of_kinds(self, pfns: list[int]) -> Counter[Kind]:
        return Counter(self.frame(pfn).kind for pfn in pfns)

    def coverage(self) -> dict[str, int]:
        """How far what was seen explains what the kernel counts."""
        frames = self.resident
        fates = [process.fate for process in self.machine.processes]
        return {
            "processes": len(self.processes),
            "address_spaces": len(self.spaces),
            "refused": sum(fate is Fate.REFUSED for fate in fates),
            "vanished": sum(fate.gone for fate in fates),
            "mapped_frames": len(frames),
            "explained_frames": sum(self.machine.mapcount(pfn) == self.seen[pfn] for pfn in frames),
            "hidden_frames": sum(self.hidden(pfn) > 0 for pfn in frames),
            "hidden_mappings": sum(self.hidden(pfn) for pfn in frames),
        }

    def hidden_pss(self) -> Fraction:
        """The part of the mapped memory that hidden owners have."""
        return PAGE * sum((Fraction(self.hidden(pfn), self.sharers(pfn)) for pfn in self.resident), Fraction())
