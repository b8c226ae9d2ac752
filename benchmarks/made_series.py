"""Made machines in which one thing grows and all else stays: what of it costs how much is the slope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.made_machine import ANON, FILE, HUGE, HUGE_FRAMES, KPAGE_FILES, PAGE, Area, MadeMachine, Words
from benchmarks.ours import ASKED
from pagewalk.abi import PM

__all__ = ["COLUMNS_ONLY", "DEFAULT", "EVERYTHING", "KINDS", "SERIES", "Series", "processes_with_sets"]

MI = 1 << 20
# Ways of walking: as asked for by a question of who owns how much, as it comes, all of RAM, and each page kept.
COLUMNS_ONLY, DEFAULT, EVERYTHING, MAPPINGS = "columns", "default", "everything", "mappings"
KINDS: Mapping[str, Mapping[str, Any]] = {
    COLUMNS_ONLY: {"threads": 1, "columns": ASKED},
    DEFAULT: {"threads": 1},
    EVERYTHING: {"threads": 1, "frames": "all"},
    MAPPINGS: {"threads": 1, "mappings": True},
}
# Frames of the machines of single address spaces: 32 GiB, whose table of owners does not fit any cache.
FRAMES = 8 * MI
SEED = 20
# Frames one after the other, where there are runs: 64 KiB.
RUN = 16
# Frames that each of the processes has, where all have the same.
SHARED = MI // 4
# Pages of the file, and processes that map it, where owner sets are made.
FILE_PAGES, SHARERS = 8192, 100


@dataclass(frozen=True, slots=True)
class Series:
    """One thing that grows.

    Attributes
    ----------
    name, title : str
        A word, and one line that says what the machine is.
    unit : str
        What is counted.
    sizes : tuple of int
        How many, ascending.
    make : callable
        ``make(machine, size)``: writes the processes and frames; returns the bytes of rss that a walk must find.
    frames : callable
        ``frames(size) -> int``: frames of the machine.
    kinds : tuple of str
        Ways of walking that tell something.
    floor : tuple of str
        The files whose bytes alone are read, for comparison.
    """

    name: str
    title: str
    unit: str
    sizes: tuple[int, ...]
    make: Callable[[MadeMachine, int], int]
    frames: Callable[[int], int] = field(default=lambda _size: FRAMES)
    kinds: tuple[str, ...] = (COLUMNS_ONLY,)
    floor: tuple[str, ...] = ("pagemap",)

    def bytes_of(self, size: int) -> int:
        """Return what the files take at most: entries and words of each that is counted, a process some pages."""
        return size * (24 << 10 if self.unit == "processes" else 64)


def _shuffled(frames: int) -> Words:
    """The frames 1 to ``frames`` in no order: the same one each time."""
    return np.random.default_rng(SEED).permutation(frames).astype(np.uint64) + np.uint64(1)


def _span(size: int, first: int = HUGE_FRAMES) -> Words:
    return np.arange(first, first + size, dtype=np.uint64)


def _one_space(machine: MadeMachine, pfns: Words, kind: np.uint64 | str = ANON) -> int:
    """One address space of these frames."""
    machine.process([Area(ANON | pfns, len(pfns))])
    machine.say(pfns, kind, 1)
    return len(pfns) * PAGE


def _scattered(machine: MadeMachine, size: int) -> int:
    # Nothing is said of the frames: that they are anonymous and mapped once pagemap tells.
    machine.process([Area(ANON | _shuffled(FRAMES - 1)[:size], size)])
    return size * PAGE


def _in_runs(machine: MadeMachine, size: int) -> int:
    starts = _shuffled(FRAMES // RUN - 1)[: -(-size // RUN)] * np.uint64(RUN)
    pfns: Words = np.add.outer(starts, np.arange(RUN, dtype=np.uint64)).reshape(-1)
    return _one_space(machine, pfns[:size])


def _in_order(machine: MadeMachine, size: int) -> int:
    return _one_space(machine, _span(size))


def _huge(machine: MadeMachine, size: int) -> int:
    return _one_space(machine, _span(size), HUGE)


def _shared(machine: MadeMachine, size: int) -> int:
    """As after fork: each of the processes has the same frames."""
    number = max(1, size // SHARED)
    pfns = _shuffled(size // number)
    first = machine.process([Area(pfns | np.uint64(PM.PRESENT), len(pfns))])
    for _ in range(number - 1):
        machine.alike(first)
    machine.say(pfns, ANON, number)
    return number * len(pfns) * PAGE


def _kept(machine: MadeMachine, size: int) -> int:
    """The worst case: no page goes on where the one before ends."""
    return _one_space(machine, _shuffled(size))


def _absent(machine: MadeMachine, size: int) -> int:
    machine.process([Area(ANON | _span(1), size)])
    machine.say(_span(1), ANON, 1)
    return PAGE


def _unowned(machine: MadeMachine, _size: int) -> int:
    return _one_space(machine, _span(1))


def _page_cache(machine: MadeMachine, size: int) -> int:
    machine.process([Area(FILE | _span(1), 1)])
    machine.say(_span(size - 1, 1), FILE, 1)
    return PAGE


def _processes(machine: MadeMachine, size: int) -> int:
    for number in range(size):
        machine.process([Area(ANON | _span(16, 16 + 16 * number), 16)])
    machine.say(_span(16 * size, 16), ANON, 1)
    return size * 16 * PAGE


def _vmas(machine: MadeMachine, size: int) -> int:
    machine.process([Area(ANON | _span(size), size, vmas=size)])
    machine.say(_span(size), ANON, 1)
    return size * PAGE


def processes_with_sets(machine: MadeMachine, groups: int, frames: int, sharers: int) -> int:
    """Add processes that map the same file, so that each makes ``groups`` owner sets more.

    A few processes come first, each with another half of the groups of frames: what they have tells the groups apart,
    and each of those that map all of it extends every set by itself.

    Returns
    -------
    int
        Bytes of rss that they have together.
    """
    pfns = _span(frames)
    group = np.arange(frames) * groups // frames
    mapcount = np.full(frames, sharers, np.uint64)
    for bit in range((groups - 1).bit_length()):
        mine = (group >> bit & 1).astype(bool)
        machine.process([Area(np.where(mine, FILE | pfns, np.uint64(0)), frames)])
        mapcount += mine
    first = machine.process([Area(FILE | pfns, frames)])
    for _ in range(sharers - 1):
        machine.alike(first)
    machine.say(pfns, FILE, mapcount)
    return int(mapcount.sum()) * PAGE


def _sets(machine: MadeMachine, size: int) -> int:
    return processes_with_sets(machine, max(1, size // SHARERS), FILE_PAGES, SHARERS)


def _few(_size: int) -> int:
    """Frames of a small machine: what its tables cost is not to hide what is looked for."""
    return MI // 4


def _times(factor: float, sizes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(factor * size) for size in sizes)


_PAGES = (MI // 2, MI, 2 * MI, 4 * MI)
_BOTH = (COLUMNS_ONLY, DEFAULT)
SERIES: tuple[Series, ...] = (
    Series("scattered", "an address space of 4K pages, frames of 32 GiB in no order", "entries", _PAGES, _scattered),
    Series("in runs", f"the same in runs of {RUN} frames", "entries", _PAGES, _in_runs, kinds=_BOTH),
    Series("in order", "the same, one frame after the other", "entries", _PAGES, _in_order, kinds=_BOTH),
    Series("huge", "the same in huge pages", "entries", _PAGES, _huge, kinds=_BOTH),
    Series("shared", f"processes of the same {SHARED:,} frames in no order", "entries", _PAGES, _shared),
    Series(
        *(
            "kept",
            "an address space of 4K pages in no order, each of which is kept",
            "pages",
            _times(0.5, _PAGES),
            _kept,
        ),
        frames=lambda size: 2 * size,
        kinds=(MAPPINGS,),
    ),
    Series("absent", "an address space with nothing in it", "entries", _PAGES, _absent, _few),
    Series("unowned", "RAM that nobody maps", "frames", _times(32, _PAGES), _unowned, lambda size: size, floor=()),
    Series(
        *("all RAM", "the same, and all of RAM is asked for: page cache", "frames", _times(2, _PAGES), _page_cache),
        frames=lambda size: size,
        kinds=(EVERYTHING,),
        floor=KPAGE_FILES,
    ),
    Series(
        *("processes", "processes of 16 pages in a VMA", "processes", (1000, 2000, 4000, 8000), _processes, _few),
        kinds=_BOTH,
    ),
    Series("VMAs", "an address space whose every page is a VMA", "VMAs", (8192, 16384, 32768, 60000), _vmas, _few),
    Series(
        *("owner sets", f"{SHARERS} processes that map the same {FILE_PAGES:,} pages of a file", "owner sets"),
        sizes=(102_400, 204_800, 409_600, 819_200),
        make=_sets,
        frames=_few,
    ),
)
