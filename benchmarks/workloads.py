"""Processes of known memory, started for a benchmark and ended with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.held import MIB, PAGE, Held, Unavailable, fits, held, megabytes, whole_pages
from benchmarks.programs import Programs
from benchmarks.switches import huge_page, mixed_memory

__all__ = ["RAM", "WORKLOADS", "Known", "Workload"]

GIB = 1 << 30
TIB = 1 << 40
# The workload that is the machine itself.
RAM = "RAM"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known by construction of a stretch of addresses, in every process of a workload.

    Attributes
    ----------
    start, stop : int
        Addresses; stop is exclusive.
    figures : mapping of str to int
        Columns of `Snapshot.mappings`, in bytes, summed over the processes.
    vmas : int
        How many lie there, in each process.
    """

    start: int
    stop: int
    figures: Mapping[str, int]
    vmas: int = 1


@dataclass(frozen=True, slots=True)
class Workload:
    """Processes that hold still, and what is known of them by construction.

    Attributes
    ----------
    name, title : str
        What PERFORMANCE figures call it, and one line that says what it is.
    pids : tuple of int
        Its processes.
    known : tuple of Known
        Of its memory.
    """

    name: str
    title: str
    pids: tuple[int, ...]
    known: tuple[Known, ...] = ()


def _known(region: tuple[int, int], figures: Mapping[str, int], vmas: int = 1) -> Known:
    start, length = region
    return Known(start, start + length, figures, vmas)


@contextmanager
def prefork(
    programs: Programs, size: int, children: int = 48, stride: int = 100, name: str = "W1"
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
    size = whole_pages(size)
    pages = size // PAGE
    own = sum(len(range(k % stride, pages, stride)) for k in range(children))
    fits(name, size + own * PAGE + children * size // 512)  # a page table entry is a 512th of a page
    title = f"prefork: {megabytes(size)} of 4K pages, {children} children each rewriting every {stride}th page"
    with held(programs.path("workload", static=True), "prefork", size, children, stride) as it:
        figures = {"rss": size * (children + 1), "pss": size + own * PAGE}
        yield Workload(name, title, it.pids, (_known(it.regions[0], figures),))


@contextmanager
def heap(programs: Programs, size: int, name: str = "W2a") -> Iterator[Workload]:
    """One heap of 4K pages, all written; ``size`` in bytes."""
    size = whole_pages(size)
    fits(name, size)
    with held(programs.path("workload", static=True), "heap", size) as it:
        known = _known(it.regions[0], {"rss": size, "pss": size})
        yield Workload(name, f"one heap of {megabytes(size)} of 4K pages", it.pids, (known,))


@contextmanager
def huge_heap(programs: Programs, size: int, name: str = "W2b") -> Iterator[Workload]:
    """One heap of transparent huge pages, all written; ``size`` in bytes."""
    size = whole_pages(size, huge_page())
    fits(name, size)
    with held(programs.path("workload", static=True), "huge", size) as it:
        _check_huge(it)
        known = _known(it.regions[0], {"rss": size, "pss": size, "thp": size})
        yield Workload(name, f"one heap of {megabytes(size)} of huge pages", it.pids, (known,))


@contextmanager
def sleepers(programs: Programs, count: int, name: str = "W3") -> Iterator[Workload]:
    """Small processes that do nothing, each started by exec and linked to the C library, and their parent."""
    fits(name, count * MIB)
    with held(programs.path("workload"), "sleepers", count) as it:
        yield Workload(name, f"{count} sleeping processes, dynamically linked", it.pids)


@contextmanager
def sparse(
    programs: Programs, size: int, step: int = 64 * MIB, dense: int = GIB, name: str = "W4"
) -> Iterator[Workload]:
    """Much address space that is reserved, a page of it in every ``step`` bytes, and beside it a heap of 4K pages."""
    size, dense = whole_pages(size, step), whole_pages(dense)
    there = size // step * PAGE
    fits(name, 2 * there + dense)  # each of the pages has a page table of its own
    title = f"sparse: {megabytes(size)} reserved, one page in {megabytes(step)}; {megabytes(dense)} dense"
    with held(programs.path("workload", static=True), "sparse", size, step, dense) as it:
        figures = [{"rss": bytes_, "pss": bytes_} for bytes_ in (there, dense)]
        yield Workload(name, title, it.pids, tuple(map(_known, it.regions, figures)))


@contextmanager
def shared_memfd(programs: Programs, size: int, processes: int = 16, name: str = "W5") -> Iterator[Workload]:
    """Processes that have all pages of one memfd mapped."""
    size = whole_pages(size)
    fits(name, size + processes * size // 512)
    with held(programs.path("workload", static=True), "memfd", size, processes - 1) as it:
        known = _known(it.regions[0], {"rss": size * processes, "shmem": size * processes, "pss": size})
        yield Workload(name, f"{processes} processes on one memfd of {megabytes(size)}", it.pids, (known,))


@contextmanager
def mixed(programs: Programs, size: int, children: int = 4, name: str = "W6") -> Iterator[Workload]:
    """Huge pages, pages merged two by two by KSM, pages of hugetlbfs, pages swapped out; ``size`` of each, forked."""
    size = whole_pages(size, huge_page())
    fits(name, 4 * size)
    every = size * (children + 1)
    figures: list[dict[str, int]] = [
        {"rss": every, "pss": size, "thp": every},
        {"rss": every, "pss": size // 2, "ksm": every},
        {"hugetlb": every, "rss": 0},
        {"swap": every, "swap_pss": size, "rss": 0},
    ]
    title = f"{megabytes(size)} each of huge pages, KSM's pairs, hugetlb, swap; {children} children after fork"
    with mixed_memory(size, programs.folder) as ksm, ExitStack() as running:
        with ksm():  # what is merged stays so
            it = running.enter_context(held(programs.path("workload", static=True), "mixed", size, children))
        _check_huge(it)
        yield Workload(name, title, it.pids, tuple(map(_known, it.regions, figures)))


@contextmanager
def many_vmas(programs: Programs, count: int, name: str = "W7") -> Iterator[Workload]:
    """One process of many VMAs, a page each."""
    most = int(Path("/proc/sys/vm/max_map_count").read_text())
    if count > most - 1000:  # its program, and what a C library maps
        raise Unavailable(f"{name} needs {count} VMAs and vm.max_map_count is {most}: choose a smaller --scale")
    with held(programs.path("workload", static=True), "vmas", count) as it:
        known = _known(it.regions[0], {"rss": count * PAGE, "pss": count * PAGE}, count)
        yield Workload(name, f"one process of {count} VMAs of a page each", it.pids, (known,))


@contextmanager
def ram(programs: Programs, scale: float) -> Iterator[Workload]:
    """The machine as it is: all frames of its System RAM are to be read."""
    yield Workload(RAM, "all of RAM: uses, cgroups and charges of every frame, with one thread", ())


# How each is started for a run: its sizes times a scale.
WORKLOADS: dict[str, Callable[[Programs, float], AbstractContextManager[Workload]]] = {
    "W1": lambda programs, scale: prefork(programs, int(GIB * scale)),
    "W2a": lambda programs, scale: heap(programs, int(8 * GIB * scale)),
    "W2b": lambda programs, scale: huge_heap(programs, int(8 * GIB * scale)),
    "W3": lambda programs, scale: sleepers(programs, max(1, int(1000 * scale))),
    "W4": lambda programs, scale: sparse(programs, int(4 * TIB * scale), dense=int(GIB * scale)),
    "W5": lambda programs, scale: shared_memfd(programs, int(GIB * scale)),
    "W6": lambda programs, scale: mixed(programs, int(GIB // 4 * scale)),
    "W7": lambda programs, scale: many_vmas(programs, max(1, int(60000 * scale))),
    RAM: ram,
}


def _check_huge(it: Held) -> None:
    """Let the kernel confirm that the first mapping is of huge pages."""
    start, length = it.regions[0]
    got = _kernel_says(it.pids[0], start, "AnonHugePages")
    if got != length:
        raise Unavailable(
            f"the kernel gave {megabytes(got)} of {megabytes(length)} as huge pages: memory is fragmented, or "
            "they are switched off"
        )


def _kernel_says(pid: int, start: int, field: str) -> int:
    """A figure of the VMA that begins there, in bytes."""
    with open(f"/proc/{pid}/smaps") as smaps:
        inside = False
        for line in smaps:
            if line.startswith(f"{start:x}-"):
                inside = True
            elif inside and line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    raise Unavailable(f"no {field} in smaps of the mapping at {start:#x}")
