// The kernel's bits, the same numbers as pagewalk/abi.py (a test holds the two together).
// A 64-bit literal inside Cython's nogil code becomes a Python object, so they are macros here.
#ifndef PW_ABI_H
#define PW_ABI_H

#include <stdint.h>

// /proc/PID/pagemap: fs/proc/task_mmu.c, PM_*.
#define PW_PM_PFRAME_MASK ((UINT64_C(1) << 55) - 1)
#define PW_PM_SOFT_DIRTY (UINT64_C(1) << 55)
#define PW_PM_MMAP_EXCLUSIVE (UINT64_C(1) << 56)
#define PW_PM_UFFD_WP (UINT64_C(1) << 57)
#define PW_PM_GUARD_REGION (UINT64_C(1) << 58)
#define PW_PM_FILE (UINT64_C(1) << 61)
#define PW_PM_SWAP (UINT64_C(1) << 62)
#define PW_PM_PRESENT (UINT64_C(1) << 63)

// Ours, in bits that the kernel leaves 0: what the VMA of an entry tells (PW_TELLS_*).
#define PW_TELLS_SHIFT 59
#define PW_TOLD_ANON (UINT64_C(1) << 59)
#define PW_TOLD_SHMEM (UINT64_C(1) << 60)

// What is noted of each block of frames, as many as one PMD maps, while entries are folded: that one of them is owned;
// that one may be of more than one owner or of another kind than anonymous, so that words of the kpage files are needed;
// that all of it may be one huge page.
#define PW_BLOCK_SHIFT 9
#define PW_BLOCK_OWNED 1
#define PW_BLOCK_ASKED 2
#define PW_BLOCK_HUGE 4

// MAX_SWAPFILES_SHIFT 5; the smallest MAX_SWAPFILES of any configuration (include/linux/swap.h).
#define PW_SWAP_TYPE_MASK UINT64_C(0x1f)
#define PW_SWAP_OFFSET_SHIFT 5
#define PW_MAX_SWAPFILES_LEAST 22

// /proc/kpageflags: include/uapi/linux/kernel-page-flags.h, include/linux/kernel-page-flags.h.
#define PW_KPF_LOCKED (UINT64_C(1) << 0)
#define PW_KPF_ERROR (UINT64_C(1) << 1)
#define PW_KPF_REFERENCED (UINT64_C(1) << 2)
#define PW_KPF_UPTODATE (UINT64_C(1) << 3)
#define PW_KPF_DIRTY (UINT64_C(1) << 4)
#define PW_KPF_LRU (UINT64_C(1) << 5)
#define PW_KPF_ACTIVE (UINT64_C(1) << 6)
#define PW_KPF_SLAB (UINT64_C(1) << 7)
#define PW_KPF_WRITEBACK (UINT64_C(1) << 8)
#define PW_KPF_RECLAIM (UINT64_C(1) << 9)
#define PW_KPF_BUDDY (UINT64_C(1) << 10)
#define PW_KPF_MMAP (UINT64_C(1) << 11)
#define PW_KPF_ANON (UINT64_C(1) << 12)
#define PW_KPF_SWAPCACHE (UINT64_C(1) << 13)
#define PW_KPF_SWAPBACKED (UINT64_C(1) << 14)
#define PW_KPF_COMPOUND_HEAD (UINT64_C(1) << 15)
#define PW_KPF_COMPOUND_TAIL (UINT64_C(1) << 16)
#define PW_KPF_HUGE (UINT64_C(1) << 17)
#define PW_KPF_UNEVICTABLE (UINT64_C(1) << 18)
#define PW_KPF_HWPOISON (UINT64_C(1) << 19)
#define PW_KPF_NOPAGE (UINT64_C(1) << 20)
#define PW_KPF_KSM (UINT64_C(1) << 21)
#define PW_KPF_THP (UINT64_C(1) << 22)
#define PW_KPF_OFFLINE (UINT64_C(1) << 23)
#define PW_KPF_ZERO_PAGE (UINT64_C(1) << 24)
#define PW_KPF_IDLE (UINT64_C(1) << 25)
#define PW_KPF_PGTABLE (UINT64_C(1) << 26)
#define PW_KPF_RESERVED (UINT64_C(1) << 32)
#define PW_KPF_MLOCKED (UINT64_C(1) << 33)
#define PW_KPF_OWNER_2 (UINT64_C(1) << 34)
#define PW_KPF_PRIVATE (UINT64_C(1) << 35)
#define PW_KPF_PRIVATE_2 (UINT64_C(1) << 36)
#define PW_KPF_OWNER_PRIVATE (UINT64_C(1) << 37)
#define PW_KPF_ARCH (UINT64_C(1) << 38)
#define PW_KPF_UNCACHED (UINT64_C(1) << 39)
#define PW_KPF_SOFTDIRTY (UINT64_C(1) << 40)
#define PW_KPF_ARCH_2 (UINT64_C(1) << 41)
#define PW_KPF_ARCH_3 (UINT64_C(1) << 42)

// What is said of a folio, on its head only up to 6.1 and on every page of it since the folio-wide
// fs/proc/page.c:stable_page_flags (6.10): copying these from head to tail makes both alike.
// HWPOISON, MMAP, HEAD and TAIL stay the page's own.
#define PW_KPF_OF_FOLIO                                                                                   \
    (PW_KPF_LOCKED | PW_KPF_REFERENCED | PW_KPF_UPTODATE | PW_KPF_DIRTY | PW_KPF_LRU | PW_KPF_ACTIVE |    \
     PW_KPF_WRITEBACK | PW_KPF_RECLAIM | PW_KPF_ANON | PW_KPF_SWAPCACHE | PW_KPF_SWAPBACKED |             \
     PW_KPF_HUGE | PW_KPF_UNEVICTABLE | PW_KPF_KSM | PW_KPF_THP | PW_KPF_ZERO_PAGE | PW_KPF_MLOCKED)

// Of these, what no tail carried before 6.10: a tail with one of them needs no mending.
#define PW_KPF_ON_NEW_TAILS \
    (PW_KPF_REFERENCED | PW_KPF_UPTODATE | PW_KPF_DIRTY | PW_KPF_LRU | PW_KPF_ACTIVE | PW_KPF_SWAPBACKED)

#endif
