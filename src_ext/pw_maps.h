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

#endif
