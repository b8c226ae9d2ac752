"""What grows on the machine that runs: processes, a heap, and reserved address space."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks import workloads
from benchmarks.held import PAGE
from benchmarks.programs import Programs
from benchmarks.workloads import Workload

__all__ = ["GROWTHS", "Growth"]

GIB, TIB = 1 << 30, 1 << 40
STEP = 64 << 20


@dataclass(frozen=True, slots=True)
class Growth:
    """One thing that grows.

    Attributes
    ----------
    name, title : str
        A word, and one line that says what it is.
    unit : str
        What is counted.
    each : int
        How many processes or bytes a unit is.
    sizes : tuple of float
        In units, ascending.
    start : callable
        ``start(programs, size)``: the workload of so many processes or bytes, until it is left.
    """

    name: str
    title: str
    unit: str
    each: int
    sizes: tuple[float, ...]
    start: Callable[[Programs, int], AbstractContextManager[Workload]]


def _sparse(programs: Programs, size: int) -> AbstractContextManager[Workload]:
    return workloads.sparse(programs, size, step=STEP, dense=PAGE)


GROWTHS: tuple[Growth, ...] = (
    Growth(
        *("processes", "sleeping processes, dynamically linked", "processes", 1),
        sizes=(100, 500, 1000, 2000, 4000),
        start=workloads.sleepers,
    ),
    Growth(
        *("heap", "one heap of 4K pages, all written", "GiB", GIB),
        sizes=(1, 2, 4, 8, 12),
        start=workloads.heap,
    ),
    Growth(
        *("reserved", f"address space reserved, one page in {STEP >> 20} MiB there", "TiB", TIB),
        sizes=(0.25, 1, 4, 8, 16),
        start=_sparse,
    ),
)
