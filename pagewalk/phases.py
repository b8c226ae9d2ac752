"""What each phase of the work costs: time, CPU time, and what was read in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["Phases"]


class Phases:
    """A clock that is in one phase at a time, so that the phases add up to the whole.

    A phase may be begun again: what it costs is added up.

    Parameters
    ----------
    reads : callable, optional
        Returns how many read calls this process has made so far, None if the kernel does not say. By default they
        are not counted: that costs a system call or more a phase, two clocks cost half a microsecond.
    """

    def __init__(self, reads: Callable[[], int | None] | None = None) -> None:
        self._reads = reads
        self._rows: dict[str, dict[str, Any]] = {}
        self._now = ""
        self._since: tuple[float, float, int | None] = (0.0, 0.0, None)
        # Counting reads files too: so often, which is not what a phase has read.
        self._own = 0
        if reads is not None and (first := reads()) is not None and (second := reads()) is not None:
            self._own = second - first

    def begin(self, name: str) -> None:
        """End the phase that is, and begin or go on with another."""
        now = self._clocks()
        self._take(now)
        self._now, self._since = name, now
        self._row(name)

    def end(self) -> None:
        """End the phase that is; harmless where none is."""
        self._take(self._clocks())
        self._now = ""

    def add(self, name: str, entries: int = 0, words: int = 0, scans: int = 0) -> None:
        """Say what was read in a phase.

        Parameters
        ----------
        name : str
            Which.
        entries : int
            Entries of pagemaps.
        words : int
            Words of the kpage files.
        scans : int
            Calls of PAGEMAP_SCAN, which are no reads.
        """
        row = self._row(name)
        row["entries"] += entries
        row["words"] += words
        row["scans"] += scans

    def rows(self) -> list[dict[str, Any]]:
        """Return the phases in the order in which they were begun first.

        Returns
        -------
        list of dict
            ``phase``; ``seconds`` and ``cpu_seconds`` (of all threads, user and system); ``entries``, ``words``,
            ``scans``; ``reads``, the read calls of all threads, None where they were not counted.
        """
        return [
            {**row, "seconds": round(row["seconds"], 6), "cpu_seconds": round(row["cpu_seconds"], 6)}
            for row in self._rows.values()
        ]

    def _clocks(self) -> tuple[float, float, int | None]:
        return time.perf_counter(), time.process_time(), None if self._reads is None else self._reads()

    def _take(self, now: tuple[float, float, int | None]) -> None:
        """Count what has passed to the phase that is."""
        if not self._now:
            return
        row, (seconds, cpu, reads) = self._rows[self._now], self._since
        row["seconds"] += now[0] - seconds
        row["cpu_seconds"] += now[1] - cpu
        if reads is not None and now[2] is not None:
            row["reads"] = (row["reads"] or 0) + max(0, now[2] - reads - self._own)

    def _row(self, name: str) -> dict[str, Any]:
        empty = {"seconds": 0.0, "cpu_seconds": 0.0, "entries": 0, "words": 0, "scans": 0, "reads": None}
        return self._rows.setdefault(name, {"phase": name, **empty})
