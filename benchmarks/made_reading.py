"""A walk measured by itself, again and again: ``python -m benchmarks.made_reading``, a request on its input.

The clock starts when everything is imported and a first walk, not measured, has warmed what there is to warm.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.programs import FOLDER, Failure

__all__ = ["DIRECTORIES", "main", "read_machine"]

# Where the files of a machine are below the directory of a made one, and on the one that runs.
DIRECTORIES = ("proc", "cgroup", "sys")
LIVE = ("/proc", "/sys/fs/cgroup", "/sys")
BLOCK = 256 << 10


def read_machine(directory: Path | None, rounds: int, **options: Any) -> dict[str, Any]:
    """Let a fresh interpreter walk a machine.

    Parameters
    ----------
    directory : Path or None
        A made one, or None for the one that runs.
    rounds : int
        Walks to measure after the first.
    **options
        Handed to `pagewalk.walk`; what JSON can say. With ``floor``, names of files, their bytes are read instead and
        nothing is looked at.

    Returns
    -------
    dict
        ``first`` and ``readings``: CPU and wall seconds, CPU seconds by phase, the bytes that were resident before and
        at most. ``forecast``: the memory that the walk said it would take, by what for. ``found``: processes, rss and
        pss in all.

    Raises
    ------
    Failure
        It could not be walked.
    """
    at = LIVE if directory is None else tuple(str(directory / name) for name in DIRECTORIES)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.made_reading"],
        input=json.dumps({"at": at, "rounds": rounds, "options": options}),
        capture_output=True,
        text=True,
        cwd=FOLDER.parent,
    )
    if done.returncode != 0:
        raise Failure(f"the walk failed: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> int:
    """Measure what the request asks for and print the answer, as JSON."""
    request = json.load(sys.stdin)
    work = _Floor(request) if "floor" in request["options"] else _Walk(request)
    first = _measured(work)
    readings = [_measured(work) for _ in range(request["rounds"])]
    print(json.dumps({"first": first, "readings": readings, "forecast": work.forecast, "found": work.found}))
    return 0


class _Walk:
    """The walk and the figures of every process."""

    def __init__(self, request: dict[str, Any]) -> None:
        from pagewalk import walk
        from pagewalk.procfs import ProcFS

        root, cgroup, sysfs = request["at"]
        self._walk = walk
        self._procfs = ProcFS(root, cgroup, sys=sysfs)
        self._options = request["options"]
        self.found: dict[str, int] = {}
        self.forecast: dict[str, int] = {}
        self.phases: dict[str, float] = {}

    def once(self) -> None:
        # What the walk will take is asked for only once: telling it is not what is measured.
        asked: dict[str, Any] = (
            {} if self.forecast else {"explain": lambda told: self.forecast.update(told["memory_parts"])}
        )
        snapshot = self._walk(procfs=self._procfs, **self._options, **asked)
        table = snapshot.processes()
        self.found = {"processes": len(table)} | {name: int(table[name].sum()) for name in ("rss", "pss")}
        self.phases = {row["phase"]: row["cpu_seconds"] for row in snapshot.host["phases"]}


class _Floor:
    """The bytes of files read into one buffer: ``pagemap`` of every process, or others of the machine by name."""

    def __init__(self, request: dict[str, Any]) -> None:
        root = Path(request["at"][0])
        self._buffer = [bytearray(BLOCK)]
        self._paths = list(_paths(root, request["options"]["floor"]))
        self.found: dict[str, int] = {}
        self.forecast: dict[str, int] = {}
        self.phases: dict[str, float] = {}

    def once(self) -> None:
        size = 0
        for path, start in self._paths:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                at = start
                while got := os.preadv(fd, self._buffer, at):
                    at += got
                size += at - start
            finally:
                os.close(fd)
        self.found = {"bytes": size}


def _paths(root: Path, names: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """The files, and where in each reading begins: where the first VMA does."""
    for name in names:
        if name != "pagemap":
            yield root / name, 0
            continue
        for folder in root.iterdir():
            if folder.name.isdecimal():
                with (folder / "maps").open() as maps:
                    first = int(maps.readline().partition("-")[0] or "0", 16)
                yield folder / name, first // os.sysconf("SC_PAGESIZE") * 8


def _measured(work: _Walk | _Floor) -> dict[str, Any]:
    gc.collect()
    _forget_peak()
    before = _resident("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    work.once()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu, "wall": wall, "phases": work.phases, "peak": _resident("VmHWM"), "before": before}


def _forget_peak() -> None:
    """Let VmHWM begin anew at what is resident now (fs/proc/task_mmu.c:clear_refs_write, CLEAR_REFS_MM_HIWATER_RSS)."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _resident(name: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(f"{name}:"))


if __name__ == "__main__":
    sys.exit(main())
