#include "pw_residence.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "pw_abi.h"
#include "pw_io.h"

enum {
    PW_BLOCK = 512,        // pages whose entries are read again at a time
    PW_FAULT_AROUND = 16,  // pages that one fault maps if they are cached (mm/memory.c:do_fault_around, 64 KiB)
};

// cachestat(2), 6.5: include/uapi/linux/mman.h, and one number on every architecture but alpha.
#define PW_SYS_CACHESTAT 451
struct pw_cachestat_range {
    uint64_t offset;
    uint64_t length;
};
struct pw_cachestat {
    uint64_t cached;
    uint64_t others[4];  // dirty, under writeback, evicted, evicted recently
};

#define PW_HUGETLBFS_MAGIC 0x958458f6  // include/uapi/linux/magic.h

// Makes the kernel load from a page as the processor would, so that a page table entry is made. A load of our own would
// be a SIGBUS once the file is cut short; this is EFAULT then. Other calls that take care of this (process_vm_readv,
// MADV_POPULATE_READ) go through get_user_pages with FOLL_TOUCH, which makes the page look used (mark_page_accessed);
// a fault does not. What an eventfd counts does not matter: it takes any eight bytes, or refuses them after the copy.
static void pw_touch(int event, const char *at)
{
    if (write(event, at, sizeof(uint64_t)) < 0)
        return;
}

static ssize_t pw_fill_block(const char *base, int fd_pagemap, int event, size_t page_size,
                             const unsigned char *resident, uint64_t *words, size_t first, size_t stop)
{
    const uint64_t page = (uint64_t)(uintptr_t)base / page_size;
    for (size_t i = first; i < stop;) {
        if (resident[i] & 1) {
            pw_touch(event, base + i * page_size);
            i = (i / PW_FAULT_AROUND + 1) * PW_FAULT_AROUND;
        } else {
            i++;
        }
    }
    ssize_t got = pw_read_words(fd_pagemap, page + first, words + first, stop - first);
    if (got < 0)
        return got;
    size_t missing = 0;
    for (size_t i = first; i < stop; i++) {
        if ((resident[i] & 1) && !(words[i] & PW_PM_PRESENT)) {
            pw_touch(event, base + i * page_size);
            missing++;
        }
    }
    return missing ? pw_read_words(fd_pagemap, page + first, words + first, stop - first) : 0;
}

static ssize_t pw_fill(char *base, int fd_pagemap, int event, size_t page_size, unsigned char *resident,
                       uint64_t *words, size_t pages)
{
    // Else a fault beside a mark of readahead reads from disk (mm/filemap.c:do_async_mmap_readahead).
    if (madvise(base, pages * page_size, MADV_RANDOM) < 0)
        return -errno;
    int asked;
    do
        asked = mincore(base, pages * page_size, resident);
    while (asked < 0 && errno == EAGAIN);
    if (asked < 0)
        return -errno;
    ssize_t found = 0;
    for (size_t i = 0; i < pages; i++) {
        words[i] = 0;
        found += resident[i] & 1;
    }
    for (size_t first = 0; found && first < pages; first += PW_BLOCK) {
        const size_t stop = pages - first < PW_BLOCK ? pages : first + PW_BLOCK;
        ssize_t failed = pw_fill_block(base, fd_pagemap, event, page_size, resident, words, first, stop);
        if (failed < 0)
            return failed;
    }
    // Up to 6.2 unmapping a page marks it as used, unless it was to be read once from start to end
    // (mm/memory.c:zap_pte_range, VM_SEQ_READ).
    madvise(base, pages * page_size, MADV_SEQUENTIAL);
    return found;
}

// Whether a file has its page cache itself. A file of overlayfs, or of a FUSE that passes through, has none: what is
// mapped is another file (fs/backing-file.c:backing_file_mmap), and cachestat knows nothing of that.
static int pw_has_own_cache(int fd)
{
    struct statfs about;
    if (fstatfs(fd, &about) < 0)
        return 0;
    switch ((unsigned long)about.f_type) {  // include/uapi/linux/magic.h
    case 0xEF53:                            // ext2, ext3, ext4
    case 0x58465342:                        // xfs
    case 0x9123683E:                        // btrfs
    case 0x01021994:                        // tmpfs, memfd
        return 1;
    default:
        return 0;
    }
}

// Whether the kernel says that nothing of a range is cached; it need not say anything. mincore takes 50 ns for every
// page of a hole, this goes from one cached page to the next.
static int pw_is_empty(int fd, uint64_t offset, uint64_t length)
{
    struct pw_cachestat_range range = {offset, length};
    struct pw_cachestat said = {0};
    return pw_has_own_cache(fd) && syscall(PW_SYS_CACHESTAT, (unsigned)fd, &range, &said, 0U) == 0 && said.cached == 0;
}

ssize_t pw_resident_words(int fd, int fd_pagemap, uint64_t offset, size_t page_size, unsigned char *resident,
                          uint64_t *words, size_t pages)
{
    if (pw_is_empty(fd, offset, (uint64_t)pages * page_size)) {
        memset(resident, 0, pages);
        memset(words, 0, pages * sizeof *words);
        return 0;
    }
    int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event < 0)
        return -errno;
    void *base = mmap(NULL, pages * page_size, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    if (base == MAP_FAILED) {
        int failed = errno;
        close(event);
        return -failed;
    }
    ssize_t found = pw_fill(base, fd_pagemap, event, page_size, resident, words, pages);
    munmap(base, pages * page_size);
    close(event);
    return found;
}

int pw_is_hugetlbfs(int fd)
{
    struct statfs about;
    if (fstatfs(fd, &about) < 0)
        return -errno;
    return about.f_type == PW_HUGETLBFS_MAGIC;
}
