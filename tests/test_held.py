"""Nameless files: what of a made process's mappings, and of our own descriptors, is one."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import pytest

import fakeproc
from model import PAGE, Vma
from pagewalk.held import HeldFile, doomed_segments, held_by_descriptor, held_by_mapping, nameless
from pagewalk.procfs import ProcFS
from pagewalk.vmas import VMAs, parse_maps

REAL = ProcFS()


def vmas_named(*names: bytes) -> VMAs:
    lines = [Vma(16 + 4 * k, 2, inode=k + 1, name=name) for k, name in enumerate(names)]
    return parse_maps(b"".join(fakeproc.maps_line(vma) for vma in lines))


def own_mapping(view: mmap.mmap) -> tuple[VMAs, int]:
    """Our mappings, and the row of one of them."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    with REAL.open_process(os.getpid()) as process:
        vmas = parse_maps(REAL.read_at(process, "maps"))
    return vmas, next(row for row in range(len(vmas)) if vmas.start[row] <= address < vmas.end[row])


def test_what_the_kernel_calls_deleted() -> None:
    vmas = vmas_named(
        b"/usr/lib/a.so", b"/memfd:x (deleted)", b"[heap]", b"/SYSV00000000 (deleted)", b" (deleted)", b"/a (deleted) "
    )
    assert nameless(vmas).tolist() == [1, 3]


def test_a_mapping_without_a_file_is_none_whatever_its_name() -> None:
    assert nameless(parse_maps(fakeproc.maps_line(Vma(16, 2, inode=0, name=b"[anon: (deleted)")))).tolist() == []


def test_what_cannot_be_followed_is_known_from_maps(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    procfs = ProcFS(str(tmp_path))
    vmas = vmas_named(b"/memfd:x (deleted)", b"/SYSV00000000 (deleted)")
    with procfs.open_process(7) as process:
        memfd, segment = (held_by_mapping(procfs, process, vmas, row) for row in (0, 1))
    assert memfd == HeldFile(int(vmas.major[0]), int(vmas.minor[0]), 1, False, "/memfd:x (deleted)", 0, -1)
    assert segment.is_segment
    assert segment.key != memfd.key


@pytest.mark.skipif(os.geteuid() != 0, reason="map_files needs CAP_SYS_ADMIN")
def test_our_own_memfd_and_a_file_with_that_very_name(tmp_path: Path) -> None:
    fd = os.memfd_create("nameless")
    os.ftruncate(fd, 4 * PAGE)
    view = mmap.mmap(fd, 4 * PAGE)
    view[:PAGE] = bytes(PAGE)
    named = tmp_path / "named (deleted)"
    named.write_bytes(bytes(PAGE))
    with named.open("r+b") as file:
        other = mmap.mmap(file.fileno(), PAGE)
        with REAL.open_process(os.getpid()) as process:
            memfd = held_by_mapping(REAL, process, *own_mapping(view))
            opened = held_by_descriptor(REAL, process)
            impostor = held_by_mapping(REAL, process, *own_mapping(other))
    assert memfd.name == "/memfd:nameless (deleted)"
    assert (memfd.links, memfd.allocated, memfd.is_segment) == (0, PAGE, False)
    assert memfd.inode == os.fstat(fd).st_ino
    assert memfd in opened
    assert impostor.links == 1
    assert {file.links for file in opened if file.name == str(named)} == {1}
    view.close()
    other.close()
    os.close(fd)


def test_segments_that_end_with_their_last_user(tmp_path: Path) -> None:
    (tmp_path / "sysvipc").mkdir()
    (tmp_path / "sysvipc/shm").write_text(
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid\n"
        "         0          3  1600               4194304 11859 11859      1     0     0\n"
        "1246185472         32   666                  4096     1     1      0     0     0\n"
    )
    assert doomed_segments(ProcFS(str(tmp_path))) == {3: True, 32: False}


@pytest.mark.parametrize("text", [None, "", "shmid\nx y z\n", "shmid\n1\n"])
def test_no_list_of_segments_that_can_be_read(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "sysvipc").mkdir()
        (tmp_path / "sysvipc/shm").write_text(text)
    assert doomed_segments(ProcFS(str(tmp_path))) == {}
