"""Processes of known memory, started for a benchmark and ended with it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import Failure, Programs

__all__ = ["WORKLOADS", "Workload", "heap", "prefork", "sleepers"]

PAGE = os.sysconf("SC_PAGESIZE")
MIB = 1 << 20
PATIENCE = 30.0  # seconds for a workload to end by itself before it is killed
# Of the memory that is available, so much may be taken: a benchmark that swaps measures the disk.
FRACTION = 0.7


@dataclass(frozen=True, slots=True)
class Workload:
    """Processes that hold still, and what is known of them by construction.

    Attributes
    ----------
    name, title : str
        What PERFORMANCE figures call it, and one line that says what it is.
    pids : tuple of int
        Its processes.
    heap : int
        Where the heap is mapped, in each of them; 0 where there is none.
    rss, pss : int
        Bytes of the heap, summed over the processes: mapped, and each frame once.
    """

    name: str
    title: str
    pids: tuple[int, ...]
    heap: int = 0
    rss: int = 0
    pss: int = 0


@contextmanager
def prefork(
    programs: Programs, size: int = 512 * MIB, children: int = 24, stride: int = 100, name: str = "W1"
) -> Iterator[Workload]:
    """A heap of 4K pages and its children after fork, each of which has rewritten other pages of it.

    Parameters
    ----------
    programs : Programs
        Where it is compiled.
    size : int
        Bytes of the heap.
    children : int
        How many.
    stride : int
        Each child rewrites one page in so many: child k those from the k-th page on.
    name : str
        What it is called in the results.
    """
    size = _whole_pages(size)
    pages = size // PAGE
    own = sum(len(range(k % stride, pages, stride)) for k in range(children))
    _fits(name, size + own * PAGE + children * size // 512)  # a page table entry is a 512th of a page
    title = f"prefork: {_megabytes(size)} of 4K pages, {children} children each rewriting every {stride}th page"
    with _held(programs.path("workload", static=True), "prefork", size, children, stride) as (start, pids):
        yield Workload(name, title, pids, start, size * (children + 1), size + own * PAGE)


@contextmanager
def heap(programs: Programs, size: int = 1024 * MIB, name: str = "W2a") -> Iterator[Workload]:
    """One heap of 4K pages, all written.

    Parameters
    ----------
    programs : Programs
        Where it is compiled.
    size : int
        Bytes of the heap.
    name : str
        What it is called in the results.
    """
    size = _whole_pages(size)
    _fits(name, size)
    with _held(programs.path("workload", static=True), "heap", size) as (start, pids):
        yield Workload(name, f"one heap of {_megabytes(size)} of 4K pages", pids, start, size, size)


@contextmanager
def sleepers(programs: Programs, count: int = 300, name: str = "W3") -> Iterator[Workload]:
    """Small processes that do nothing, each started by exec and linked to the C library, and the one that started them.

    Parameters
    ----------
    programs : Programs
        Where it is compiled.
    count : int
        How many.
    name : str
        What it is called in the results.
    """
    _fits(name, count * MIB)
    with _held(programs.path("workload"), "sleepers", count) as (_, pids):
        yield Workload(name, f"{count} sleeping processes, dynamically linked", pids)


# How each is started for a run: its sizes times a scale.
WORKLOADS: dict[str, Callable[[Programs, float], AbstractContextManager[Workload]]] = {
    "W1": lambda programs, scale: prefork(programs, size=int(512 * MIB * scale)),
    "W2a": lambda programs, scale: heap(programs, size=int(1024 * MIB * scale)),
    "W3": lambda programs, scale: sleepers(programs, count=max(1, int(300 * scale))),
}


@contextmanager
def _held(program: Path, *arguments: object) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Run the C program until left; yields its heap and its processes once all is set up.

    It ends when its standard input does, whatever becomes of this process. It is in a session of its own, so that a
    Ctrl-C reaches it through here only.
    """
    command = [str(program), *map(str, arguments)]
    with subprocess.Popen(
        command,
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
                raise Failure(f"the workload {arguments[0]} could not be set up: {said.strip() or 'it ended'}")
            yield int(words[1]), tuple(map(int, words[3:]))
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


def _whole_pages(size: int) -> int:
    return max(1, size // PAGE) * PAGE


def _megabytes(size: int) -> str:
    return f"{size / MIB:.0f} MiB" if size >= MIB else f"{size // 1024} KiB"


def _fits(name: str, needed: int) -> None:
    with open("/proc/meminfo") as meminfo:
        figures = dict(line.split(":") for line in meminfo)
    available = int(figures["MemAvailable"].split()[0]) * 1024
    if needed > available * FRACTION:
        raise Failure(
            f"{name} needs {_megabytes(needed)} and {_megabytes(available)} are available: choose a smaller --scale"
        )
