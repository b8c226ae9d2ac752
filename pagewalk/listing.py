"""Which address spaces there are: processes listed, those that share one merged."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pagewalk.errors import ParseError
from pagewalk.procfs import Process, ProcessStat, ProcFS

__all__ = ["Candidate", "Listing", "is_gone"]


def is_gone(error: OSError) -> bool:
    """Whether an error means that the process has ended, rather than that it may not be read."""
    return isinstance(error, (FileNotFoundError, ProcessLookupError))


@dataclass(slots=True)
class Candidate:
    """An address space to walk: the process to read it through, and all processes that have it.

    Attributes
    ----------
    pids : list of int
        Process IDs, the first is read.
    tid : int
        The thread to read it through: not the first one where that has exited and others run on, since the exited
        one's files are empty (exit_mm has let go of the address space).
    stat : ProcessStat
        What ``stat`` said of it when it was listed.
    """

    pids: list[int]
    tid: int
    stat: ProcessStat

    def open(self, procfs: ProcFS) -> Process:
        """Open the process to read it through."""
        process = procfs.open_process(self.pids[0])
        if self.tid == self.pids[0]:
            return process
        with process:
            return procfs.open_thread(process, self.tid)


class Listing:
    """The processes seen so far.

    Parameters
    ----------
    procfs : ProcFS
        Where to look.
    wanted : callable, optional
        ``wanted(process, stat) -> bool``: which to take; by default all.
    """

    def __init__(self, procfs: ProcFS, wanted: Callable[[Process, ProcessStat], bool] | None = None) -> None:
        self._procfs = procfs
        self._wanted = wanted
        self.candidates: list[Candidate] = []
        self.known: set[int] = set()
        self.vanished: set[int] = set()
        self.refused: dict[int, str] = {}

    def update(self) -> list[Candidate]:
        """List again; returns the address spaces that were not there before, by process ID, our own last."""
        fresh: list[Candidate] = []
        for pid in self._procfs.pids():
            if pid in self.known:
                continue
            self.known.add(pid)
            try:
                candidate = self._candidate(pid)
            except OSError as error:
                if is_gone(error):
                    self.vanished.add(pid)
                else:
                    self.refused[pid] = f"stat: {error.strerror or error}"
                continue
            except ParseError as error:
                self.refused[pid] = str(error)
                continue
            if candidate is not None:
                fresh.append(candidate)
        merged = self._merge(fresh) if fresh else []
        merged.sort(key=lambda candidate: (candidate.pids[0] == os.getpid(), candidate.pids[0]))
        self.candidates += merged
        return merged

    def parted(self) -> None:
        """Forget every process merged with another that no longer shares its address space (it called exec)."""
        for candidate in self.candidates:
            for pid in candidate.pids[1:]:
                if not self._same(candidate.pids[0], pid, if_gone=True):  # the last listing will say so
                    candidate.pids.remove(pid)
                    self.known.discard(pid)

    def _candidate(self, pid: int) -> Candidate | None:
        if self._wanted is None:
            stat = self._procfs.stat_of(pid)
            if stat.is_kernel_thread:
                return None
            if not stat.is_zombie:
                return Candidate([pid], pid, stat)
        with self._procfs.open_process(pid) as process:
            stat = self._procfs.stat(process)
            if stat.is_kernel_thread or (self._wanted is not None and not self._wanted(process, stat)):
                return None
            if not stat.is_zombie:
                return Candidate([pid], pid, stat)
            return self._survivor(process, stat)

    def _survivor(self, process: Process, leader: ProcessStat) -> Candidate | None:
        """Find a thread that runs on after the first one has exited; None where all have."""
        try:
            tids = self._procfs.threads(process)
        except OSError:
            return None
        for tid in tids:
            if tid == process.pid:
                continue
            try:
                with self._procfs.open_thread(process, tid) as thread:
                    stat = self._procfs.stat(thread)
            except OSError:
                continue
            if not stat.is_zombie:
                return Candidate([process.pid], tid, stat)
        return None

    def _merge(self, fresh: Iterable[Candidate]) -> list[Candidate]:
        """Merge those that share an address space, also with an earlier one; returns what is new."""
        by_layout: dict[tuple[int, ...], list[Candidate]] = {}
        fresh = list(fresh)
        is_fresh = {id(candidate) for candidate in fresh}
        for candidate in (*self.candidates, *fresh):
            by_layout.setdefault(candidate.stat.layout, []).append(candidate)
        merged: list[Candidate] = []
        for layout, alike in by_layout.items():
            if not any(id(candidate) in is_fresh for candidate in alike):
                continue
            # All zero: hidden from us, or a thread of the kernel's; comparing would be refused too.
            alone = len(alike) == 1 or not any(layout)
            for same in [[candidate] for candidate in alike] if alone else self._equal(alike):
                old = [candidate for candidate in same if id(candidate) not in is_fresh]
                kept = old[0] if old else min(same, key=lambda candidate: candidate.pids[0])
                rest = [pid for candidate in same if candidate is not kept for pid in candidate.pids]
                kept.pids = [kept.pids[0], *sorted(set(kept.pids[1:]) | set(rest))]
                if not old:
                    merged.append(kept)
        return merged

    def _equal(self, alike: list[Candidate]) -> list[list[Candidate]]:
        """Put those of one address space together; one that cannot be compared stays alone."""
        able, alone = alike, list[Candidate]()
        while True:
            try:
                return [*([candidate] for candidate in alone), *self._runs(able)]
            except OSError:
                # Refused, or gone by now: left among the others it would part two that are equal.
                failing = [candidate for candidate in able if not self._same(candidate.tid, candidate.tid, False)]
                if not failing:
                    return [[candidate] for candidate in alike]
                alone = alone + failing
                able = [candidate for candidate in able if not any(candidate is other for other in failing)]

    def _runs(self, able: list[Candidate]) -> list[list[Candidate]]:
        """Sort by the kernel's order of address spaces (kcmp KCMP_VM) and cut where they differ."""

        def compare(a: Candidate, b: Candidate) -> int:
            return (0, -1, 1)[self._procfs.same_space(a.tid, b.tid)]

        runs: list[list[Candidate]] = []
        for candidate in sorted(able, key=functools.cmp_to_key(compare)):
            if runs and compare(runs[-1][-1], candidate) == 0:
                runs[-1].append(candidate)
            else:
                runs.append([candidate])
        return runs

    def _same(self, pid_a: int, pid_b: int, if_gone: bool) -> bool:
        """Whether two processes share an address space; ``if_gone`` where one of them has ended, else False."""
        try:
            return self._procfs.same_space(pid_a, pid_b) == 0
        except OSError as error:
            return if_gone and is_gone(error)
