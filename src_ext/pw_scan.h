// The PAGEMAP_SCAN ioctl (6.7), read-only: which ranges hold something, without reading their entries.
#ifndef PW_SCAN_H
#define PW_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// struct page_region of include/uapi/linux/fs.h. Debian 12's headers lack it, so it stands here under our prefix.
struct pw_region {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

// Finds ranges of present or swapped pages in [start, end), byte addresses, at most `count` ranges and `max_pages` pages.
// Returns the number of ranges and puts where to go on into *next (== end when done), or -errno (ENOTTY: no such ioctl).
ssize_t pw_scan_populated(int fd, uint64_t start, uint64_t end, uint64_t page_size, uint64_t max_pages,
                          struct pw_region *out, size_t count, uint64_t *next);

#endif
