"""A machine of three address spaces and four processes, small enough to count by hand.

====== ============== ====== ======= ======================================================================
pid    program, user  space  cgroup  memory, in pages
====== ============== ====== ======= ======================================================================
10     php, 0         A      /web    2 anon, 4 of libc, 2 of hugetlb; a swap slot that B has too
11, 12 php, 33        B      /web/a  1 anon, 4 of libc, 2 of a memfd, the first of them twice; A's swap slot
20     redis, 33      C      /db     3 anon, 2 of them a folio, 1 with two hidden mappings; 3 of libc, the
                                     first of the memfd; a swap slot
====== ============== ====== ======= ======================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fakeproc
import pagewalk
from fakeproc import FakeProcFS
from model import Frame, Kind, Machine, Present, Process, Space, Swapped, Vma
from pagewalk.snapshot import Snapshot

LIBC = {pfn: Frame(pfn, Kind.FILE) for pfn in range(100, 104)}
FRAMES = {
    **LIBC,
    1: Frame(1, Kind.ANON),
    2: Frame(2, Kind.ANON, swapcache=True),
    3: Frame(3, Kind.ANON),
    8: Frame(8, Kind.ANON, head=8),
    9: Frame(9, Kind.ANON, head=8),
    10: Frame(10, Kind.ANON, hidden=2),
    20: Frame(20, Kind.SHMEM),
    21: Frame(21, Kind.SHMEM, flag_dirty=True),
    30: Frame(30, Kind.HUGETLB, private_hugetlb=True, head=30),
    31: Frame(31, Kind.HUGETLB, private_hugetlb=True, head=30),
}


MEMFD = b"/memfd:w (deleted)"


def libc(pages: int) -> Vma:
    return Vma(0x7F000, 4, "r-xp", 0x1000, (0xFE, 0), 77, b"/lib/libc.so", {k: Present(100 + k) for k in range(pages)})


A = Space(
    (
        Vma(0x400, 4, name=b"[heap]", entries={0: Present(1), 1: Present(2), 3: Swapped(0, 5)}),
        Vma(
            0x1000,
            2,
            device=(0, 17),
            inode=9,
            name=b"/dev/hugepages/a",
            entries={0: Present(30), 1: Present(31)},
        ),
        libc(4),
    ),
    layout=1,
)
B = Space(
    (
        Vma(0x400, 4, name=b"[heap]", entries={0: Present(3), 3: Swapped(0, 5)}),
        Vma(
            0x2000,
            4,
            "rw-s",
            inode=9,
            name=b"/memfd:w (deleted)",
            entries={0: Present(20), 1: Present(21), 3: Present(20)},
        ),
        libc(4),
    ),
    layout=2,
)
C = Space(
    (
        Vma(0x400, 8, name=b"[heap]", entries={0: Present(8), 1: Present(9), 2: Present(10), 7: Swapped(1, 5)}),
        Vma(0x3000, 1, "r--s", inode=9, name=MEMFD, entries={0: Present(20)}),
        libc(3),
        Vma(0xFFFFFFFFFF600, 1, "--xp", name=b"[vsyscall]"),
    ),
    layout=3,
)
PROCESSES = (
    Process(20, 2, b"redis", b"redis-server\0*:6379\0", 33, "/db"),
    Process(10, 0, b"php", b"php\0-f\0a b\0", 0, "/web"),
    Process(12, 1, b"php", b"php\0", 33, "/web/a"),
    Process(11, 1, b"php", b"php\0", 33, "/web/a"),
)
HOST = Machine(FRAMES, (A, B, C), PROCESSES, limit=200)


@contextmanager
def host(machine: Machine = HOST) -> Iterator[FakeProcFS]:
    """The machine as a made /proc."""
    with fakeproc.made(machine) as root:
        yield FakeProcFS(machine, root)


def walked(machine: Machine = HOST, **options: Any) -> Snapshot:
    """The machine, walked."""
    with host(machine) as procfs:
        return pagewalk.walk(procfs=procfs, **options)


def counted(text: str) -> dict[str, int]:
    """Pages counted by hand: ``"rss=6 uss=2"``."""
    return {name: int(pages) for name, pages in (item.split("=") for item in text.split())}
