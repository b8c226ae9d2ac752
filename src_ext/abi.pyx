"""The constants of ``pw_abi.h``, so that a test can hold them against :mod:`pagewalk.abi`."""

from libc.stdint cimport uint64_t


cdef extern from "pw_abi.h" nogil:
    const uint64_t PW_PM_PFRAME_MASK
    const uint64_t PW_PM_SOFT_DIRTY
    const uint64_t PW_PM_MMAP_EXCLUSIVE
    const uint64_t PW_PM_UFFD_WP
    const uint64_t PW_PM_GUARD_REGION
    const uint64_t PW_PM_FILE
    const uint64_t PW_PM_SWAP
    const uint64_t PW_PM_PRESENT
    const uint64_t PW_TOLD_ANON
    const uint64_t PW_TOLD_SHMEM
    const uint64_t PW_SWAP_TYPE_MASK
    const uint64_t PW_SWAP_OFFSET_SHIFT
    const uint64_t PW_MAX_SWAPFILES_LEAST
    const uint64_t PW_KPF_LOCKED
    const uint64_t PW_KPF_ERROR
    const uint64_t PW_KPF_REFERENCED
    const uint64_t PW_KPF_UPTODATE
    const uint64_t PW_KPF_DIRTY
    const uint64_t PW_KPF_LRU
    const uint64_t PW_KPF_ACTIVE
    const uint64_t PW_KPF_SLAB
    const uint64_t PW_KPF_WRITEBACK
    const uint64_t PW_KPF_RECLAIM
    const uint64_t PW_KPF_BUDDY
    const uint64_t PW_KPF_MMAP
    const uint64_t PW_KPF_ANON
    const uint64_t PW_KPF_SWAPCACHE
    const uint64_t PW_KPF_SWAPBACKED
    const uint64_t PW_KPF_COMPOUND_HEAD
    const uint64_t PW_KPF_COMPOUND_TAIL
    const uint64_t PW_KPF_HUGE
    const uint64_t PW_KPF_UNEVICTABLE
    const uint64_t PW_KPF_HWPOISON
    const uint64_t PW_KPF_NOPAGE
    const uint64_t PW_KPF_KSM
    const uint64_t PW_KPF_THP
    const uint64_t PW_KPF_OFFLINE
    const uint64_t PW_KPF_ZERO_PAGE
    const uint64_t PW_KPF_IDLE
    const uint64_t PW_KPF_PGTABLE
    const uint64_t PW_KPF_RESERVED
    const uint64_t PW_KPF_MLOCKED
    const uint64_t PW_KPF_OWNER_2
    const uint64_t PW_KPF_PRIVATE
    const uint64_t PW_KPF_PRIVATE_2
    const uint64_t PW_KPF_OWNER_PRIVATE
    const uint64_t PW_KPF_ARCH
    const uint64_t PW_KPF_UNCACHED
    const uint64_t PW_KPF_SOFTDIRTY
    const uint64_t PW_KPF_ARCH_2
    const uint64_t PW_KPF_ARCH_3


CONSTANTS = {
    "PM_PFRAME_MASK": PW_PM_PFRAME_MASK,
    "PM_SOFT_DIRTY": PW_PM_SOFT_DIRTY,
    "PM_MMAP_EXCLUSIVE": PW_PM_MMAP_EXCLUSIVE,
    "PM_UFFD_WP": PW_PM_UFFD_WP,
    "PM_GUARD_REGION": PW_PM_GUARD_REGION,
    "PM_FILE": PW_PM_FILE,
    "PM_SWAP": PW_PM_SWAP,
    "PM_PRESENT": PW_PM_PRESENT,
    "TOLD_ANON": PW_TOLD_ANON,
    "TOLD_SHMEM": PW_TOLD_SHMEM,
    "SWAP_TYPE_MASK": PW_SWAP_TYPE_MASK,
    "SWAP_OFFSET_SHIFT": PW_SWAP_OFFSET_SHIFT,
    "MAX_SWAPFILES_LEAST": PW_MAX_SWAPFILES_LEAST,
    "KPF_LOCKED": PW_KPF_LOCKED,
    "KPF_ERROR": PW_KPF_ERROR,
    "KPF_REFERENCED": PW_KPF_REFERENCED,
    "KPF_UPTODATE": PW_KPF_UPTODATE,
    "KPF_DIRTY": PW_KPF_DIRTY,
    "KPF_LRU": PW_KPF_LRU,
    "KPF_ACTIVE": PW_KPF_ACTIVE,
    "KPF_SLAB": PW_KPF_SLAB,
    "KPF_WRITEBACK": PW_KPF_WRITEBACK,
    "KPF_RECLAIM": PW_KPF_RECLAIM,
    "KPF_BUDDY": PW_KPF_BUDDY,
    "KPF_MMAP": PW_KPF_MMAP,
    "KPF_ANON": PW_KPF_ANON,
    "KPF_SWAPCACHE": PW_KPF_SWAPCACHE,
    "KPF_SWAPBACKED": PW_KPF_SWAPBACKED,
    "KPF_COMPOUND_HEAD": PW_KPF_COMPOUND_HEAD,
    "KPF_COMPOUND_TAIL": PW_KPF_COMPOUND_TAIL,
    "KPF_HUGE": PW_KPF_HUGE,
    "KPF_UNEVICTABLE": PW_KPF_UNEVICTABLE,
    "KPF_HWPOISON": PW_KPF_HWPOISON,
    "KPF_NOPAGE": PW_KPF_NOPAGE,
    "KPF_KSM": PW_KPF_KSM,
    "KPF_THP": PW_KPF_THP,
    "KPF_OFFLINE": PW_KPF_OFFLINE,
    "KPF_ZERO_PAGE": PW_KPF_ZERO_PAGE,
    "KPF_IDLE": PW_KPF_IDLE,
    "KPF_PGTABLE": PW_KPF_PGTABLE,
    "KPF_RESERVED": PW_KPF_RESERVED,
    "KPF_MLOCKED": PW_KPF_MLOCKED,
    "KPF_OWNER_2": PW_KPF_OWNER_2,
    "KPF_PRIVATE": PW_KPF_PRIVATE,
    "KPF_PRIVATE_2": PW_KPF_PRIVATE_2,
    "KPF_OWNER_PRIVATE": PW_KPF_OWNER_PRIVATE,
    "KPF_ARCH": PW_KPF_ARCH,
    "KPF_UNCACHED": PW_KPF_UNCACHED,
    "KPF_SOFTDIRTY": PW_KPF_SOFTDIRTY,
    "KPF_ARCH_2": PW_KPF_ARCH_2,
    "KPF_ARCH_3": PW_KPF_ARCH_3,
}
