// The text of /proc/PID/maps, taken apart into columns (fs/proc/task_mmu.c:show_map_vma).
#ifndef PW_MAPS_H
#define PW_MAPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PW_VMA_READ = 1, PW_VMA_WRITE = 2, PW_VMA_EXEC = 4, PW_VMA_SHARED = 8 };

// One array a column, each with room for `count` lines.
struct pw_vmas {
    uint64_t *start;
    uint64_t *end;
    uint64_t *offset;
    uint64_t *inode;
    uint32_t *major;
    uint32_t *minor;
    uint8_t *perms;
    uint32_t *name_at;   // where in the text the name begins
    uint32_t *name_len;  // bytes; 0: no name
};

// The number of lines, the last one counted even without its newline.
size_t pw_count_lines(const char *text, size_t size);

// Returns the number of lines taken apart (at most `count`), or -(line number) of the first that is not of the form.
ssize_t pw_parse_maps(const char *text, size_t size, const struct pw_vmas *out, size_t count);

// Returns the row of the first line that begins before the one above it ends, or `rows` if none does.
size_t pw_first_overlap(const struct pw_vmas *vmas, size_t rows);

// What an entry of pagemap tells by the VMA that it stands in.
enum {
    PW_TELLS_ANON = 1,   // without bit 61: anonymous memory, no page of hugetlbfs
    PW_TELLS_SHMEM = 2,  // with bit 61: shmem
};

// Devices by what the pages of their files are, `major << 32 | minor`.
struct pw_devices {
    const uint64_t *plain;  // of file systems other than hugetlbfs
    size_t count;
    uint64_t shmem;  // the kernel's own mount of shmem (mm/shmem.c:shm_mnt); all bits set: not known
};

// Where the pagemap of an address space is to be read, in page numbers; each array with room for as many as VMAs.
struct pw_reading {
    uint64_t *range_start;  // ranges to read: VMAs, gaps of up to `bridge` pages between them read too
    uint64_t *range_stop;
    uint64_t *vma_start;  // each VMA
    uint64_t *vma_stop;
    uint8_t *tells;  // PW_TELLS_*
};

// Returns the number of ranges. `vss` gets the size of all VMAs in bytes, without vsyscall, as the kernel's VmSize.
size_t pw_plan_reading(const struct pw_vmas *vmas, size_t rows, const char *text, uint64_t page_size, uint64_t bridge,
                       const struct pw_devices *devices, const struct pw_reading *out, uint64_t *vss);

#endif
