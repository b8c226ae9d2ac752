"""The C program that a workload is, run until it is left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import Failure

__all__ = ["MIB", "PAGE", "Held", "Unavailable", "fits", "held", "megabytes", "whole_pages"]

PAGE = os.sysconf("SC_PAGESIZE")
MIB = 1 << 20
PATIENCE = 30.0  # seconds for a workload to end by itself before it is killed
# Of the memory that is available, so much may be taken: a benchmark that swaps measures the disk.
FRACTION = 0.7


class Unavailable(Failure):
    """This machine cannot have this workload: a run of many goes on without it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A workload that is set up.

    Attributes
    ----------
    regions : tuple of (int, int)
        Address and length of each mapping it was asked for; the same in each of its processes.
    pids : tuple of int
        Its processes, the one that started the others first.
    """

    regions: tuple[tuple[int, int], ...]
    pids: tuple[int, ...]


@contextmanager
def held(program: Path, shape: str, *numbers: int) -> Iterator[Held]:
    """Run the C program until left; yields once all is set up.

    It ends when its standard input does, whatever becomes of this process. It is in a session of its own, so that a
    Ctrl-C reaches it through here only.

    Raises
    ------
    Unavailable
        It could not be set up.
    """
    with subprocess.Popen(
        [program, shape, *map(str, numbers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            if words[:1] != ["ready"]:
                _, said = process.communicate(timeout=PATIENCE)
                raise Unavailable(f"the workload {shape} could not be set up: {said.strip() or 'it ended'}")
            figures = [int(word) for word in words[2:]]
            behind = 2 * int(words[1])
            yield Held(tuple(zip(figures[:behind:2], figures[1:behind:2], strict=True)), tuple(figures[behind:]))
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()  # its children go with it


def fits(name: str, needed: int) -> None:
    """Refuse what would take more than its share of the memory that is available."""
    with open("/proc/meminfo") as meminfo:
        figures = dict(line.split(":") for line in meminfo)
    available = int(figures["MemAvailable"].split()[0]) * 1024
    if needed > available * FRACTION:
        raise Unavailable(
            f"{name} needs {megabytes(needed)} and {megabytes(available)} are available: choose a smaller --scale"
        )


def whole_pages(size: int, page: int = PAGE) -> int:
    """Round down to pages, of which there is at least one."""
    return max(1, size // page) * page


def megabytes(size: int) -> str:
    """A size for a title."""
    if size >= MIB << 20:
        return f"{size / (MIB << 20):.3g} TiB"
    return f"{size / MIB:.0f} MiB" if size >= MIB else f"{size // 1024} KiB"
