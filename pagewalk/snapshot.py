"""The snapshot: the result of a walk, with one method for each question."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pagewalk import groups
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.groups import Selection
from pagewalk.pagemap import CHUNK
from pagewalk.plan import GENTLE_CHUNK, Plan
from pagewalk.procfs import ProcFS
from pagewalk.questions.frames import OfFrames
from pagewalk.questions.machine import OfMachine
from pagewalk.questions.processes import OfProcesses
from pagewalk.questions.space import OfSpace
from pagewalk.sorting import distinct
from pagewalk.table import Table
from pagewalk.views import gap
from pagewalk.views.process import COLUMNS
from pagewalk.walker import walk_machine

__all__ = ["Snapshot", "load", "walk"]


class Snapshot(OfProcesses, OfMachine, OfSpace, OfFrames):
    """The owners of every mapped page at one time. Immutable.

    Parameters
    ----------
    facts : Facts
        What a walk found out.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def __repr__(self) -> str:
        facts = self.facts
        return (
            f"<Snapshot of {facts.host.get('hostname') or 'a made /proc'}: {len(facts.spaces)} address spaces, "
            f"{facts.mapped_frames * facts.page_size} bytes mapped>"
        )

    @property
    def host(self) -> dict[str, Any]:
        """The machine and the walk: hostname, kernel, boot_id, page_size, ram, captured_at, seconds and more."""
        return dict(self.facts.host)

    def select(
        self,
        pids: Sequence[int] = (),
        programs: Sequence[str] = (),
        users: Sequence[str] = (),
        cgroups: Sequence[str] = (),
        trees: Sequence[int] = (),
    ) -> Selection:
        """Choose address spaces: those that meet every kind of condition given, any one of each kind.

        Parameters
        ----------
        pids : sequence of int
            Process IDs.
        programs : sequence of str
            Regular expressions, searched for in the program's name (comm).
        users : sequence of str
            User names or numbers.
        cgroups : sequence of str
            Paths of cgroups; those below them are meant too.
        trees : sequence of int
            Process IDs: these and all that descend from them, beside those of ``pids``.

        Returns
        -------
        Selection
            To hand to a view; ``len`` says how many.

        Raises
        ------
        PagewalkError
            A pid that was not read, a bad regular expression, an unknown user.
        """
        for name, wishes in (("user", users), ("cgroup", cgroups)):
            if wishes and name in self.facts.unasked:
                raise PagewalkError(f"this walk was not asked for {name}; ask for it: walk(columns=[{name!r}, ...])")
        return groups.select(self.facts.spaces, pids, programs, users, cgroups, trees)

    def coverage(self) -> dict[str, int]:
        """Return what was read and what of it the kernel's own counts confirm.

        Returns
        -------
        dict of str to int
            The ``coverage`` of the JSON; frames are in rss, each counted once.
        """
        return self.facts.coverage()

    def gaps(self) -> Table:
        """What the walk could not see, and why.

        Returns
        -------
        Table
            One row a gap.
        """
        return gap.gaps(self.facts.gaps)

    def save(self, path: str | os.PathLike[str], force: bool = False, redact: str | None = None) -> int:
        """Write a snapshot file, which `load` reads on any machine and without root.

        Parameters
        ----------
        path : str or path
            The file to make: readable for its owner only, there whole or not at all.
        force : bool
            Replace a file of that name.
        redact : str, optional
            Leave out ``"cmdline"`` (command lines but for the program's name), ``"paths"`` (names of files and
            cgroups), or ``"all"`` (also the names of programs, users and the host). Tokens stand for names.

        Returns
        -------
        int
            Bytes written.

        Raises
        ------
        PagewalkError
            The file exists already, or cannot be made there.
        OSError
            It cannot be written: the disk is full.
        """
        # Loaded when it is needed: packing and checking a file takes modules that no walk needs.
        from pagewalk.storage import codec

        return codec.save_facts(os.fspath(path), self.facts, force, redact)


def load(path: str | os.PathLike[str]) -> Snapshot:
    """Read a snapshot file; every question gives the answer that it gave when the snapshot was taken.

    Parameters
    ----------
    path : str or path
        A file that `Snapshot.save` or ``pagewalk snapshot`` made. It may come from anybody: nothing in it is run.

    Returns
    -------
    Snapshot
        What was walked.

    Raises
    ------
    SnapshotError
        The file is no snapshot, of another version, or damaged.
    OSError
        It cannot be opened.
    """
    from pagewalk.storage import codec

    return Snapshot(codec.load_facts(os.fspath(path)))


def walk(
    pids: Collection[int] | None = None,
    cgroups: Collection[str] | None = None,
    frames: str = "mapped",
    threads: int | None = None,
    root: str = "/proc",
    cgroup: str = "/sys/fs/cgroup",
    mappings: bool | Collection[int] = False,
    chunk: int = CHUNK,
    progress: Callable[[int, int, str], None] | None = None,
    procfs: ProcFS | None = None,
    nodes: bool = False,
    vm_flags: bool = False,
    pfns: ArrayLike | None = None,
    freed: bool = False,
    columns: Collection[str] | None = None,
    verify: str | None = None,
    gentle: bool = False,
    explain: Callable[[dict[str, Any]], None] | None = None,
) -> Snapshot:
    """Walk the machine: find the owners of every mapped page.

    Parameters
    ----------
    pids : collection of int, optional
        Walk these processes only; all else counts as hidden owners.
    cgroups : collection of str, optional
        Walk the processes of these cgroups, and of those below them, only.
    frames : str
        ``"mapped"``: read the kpage files where frames are owned; ``"all"``: for all of RAM, which `Snapshot.uses`,
        `Snapshot.charges` and the like need.
    threads : int, optional
        Reading threads; by default one, or more where there is much to read.
    root, cgroup : str
        Where proc and the cgroup hierarchies are mounted.
    mappings : bool or collection of int
        Keep what `Snapshot.mappings` needs: of every process, or of these.
    chunk : int
        Entries of a pagemap read at a time.
    progress : callable, optional
        Called with steps done, their number, and what is done; from any thread.
    procfs : ProcFS, optional
        Read through this instead of ``root`` and ``cgroup``.
    nodes : bool
        Tell the NUMA node of each frame, which the columns ``node0``, ``node1``, ... of `Snapshot.processes` need.
    vm_flags : bool
        Read smaps of the mappings kept: only it has VmFlags and the kernel's own figures, which `Snapshot.maps` has
        beside ours. Reading it holds the ``mmap_lock`` for long.
    pfns : array_like of int, optional
        Frames of which `Snapshot.who` is to be asked: they are read whether they have an owner or not, and where they
        are mapped is kept. The order of their folios is looked for up to 1,000 of them.
    freed : bool
        Look for files without a name and who holds them, which `Snapshot.freed` and the column ``freed`` need.
    columns : collection of str, optional
        The columns that tables of processes will be asked for; by default all. What none of these needs is not read,
        and unknown: without ``thp``, ``ksm``, ``*_clean`` and ``*_dirty`` no word of the kpage files is read of frames
        that pagemap calls anonymous and mapped once, most of a heap. Of no effect where all of RAM is read.
    verify : str, optional
        ``"all"``: read what the kernel counts of every owned frame, and its flags, also of those that ``columns`` would
        spare. The answer is the same; `Snapshot.coverage` says of how many frames the count was read.
    gentle : bool
        Hold up the processes that are read as little as can be: 64 KiB of a pagemap or a scan of 16 MiB at a time, a
        pause after each, one thread. It takes longer. ``host["longest_lock_hold_ns"]`` of any walk says what it held.
    explain : callable, optional
        Called, before the first process is read, with what the walk is to read and why, its threads, and the memory
        that it may take, as plain data. ``host["phases"]`` then tells read calls too, and ``host["memory"]`` is there.

    Returns
    -------
    Snapshot
        The owners.

    Raises
    ------
    PermissionRequired
        The kernel hides frame numbers or the kpage files from this user.
    Unsupported
        The kernel has no kpage files (CONFIG_PROC_PAGE_MONITOR).
    PagewalkError
        A process that was asked for is not there.
    """
    if frames not in ("mapped", "all"):
        raise PagewalkError(f"frames={frames!r} is not known; there are 'mapped' and 'all'")
    if chunk < 1 or (threads is not None and threads < 1):
        raise PagewalkError("chunk and threads are at least 1")
    if freed and (pids is not None or cgroups is not None):
        raise PagewalkError("what would be freed is known only of a walk of all processes: others may hold it too")
    if pfns is not None and not isinstance(mappings, bool):
        raise PagewalkError("pfns needs the pages of all processes: mappings is True or False then")
    if verify not in (None, "all"):
        raise PagewalkError(f"verify={verify!r} is not known; there is 'all'")
    if gentle and vm_flags:
        raise PagewalkError("vm_flags reads smaps, which holds a process up for long: leave it out, or gentle")
    source = procfs if procfs is not None else ProcFS(root, cgroup)
    asked = None if pfns is None else distinct(np.asarray(pfns, np.uint64).reshape(-1))
    wanted = None if columns is None or frames == "all" else frozenset(columns)
    if wanted is not None and (unknown := sorted(wanted - {*(column.name for column in COLUMNS), "freed"})):
        raise PagewalkError(f"no column {unknown[0]!r}; there are {', '.join(column.name for column in COLUMNS)}")
    plan = Plan(
        pids,
        cgroups,
        threads,
        mappings,
        min(chunk, GENTLE_CHUNK) if gentle else chunk,
        frames == "all",
        nodes,
        vm_flags,
        asked,
        freed,
        wanted,
        verify == "all",
        gentle,
    )
    return Snapshot(walk_machine(source, plan, progress, explain))
