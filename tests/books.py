"""A machine with its books: which frames are RAM and where, frames that are no process's, cgroups that pay.

What ``fakebooks`` writes beside a made ``/proc``, and what the oracle of the books counts. As in ``model`` the truth
is what is said here (a frame's use, its place, its cgroup); the kernel's words and files are derived from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from model import KPF, RESIDENT, Machine

USES = [
    "offline", "poison", "free", "pgtable", "slab", "hugetlb", "zero", "anon", "shmem", "file", "reserved", "kernel",
]  # fmt: skip
STATES = ["mapped_one", "mapped_several", "mapped_hidden", "dirty", "unevictable", "active", "inactive", "none"]

# Bits that say what a frame is used for, where no process can have it.
MARKS = {
    "offline": 1 << 23,
    "free": 1 << 10,
    "pgtable": 1 << 26,
    "slab": 1 << 7,
    "reserved": KPF["RESERVED"],
    "kernel": 0,
}
NOPAGE = 1 << 20


@dataclass(frozen=True)
class Leftover:
    """A frame that no process can have: its use is one of MARKS.

    ``poisoned``: it failed, whatever it was. ``head``: the first frame of its compound page. ``memcg``: the kernel
    charges page tables and pipe buffers one by one. ``noise``: bits that decide nothing.
    """

    pfn: int
    use: str
    memcg: int = 0
    poisoned: bool = False
    head: int | None = None
    noise: int = 0

    @property
    def is_tail(self) -> bool:
        return self.head is not None and self.head != self.pfn

    def flags(self, old_tails: bool) -> int:
        """The word of kpageflags."""
        word = MARKS[self.use] | (KPF["HWPOISON"] if self.poisoned else 0)
        if self.head is not None:
            word |= KPF["COMPOUND_TAIL" if self.is_tail else "COMPOUND_HEAD"]
        return word if old_tails and self.is_tail else word | self.noise

    def charge(self, old_tails: bool) -> int:
        """The word of kpagecgroup."""
        return 0 if old_tails and self.is_tail else self.memcg


# Where frames are


@dataclass(frozen=True)
class Stretch:
    """Frames in a row that are alike in where they are; ``online``: the kernel has a page for each."""

    start: int
    stop: int
    node: int
    zone: str
    online: bool = True


@dataclass(frozen=True)
class Ram:
    """Which frames are RAM, and of which node and zone.

    ``stretches`` cover all of them, holes too; ``ranges`` are those of iomem, in frames. A ``block`` of 0 stands for
    a kernel without memory blocks; else stretches end where blocks do, or within a block of one node.
    ``ragged``: bytes by which a range reaches into the frame before it and behind it, which is no RAM for that.
    """

    ranges: tuple[tuple[int, int], ...]
    stretches: tuple[Stretch, ...]
    block: int = 0
    ragged: int = 0

    @cached_property
    def places(self) -> dict[int, Stretch]:
        """Of each frame of RAM that is online the stretch that it is in."""
        inside = {pfn for start, stop in self.ranges for pfn in range(start, stop)}
        return {
            pfn: stretch
            for stretch in self.stretches
            if stretch.online
            for pfn in range(stretch.start, stretch.stop)
            if pfn in inside
        }

    @property
    def offline(self) -> Iterator[int]:
        """The frames of RAM that are switched off."""
        for stretch in self.stretches:
            if not stretch.online:
                yield from range(stretch.start, stretch.stop)

    @cached_property
    def zones(self) -> dict[tuple[int, str], list[int]]:
        """The frames of each zone, by node and name."""
        found: dict[tuple[int, str], list[int]] = {}
        for pfn, stretch in sorted(self.places.items()):
            found.setdefault((stretch.node, stretch.zone), []).append(pfn)
        return found


# Who pays


@dataclass(frozen=True)
class Cgroup:
    """One cgroup.

    ``own`` are the bytes that the kernel says are charged to it alone: anon, file (without shmem), shmem, slab.
    ``accounted``: it has a memory.stat. ``there``: in which of the two lists, before and after the frames are read.
    """

    path: str
    inode: int
    own: Mapping[str, int] = field(default_factory=dict)
    accounted: bool = True
    there: tuple[bool, bool] = (True, True)

    @property
    def parent(self) -> str:
        return self.path.rpartition("/")[0] or "/"


@dataclass(frozen=True)
class Books:
    """All of it. ``cgroups`` holds the root first, parents before children; empty where none has the controller.

    ``nopage``: the kernel says KPF_NOPAGE of what is no RAM, as it did up to 6.15.
    """

    machine: Machine
    ram: Ram
    leftovers: Mapping[int, Leftover] = field(default_factory=dict)
    cgroups: tuple[Cgroup, ...] = ()
    nopage: bool = False

    @cached_property
    def tree(self) -> dict[str, Cgroup]:
        """The cgroups that are there at the end, by path."""
        return {cgroup.path: cgroup for cgroup in self.cgroups if cgroup.there[1]}

    def with_all_below(self, cgroup: Cgroup, name: str) -> int:
        """What the kernel says is charged to a cgroup and to all that were below it at some time, in bytes."""
        inner = cgroup.path.rstrip("/") + "/"
        return sum(other.own.get(name, 0) for other in self.cgroups if other is cgroup or other.path.startswith(inner))

    def mapcount(self, pfn: int) -> int:
        """The word of kpagecount."""
        return self.machine.mapcount(pfn) if pfn in self.machine.frames else 0

    def flags(self, pfn: int) -> int:
        """The word of kpageflags."""
        if pfn in self.machine.frames:
            return self.machine.flags(pfn)
        if pfn in self.leftovers:
            return self.leftovers[pfn].flags(self.machine.old_tails)
        return NOPAGE if self.nopage and pfn not in self.ram.places else 0

    def memcg(self, pfn: int) -> int:
        """The word of kpagecgroup."""
        if pfn in self.machine.frames:
            return self.machine.memcg(pfn)
        return self.leftovers[pfn].charge(self.machine.old_tails) if pfn in self.leftovers else 0

    def charged(self, pfn: int) -> int:
        """The inode of the cgroup that a frame is charged to, whatever the kernel says of tails; 0 for none."""
        if pfn in self.machine.frames:
            frame = self.machine.frames[pfn]
            return frame.memcg if frame.kind in RESIDENT and pfn < self.machine.limit else 0
        return self.leftovers[pfn].memcg if pfn in self.leftovers else 0
