"""Reading address spaces in threads, and folding them in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import ParseError
from pagewalk.held import HeldFile
from pagewalk.listing import Candidate, is_gone
from pagewalk.opening import Opened, Opener
from pagewalk.ownership import Ownership
from pagewalk.pagemap import FAST, Buffers, ChunkReader, Pace, PageRuns, ReadCost, RunCollector, Wanted
from pagewalk.procfs import ProcFS
from pagewalk.smaps import SmapsVMA
from pagewalk.splitting import chunks_of_parts, is_split
from pagewalk.threads import run_in_threads
from pagewalk.turns import Broken, Turns
from pagewalk.vmas import UNKNOWN, Devices, MapsParser, VMAs

__all__ = ["Reader", "SpaceRead"]

# Chunks that a thread may read ahead while address spaces before its own are not folded yet.
AHEAD = 64


@dataclass(slots=True)
class SpaceRead:
    """An address space that was read.

    Attributes
    ----------
    candidate : Candidate
        Where it was read.
    number : int
        Its number in the ownership, -1 before it is folded.
    whole : bool
        False when it went while it was read: it is to be left out.
    vss : int
        Size of its VMAs in bytes.
    uid : int
        Effective user ID, -1 where it could not be read.
    cmdline, cgroup : str
        Empty where they could not be read.
    page_tables : int
        Bytes of its page tables, -1 where they could not be read.
    vmas, runs : VMAs and PageRuns, or None
        Kept if its mappings, or some of its pages, were asked for.
    is_kept : bool
        Whether all of its pages were.
    mapped : mapping of int to HeldFile
        Nameless files by row of the VMAs, if they were asked for.
    opened : list of HeldFile
        Nameless files by descriptor, if they were asked for.
    smaps : list of SmapsVMA, or None
        What smaps says of its VMAs, if it was asked for and could be read.
    """

    candidate: Candidate
    number: int = -1
    whole: bool = True
    vss: int = 0
    uid: int = -1
    page_tables: int = -1
    cmdline: str = ""
    cgroup: str = ""
    vmas: VMAs | None = None
    runs: PageRuns | None = None
    is_kept: bool = False
    mapped: Mapping[int, HeldFile] = field(default_factory=dict)
    opened: list[HeldFile] = field(default_factory=list)
    smaps: list[SmapsVMA] | None = None

    @property
    def pid(self) -> int:
        """The process it was read through."""
        return self.candidate.pids[0]


class _Desk:
    """What one thread reads into."""

    __slots__ = ("chunks", "parser")

    def __init__(self, page_size: int, pace: Pace, telling: bool) -> None:
        self.parser = MapsParser()
        self.chunks = ChunkReader(Buffers(pace.chunk), page_size, telling, pace)


class Reader:
    """Reads address spaces and folds them into the ownership, in order, whatever the number of threads.

    Parameters
    ----------
    procfs : ProcFS
        Where to read.
    ownership : Ownership
        Folded into.
    mappings : bool or collection of int
        Keep VMAs and pages: of all address spaces, or of those with one of these pids.
    pace : Pace
        How much is read at a time.
    vm_flags : bool
        Read smaps of what is kept: it holds the ``mmap_lock`` of a large process for long.
    pfns : ndarray of uint64, optional
        Keep the pages of these frames, ascending, of every address space.
    held : bool
        Look for nameless files that processes hold, and keep the pages of those that are mapped.
    columns : frozenset of str, optional
        Read what these columns of processes need; by default what all need.
    devices : Devices, optional
        Write into entries what their VMA tells, these being the devices of files.
    """

    def __init__(
        self,
        procfs: ProcFS,
        ownership: Ownership,
        mappings: bool | Collection[int] = False,
        pace: Pace = FAST,
        vm_flags: bool = False,
        pfns: NDArray[np.uint64] | None = None,
        held: bool = False,
        columns: frozenset[str] | None = None,
        devices: Devices | None = None,
    ) -> None:
        self._opener = Opener(procfs, columns, held, UNKNOWN if devices is None else devices)
        self._vm_flags = vm_flags
        self._pfns = np.zeros(0, np.uint64) if pfns is None else pfns
        self._telling = devices is not None
        self._ownership = ownership
        self._mappings = mappings
        self._pace = pace
        self._page_size = os.sysconf("SC_PAGESIZE")
        self._threads = 1
        self._lock = threading.Lock()
        self._cost = ReadCost()
        self.refused: dict[int, str] = {}
        self.vanished: set[int] = set()

    @property
    def cost(self) -> ReadCost:
        """What reading took so far."""
        return replace(self._cost, longest_ns=max(self._cost.longest_ns, self._opener.longest_ns))

    @property
    def unlisted(self) -> dict[int, str]:
        """Why the open files of a process could not be listed."""
        return self._opener.unlisted

    @property
    def unsaid(self) -> dict[int, str]:
        """Why smaps of a process could not be read."""
        return self._opener.unsaid

    def read(
        self,
        candidates: Sequence[Candidate],
        threads: int = 1,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> list[SpaceRead]:
        """Read and fold these address spaces; those refused or gone are noted and left out.

        Parameters
        ----------
        candidates : sequence of Candidate
            In the order of folding.
        threads : int
            How many threads read.
        progress : callable, optional
            Called with address spaces done, their number, and ``"processes"``.
        """
        self._threads = threads
        threads = max(1, min(threads, len(candidates)))
        turns = Turns(alone=threads == 1)
        results: list[SpaceRead | None] = [None] * len(candidates)
        numbers = iter(range(len(candidates)))

        def work(_: int) -> None:
            desk = _Desk(self._page_size, self._pace, self._telling)
            try:
                while (number := next(numbers, None)) is not None:
                    results[number] = self._one(candidates[number], number, turns, desk)
                    turns.done(number)
                    if progress is not None:
                        progress(number + 1, len(candidates), "processes")
            except Broken:
                return  # another thread has failed, and says why

        run_in_threads(work, threads, turns.give_up)
        return [result for result in results if result is not None]

    def _one(self, candidate: Candidate, number: int, turns: Turns, desk: _Desk) -> SpaceRead | None:
        keep = self._keeps(candidate)
        opened = self._open_any(candidate, desk, keep)
        if opened is None:
            return None
        wanted = None if keep else self._wanted(opened)
        collector = RunCollector(wanted) if keep or wanted is not None else None
        space = SpaceRead(
            candidate,
            vss=opened.vss,
            uid=opened.uid,
            page_tables=opened.page_tables,
            cmdline=opened.cmdline,
            cgroup=opened.cgroup,
            vmas=opened.vmas if collector is not None else None,
            is_kept=keep,
            mapped=opened.mapped,
            opened=opened.opened,
            smaps=opened.smaps,
        )
        try:
            self._fold(opened, space, number, turns, desk, collector)
        except OSError as error:
            space.whole = False
            self._note(candidate.pids, error)
        finally:
            os.close(opened.pagemap)
        if space.number < 0:
            return None
        space.runs = collector.runs() if collector is not None else None
        return space

    def _note(self, pids: Collection[int], error: OSError | ParseError) -> None:
        if isinstance(error, OSError) and is_gone(error):
            self.vanished.update(pids)
        elif isinstance(error, OSError):
            name = f"{error.filename}: " if error.filename else ""
            self.refused.update(dict.fromkeys(pids, f"{name}{error.strerror or error}"))
        else:
            self.refused.update(dict.fromkeys(pids, str(error)))

    def _open_any(self, candidate: Candidate, desk: _Desk, keep: bool) -> Opened | None:
        """Open an address space through the first of its processes that can be read; None, and noted why, if none."""
        pids = list(candidate.pids)
        failures: list[OSError | ParseError] = []
        for at, pid in enumerate(pids):
            if at:  # the first went, or was refused: the others have its address space still
                candidate.pids, candidate.tid = pids[at:], pid
            try:
                opened = self._opener.open_space(
                    candidate, desk.parser, keep or len(self._pfns) > 0, keep and self._vm_flags
                )
                break
            except (OSError, ParseError) as error:
                failures.append(error)
        else:
            candidate.pids, opened = pids, None
        for pid, failure in zip(pids, failures, strict=False):
            self._note([pid], failure)
        return opened

    def _keeps(self, candidate: Candidate) -> bool:
        """Whether the mappings of this address space were asked for."""
        if isinstance(self._mappings, bool):
            return self._mappings
        return not set(self._mappings).isdisjoint(candidate.pids)

    def _wanted(self, opened: Opened) -> Wanted | None:
        """Return which pages of an address space are to be kept, None for none."""
        if opened.vmas is None or (not opened.mapped and not len(self._pfns)):
            return None
        rows = np.array(sorted(opened.mapped), np.intp)
        size = np.uint64(self._page_size)
        return Wanted(opened.vmas.start[rows] // size, opened.vmas.end[rows] // size, self._pfns)

    def _fold(
        self,
        opened: Opened,
        space: SpaceRead,
        number: int,
        turns: Turns,
        desk: _Desk,
        collector: RunCollector | None,
    ) -> None:
        """Read all chunks; fold each at once when it is this address space's turn, else a few later."""
        cost = ReadCost()
        waiting: list[NDArray[np.uint64]] = []
        error: OSError | None = None
        try:
            for entries in self._chunks(opened, space, desk, collector, cost):
                if turns.now != number and len(waiting) < AHEAD:
                    waiting.append(entries.copy())
                    continue
                turns.wait(number)
                for chunk in waiting:
                    self._fold_chunk(space, chunk)
                waiting.clear()
                self._fold_chunk(space, entries)
        except OSError as failed:
            error = failed
        turns.wait(number)
        if error is None:
            for chunk in waiting:
                self._fold_chunk(space, chunk)
            if space.number < 0:
                space.number = self._ownership.begin()
        if space.number >= 0:
            self._ownership.end()
        with self._lock:
            self._cost.add(cost)
        if error is not None:
            raise error

    def _chunks(
        self, opened: Opened, space: SpaceRead, desk: _Desk, collector: RunCollector | None, cost: ReadCost
    ) -> Iterator[NDArray[np.uint64]]:
        """Yield the entries of an address space a chunk at a time, good until the next."""
        of, arrays = (opened.pagemap, opened.ranges, opened.rows), desk.parser.arrays
        present = space.candidate.stat.rss_pages
        if collector is None and is_split(present, arrays, opened.ranges, self._threads):
            yield from chunks_of_parts(*of, arrays, cost, self._page_size, self._telling, self._pace, self._threads)
            return
        buffers = desk.chunks.buffers
        for used, segments in desk.chunks.chunks(*of, arrays, cost):
            if collector is not None:
                collector.add(buffers, used, segments)
            yield buffers.entries[:used]

    def _fold_chunk(self, space: SpaceRead, entries: NDArray[np.uint64]) -> None:
        if space.number < 0:
            space.number = self._ownership.begin()
        self._ownership.fold(entries)
