"""The kernel's own files, read with nothing of pagewalk's: what its figures are held against."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from workloads import PAGE, Region

PFRAME = (1 << 55) - 1
PRESENT, SWAP, FILE, GUARD = 1 << 63, 1 << 62, 1 << 61, 1 << 58
KPF_ANON, KPF_SWAPBACKED, KPF_HUGE = 1 << 12, 1 << 14, 1 << 17
KPF_KSM, KPF_THP, KPF_ZERO_PAGE = 1 << 21, 1 << 22, 1 << 24

# smaps and smaps_rollup in pagewalk's words; a figure is the sum of the fields named.
FIGURES: Mapping[str, tuple[str, ...]] = {
    "rss": ("Rss",),
    "pss": ("Pss",),
    "anon": ("Anonymous",),
    "private": ("Private_Clean", "Private_Dirty"),
    "hugetlb": ("Private_Hugetlb", "Shared_Hugetlb"),
    "swap": ("Swap",),
    "swap_pss": ("SwapPss",),
    "ksm": ("KSM",),
    "thp": ("AnonHugePages",),
}


@dataclass(frozen=True)
class Vma:
    start: int
    stop: int
    perms: str
    name: str


def words(path: Path | str, first: int, count: int) -> array[int]:
    """`count` 64-bit words from word `first` on; fewer at the file's end."""
    out = array("Q")
    with open(path, "rb", buffering=0) as file:
        while len(out) < count:
            got = os.pread(file.fileno(), min((count - len(out)) * 8, 1 << 20), (first + len(out)) * 8)
            if not got:
                break
            out.frombytes(got)
    return out


def vmas(pid: int) -> list[Vma]:
    out = []
    with open(f"/proc/{pid}/maps", "rb") as file:
        for line in file:
            where, perms, _, _, _, *name = line.rstrip(b"\n").split(b" ", 5)
            start, stop = (int(part, 16) for part in where.split(b"-"))
            out.append(Vma(start, stop, perms.decode(), os.fsdecode(name[0].lstrip()) if name else ""))
    return out


def pagemap(pid: int | str, region: Region) -> array[int]:
    """The raw entries of a region."""
    return words(f"/proc/{pid}/pagemap", region.start // PAGE, region.pages)


def scan_error(pid: int) -> str | None:
    """Why the kernel does not answer PAGEMAP_SCAN (include/uapi/linux/fs.h), None if it does."""
    # struct pm_scan_arg: its size, then start and end at the third and the fourth word; nothing else asked for.
    argument = struct.pack("=12Q", 96, 0, 0, PAGE, *[0] * 8)
    with open(f"/proc/{pid}/pagemap", "rb") as file:
        try:
            fcntl.ioctl(file, 0xC0606610, argument)
        except OSError as error:
            return str(error)
    return None


def present(pid: int, region: Region) -> list[int]:
    """The frames of the pages present in a region, in order, one for each page."""
    return [entry & PFRAME for entry in pagemap(pid, region) if entry & PRESENT]


def flags(pfn: int) -> int:
    return words("/proc/kpageflags", pfn, 1)[0]


def mapcount(pfn: int) -> int:
    return words("/proc/kpagecount", pfn, 1)[0]


def swapped(entry: int) -> bool:
    """Whether a pagemap entry is memory in swap: types 22 and up are markers, migration and poison (KERNEL.md 1.2)."""
    return bool(entry & SWAP) and not entry & GUARD and entry & 0x1F < 22


def _figures(text: str) -> dict[str, int]:
    fields = {name: int(kib) << 10 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return {name: sum(fields.get(part, 0) for part in parts) for name, parts in FIGURES.items()}


def rollup(pid: int) -> dict[str, int]:
    """smaps_rollup, in bytes, by pagewalk's names."""
    return _figures(Path(f"/proc/{pid}/smaps_rollup").read_text())


def smaps(pid: int, region: Region) -> dict[str, int]:
    """The sum of smaps over the VMAs of a region."""
    total: Counter[str] = Counter(dict.fromkeys(FIGURES, 0))
    for start, stop, text in _smaps(pid):
        if region.start <= start and stop <= region.stop:
            total.update(_figures(text))
    return dict(total)


def _smaps(pid: int) -> Iterator[tuple[int, int, str]]:
    text = os.fsdecode(Path(f"/proc/{pid}/smaps").read_bytes())
    parts = re.split(r"^([0-9a-f]+)-([0-9a-f]+) [-r][-w][-x][-ps] ", text, flags=re.MULTILINE)
    for start, stop, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        yield int(start, 16), int(stop, 16), body


@dataclass
class Picture:
    """Every page of a few processes at rest, owners and the kernel's words included.

    Others may map their frames too, but each of them once: the vdso, the file of the program.
    """

    rss: dict[int, Counter[int]] = field(default_factory=dict)  # pid -> frame -> pages of it mapping the frame
    slots: dict[int, Counter[int]] = field(default_factory=dict)  # pid -> slot of swap -> entries of it
    count: dict[int, int] = field(default_factory=dict)
    flags: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, pids: Iterable[int]) -> Picture:
        """Read them; frames outside Rss (zero page, hugetlb, no struct page) are left out."""
        picture = cls()
        for pid in pids:
            seen: Counter[int] = Counter()
            picture.slots[pid] = Counter()
            for vma in vmas(pid):
                if vma.name == "[vsyscall]":
                    continue
                entries = pagemap(pid, Region(vma.start, vma.stop - vma.start))
                seen.update(entry & PFRAME for entry in entries if entry & PRESENT)
                picture.slots[pid].update(entry & PFRAME for entry in entries if swapped(entry))
            picture._ask(seen)
            picture.rss[pid] = Counter({pfn: n for pfn, n in seen.items() if picture._is_memory(pfn)})
        return picture

    def _ask(self, pfns: Iterable[int]) -> None:
        with open("/proc/kpagecount", "rb", 0) as counts, open("/proc/kpageflags", "rb", 0) as flags:
            for pfn in pfns:
                for file, answers in ((counts, self.count), (flags, self.flags)):
                    answers[pfn] = int.from_bytes(os.pread(file.fileno(), 8, pfn * 8), sys.byteorder)

    def _is_memory(self, pfn: int) -> bool:
        return not self.flags[pfn] & (KPF_ZERO_PAGE | KPF_HUGE) and self.count[pfn] > 0

    def frames(self, pids: Iterable[int]) -> set[int]:
        """The distinct frames that these processes map."""
        return set().union(*(self.rss[pid] for pid in pids))

    def mappings(self, pfn: int, pids: Iterable[int] | None = None) -> int:
        """How often these processes map a frame."""
        return sum(self.rss[pid][pfn] for pid in (self.rss if pids is None else pids))

    def owners(self, pfn: int) -> frozenset[int]:
        """Those of these processes that have a frame."""
        return frozenset(pid for pid, seen in self.rss.items() if pfn in seen)

    def hidden(self, pfn: int) -> int:
        """Mappings of a frame by others than these."""
        return max(self.count[pfn] - self.mappings(pfn), 0)

    def closed(self, pids: Iterable[int]) -> set[int]:
        """The frames that nobody but these processes maps: the kernel counts no mapping more."""
        pids = list(pids)
        return {pfn for pfn in self.frames(pids) if self.mappings(pfn, pids) == self.count[pfn]}

    def kind(self, pfn: int) -> str:
        """What a frame is: anon, file or shmem."""
        flags = self.flags[pfn]
        return "anon" if flags & KPF_ANON else "shmem" if flags & KPF_SWAPBACKED else "file"

    def sets(self) -> Counter[frozenset[int]]:
        """Owner set -> how many anonymous frames it owns."""
        frames = self.frames(self.rss)
        return Counter(self.owners(pfn) for pfn in frames if self.kind(pfn) == "anon")

    def pss(self, pid: int) -> Fraction:
        """Each frame of a process by its owners, those that only the kernel knows of counted."""
        shares = (Fraction(PAGE, len(self.owners(pfn)) + self.hidden(pfn)) for pfn in self.rss[pid])
        return sum(shares, Fraction(0))

    def swap_pss(self, pid: int) -> Fraction:
        """Each slot of a process by the processes that have it."""
        shares = (Fraction(PAGE, sum(slot in seen for seen in self.slots.values())) for slot in self.slots[pid])
        return sum(shares, Fraction(0))

    def figures(self, pid: int) -> dict[str, int]:
        """What is to be said of a process, but for pss and swap_pss."""
        mine = self.rss[pid]
        rss = mine.total()
        uss = len(self.closed([pid]))
        pages = {"rss": rss, "uss": uss, "shared": rss - uss, "swap": self.slots[pid].total()}
        for name in ("anon", "file", "shmem"):
            pages[name] = sum(n for pfn, n in mine.items() if self.kind(pfn) == name)
        pages["private"] = sum(n for pfn, n in mine.items() if self.count[pfn] < 2)
        anon = [(self.flags[pfn], n) for pfn, n in mine.items() if self.kind(pfn) == "anon"]
        pages["thp"] = sum(n for flags, n in anon if flags & KPF_THP)
        pages["ksm"] = sum(n for flags, n in anon if flags & KPF_KSM)
        alone = [slot for slot in self.slots[pid] if sum(slot in seen for seen in self.slots.values()) == 1]
        pages["swap_uss"] = len(alone)
        return {name: count * PAGE for name, count in pages.items()}
