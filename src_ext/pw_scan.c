#include "pw_scan.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

// include/uapi/linux/fs.h: struct pm_scan_arg, PAGEMAP_SCAN, PAGE_IS_*.
struct pw_scan_arg {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t vec;
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};

#define PW_PAGEMAP_SCAN _IOWR('f', 16, struct pw_scan_arg)
#define PW_PAGE_IS_PRESENT (UINT64_C(1) << 3)
#define PW_PAGE_IS_SWAPPED (UINT64_C(1) << 4)

ssize_t pw_scan_populated(int fd, uint64_t start, uint64_t end, uint64_t page_size, uint64_t max_pages,
                          struct pw_region *out, size_t count, uint64_t *next)
{
    // No PM_SCAN_WP_MATCHING and no PM_SCAN_CHECK_WPASYNC: they would change the target.
    struct pw_scan_arg arg;
    memset(&arg, 0, sizeof arg);
    arg.size = sizeof arg;
    arg.start = start;
    arg.end = end;
    arg.vec = (uint64_t)(uintptr_t)out;
    arg.vec_len = count;
    arg.max_pages = max_pages;
    arg.category_anyof_mask = PW_PAGE_IS_PRESENT | PW_PAGE_IS_SWAPPED;
    arg.return_mask = PW_PAGE_IS_PRESENT | PW_PAGE_IS_SWAPPED;

    long found;
    do
        found = ioctl(fd, PW_PAGEMAP_SCAN, &arg);
    while (found < 0 && errno == EINTR);
    if (found < 0)
        return -errno;

    // walk_end is stale once a walk has returned more than 512 ranges (fs/proc/task_mmu.c:do_pagemap_scan writes it
    // before the last batch is copied), so go by what came back: room left in both limits means the walk ended.
    uint64_t pages = 0;
    for (long i = 0; i < found; i++)
        pages += (out[i].end - out[i].start) / page_size;
    if ((size_t)found < count && (max_pages == 0 || pages < max_pages)) {
        *next = end;
        return (ssize_t)found;
    }
    uint64_t resume = found ? out[found - 1].end : start;
    if (arg.walk_end > resume && arg.walk_end <= end)
        resume = arg.walk_end;
    *next = resume;
    return (ssize_t)found;
}
