"""Reading address spaces in threads, and folding them in order."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import ParseError
from pagewalk.held import HeldFile, held_by_descriptor, held_by_mapping, nameless
from pagewalk.listing import Candidate, is_gone
from pagewalk.ownership import Ownership, Strangers
from pagewalk.pagemap import BRIDGE, CHUNK, Buffers, PageRuns, ReadCost, RunCollector, Wanted, read_chunks
from pagewalk.procfs import Process, ProcFS
from pagewalk.smaps import SmapsVMA, parse_smaps, read_timed
from pagewalk.threads import run_in_threads
from pagewalk.turns import Broken, Turns
from pagewalk.vmas import VMAs, anonymous, parse_maps

__all__ = ["Reader", "SpaceRead"]

# An exec between opening two files of a process makes them speak of two address spaces: try again so often.
TRIES = 3
# Chunks that a thread may read ahead while address spaces before its own are not folded yet.
AHEAD = 64
# Columns that /proc/PID/status is read for.
OF_STATUS = ("user", "uid", "freed")


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


@dataclass(slots=True)
class _Opened:
    """An address space whose pagemap is open."""

    pagemap: int
    vmas: VMAs
    uid: int = -1
    page_tables: int = -1
    cmdline: str = ""
    cgroup: str = ""
    mapped: dict[int, HeldFile] = field(default_factory=dict)
    opened: list[HeldFile] = field(default_factory=list)
    smaps: list[SmapsVMA] | None = None


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
    chunk : int
        Entries read at a time.
    vm_flags : bool
        Read smaps of what is kept: it holds the ``mmap_lock`` of a large process for long.
    pfns : ndarray of uint64, optional
        Keep the pages of these frames, ascending, of every address space.
    held : bool
        Look for nameless files that processes hold, and keep the pages of those that are mapped.
    columns : frozenset of str, optional
        Read what these columns of processes need; by default what all need.
    tell_sole : bool
        Leave bit 56 of entries only where it can be believed: where no file is mapped.
    """

    def __init__(
        self,
        procfs: ProcFS,
        ownership: Ownership,
        mappings: bool | Collection[int] = False,
        chunk: int = CHUNK,
        vm_flags: bool = False,
        pfns: NDArray[np.uint64] | None = None,
        held: bool = False,
        columns: frozenset[str] | None = None,
        tell_sole: bool = False,
    ) -> None:
        self._vm_flags = vm_flags
        self._pfns = np.zeros(0, np.uint64) if pfns is None else pfns
        self._held = held
        self._columns = columns
        self._tell_sole = tell_sole
        self._procfs = procfs
        self._ownership = ownership
        self._mappings = mappings
        self._chunk = chunk
        self._page_size = os.sysconf("SC_PAGESIZE")
        self._lock = threading.Lock()
        self.cost = ReadCost()
        self.strangers = Strangers()
        self.refused: dict[int, str] = {}
        self.vanished: set[int] = set()
        self.unlisted: dict[int, str] = {}
        self.unsaid: dict[int, str] = {}

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
        turns = Turns()
        results: list[SpaceRead | None] = [None] * len(candidates)
        numbers = iter(range(len(candidates)))

        def work(_: int) -> None:
            buffers = Buffers(self._chunk)
            try:
                while (number := next(numbers, None)) is not None:
                    results[number] = self._one(candidates[number], number, turns, buffers)
                    turns.done(number)
                    if progress is not None:
                        progress(number + 1, len(candidates), "processes")
            except Broken:
                return  # another thread has failed, and says why

        run_in_threads(work, max(1, min(threads, len(candidates))), turns.give_up)
        return [result for result in results if result is not None]

    def _one(self, candidate: Candidate, number: int, turns: Turns, buffers: Buffers) -> SpaceRead | None:
        opened = self._open_any(candidate)
        if opened is None:
            return None
        keep = self._keeps(candidate)
        wanted = None if keep else self._wanted(opened)
        collector = RunCollector(wanted) if keep or wanted is not None else None
        space = SpaceRead(
            candidate,
            vss=opened.vmas.vss,
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
            self._fold(opened, space, number, turns, buffers, collector)
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

    def _open_any(self, candidate: Candidate) -> _Opened | None:
        """Open an address space through the first of its processes that can be read; None, and noted why, if none."""
        pids = list(candidate.pids)
        failures: list[OSError | ParseError] = []
        for at, pid in enumerate(pids):
            if at:  # the first went, or was refused: the others have its address space still
                candidate.pids, candidate.tid = pids[at:], pid
            try:
                opened = self._open(candidate)
                break
            except (OSError, ParseError) as error:
                failures.append(error)
        else:
            candidate.pids, opened = pids, None
        for pid, failure in zip(pids, failures, strict=False):
            self._note([pid], failure)
        return opened

    def _open(self, candidate: Candidate) -> _Opened:
        """Open a pagemap and read the maps of the same address space; ProcessLookupError if it is gone.

        The pagemap stays that of the address space at its opening, so it comes first. The maps are of the same one
        if no exec came in between, which would have moved stack and arguments.
        """
        for _ in range(TRIES):
            with candidate.open(self._procfs) as process:
                pagemap = self._procfs.open_at(process, "pagemap")
                try:
                    maps = self._procfs.read_at(process, "maps")
                    stat = self._procfs.stat(process)
                    same = stat.start_time == candidate.stat.start_time and stat.layout == candidate.stat.layout
                    candidate.stat = stat
                    if same and maps and not stat.is_zombie:
                        vmas = parse_maps(maps, self._procfs.path(f"{process.pid}/maps"))
                        opened = _Opened(pagemap, vmas)
                        self._describe(process, opened)
                        if self._vm_flags and self._keeps(candidate):
                            opened.smaps = self._read_smaps(process)
                        if self._held:
                            self._look_for_held(process, candidate, opened)
                        pagemap = -1
                        return opened
                    if stat.is_zombie:
                        break
                finally:
                    if pagemap >= 0:
                        os.close(pagemap)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), "maps")

    def _keeps(self, candidate: Candidate) -> bool:
        """Whether the mappings of this address space were asked for."""
        if isinstance(self._mappings, bool):
            return self._mappings
        return not set(self._mappings).isdisjoint(candidate.pids)

    def _wanted(self, opened: _Opened) -> Wanted | None:
        """Return which pages of an address space are to be kept, None for none."""
        if not opened.mapped and not len(self._pfns):
            return None
        rows = np.array(sorted(opened.mapped), np.intp)
        size = np.uint64(self._page_size)
        return Wanted(opened.vmas.start[rows] // size, opened.vmas.end[rows] // size, self._pfns)

    def _look_for_held(self, process: Process, candidate: Candidate, opened: _Opened) -> None:
        """Find the nameless files that the processes of an address space map or have open."""
        for row in nameless(opened.vmas).tolist():
            opened.mapped[row] = held_by_mapping(self._procfs, process, opened.vmas, row)
        for pid in candidate.pids:
            # One address space does not make one table of descriptors (CLONE_VM without CLONE_FILES).
            try:
                with self._procfs.open_process(pid) as twin:
                    opened.opened += held_by_descriptor(self._procfs, twin)
            except OSError as error:
                if not is_gone(error):
                    self.unlisted[pid] = f"fd: {error.strerror or error}"

    def _read_smaps(self, process: Process) -> list[SmapsVMA] | None:
        try:
            fd = self._procfs.open_at(process, "smaps")
            try:
                text, longest_ns = read_timed(fd)
            finally:
                os.close(fd)
            said = parse_smaps(text, self._procfs.path(f"{process.pid}/smaps"))
        except (OSError, ParseError) as error:
            self.unsaid[process.pid] = str(error)
            return None
        with self._lock:
            self.cost.add(ReadCost(longest_ns=longest_ns))
        return said

    def _describe(self, process: Process, opened: _Opened) -> None:
        """Read what is shown of a process beside its memory; what cannot be read stays unknown."""
        columns = self._columns
        try:
            if columns is None or not columns.isdisjoint(OF_STATUS):
                opened.uid, opened.page_tables = self._procfs.status(process)
            if columns is None or "cmdline" in columns:
                opened.cmdline = self._procfs.cmdline(process)
            if columns is None or "cgroup" in columns:
                opened.cgroup = self._procfs.cgroup_of(process)
        except (OSError, ParseError):
            return

    def _fold(
        self,
        opened: _Opened,
        space: SpaceRead,
        number: int,
        turns: Turns,
        buffers: Buffers,
        collector: RunCollector | None,
    ) -> None:
        """Read all chunks; fold each at once when it is this address space's turn, else a few later."""
        starts, stops = opened.vmas.ranges(self._page_size, BRIDGE)
        trusted = anonymous(opened.vmas, self._page_size) if self._tell_sole else None
        within = opened.vmas.start // np.uint64(self._page_size), opened.vmas.end // np.uint64(self._page_size)
        cost = ReadCost()
        waiting: list[NDArray[np.uint64]] = []
        error: OSError | None = None
        try:
            for used, segments in read_chunks(
                opened.pagemap, starts, stops, buffers, cost, self._page_size, within=within, trusted=trusted
            ):
                if collector is not None:
                    collector.add(buffers, used, segments)
                if turns.now != number and len(waiting) < AHEAD:
                    waiting.append(buffers.entries[:used].copy())
                    continue
                turns.wait(number)
                for chunk in (*waiting, buffers.entries[:used]):
                    self._fold_chunk(space, chunk)
                waiting.clear()
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
            self.cost.add(cost)
        if error is not None:
            raise error

    def _fold_chunk(self, space: SpaceRead, entries: NDArray[np.uint64]) -> None:
        if space.number < 0:
            space.number = self._ownership.begin()
        self.strangers.add(self._ownership.fold(entries))
