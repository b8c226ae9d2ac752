"""A machine small enough to think about: its frames, address spaces and processes, true by construction.

What a made ``/proc`` is written from (``fakeproc``) and what the oracle counts (``oracle``). A frame says what it *is*
(its kind, whether it is dirty); the words the kernel would show for it are derived here and nowhere else, so that an
engine that takes the words apart wrongly cannot agree with the oracle.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

PAGE = os.sysconf("SC_PAGESIZE")

# fs/proc/task_mmu.c, PM_*
PM_SOFT_DIRTY = 1 << 55
PM_MMAP_EXCLUSIVE = 1 << 56
PM_UFFD_WP = 1 << 57
PM_GUARD_REGION = 1 << 58
PM_FILE = 1 << 61
PM_SWAP = 1 << 62
PM_PRESENT = 1 << 63

# include/uapi/linux/kernel-page-flags.h
KPF = {
    name: 1 << bit
    for name, bit in {
        "LOCKED": 0, "REFERENCED": 2, "UPTODATE": 3, "DIRTY": 4, "LRU": 5, "ACTIVE": 6, "WRITEBACK": 8, "RECLAIM": 9,
        "MMAP": 11, "ANON": 12, "SWAPCACHE": 13, "SWAPBACKED": 14, "COMPOUND_HEAD": 15, "COMPOUND_TAIL": 16,
        "HUGE": 17, "UNEVICTABLE": 18, "HWPOISON": 19, "KSM": 21, "THP": 22, "ZERO_PAGE": 24, "IDLE": 25,
        "RESERVED": 32, "MLOCKED": 33, "OWNER_2": 34, "PRIVATE": 35, "ARCH": 38,
    }.items()
}  # fmt: skip


class Kind(Enum):
    """What a frame holds; the last three are outside every process's ``rss``."""

    ANON = "anon"
    FILE = "file"
    SHMEM = "shmem"
    HUGETLB = "hugetlb"
    ZERO = "zero"
    SPECIAL = "special"  # mapped without a struct page to count it: a PTE that vm_normal_page() refuses


RESIDENT = frozenset({Kind.ANON, Kind.FILE, Kind.SHMEM})


@dataclass(frozen=True)
class Frame:
    """One frame.

    ``hidden`` is the number of mappings that no process of the machine accounts for; below 0, mappings that went
    between the reading of pagemap and of kpagecount. ``noise`` is kpageflags bits that decide nothing.
    """

    pfn: int
    kind: Kind
    flag_dirty: bool = False
    swapcache: bool = False
    lazyfree: bool = False
    ksm: bool = False
    private_hugetlb: bool = False
    file_bit_of_zero: bool = False  # the huge zero folio up to 7.2: bit 61 of pagemap is set
    head: int | None = None  # the folio's first frame, None for a folio of one page
    hidden: int = 0
    memcg: int = 1
    noise: int = 0

    @property
    def large(self) -> bool:
        return self.head is not None

    @property
    def is_tail(self) -> bool:
        return self.head is not None and self.head != self.pfn

    @property
    def anon(self) -> bool:
        return self.kind is Kind.ANON or (self.kind is Kind.HUGETLB and self.private_hugetlb)

    @property
    def file_bit(self) -> bool:
        """PM.FILE of a pagemap entry: a page with a struct page whose folio is not anonymous."""
        if self.kind is Kind.ZERO:
            return self.file_bit_of_zero
        return self.kind is not Kind.SPECIAL and not self.anon

    @property
    def dirty(self) -> bool:
        """What reclaim must write before it can take the frame (DESIGN section 2)."""
        if self.flag_dirty:
            return True
        return self.kind is Kind.ANON and not self.lazyfree and not self.swapcache


@dataclass(frozen=True)
class Present:
    """A page that is there. ``noise``: soft-dirty, uffd-wp, and the untrustworthy mapped-exclusively bit."""

    pfn: int
    noise: int = 0


@dataclass(frozen=True)
class Swapped:
    """A page in a swap file."""

    type: int
    offset: int
    noise: int = 0


@dataclass(frozen=True)
class Migrating:
    """A page under migration (types 25 to 27): the kernel's Rss counts it, pagemap calls it swapped."""

    type: int
    pfn: int


@dataclass(frozen=True)
class Marker:
    """Nonzero, yet neither memory nor swap: guard region, userfaultfd marker, poison, soft-dirty hole."""

    word: int


GUARD = Marker(PM_SWAP | PM_GUARD_REGION | 31 | 4 << 5)
UFFD_MARKER = Marker(PM_SWAP | PM_UFFD_WP | 31 | 1 << 5)
POISON_MARKER = Marker(PM_SWAP | 31 | 2 << 5)
SOFT_DIRTY_HOLE = Marker(PM_SOFT_DIRTY)

Entry = Present | Swapped | Migrating | Marker


@dataclass(frozen=True)
class Vma:
    """One line of maps: ``first`` and ``pages`` in pages, ``entries`` by page from the start of the VMA.

    ``name`` is the true name, before the kernel's escaping.
    """

    first: int
    pages: int
    perms: str = "rw-p"
    offset: int = 0
    device: tuple[int, int] = (0, 0)
    inode: int = 0
    name: bytes = b""
    entries: Mapping[int, Entry] = field(default_factory=dict)

    @property
    def start(self) -> int:
        return self.first * PAGE

    @property
    def end(self) -> int:
        return (self.first + self.pages) * PAGE

    @property
    def hugetlb(self) -> bool:
        return self.name.startswith((b"/anon_hugepage", b"/dev/hugepages/"))

    @property
    def is_gate(self) -> bool:
        """No part of the address space, though maps may list it: not in VmSize, and its pagemap reads as nothing."""
        return self.name == b"[vsyscall]"

    @property
    def skipped(self) -> bool:
        """Pages of the kernel itself, that belong to no process (KERNEL.md section 1.8)."""
        return self.is_gate or self.name in (b"[vvar]", b"[vvar_vclock]")


@dataclass(frozen=True)
class Space:
    """One address space; ``layout`` stands for the addresses of /proc/PID/stat, that a fork inherits."""

    vmas: tuple[Vma, ...]
    layout: int = 0


class Fate(Enum):
    """What becomes of an attempt to read a process."""

    READ = "read"
    REFUSED = "refused"
    KTHREAD = "kernel thread"
    ZOMBIE = "zombie"
    GONE_STAT = "gone before stat"
    GONE_MAPS = "gone before maps"
    GONE_PAGEMAP = "gone before pagemap"
    GONE_READING = "gone while pagemap is read"

    @property
    def gone(self) -> bool:
        return self.name.startswith("GONE")


@dataclass(frozen=True)
class Process:
    """One directory of /proc; ``space`` indexes ``Machine.spaces``, None without user memory."""

    pid: int
    space: int | None
    comm: bytes = b"worker"
    cmdline: bytes = b"/usr/bin/worker\0"
    uid: int = 0
    cgroup: str = "/"
    fate: Fate = Fate.READ
    starttime: int = 100


@dataclass(frozen=True)
class Machine:
    """All of it. ``limit`` frames have words in the kpage files; what lies beyond is a device's memory.

    ``old_tails``: a tail page of a large folio shows only what Linux 6.1 shows of it (KERNEL.md section 3.1).
    """

    frames: Mapping[int, Frame]
    spaces: tuple[Space, ...]
    processes: tuple[Process, ...]
    limit: int
    old_tails: bool = False
    cgroup_version: int = 2

    def pages(self, space: int) -> Iterator[tuple[Vma, int, Entry]]:
        """Every entry of an address space, with its VMA and its page number."""
        for vma in self.spaces[space].vmas:
            for index, entry in vma.entries.items():
                yield vma, vma.first + index, entry

    @cached_property
    def live_spaces(self) -> frozenset[int]:
        """Those that some process has: a space nobody runs in maps nothing."""
        return frozenset(process.space for process in self.processes if process.space is not None)

    @cached_property
    def mappings(self) -> Counter[int]:
        """Page table entries per frame, over all address spaces, each once."""
        found: Counter[int] = Counter()
        for space in self.live_spaces:
            found.update(entry.pfn for _, _, entry in self.pages(space) if isinstance(entry, Present))
        return found

    @cached_property
    def swap_references(self) -> Counter[tuple[int, int]]:
        """Page table entries per swap slot: what the kernel's swap_map counts."""
        found: Counter[tuple[int, int]] = Counter()
        for space in self.live_spaces:
            found.update((e.type, e.offset) for _, _, e in self.pages(space) if isinstance(e, Swapped))
        return found

    def mapcount(self, pfn: int) -> int:
        """The word of /proc/kpagecount, 0 beyond the end of the file."""
        frame = self.frames[pfn]
        if pfn >= self.limit or frame.kind in (Kind.ZERO, Kind.SPECIAL):
            return 0
        return max(0, self.mappings[pfn] + frame.hidden)

    def flags(self, pfn: int) -> int:
        """The word of /proc/kpageflags, 0 beyond the end of the file."""
        return 0 if pfn >= self.limit else flags_of(self.frames[pfn], self.mapcount(pfn) > 0, self.old_tails)

    def memcg(self, pfn: int) -> int:
        """The word of /proc/kpagecgroup, 0 beyond the end of the file."""
        frame = self.frames[pfn]
        unaccounted = pfn >= self.limit or frame.kind not in RESIDENT or (self.old_tails and frame.is_tail)
        return 0 if unaccounted else frame.memcg

    def word(self, entry: Entry) -> int:
        """The word of /proc/PID/pagemap."""
        match entry:
            case Present(pfn, noise):
                return PM_PRESENT | (PM_FILE if self.frames[pfn].file_bit else 0) | noise | pfn
            case Swapped(type_, offset, noise):
                return PM_SWAP | noise | offset << 5 | type_
            case Migrating(type_, pfn):
                return PM_SWAP | (PM_FILE if self.frames[pfn].file_bit else 0) | pfn << 5 | type_
            case Marker(word):
                return word


def flags_of(frame: Frame, mapped: bool, old_tails: bool) -> int:
    """kpageflags of a frame (fs/proc/page.c:stable_page_flags)."""
    word = _own_flags(frame) | (KPF["MMAP"] if mapped else 0)
    if frame.large:
        word |= KPF["COMPOUND_TAIL" if frame.is_tail else "COMPOUND_HEAD"]
        word |= KPF["HUGE" if frame.kind is Kind.HUGETLB else "THP"]
    if old_tails and frame.is_tail:
        # Linux 6.1 reads the flags of the tail's own struct page; only these are asked of the folio.
        kept = ("MMAP", "ANON", "COMPOUND_TAIL", "THP", "HUGE", "ZERO_PAGE")
        return word & sum(KPF[name] for name in kept)
    return word | frame.noise


def _own_flags(frame: Frame) -> int:
    kind, lru = frame.kind, KPF["LRU"] | KPF["UPTODATE"]
    word = KPF["DIRTY"] if frame.flag_dirty else 0
    if kind is Kind.ANON:
        word |= lru | KPF["ANON"] | (0 if frame.lazyfree else KPF["SWAPBACKED"])
        word |= (KPF["SWAPCACHE"] if frame.swapcache else 0) | (KPF["KSM"] if frame.ksm else 0)
    elif kind is Kind.FILE:
        word |= lru
    elif kind is Kind.SHMEM:
        word |= lru | KPF["SWAPBACKED"] | (KPF["SWAPCACHE"] if frame.swapcache else 0)
    elif kind is Kind.HUGETLB:
        word |= KPF["UPTODATE"] | (KPF["ANON"] if frame.private_hugetlb else 0)
    elif kind is Kind.ZERO:
        word |= KPF["ZERO_PAGE"] | (0 if frame.large else KPF["RESERVED"])
    return word
