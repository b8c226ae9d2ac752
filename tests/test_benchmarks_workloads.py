"""Workloads are what they say, to the byte, and the readers in C and numpy read what there is of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchstage import MIB, PAGE, compiled, unsanitized
from pagewalk.procfs import ProcFS
from pagewalk.system import ram_frames

if TYPE_CHECKING:
    from benchmarks.programs import Programs
    from benchmarks.rounds import Reading
    from benchmarks.workloads import Workload

pytestmark = unsanitized
# Sizes that are quick to set up: prefork of 2.6 MiB, heaps of 15 and 18 MiB, 3 VMAs ...
SCALE = 0.0025
POPULATED = np.uint64(1 << 63 | 1 << 62)


@pytest.fixture
def programs() -> Iterator[Programs]:
    with compiled() as programs:
        yield programs


def vma_ranges(pid: int) -> list[tuple[int, int]]:
    """Pages of the VMAs of a process, by its maps; the kernel's own [vsyscall] is none of them."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    ranges = [[int(word, 16) for word in line.split()[0].split("-")] for line in lines]
    return [(start // PAGE, end // PAGE) for start, end in ranges if start < 1 << 63]


def populated_pages(pid: int) -> int:
    """Pages of a process that are present or swapped, each entry looked at."""
    pages = 0
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        for first, last in vma_ranges(pid):
            for at in range(first, last, MIB):
                pagemap.seek(at * 8)
                words = np.frombuffer(pagemap.read(8 * (min(last, at + MIB) - at)), np.uint64)
                pages += int(np.count_nonzero(words & POPULATED))
    return pages


def read_by(name: str, programs: Programs, workload: Workload) -> Reading:
    from benchmarks.kernelfiles import floors

    reader = next(reader for reader in floors(programs) if reader.name == name)
    return reader.read(workload.pids, workload)


@pytest.mark.parametrize("name", ["W1", "W2a", "W2b", "W4", "W5", "W7"])
def test_it_is_what_it_says(programs: Programs, name: str) -> None:
    from benchmarks import bench_walk
    from benchmarks.held import Unavailable
    from benchmarks.workloads import WORKLOADS

    try:
        with WORKLOADS[name](programs, SCALE) as workload:
            assert workload.known
            bench_walk.check(workload)
    except Unavailable as reason:
        pytest.skip(str(reason))


def test_what_is_known_of_each() -> None:
    """The figures that the check is held to are those of the shape, not of the run."""
    from benchmarks.workloads import WORKLOADS

    with compiled() as programs:
        with WORKLOADS["W5"](programs, SCALE) as workload:
            [known] = workload.known
            assert len(workload.pids) == 16
            assert known.figures["rss"] == 16 * known.figures["pss"] == 16 * (known.stop - known.start)
        with WORKLOADS["W7"](programs, SCALE) as workload:
            [known] = workload.known
            assert (known.vmas, known.figures["rss"]) == (150, 150 * PAGE)
            assert (
                len([first for first, _ in vma_ranges(workload.pids[0]) if known.start <= first * PAGE < known.stop])
                == 150
            )


def test_prefork(programs: Programs) -> None:
    from benchmarks.workloads import prefork

    with prefork(programs, size=1005 * PAGE, children=7, stride=100) as workload:
        [known] = workload.known
        assert len(workload.pids) == 8
    copied = 5 * 11 + 2 * 10  # of 1005 pages the first five residues of 100 have eleven, the others ten
    assert known.figures == {"rss": 1005 * 8 * PAGE, "pss": (1005 + copied) * PAGE}


def test_sparse(programs: Programs) -> None:
    from benchmarks.workloads import sparse

    with sparse(programs, size=100 * MIB, step=MIB, dense=3 * MIB) as workload:
        reserved, dense = workload.known
    assert reserved.stop - reserved.start == 100 * MIB
    assert (reserved.figures["rss"], dense.figures["rss"]) == (100 * PAGE, 3 * MIB)


@pytest.mark.parametrize("name", ["W1", "W3", "W4", "W7"])
def test_the_floor_reads_all_pages_of_the_workload(programs: Programs, name: str) -> None:
    from benchmarks.workloads import WORKLOADS

    with WORKLOADS[name](programs, 0.001) as workload:
        reading = read_by("floor", programs, workload)
        expected = sum(last - first for pid in workload.pids for first, last in vma_ranges(pid))
    assert reading.more["entries"] == reading.more["pages"] == expected
    assert reading.more["processes"] == len(workload.pids)
    assert reading.peak is not None
    assert 64 * 1024 < reading.peak < 8 * MIB  # its own, not that of the interpreter that started it


@pytest.mark.parametrize(
    ("size", "step"),
    [(512 * MIB, 64 * 1024), (1 << 40, 64 * MIB), (256 * MIB, 4 * PAGE)],
    ids=["more ranges than a scan tells", "holes", "too full to scan"],
)
def test_the_adaptive_floor_reads_all_that_is_populated(programs: Programs, size: int, step: int) -> None:
    from benchmarks.workloads import sparse

    with sparse(programs, size=size, step=step, dense=MIB) as workload:
        reading = read_by("adaptive floor", programs, workload)
        # Each page of the reserved part by construction, since a TiB is not read here; the rest entry by entry.
        if size < 1 << 40:
            assert reading.more["populated"] == populated_pages(workload.pids[0])
        assert 0 <= reading.more["populated"] - size // step - MIB // PAGE < 400  # the program itself
        assert reading.more["pages"] == sum(last - first for first, last in vma_ranges(workload.pids[0]))
    if step == 4 * PAGE:
        assert reading.more["scans"] == 0
    else:
        assert reading.more["scans"] > 0
        assert reading.more["entries"] < reading.more["pages"]


def test_the_kpage_floor_reads_all_of_ram(programs: Programs) -> None:
    from benchmarks.kernelfiles import kpage_floor
    from benchmarks.workloads import Workload

    reading = kpage_floor(programs).read((), Workload("RAM", "", ()))
    assert reading.more["frames"] == sum(stop - start for start, stop in ram_frames(ProcFS()))
    assert reading.more["words"] in (2 * reading.more["frames"], 3 * reading.more["frames"])


def test_the_kernels_estimates_and_numpy_agree(programs: Programs) -> None:
    from benchmarks import numpy_reader
    from benchmarks.kernelfiles import estimates
    from benchmarks.workloads import shared_memfd

    with shared_memfd(programs, 5 * MIB, 3) as workload:
        rollup, smaps = (reader.read(workload.pids, workload) for reader in estimates(programs))
        figures = numpy_reader.read([*workload.pids, 2])  # and a kernel thread
    assert rollup.rss is not None
    assert rollup.pss is not None
    assert smaps.pss is not None
    assert rollup.rss == smaps.rss == sum(rss for rss, _ in figures.values())
    assert 15 * MIB < rollup.rss < 17 * MIB
    vmas = 100 * len(workload.pids)  # at most; each VMA's Pss is cut to KiB
    assert smaps.pss <= rollup.pss <= smaps.pss + 1024 * vmas
    assert abs(sum(pss for _, pss in figures.values()) - rollup.pss) < 1024 * 4


def test_wrong_figures_are_told(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import bench_walk, workloads
    from benchmarks.programs import Failure

    with workloads.heap(programs, size=PAGE) as workload:
        [known] = workload.known
    found = {"vmas": 1, "figures": {"rss": PAGE, "pss": PAGE}}
    monkeypatch.setattr(bench_walk, "in_own_process", lambda *_, **__: {"more": {"found": [found]}})
    bench_walk.check(workload)
    for wrong in (
        dataclasses.replace(known, figures={"rss": PAGE, "pss": PAGE + 2}),
        dataclasses.replace(known, figures={"rss": PAGE + 1, "pss": PAGE}),
        dataclasses.replace(known, vmas=2),
    ):
        with pytest.raises(Failure, match=r"W2a: pagewalk says rss \d+, pss \d+, VMAs 1 of the memory at 0x"):
            bench_walk.check(dataclasses.replace(workload, known=(wrong,)))


def test_what_does_not_fit_is_not_started(programs: Programs) -> None:
    from benchmarks.held import Unavailable
    from benchmarks.workloads import heap, many_vmas

    with pytest.raises(Unavailable, match="choose a smaller --scale"), heap(programs, size=1 << 60):
        pass
    with pytest.raises(Unavailable, match=r"vm\.max_map_count is \d+"), many_vmas(programs, count=1 << 40):
        pass


def test_a_shape_that_fails_says_why(programs: Programs) -> None:
    from benchmarks.held import Unavailable, held

    workload = programs.path("workload", static=True)
    with pytest.raises(Unavailable, match="could not be set up: sparse: mmap: Cannot allocate memory"):
        held(workload, "sparse", 1 << 62, 1 << 30, PAGE).__enter__()
