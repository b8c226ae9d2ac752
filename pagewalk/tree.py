"""A tree of processes, followed at the cost of a read a process: who belongs to it, and how much each has by now.

What the kernel counts (the rss of ``stat``) says when a tree has grown, not what it has: memory that several share is
in it again and again. What a tree has is for a walk to say, of a `TreeView`.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pagewalk._native import tree as native
from pagewalk.procfs import ProcFS

__all__ = ["Member", "Poll", "Tree", "TreeView", "adopting"]

STATE, PPID, SESSION, FAULTS, EXIT_SIGNAL, START_TIME, RSS = range(len(native.FIELDS))
ENDED = (ord("Z"), ord("X"), ord("x"))
BUSY = (ord("R"), ord("D"))

# Files of processes opened at a time, when many are looked at that may be none of the tree.
AT_ONCE = 64
# So many process IDs given away since the last look are looked at one by one; beyond, all processes are listed.
MOST_NEWCOMERS = 1024
# A process has its number a moment before it can be seen (kernel/fork.c:copy_process, alloc_pid and attach_pid).
LOOKS = 3


def adopting(on: bool) -> bool:
    """Let orphans among our descendants become our children, or no longer.

    Parameters
    ----------
    on : bool
        Whether they shall.

    Returns
    -------
    bool
        Whether they did before.
    """
    return native.set_subreaper(on)


@dataclass(slots=True)
class Member:
    """A process of the tree, as it was when it was read last.

    Attributes
    ----------
    pid, start_time : int
        Who it is; the start is in clock ticks after boot.
    fd : int
        Its open ``stat``, which names this very process for good; -1 where it is opened for each reading.
    is_zombie, is_busy : bool
        It has exited, and its parent has not asked after it; its first thread has something to do.
    ppid, session : int
        Its parent and its session.
    rss, faults : int
        Pages that it has, and page faults so far.
    marked_rss, marked_faults : int
        The same when `Tree.mark` was called.
    """

    pid: int
    start_time: int
    fd: int
    is_zombie: bool = False
    is_busy: bool = False
    ppid: int = 0
    session: int = 0
    rss: int = 0
    faults: int = 0
    marked_rss: int = 0
    marked_faults: int = 0

    def learn(self, row: list[int]) -> None:
        """Take over a row of `native.FIELDS`."""
        self.is_zombie, self.is_busy = row[STATE] in ENDED, row[STATE] in BUSY
        self.ppid, self.session, self.faults = row[PPID], row[SESSION], row[FAULTS]
        self.rss = 0 if self.is_zombie else row[RSS]


@dataclass(frozen=True, slots=True)
class Poll:
    """What the kernel's own counters say of the tree.

    Attributes
    ----------
    processes : int
        Those that have not exited.
    busy : int
        Those of them that run, wait for a core, or wait for a disk.
    rss : int
        The sum of their rss in bytes: memory of several is in it several times.
    growth : int
        Bytes by which they have grown since `Tree.mark`, all of those that came since included: what they have together
        cannot have grown by more, but for pages that were copied.
    stir : int
        Bytes that may have come or gone since: growth, shrinkage, what the ended had, and a page for each page fault.
        Copies of shared pages (copy on write) are in it, which no rss shows.
    """

    processes: int
    busy: int
    rss: int
    growth: int
    stir: int


class Tree:
    """The processes that are followed.

    Parameters
    ----------
    procfs : ProcFS
        Where they are.
    roots : iterable of int
        The first members.
    adopter : int, optional
        Its children belong to the tree too, but for those that it has now: the process that orphans of the tree are
        handed to.
    loners : collection of int
        Members whose descendants are not members.
    listed : callable, optional
        ``listed() -> pids``: says at each `refresh` who is meant, nobody else is.
    room : int, optional
        So many files are kept open; by default what this process may have.

    Attributes
    ----------
    members : dict of int to Member
        By process ID.
    """

    def __init__(
        self,
        procfs: ProcFS,
        roots: Iterable[int] = (),
        adopter: int | None = None,
        loners: Collection[int] = (),
        listed: Callable[[], Iterable[int]] | None = None,
        room: int | None = None,
    ) -> None:
        self.procfs = procfs
        self.members: dict[int, Member] = {}
        self._adopter = adopter
        self._loners = frozenset(loners)
        self._listed = listed
        self._room = room if room is not None else file_room()
        self._kept = 0
        self._sessions: set[int] = set()
        self._given = self._last_given()
        self._unseen: dict[int, int] = {}
        self._page = os.sysconf("SC_PAGESIZE")
        self._lost = 0
        self._before = self._children_of(adopter) if adopter is not None else frozenset[tuple[int, int]]()
        first = list(roots)
        self._follows = listed is None and (adopter is not None or not self._loners.issuperset(first))
        self.add(first)
        if first:
            self.refresh()

    def __len__(self) -> int:
        return len(self.members)

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptors back, and forget everybody."""
        for member in list(self.members.values()):
            self._drop(member)

    # Who belongs to it.

    def add(self, pids: Iterable[int]) -> None:
        """Take in these processes, where they are there."""
        for pid, fd, row in self._looked_at([pid for pid in pids if pid not in self.members]):
            self._take(pid, fd, row)

    def refresh(self) -> None:
        """Look at all processes of the machine for members; the tree is found without it where pids are given in turn.

        A process may have been given a number of its choice (clone3 with set_tid, as restored ones have).
        """
        if self._listed is not None:
            pids = set(self._listed())
            for member in list(self.members.values()):
                if member.pid not in pids:
                    self._drop(member)
            self.add(pids)
        elif self._follows:
            self._given, self._unseen = self._last_given(), {}
            self._take_kin(self.procfs.pids())

    def zombies(self) -> list[int]:
        """Return the members that have exited and wait for the adopter to ask after them."""
        return [member.pid for member in self.members.values() if member.is_zombie and member.ppid == self._adopter]

    def _newcomers(self) -> None:
        """Take in who came since the last look.

        No directory tells children cheaply: ``task/TID/children`` is absent without CONFIG_PROC_CHILDREN, and listing
        /proc costs about 0.3 us and a stat 8 us a process, of all there are. But numbers are given in turn
        (kernel/pid.c:alloc_pid, idr_alloc_cyclic), and ``loadavg`` says the last one in 1 us: newcomers are those
        between.
        """
        before, self._given = self._given, self._last_given()
        if before is None or self._given is None or not 0 <= self._given - before <= MOST_NEWCOMERS:
            self.refresh()
            return
        numbers = [*self._unseen, *range(before + 1, self._given + 1)]
        self._unseen.update((number, LOOKS) for number in range(before + 1, self._given + 1))
        if numbers:
            self._take_kin(numbers)

    def _take_kin(self, numbers: Iterable[int]) -> None:
        strangers: dict[int, list[int]] = {}
        for pid, fd, row in self._looked_at([pid for pid in numbers if pid not in self.members]):
            os.close(fd)
            strangers[pid] = row
        for pid in [*self._unseen]:
            self._unseen[pid] -= 1
            if pid in strangers or pid in self.members or not self._unseen[pid]:
                del self._unseen[pid]
        while kin := [pid for pid, row in strangers.items() if self._is_relative(pid, row)]:
            for pid in kin:
                del strangers[pid]
            self.add(kin)

    def _is_relative(self, pid: int, row: list[int]) -> bool:
        """Whether a process is of the tree; a thread is not, which has a number and a ``stat`` like a process."""
        if row[EXIT_SIGNAL] < 0 or pid == self._adopter or (pid, row[START_TIME]) in self._before:
            return False
        return self._is_kin(row[PPID], row[SESSION])

    def _is_kin(self, ppid: int, session: int) -> bool:
        """Whether one with this parent in this session is of the tree.

        A session is made by its leader, and only the leader's descendants are in it: one whose parents have all ended
        is known by it. Its number is nobody's pid as long as it has a member.
        """
        if ppid == self._adopter or session in self._sessions:
            return True
        return ppid in self.members and ppid not in self._loners

    def _children_of(self, pid: int) -> frozenset[tuple[int, int]]:
        children: set[tuple[int, int]] = set()
        for child, fd, row in self._looked_at(self.procfs.pids()):
            os.close(fd)
            if row[PPID] == pid:
                children.add((child, row[START_TIME]))
        return frozenset(children)

    def _last_given(self) -> int | None:
        """Return the process ID that was given last in this pid namespace (fs/proc/loadavg.c); None if untold."""
        try:
            return int(self.procfs.read_bytes("loadavg").split()[-1])
        except (OSError, ValueError, IndexError):
            return None

    # Reading.

    def poll(self) -> Poll:
        """Read the kernel's counters of every member; the ended are let go of, newcomers taken in.

        It is ``stat`` that is read, 3 us a process through a descriptor kept open: ``statm`` takes 1 us and has no
        page faults, without which copies of shared pages are not seen, no parent and no state.
        """
        if self._follows:
            self._newcomers()
        self._read()
        processes = busy = rss = growth = stir = 0
        for member in self.members.values():
            grown = member.rss - member.marked_rss
            processes += not member.is_zombie
            busy += member.is_busy
            rss += member.rss
            growth += max(grown, 0)
            stir += abs(grown) + max(member.faults - member.marked_faults, 0)
        return Poll(processes, busy, rss * self._page, growth * self._page, (stir + self._lost) * self._page)

    def mark(self) -> None:
        """Count growth from here on."""
        self._lost = 0
        for member in self.members.values():
            member.marked_rss, member.marked_faults = member.rss, member.faults

    def _read(self) -> None:
        """Read all; who cannot be read any more has been reaped."""
        members = list(self.members.values())
        opened = [self._stat_of(member.pid) if member.fd < 0 else -1 for member in members]
        fds = [member.fd if member.fd >= 0 else fd for member, fd in zip(members, opened, strict=True)]
        rows = self._rows_of(fds)
        for fd in opened:
            if fd >= 0:
                os.close(fd)
        for member, row in zip(members, rows, strict=True):
            if row[STATE] <= 0 or row[START_TIME] != member.start_time:
                self._drop(member)
            else:
                member.learn(row)
        self._sessions |= {member.pid for member in self.members.values() if self._leads(member)}
        self._sessions &= {member.session for member in self.members.values()}

    def _leads(self, member: Member) -> bool:
        return member.session == member.pid and member.pid not in self._loners

    def _looked_at(self, pids: Collection[int]) -> Iterator[tuple[int, int, list[int]]]:
        """Open and read the ``stat`` of those who are there; who takes pid, descriptor and row closes it."""
        numbers = list(pids)
        for first in range(0, len(numbers), AT_ONCE):
            opened = [(pid, self._stat_of(pid)) for pid in numbers[first : first + AT_ONCE]]
            there = [(pid, fd) for pid, fd in opened if fd >= 0]
            for (pid, fd), row in zip(there, self._rows_of([fd for _, fd in there]), strict=True):
                if row[STATE] > 0:
                    yield pid, fd, row
                else:
                    os.close(fd)

    def _stat_of(self, pid: int) -> int:
        """Open the ``stat`` of a process; -1 where it is gone."""
        try:
            with self.procfs.open_process(pid) as process:
                return self.procfs.open_at(process, "stat")
        except (FileNotFoundError, ProcessLookupError):
            return -1

    def _rows_of(self, fds: Sequence[int]) -> list[list[int]]:
        rows = np.zeros((len(fds), len(native.FIELDS)), np.int64)
        native.read_stats(np.array(fds, np.int32), rows)
        return rows.tolist()

    def _take(self, pid: int, fd: int, row: list[int]) -> None:
        if self._kept >= self._room:
            os.close(fd)
            fd = -1
        self._kept += fd >= 0
        member = self.members[pid] = Member(pid, row[START_TIME], fd)
        member.learn(row)
        if self._leads(member):
            self._sessions.add(pid)

    def _drop(self, member: Member) -> None:
        del self.members[member.pid]
        self._lost += member.marked_rss
        if member.fd >= 0:
            os.close(member.fd)
            self._kept -= 1


def file_room() -> int:
    """Return how many descriptors may be kept open: half of what this process may have, and not without end."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(max(soft // 2 - AT_ONCE, 0), 4096) if soft != resource.RLIM_INFINITY else 4096


class TreeView(ProcFS):
    """A ``/proc`` in which there is nobody but the members of a tree, for a walk of the tree.

    All other processes are hidden owners then, and are not even listed: on a machine with thousands of them that is
    most of a small walk. The cgroups that frames are charged to are left out, a quarter of a walk, since no figure of
    a footprint needs them.

    Parameters
    ----------
    tree : Tree
        Whose processes.
    """

    def __init__(self, tree: Tree) -> None:
        source = tree.procfs
        super().__init__(source.root, source.cgroup, source.same_space, source.sys)
        self._tree = tree

    def pids(self) -> list[int]:
        """Return the process IDs of the members now, ascending."""
        self._tree.poll()
        return sorted(self._tree.members)

    def has(self, name: str) -> bool:
        """Whether a file of this ``/proc`` exists; kpagecgroup does not."""
        return name != "kpagecgroup" and super().has(name)
