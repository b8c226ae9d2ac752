"""Opening an address space: its pagemap and its maps of one moment, and what else is told of its processes."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field

from pagewalk.errors import ParseError
from pagewalk.held import HeldFile, held_by_descriptor, held_by_mapping, nameless
from pagewalk.listing import Candidate, is_gone
from pagewalk.pagemap import BRIDGE
from pagewalk.procfs import Process, ProcFS
from pagewalk.smaps import SmapsVMA, parse_smaps, read_timed
from pagewalk.vmas import UNKNOWN, Devices, MapsParser, VMAs

__all__ = ["OF_STATUS", "Opened", "Opener"]

# An exec between opening two files of a process makes them speak of two address spaces: try again so often.
TRIES = 3
# Columns that /proc/PID/status is read for.
OF_STATUS = ("user", "uid", "freed")


@dataclass(slots=True)
class Opened:
    """An address space whose pagemap is open.

    Attributes
    ----------
    pagemap : int
        The descriptor, which the caller closes.
    rows, ranges : int
        VMAs, and ranges to read, that there are in the parser's arrays.
    vss : int
        Size of its VMAs in bytes.
    vmas : VMAs or None
        Where they were to be kept.
    uid, page_tables : int
        Effective user ID and bytes of page tables, -1 where they are not known.
    cmdline, cgroup : str
        Empty where they are not known.
    mapped, opened : dict of int to HeldFile, list of HeldFile
        Nameless files by row of the VMAs, and by descriptor, if they were asked for.
    smaps : list of SmapsVMA or None
        What smaps says of its VMAs, if it was asked for and could be read.
    """

    pagemap: int
    rows: int
    ranges: int
    vss: int
    vmas: VMAs | None = None
    uid: int = -1
    page_tables: int = -1
    cmdline: str = ""
    cgroup: str = ""
    mapped: dict[int, HeldFile] = field(default_factory=dict)
    opened: list[HeldFile] = field(default_factory=list)
    smaps: list[SmapsVMA] | None = None


class Opener:
    """Opens address spaces, in any thread.

    Parameters
    ----------
    procfs : ProcFS
        Where they are.
    columns : frozenset of str, optional
        Read what these columns of processes need; by default what all need.
    held : bool
        Look for nameless files that processes hold.
    devices : Devices
        What the pages of files are.

    Attributes
    ----------
    unlisted, unsaid : dict of int to str
        Why the open files of a process could not be listed, or its smaps not be read.
    longest_ns : int
        The longest read of smaps.
    """

    def __init__(
        self,
        procfs: ProcFS,
        columns: frozenset[str] | None = None,
        held: bool = False,
        devices: Devices = UNKNOWN,
    ) -> None:
        self._procfs = procfs
        self._held = held
        self._devices = devices
        self._status = columns is None or not columns.isdisjoint(OF_STATUS)
        self._cmdline = columns is None or "cmdline" in columns
        self._cgroup = columns is None or "cgroup" in columns
        self._page_size = os.sysconf("SC_PAGESIZE")
        self.unlisted: dict[int, str] = {}
        self.unsaid: dict[int, str] = {}
        self.longest_ns = 0

    def open_space(self, candidate: Candidate, parser: MapsParser, keep: bool, vm_flags: bool) -> Opened:
        """Open a pagemap and read the maps of the same address space.

        The pagemap stays that of the address space at its opening, so it comes first. The maps are of the same one
        if no exec came in between, which would have moved stack and arguments.

        Parameters
        ----------
        candidate : Candidate
            Which.
        parser : MapsParser
            This thread's: has its VMAs, and what to read of the pagemap, afterwards.
        keep : bool
            Whether the VMAs are to be kept.
        vm_flags : bool
            Whether smaps is to be read.

        Raises
        ------
        ProcessLookupError
            It is gone.
        OSError, ParseError
            A file of it cannot be read.
        """
        for _ in range(TRIES):
            files = self._procfs.open_space(candidate.pids[0], candidate.tid, parser.room)
            stat, pagemap = files.stat, files.pagemap
            with files.process as process:
                try:
                    same = stat.start_time == candidate.stat.start_time and stat.layout == candidate.stat.layout
                    candidate.stat = stat
                    if same and files.maps and not stat.is_zombie:
                        parser.parse(files.maps, self._procfs.path(f"{process.pid}/maps"))
                        ranges = parser.plan(self._page_size, BRIDGE, self._devices)
                        opened = Opened(pagemap, parser.rows, ranges, parser.vss)
                        if keep or self._held:
                            opened.vmas = parser.vmas()
                        self._describe(process, opened)
                        if vm_flags:
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

    def _look_for_held(self, process: Process, candidate: Candidate, opened: Opened) -> None:
        """Find the nameless files that the processes of an address space map or have open."""
        assert opened.vmas is not None
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
        self.longest_ns = max(self.longest_ns, longest_ns)
        return said

    def _describe(self, process: Process, opened: Opened) -> None:
        """Read what is shown of a process beside its memory; what cannot be read stays unknown."""
        try:
            if self._status:
                opened.uid, opened.page_tables = self._procfs.status(process)
            if self._cmdline:
                opened.cmdline = self._procfs.cmdline(process)
            if self._cgroup:
                opened.cgroup = self._procfs.cgroup_of(process)
        except (OSError, ParseError):
            return
