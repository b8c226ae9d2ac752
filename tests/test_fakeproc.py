"""The made ``/proc`` against the kernel's own: the same lines, fields and labels, and the words of the model."""

from __future__ import annotations

import errno
import os
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given

import fakeproc
import fakesmaps
from fakeproc import FakeProcFS
from machines import machines
from model import PAGE, Fate, Frame, Kind, Machine, Present, Process, Space, Swapped, Vma

VMAS = (
    Vma(0x400, 1, "r-xp", offset=0x1000, device=(0xFE, 0), inode=7, name=b"/bin/two  words"),
    Vma(0x1000, 3, name=b"[heap]", entries={0: Present(5), 2: Swapped(0, 9)}),
    Vma(0x2000, 2, "rw-s", name=b"/tmp/a\nline (deleted)", inode=9, entries={1: Present(6)}),
    Vma(0x7FFD00000, 8, name=b""),
)


def machine(*processes: Process) -> Machine:
    frames = {5: Frame(5, Kind.ANON, memcg=77), 6: Frame(6, Kind.SHMEM, hidden=2)}
    return Machine(frames, (Space(VMAS),), processes or (Process(10, 0),), limit=64)


def words(path: Path, first: int, count: int) -> list[int]:
    with path.open("rb") as file:
        data = os.pread(file.fileno(), count * 8, first * 8)
    return list(struct.unpack(f"<{len(data) // 8}Q", data))


LINE = re.compile(rb"(\w+)-(\w+) (....) (\w+) (\w+):(\w+) (\d+) +(.*)")


def test_maps_lines_are_the_kernels_to_the_byte() -> None:
    lines = Path("/proc/self/maps").read_bytes().splitlines()
    assert lines
    for line in lines:
        match = LINE.fullmatch(line)
        assert match is not None
        start, end, offset, major, minor = (int(match[group], 16) for group in (1, 2, 4, 5, 6))
        vma = Vma(
            start // PAGE,
            (end - start) // PAGE,
            match[3].decode(),
            offset,
            (major, minor),
            int(match[7]),
            match[8].replace(rb"\012", b"\n"),
        )
        assert fakeproc.maps_line(vma) == line + b"\n"


def test_stat_has_the_kernels_fields() -> None:
    ours = fakeproc.stat(Process(10, 0, comm=b"a) S 1 (b\n"), Space(VMAS))
    theirs = Path("/proc/self/stat").read_bytes()
    fields = [text[text.rindex(b")") + 2 :].split() for text in (ours, theirs)]
    assert len(fields[0]) == len(fields[1]) == 50
    assert ours.startswith(b"10 (a) S 1 (b\n) S ")
    kernel_thread = fakeproc.stat(Process(10, None, fate=Fate.KTHREAD), Space(()))
    assert int(kernel_thread.split()[8]) & fakeproc.PF_KTHREAD


def test_status_escapes_what_stat_does_not(tmp_path: Path) -> None:
    process = Process(10, 0, comm=b"a\\b\nc", uid=4242)
    text = fakeproc.status(process, Space(VMAS), machine(process))
    assert rb"Name:	a\\b\nc" in text.split(b"\n")
    labels = [line.split(b":")[0] for line in Path("/proc/self/status").read_bytes().splitlines()]
    ours = [line.split(b":")[0] for line in text.splitlines()]
    kept = [label for label in labels if label in ours]
    assert [label for label in ours if label != b"Kthread"] == [label for label in kept if label != b"Kthread"]


@pytest.mark.parametrize("name", ["smaps", "smaps_rollup"])
def test_smaps_has_the_kernels_labels(tmp_path: Path, name: str) -> None:
    """Every line of ours is one of the kernel's, at the same columns and in the same order; it may have more."""
    fakeproc.write(machine(), tmp_path / "proc")
    header, ours = _block((tmp_path / "proc" / "10" / name).read_bytes())
    real_header, theirs = _block(Path("/proc/self", name).read_bytes())
    assert re.search(rb" [0-9a-f]{2}:[0-9a-f]{2} \d+ ", real_header)
    assert re.search(rb" [0-9a-f]{2}:[0-9a-f]{2} \d+ ", header)
    shapes = [re.sub(rb"\d+ kB$", b"", line[:-3].rstrip(b"0123456789")).rstrip() for line in ours]
    real_shapes = [re.sub(rb"\d+ kB$", b"", line[:-3].rstrip(b"0123456789")).rstrip() for line in theirs]
    assert [shape for shape in real_shapes if shape in shapes] == shapes


def _block(text: bytes) -> tuple[bytes, list[bytes]]:
    """The header of the first VMA and its lines with a size."""
    lines = text.splitlines()
    sizes = []
    for line in lines[1:]:
        if not line.endswith(b" kB"):
            break
        assert len(line) == 16 + 8 + 3
        sizes.append(line)
    return lines[0], sizes


def test_the_rollup_divides_by_mapcount(tmp_path: Path) -> None:
    found = fakesmaps.rollup(machine(), Space(VMAS))
    figures = dict(re.findall(rb"(\w+): +(\d+) kB", found))
    assert figures[b"Rss"] == b"8"
    # One page of its own and a third of one with two hidden mappings.
    assert figures[b"Pss"] == b"5"
    assert (figures[b"Pss_Anon"], figures[b"Pss_Shmem"], figures[b"Swap"], figures[b"SwapPss"]) == (
        b"4",
        b"1",
        b"4",
        b"4",
    )
    assert b"[rollup]\n" in found


def test_words_are_where_the_kernel_has_them(tmp_path: Path) -> None:
    root = fakeproc.write(machine(), tmp_path / "proc")
    assert words(root / "10" / "pagemap", 0xFFF, 5) == [0, 1 << 63 | 5, 0, 1 << 62 | 9 << 5, 0]
    assert words(root / "10" / "pagemap", 0x2001, 1) == [1 << 63 | 1 << 61 | 6]
    counts = words(root / "kpagecount", 0, 100)
    assert (len(counts), counts[5], counts[6]) == (64, 1, 3)
    assert words(root / "kpagecgroup", 5, 1) == [77]
    flags = words(root / "kpageflags", 0, 64)
    assert flags[5] >> 12 & 1
    assert flags[6] >> 14 & 1
    assert not flags[6] >> 12 & 1


def test_hidden_frame_numbers_keep_their_bits(tmp_path: Path) -> None:
    root = fakeproc.write(machine(), tmp_path / "proc")
    fakeproc.hide_frame_numbers(machine(), root)
    assert words(root / "10" / "pagemap", 0x2001, 1) == [1 << 63 | 1 << 61]


def test_fates_refuse_as_the_kernel_does(tmp_path: Path) -> None:
    processes = [
        Process(10 + at, 0, fate=fate) for at, fate in enumerate(Fate) if fate not in (Fate.KTHREAD, Fate.ZOMBIE)
    ]
    truth = machine(*processes, Process(90, None, fate=Fate.KTHREAD), Process(91, None, fate=Fate.ZOMBIE))
    procfs = FakeProcFS(truth, fakeproc.write(truth, tmp_path / "proc"))
    codes: dict[Fate, str] = {}
    for process in truth.processes:
        try:
            with procfs.open_process(process.pid) as opened:
                for name in ("stat", "maps", "pagemap"):
                    data = procfs.read_at(opened, name) if name != "pagemap" else _first_bytes(procfs, opened)
                    if not data:
                        codes[process.fate] = f"{name} is empty"
                        break
        except OSError as error:
            codes[process.fate] = errno.errorcode[error.errno or 0]
    assert codes == {
        Fate.REFUSED: "EACCES",
        Fate.GONE_STAT: codes[Fate.GONE_STAT],
        Fate.GONE_MAPS: "ESRCH",
        Fate.GONE_PAGEMAP: "ESRCH",
        Fate.GONE_READING: "pagemap is empty",
        Fate.KTHREAD: "maps is empty",
        Fate.ZOMBIE: "maps is empty",
    }
    assert codes[Fate.GONE_STAT] in ("ESRCH", "ENOENT")


def _first_bytes(procfs: FakeProcFS, opened: object) -> bytes:
    fd = procfs.open_at(opened, "pagemap")  # type: ignore[arg-type]
    try:
        return os.pread(fd, 8, 0x400 * 8)
    finally:
        os.close(fd)


def test_twins_compare_equal_and_others_in_one_order(tmp_path: Path) -> None:
    spaces = (Space(VMAS), Space(VMAS))
    truth = Machine(machine().frames, spaces, (Process(1, 0), Process(2, 1), Process(3, 0)), limit=64)
    procfs = FakeProcFS(truth, fakeproc.write(truth, tmp_path / "proc"))
    assert procfs.same_space(1, 3) == 0
    assert (procfs.same_space(1, 2), procfs.same_space(2, 3)) == (1, 2)


@given(machines())
def test_what_procfs_reads_is_what_the_model_says(truth: Machine) -> None:
    with fakeproc.made(truth) as root:
        procfs = FakeProcFS(truth, root)
        for process in truth.processes:
            if process.fate is Fate.GONE_STAT:
                continue
            with procfs.open_process(process.pid) as opened:
                stat = procfs.stat(opened)
                assert os.fsencode(stat.comm) == process.comm[:15]
                assert (stat.pid, stat.start_time) == (process.pid, process.starttime)
                assert stat.is_kernel_thread == (process.fate is Fate.KTHREAD)
                assert stat.is_zombie == (process.fate is Fate.ZOMBIE)
                assert procfs.uid(opened) == process.uid
                assert procfs.cgroup_of(opened) == process.cgroup
