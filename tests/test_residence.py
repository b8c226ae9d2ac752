"""Which pages of a file are in memory: files of which it is known by construction, and files that are cut meanwhile."""

from __future__ import annotations

import errno
import mmap
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import pagewalk
from pagewalk import residence
from pagewalk._native import residence as native
from pagewalk.abi import PFRAME_MASK, PM
from pagewalk.errors import PagewalkError, PermissionRequired
from pagewalk.procfs import ProcFS
from pagewalk.residence import Residence, is_hugetlbfs, resident_frames
from spoiled import refuses_spoiled

PAGE = os.sysconf("SC_PAGESIZE")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="frame numbers are hidden from all but root")


@pytest.fixture
def memfd() -> Iterator[int]:
    """A file of 40 pages of which 3, 7 and 20 to 29 were written: the others are holes."""
    fd = os.memfd_create("looked-at")
    os.ftruncate(fd, 40 * PAGE)
    for page in (3, 7, *range(20, 30)):
        os.pwrite(fd, b"x", page * PAGE)
    yield fd
    os.close(fd)


WRITTEN = [3, 7, *range(20, 30)]


def words_of(fd: int, pages: int, offset: int = 0) -> tuple[int, list[int], list[int]]:
    """What the native function says: its count, the resident pages, those with an entry."""
    resident, words = np.full(pages, 9, np.uint8), np.full(pages, 9, np.uint64)
    own = os.open("/proc/self/pagemap", os.O_RDONLY)
    try:
        found = native.resident_words(fd, own, offset, PAGE, resident, words)
    finally:
        os.close(own)
    there = (words & np.uint64(PM.PRESENT)) != 0
    return found, np.flatnonzero(resident & 1).tolist(), np.flatnonzero(there).tolist()


class TestWords:
    def test_written_pages_of_a_sparse_file(self, memfd: int) -> None:
        assert words_of(memfd, 40) == (12, WRITTEN, WRITTEN)

    def test_holes_stay_holes(self, memfd: int) -> None:
        before = os.fstat(memfd).st_blocks
        words_of(memfd, 40)
        assert os.fstat(memfd).st_blocks == before == 12 * PAGE // 512

    def test_a_part_of_a_file(self, memfd: int) -> None:
        assert words_of(memfd, 5, 5 * PAGE) == (1, [2], [2])
        assert words_of(memfd, 3, 8 * PAGE) == (0, [], [])

    def test_nothing_of_it_is_cached(self) -> None:
        """cachestat answers for all of it at once."""
        fd = os.memfd_create("looked-at")
        os.ftruncate(fd, 1 << 40)
        assert words_of(fd, 1000) == (0, [], [])
        os.close(fd)

    def test_beyond_the_end(self, memfd: int) -> None:
        os.ftruncate(memfd, 21 * PAGE)
        assert words_of(memfd, 40) == (3, [3, 7, 20], [3, 7, 20])

    def test_pages_dropped_from_the_cache_are_not_read_again(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        pages = 8192
        path.write_bytes(bytes(pages * PAGE))
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, pages // 4 * PAGE, pages // 2 * PAGE, os.POSIX_FADV_DONTNEED)
        found, resident, there = words_of(fd, pages)
        if found == pages:
            pytest.skip("this file system keeps what it is told to drop")
        assert resident == there
        assert len(there) == found < pages
        assert words_of(fd, pages)[0] <= found, "looking brought nothing in"
        os.close(fd)

    def test_a_file_that_is_cut_all_the_time(self, memfd: int) -> None:
        """A load of our own beyond its end would be a SIGBUS."""
        stop = threading.Event()

        def cut() -> None:
            while not stop.is_set():
                os.ftruncate(memfd, 0)
                os.ftruncate(memfd, 40 * PAGE)
                os.pwrite(memfd, bytes(40 * PAGE), 0)

        thread = threading.Thread(target=cut)
        thread.start()
        try:
            counts: set[int] = set()
            until = time.monotonic() + 10
            while len(counts) < 3 and time.monotonic() < until:
                counts |= {words_of(memfd, 40)[0] for _ in range(100)}
        finally:
            stop.set()
            thread.join()
        assert counts <= set(range(41))

    def test_nothing_is_left_behind(self, memfd: int) -> None:
        words_of(memfd, 40)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            words_of(memfd, 40)
            with pytest.raises(OSError, match="descriptor"):
                words_of(-1, 40)
        assert len(os.listdir("/proc/self/fd")) == before
        assert "looked-at" not in Path("/proc/self/maps").read_text()

    def test_what_is_refused(self, memfd: int) -> None:
        resident, words = np.zeros(2, np.uint8), np.zeros(2, np.uint64)
        refuses_spoiled(native.resident_words, [memfd, memfd, 0, PAGE, resident, words], written=[4, 5])
        with pytest.raises(ValueError, match="differ in length"):
            native.resident_words(memfd, memfd, 0, PAGE, resident, words[:1])
        for offset, page_size in ((1, PAGE), (0, 0)):
            with pytest.raises(ValueError, match="no multiple"):
                native.resident_words(memfd, memfd, offset, page_size, resident, words)
        assert native.resident_words(-1, -1, 0, PAGE, resident[:0], words[:0]) == 0

    def test_an_errno(self, memfd: int) -> None:
        resident, words = np.zeros(40, np.uint8), np.zeros(40, np.uint64)
        with pytest.raises(OSError, match="descriptor") as raised:
            native.resident_words(memfd, -1, 0, PAGE, resident, words)
        assert raised.value.errno == errno.EBADF


@as_root
class TestFrames:
    def test_they_are_those_of_a_mapping(self, memfd: int) -> None:
        found = resident_frames(ProcFS(), memfd, "a memfd")
        assert (found.size, found.resident, found.page.tolist()) == (40 * PAGE, 12, WRITTEN)
        with mmap.mmap(memfd, 40 * PAGE, prot=mmap.PROT_READ) as memory:
            assert all(memory[page * PAGE] == ord("x") for page in WRITTEN)
            address = int(np.frombuffer(memory, np.uint8).__array_interface__["data"][0])
            entries = pagewalk.read_pagemap(os.getpid(), address, address + 40 * PAGE)
        assert found.pfn.tolist() == (entries[WRITTEN] & np.uint64(PFRAME_MASK)).tolist()
        assert (pagewalk.read_kpagecount(found.pfn) == 0).all(), "unmapped again"

    def test_windows(self, memfd: int, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = resident_frames(ProcFS(), memfd, "a memfd")
        told: list[tuple[int, int, str]] = []
        for window in (PAGE, 8 * PAGE, 64 * PAGE):
            monkeypatch.setattr(residence, "WINDOW", window)
            parts = resident_frames(ProcFS(), memfd, "a memfd", lambda *how: told.append(how))
            assert (parts.resident, parts.page.tolist(), parts.pfn.tolist()) == (
                whole.resident,
                whole.page.tolist(),
                whole.pfn.tolist(),
            )
        assert [how for how in told if how[0] == how[1]] == [(40 * PAGE, 40 * PAGE, "file")] * 3

    def test_looking_does_not_make_a_page_look_used(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(os.urandom(100 * PAGE))
        fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
        os.fsync(fd)
        first = resident_frames(ProcFS(), fd, str(path))
        before = pagewalk.read_kpageflags(first.pfn)
        again = [resident_frames(ProcFS(), fd, str(path)) for _ in range(3)][-1]
        assert again.resident == 100
        assert (first.kept(again) == first.pfn).all()
        aging = np.uint64(pagewalk.KPF.REFERENCED | pagewalk.KPF.ACTIVE)
        assert ((pagewalk.read_kpageflags(first.pfn) & aging) == (before & aging)).all()
        os.close(fd)

    def test_the_end_of_a_file_within_a_page(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"x" * (PAGE + 1))
        with path.open("rb") as file:
            found = resident_frames(ProcFS(), file.fileno(), str(path))
        assert (found.size, found.resident, found.page.tolist()) == (PAGE + 1, 2, [0, 1])


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as file:
        found = resident_frames(ProcFS(), file.fileno(), str(path))
    assert (found.size, found.resident, len(found.page), len(found.pfn)) == (0, 0, 0, 0)


def test_a_file_that_cannot_be_mapped(memfd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    monkeypatch.setattr(native, "resident_words", refused)
    with pytest.raises(PagewalkError, match="its name cannot be mapped"):
        resident_frames(ProcFS(), memfd, "its name")


def test_the_name_is_in_an_error(memfd: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    fd = os.open(path, os.O_WRONLY)
    with pytest.raises(OSError, match="Permission") as raised:
        resident_frames(ProcFS(), fd, "its name")
    assert raised.value.filename == "its name"
    os.close(fd)


def test_hidden_frame_numbers(memfd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(*arguments: object) -> int:
        words: np.ndarray[tuple[int], np.dtype[np.uint64]] = arguments[-1]  # type: ignore[assignment]
        words[:2] = int(PM.PRESENT)
        return 2

    monkeypatch.setattr(native, "resident_words", hidden)
    with pytest.raises(PermissionRequired, match="hides physical page numbers"):
        resident_frames(ProcFS(), memfd, "a memfd")


def residence_of(pages: dict[int, int]) -> Residence:
    return Residence(99 * PAGE, len(pages), np.array([*pages], np.int64), np.array([*pages.values()], np.int64))


@pytest.mark.parametrize(
    ("later", "kept"),
    [
        ({1: 10, 2: 20, 5: 50}, [10, 20, 50]),
        ({1: 10, 2: 21, 5: 50}, [10, 50]),
        ({2: 20}, [20]),
        ({0: 10, 3: 20}, []),
        ({}, []),
    ],
)
def test_pages_that_stayed(later: dict[int, int], kept: list[int]) -> None:
    assert residence_of({1: 10, 2: 20, 5: 50}).kept(residence_of(later)).tolist() == kept


def test_hugetlbfs(memfd: int) -> None:
    assert is_hugetlbfs(memfd) is False
    with pytest.raises(OSError, match="descriptor"):
        is_hugetlbfs(-1)
    try:
        huge = os.memfd_create("huge", os.MFD_HUGETLB)
    except OSError as error:
        pytest.skip(f"no hugetlbfs here: {error}")
    assert is_hugetlbfs(huge) is True
    os.close(huge)


@as_root
@pytest.mark.parametrize(
    "make", [lambda path: path, lambda path: f"/proc/{os.getpid()}/fd/{os.open(path, os.O_RDONLY)}"]
)
def test_as_fincore_has_it(tmp_path: Path, make: Callable[[Path], Path | str]) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(77 * PAGE))
    name = make(path)
    try:
        said = subprocess.run(["fincore", "-bnr", "-o", "RES", str(path)], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs fincore of util-linux: {error}")
    with open(name, "rb") as file:
        assert resident_frames(ProcFS(), file.fileno(), str(name)).resident * PAGE == int(said.stdout)
