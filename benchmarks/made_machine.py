"""A machine of any size as a made ``/proc``: plain files of the kernel's words, written from arrays.

Plain files cost next to nothing to read: what a walk of them takes is our own cost. Files that are alike are one file
with many names, and what is 0 is not written, so that a terabyte of frames and 10,000 processes take megabytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.programs import Failure
from pagewalk.abi import KPF, PM

__all__ = ["ANON", "FILE", "FIRST_PAGE", "HUGE", "HUGE_FRAMES", "Area", "MadeMachine", "Words", "made_machine"]

Words = NDArray[np.uint64]

PAGE = os.sysconf("SC_PAGESIZE")
WORD = 8
KPAGE_FILES = ("kpagecount", "kpageflags", "kpagecgroup")
# Frames of a huge page that one PMD maps.
HUGE_FRAMES = (2 << 20) // PAGE
# Entries of a page in order: an anonymous one that one process maps, and one of a file.
ANON = np.uint64(PM.PRESENT | PM.MMAP_EXCLUSIVE | PM.SOFT_DIRTY)
FILE = np.uint64(PM.PRESENT | PM.FILE)
# What kpageflags says of them.
_MAPPED = KPF.UPTODATE | KPF.LRU | KPF.MMAP
_OF_ANON = np.uint64(_MAPPED | KPF.ANON | KPF.SWAPBACKED)
_OF_FILE = np.uint64(_MAPPED | KPF.REFERENCED)
_OF_HUGE = _OF_ANON | np.uint64(KPF.THP)
HUGE = "huge"
# The first page of the first area: low, since what lies below is a hole of the pagemap.
FIRST_PAGE = 0x10000
# Of the memory that is available so much may be taken for files in memory.
FRACTION = 0.4
MEMORY = Path("/dev/shm")
BLOCK = 1 << 20
FIRST_PID = 100


@dataclass(frozen=True, slots=True)
class Area:
    """A stretch of an address space: so many VMAs side by side, unlike each other, and the entries of their pages.

    Attributes
    ----------
    entries : ndarray of uint64
        Raw entries of pagemap, 0 for a page that is not there; shorter than ``pages`` where the rest is 0.
    pages : int
        Pages in all.
    vmas : int
        How many VMAs they are divided among.
    """

    entries: Words
    pages: int
    vmas: int = 1


class MadeMachine:
    """A made ``/proc``, its cgroup hierarchy (there is none) and its sysfs (empty) in one directory.

    Parameters
    ----------
    directory : Path
        An empty directory.
    frames : int
        Frames of RAM, the first of them never owned: number 0 is what the kernel shows to those it hides frames from.
    """

    def __init__(self, directory: Path, frames: int) -> None:
        self.directory = directory
        self.frames = frames
        self._pages: dict[int, int] = {}
        self.root = directory / "proc"
        for name in ("proc", "cgroup", "sys"):
            (directory / name).mkdir()
        for name in KPAGE_FILES:
            with (self.root / name).open("wb") as file:
                file.truncate(frames * WORD)
        (self.root / "iomem").write_text(f"{0:08x}-{frames * PAGE - 1:08x} : System RAM\n")
        (self.root / "meminfo").write_text(f"MemTotal:       {frames * PAGE >> 10:8} kB\n")

    @property
    def processes(self) -> int:
        """How many there are."""
        return len(self._pages)

    def process(self, areas: Sequence[Area]) -> int:
        """Add a process; returns its pid."""
        pages = sum(int(np.count_nonzero(area.entries)) for area in areas)
        pid = self._process(pages)
        folder = self.root / str(pid)
        lines, first = list[str](), FIRST_PAGE
        with (folder / "pagemap").open("wb") as pagemap:
            for area in areas:
                lines += _maps(first, area)
                _write(pagemap.fileno(), area.entries, first)
                first += area.pages
            pagemap.truncate(first * WORD)
        (folder / "maps").write_text("".join(lines))
        return pid

    def alike(self, pid: int) -> int:
        """Add a process with the same pages as another; returns its pid."""
        added = self._process(self._pages[pid])
        for name in ("pagemap", "maps"):
            os.link(self.root / str(pid) / name, self.root / str(added) / name)
        return added

    def say(self, pfns: Words, kind: np.uint64 | str, mapcount: int | Words) -> None:
        """Say of frames what the kernel would: their kind, ANON, FILE or HUGE, and how often they are mapped.

        Parameters
        ----------
        pfns : ndarray of uint64
            Frames, in any order; of huge pages whole ones, ascending.
        kind : ANON, FILE or HUGE
            What they are.
        mapcount : int or ndarray of uint64
            Of each.
        """
        flags = np.full(len(pfns), _OF_FILE if kind == FILE else _OF_HUGE if kind == HUGE else _OF_ANON, np.uint64)
        if kind == HUGE:
            heads = pfns % np.uint64(HUGE_FRAMES) == 0
            flags |= np.where(heads, np.uint64(KPF.COMPOUND_HEAD), np.uint64(KPF.COMPOUND_TAIL))
        for name, words in (
            ("kpagecount", np.broadcast_to(np.asarray(mapcount, np.uint64), len(pfns))),
            ("kpageflags", flags),
        ):
            self._write_words(name, pfns, words)

    def _write_words(self, name: str, pfns: Words, words: Words) -> None:
        if not len(pfns):
            return
        if int(pfns.max()) >= self.frames:
            raise ValueError(f"frame {int(pfns.max())} is beyond the {self.frames} of the machine")
        order = np.argsort(pfns, kind="stable")
        pfns, words = pfns[order], words[order]
        cuts = np.flatnonzero(np.diff(pfns) != 1) + 1
        starts, stops = np.append(0, cuts), np.append(cuts, len(pfns))
        with (self.root / name).open("r+b") as file:
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
                _write(file.fileno(), words[start:stop], int(pfns[start]))

    def _process(self, pages: int) -> int:
        pid = FIRST_PID + len(self._pages)
        self._pages[pid] = pages
        folder = self.root / str(pid)
        folder.mkdir()
        (folder / "stat").write_bytes(_stat(pid, pages))
        first = self.root / str(FIRST_PID)
        if pid == FIRST_PID:
            (folder / "status").write_text("Name:\tmade\nUid:\t1000\t1000\t1000\t1000\nVmPTE:\t      44 kB\n")
            (folder / "cmdline").write_bytes(b"/usr/bin/made\0--of\0nothing\0")
            (folder / "cgroup").write_text("0::/made\n")
        else:
            for name in ("status", "cmdline", "cgroup"):
                os.link(first / name, folder / name)
        return pid


def _maps(first: int, area: Area) -> Iterator[str]:
    """The lines of an area (fs/proc/task_mmu.c:show_map_vma), neighbours with other permissions."""
    edges = np.linspace(first, first + area.pages, area.vmas + 1).astype(np.int64).tolist()
    for number, (start, stop) in enumerate(pairwise(edges)):
        perms = ("rw-p", "r--p")[number % 2]
        yield f"{start * PAGE:08x}-{stop * PAGE:08x} {perms} 00000000 00:00 0 \n"


def _write(fd: int, words: Words, first: int) -> None:
    """Write words, the first of them as the file's word ``first``; a block at a time, since a write may take less."""
    for at in range(0, len(words), BLOCK):
        left = memoryview(words[at : at + BLOCK].tobytes())
        offset = (first + at) * WORD
        while left:
            written = os.pwrite(fd, left, offset)
            left, offset = left[written:], offset + written


def _stat(pid: int, pages: int) -> bytes:
    """All 52 fields (fs/proc/array.c:do_task_stat); where exec put stack and arguments differs, as it would."""
    fields = dict.fromkeys(range(3, 53), 0) | {4: 1, 22: 1000 + pid, 23: pages * PAGE, 24: pages}
    for field in (26, 27, 28, 45, 46, 47, 48, 49, 50, 51):
        fields[field] = 0x5555_0000_0000 + pid * PAGE + field
    rest = " ".join(str(fields[number]) for number in range(4, 53))
    return f"{pid} (made) S {rest}\n".encode()


@contextmanager
def made_machine(frames: int, size: int) -> Iterator[MadeMachine]:
    """A machine for a while, in memory if that has room for its files, else where temporary files go.

    Parameters
    ----------
    frames : int
        Frames of RAM.
    size : int
        Bytes that its files will take, about.
    """
    in_memory = os.access(MEMORY, os.W_OK) and size < FRACTION * min(_available(), shutil.disk_usage(MEMORY).free)
    folder = str(MEMORY) if in_memory else None
    if not in_memory and size > FRACTION * shutil.disk_usage(tempfile.gettempdir()).free:
        raise Failure(f"the made machine takes {size >> 20} MiB of files, which neither memory nor TMPDIR has room for")
    with tempfile.TemporaryDirectory(prefix="pagewalk-made-", dir=folder) as directory:
        yield MadeMachine(Path(directory), frames)


def _available() -> int:
    with open("/proc/meminfo") as meminfo:
        return next(int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemAvailable:"))
