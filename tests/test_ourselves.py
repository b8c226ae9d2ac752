"""What the kernel says of this process itself."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from pagewalk.ourselves import age, memory, read_calls
from pagewalk.procfs import ProcFS


def made(tmp_path: Path, **files: str) -> ProcFS:
    (tmp_path / "self").mkdir()
    for name, text in files.items():
        (tmp_path / "self" / name).write_text(text)
    return ProcFS(str(tmp_path))


def test_reads_of_this_process() -> None:
    procfs = ProcFS()
    counts = []
    for _ in range(5):
        first, second = read_calls(procfs), read_calls(procfs)
        if first is None or second is None:
            pytest.skip("this kernel does not count reads (CONFIG_TASK_IO_ACCOUNTING)")
        with open("/dev/zero", "rb", buffering=0) as zero:
            for _ in range(50):
                zero.read(1)
        third = read_calls(procfs)
        assert third is not None
        counts.append((third - second) - (second - first))
        if counts[-1] == 50:  # another thread may read something in between
            break
    assert counts[-1] == 50, counts


def test_memory_of_this_process() -> None:
    before, peak_before = memory(ProcFS())
    # A mapping of its own: the heap may have as much room that is resident already.
    with mmap.mmap(-1, 32 << 20) as held:
        held.write(b"x" * len(held))
        during, peak = memory(ProcFS())
    assert during >= before + (31 << 20)
    assert peak >= max(during, peak_before)


def test_age_of_this_process() -> None:
    said = age(ProcFS())
    assert said is not None
    assert 0 < said < 86400


def test_what_is_not_told_is_unknown(tmp_path: Path) -> None:
    procfs = made(tmp_path)
    assert (read_calls(procfs), memory(procfs), age(procfs)) == (None, (-1, -1), None)


def test_what_is_told(tmp_path: Path) -> None:
    procfs = made(
        tmp_path,
        io="rchar: 10\nsyscr: 12\nsyscw: 3\n",
        status="Name:\tVmHWM: 1 kB\nVmPeak:\t  900 kB\nVmHWM:\t     300 kB\nVmRSS:\t     200 kB\n",
        stat="oops",
    )
    assert read_calls(procfs) == 12
    assert memory(procfs) == (200 << 10, 300 << 10)
    assert age(procfs) is None
