"""Which devices hold no pages of hugetlbfs: by what is mounted."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from pagewalk.devices import known_devices
from pagewalk.procfs import ProcFS
from pagewalk.vmas import UNKNOWN, parse_maps

# As fs/proc_namespace.c:show_mountinfo writes them.
MOUNTS = b"""\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:7 - ext4 /dev/vda rw,discard
31 27 0:40 / /mnt/with\\040space\\040-\\040dash rw,relatime shared:3 - hugetlbfs hugetlbfs rw,pagesize=2M
32 27 0:41 / /x rw - tmpfs hugetlbfs rw
33 27 0:42 / /y rw unbindable - fuse.x - rw
"""


def plain_of(tmp_path: Path, text: bytes) -> list[int]:
    (tmp_path / "self").mkdir(exist_ok=True)
    (tmp_path / "self" / "mountinfo").write_bytes(text)
    devices = known_devices(ProcFS(str(tmp_path)))
    assert devices.shmem == UNKNOWN.shmem, "told of the real machine only"
    return devices.plain.tolist()


def test_all_that_is_mounted_but_hugetlbfs(tmp_path: Path) -> None:
    assert plain_of(tmp_path, MOUNTS) == [21, 41, 42, 254 << 32]


@pytest.mark.parametrize(
    "line",
    [b"", b"22 27", b"22 27 0:21", b"22 27 0:21 / /", b"22 27 0-21 / / rw - ext4 a rw", b"1 2 x:y / / rw - ext4 a"],
)
def test_lines_of_another_form_tell_nothing(tmp_path: Path, line: bytes) -> None:
    assert plain_of(tmp_path, line + b"\n" + MOUNTS) == [21, 41, 42, 254 << 32]


def test_without_mountinfo_nothing_is_known(tmp_path: Path) -> None:
    assert known_devices(ProcFS(str(tmp_path))) is UNKNOWN


def test_the_device_of_shmem_is_that_of_a_memfd() -> None:
    devices, fd = known_devices(ProcFS()), os.memfd_create("of-shmem")
    try:
        os.ftruncate(fd, mmap.PAGESIZE)
        with mmap.mmap(fd, mmap.PAGESIZE):
            vmas = parse_maps(Path("/proc/self/maps").read_bytes())
    finally:
        os.close(fd)
    (row,) = (row for row, name in enumerate(vmas.names()) if "of-shmem" in name)
    assert devices.shmem == int(vmas.major[row]) << 32 | int(vmas.minor[row])
    root = os.stat("/").st_dev
    assert os.major(root) << 32 | os.minor(root) in devices.plain.tolist() or not os.access(
        "/proc/self/mountinfo", os.R_OK
    )
