"""The kernel's bits, under the kernel's names.

The same numbers stand in ``src_ext/pw_abi.h`` for the native code; a test holds the two together.
"""

from __future__ import annotations

from enum import IntFlag

__all__ = [
    "KPF",
    "MAX_SWAPFILES_LEAST",
    "PFRAME_MASK",
    "PM",
    "SWAP_OFFSET_SHIFT",
    "SWAP_TYPE_MASK",
    "TOLD_ANON",
    "TOLD_SHMEM",
    "VM",
    "perms_text",
]


class PM(IntFlag):
    """Bits of an entry of ``/proc/PID/pagemap`` (fs/proc/task_mmu.c, ``PM_*``)."""

    SOFT_DIRTY = 1 << 55
    MMAP_EXCLUSIVE = 1 << 56
    UFFD_WP = 1 << 57
    GUARD_REGION = 1 << 58
    FILE = 1 << 61
    SWAP = 1 << 62
    PRESENT = 1 << 63


# Ours, in bits that the kernel leaves 0: what the VMA of an entry tells of it while a walk folds it.
TOLD_ANON, TOLD_SHMEM = 1 << 59, 1 << 60
# Bits 0-54 (PM_PFRAME_BITS): the frame number, or swap type and offset. Always mask: bit 55 is soft-dirty.
PFRAME_MASK = (1 << 55) - 1
# MAX_SWAPFILES_SHIFT is 5: bits 0-4 the swap type, 5-54 the offset.
SWAP_TYPE_MASK = 0x1F
SWAP_OFFSET_SHIFT = 5
# The smallest MAX_SWAPFILES any configuration gives (include/linux/swap.h): types below it are swap files,
# types from it up are migration, poison, device and marker entries or, on a kernel without those, unused.
MAX_SWAPFILES_LEAST = 22


class KPF(IntFlag):
    """Bits of a word of ``/proc/kpageflags`` (include/uapi/linux/kernel-page-flags.h, fs/proc/page.c).

    Bits from 32 up are for kernel hacking and differ between versions; unknown bits are carried through.
    """

    LOCKED = 1 << 0
    ERROR = 1 << 1
    REFERENCED = 1 << 2
    UPTODATE = 1 << 3
    DIRTY = 1 << 4
    LRU = 1 << 5
    ACTIVE = 1 << 6
    SLAB = 1 << 7
    WRITEBACK = 1 << 8
    RECLAIM = 1 << 9
    BUDDY = 1 << 10
    MMAP = 1 << 11
    ANON = 1 << 12
    SWAPCACHE = 1 << 13
    SWAPBACKED = 1 << 14
    COMPOUND_HEAD = 1 << 15
    COMPOUND_TAIL = 1 << 16
    HUGE = 1 << 17
    UNEVICTABLE = 1 << 18
    HWPOISON = 1 << 19
    NOPAGE = 1 << 20
    KSM = 1 << 21
    THP = 1 << 22
    OFFLINE = 1 << 23
    ZERO_PAGE = 1 << 24
    IDLE = 1 << 25
    PGTABLE = 1 << 26
    RESERVED = 1 << 32
    MLOCKED = 1 << 33
    OWNER_2 = 1 << 34
    PRIVATE = 1 << 35
    PRIVATE_2 = 1 << 36
    OWNER_PRIVATE = 1 << 37
    ARCH = 1 << 38
    UNCACHED = 1 << 39
    SOFTDIRTY = 1 << 40
    ARCH_2 = 1 << 41
    ARCH_3 = 1 << 42


class VM(IntFlag):
    """Permissions of a VMA, as in ``/proc/PID/maps`` (include/linux/mm.h, ``VM_*``)."""

    READ = 1
    WRITE = 2
    EXEC = 4
    SHARED = 8


def perms_text(perms: int) -> str:
    """Return permissions as the kernel writes them, ``rw-p``.

    Parameters
    ----------
    perms : int
        Sum of `VM` bits.

    Returns
    -------
    str
        Four letters.
    """
    return (
        ("r" if perms & VM.READ else "-")
        + ("w" if perms & VM.WRITE else "-")
        + ("x" if perms & VM.EXEC else "-")
        + ("s" if perms & VM.SHARED else "p")
    )
