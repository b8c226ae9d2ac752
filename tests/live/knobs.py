"""The machine's switches, each put back as it was found, whatever happens in between."""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
KSM = Path("/sys/kernel/mm/ksm")
THP = Path("/sys/kernel/mm/transparent_hugepage")
HUGETLB = Path("/sys/kernel/mm/hugepages")
ZRAM = Path("/sys/class/zram-control")
SWAP_BYTES = 64 << 20

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """This machine does not allow what was tried; says why."""


def setting(path: Path) -> str:
    """What a switch is set to: of ``always [madvise] never`` the word in brackets."""
    text = path.read_text().strip()
    chosen = re.search(r"\[(.+?)\]", text)
    return chosen[1] if chosen else text


@contextmanager
def knob(path: Path, value: object) -> Iterator[None]:
    """Set a switch, and set it back."""
    try:
        before = setting(path)
        path.write_text(str(value))
    except OSError as error:
        raise Unavailable(f"cannot set {path}: {error.strerror}") from error
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def ksm() -> Iterator[None]:
    """Let the merging of like pages run, and fast."""
    with ExitStack() as switches:
        # smart_scan leaves out pages that did not merge before: a page made alike later would wait long.
        for name, value in (("smart_scan", 0), ("sleep_millisecs", 5), ("pages_to_scan", 2000), ("run", 1)):
            if (KSM / name).exists() or name == "run":
                switches.enter_context(knob(KSM / name, value))
        yield


@contextmanager
def hugetlb(count: int) -> Iterator[int]:
    """Have `count` huge pages more; their size in bytes."""
    size = default_huge_page()
    path = HUGETLB / f"hugepages-{size >> 10}kB" / "nr_hugepages"
    if not path.exists():
        raise Unavailable(f"no {path}: a kernel without hugetlb pages")
    before = int(setting(path))
    with knob(path, before + count):
        got = int(setting(path)) - before
        if got < count:
            raise Unavailable(f"asked the kernel for {count} huge pages and got {got}")
        yield size


def default_huge_page() -> int:
    match = re.search(r"^Hugepagesize:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if match is None:
        raise Unavailable("no Hugepagesize in /proc/meminfo")
    return int(match[1]) << 10


def huge_page() -> int:
    """The size of a transparent huge page."""
    try:
        return int((THP / "hpage_pmd_size").read_text())
    except OSError as error:
        raise Unavailable(f"no transparent huge pages: {error}") from error


@contextmanager
def swap(directory: Path, size: int = SWAP_BYTES) -> Iterator[None]:
    """Have somewhere to swap to: a zram device made for it or, without zram, a file in `directory`."""
    size = -(-size // (1 << 20)) << 20
    with _zram(size) if ZRAM.exists() else _swap_file(directory, size) as target, _swapping_to(target, size):
        yield


@contextmanager
def swap_file(directory: Path) -> Iterator[None]:
    """Have a file to swap to. What was read from it stays in the swap cache; zram needs none (SWP_SYNCHRONOUS_IO)."""
    with _swap_file(directory, SWAP_BYTES) as target, _swapping_to(target, SWAP_BYTES):
        yield


@contextmanager
def debugfs(directory: Path) -> Iterator[Path]:
    """Have debugfs mounted at `directory`."""
    if _libc.mount(b"none", os.fsencode(directory), b"debugfs", 0, None) != 0:
        raise Unavailable(f"mount debugfs: {os.strerror(ctypes.get_errno())}")
    try:
        yield directory
    finally:
        _libc.umount(os.fsencode(directory))


@contextmanager
def _swapping_to(target: Path, size: int) -> Iterator[None]:
    _format(target, size)
    name = os.fsencode(target)
    if _libc.swapon(name, 0) != 0:
        error = ctypes.get_errno()
        raise Unavailable(f"swapon {target}: {os.strerror(error)}")
    try:
        yield
    finally:
        _libc.swapoff(name)


@contextmanager
def _zram(size: int) -> Iterator[Path]:
    # Reading hot_add makes a device and tells its number; one that exists already is not ours to use.
    number = int((ZRAM / "hot_add").read_text())
    try:
        block = Path(f"/sys/block/zram{number}")
        (block / "disksize").write_text(str(size))
        device = Path(f"/dev/zram{number}")
        if device.exists():
            yield device
            return
        major, minor = (int(part) for part in (block / "dev").read_text().split(":"))
        os.mknod(device, stat.S_IFBLK | 0o600, os.makedev(major, minor))
        try:
            yield device
        finally:
            device.unlink()
    finally:
        (ZRAM / "hot_remove").write_text(str(number))


@contextmanager
def _swap_file(directory: Path, size: int) -> Iterator[Path]:
    path = directory / "swap"
    with open(path, "xb") as file:
        path.chmod(0o600)
        file.writelines(bytes(1 << 20) for _ in range(size >> 20))  # a swap file may have no holes
        os.fsync(file.fileno())
    try:
        yield path
    finally:
        path.unlink()


def _format(target: Path, size: int) -> None:
    """What mkswap(8) writes (include/linux/swap.h, union swap_header)."""
    header = bytearray(PAGE)
    struct.pack_into("=III", header, 1024, 1, size // PAGE - 1, 0)
    header[PAGE - 10 :] = b"SWAPSPACE2"
    with open(target, "r+b") as file:
        file.write(header)
        file.flush()
        os.fsync(file.fileno())
