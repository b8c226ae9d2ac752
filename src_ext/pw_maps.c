#include "pw_maps.h"

#include <string.h>

size_t pw_count_lines(const char *text, size_t size)
{
    size_t lines = 0;
    const char *at = text, *end = text + size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        lines++;
        if (!stop)
            break;
        at = stop + 1;
    }
    return lines;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

// Reads a hexadecimal number up to `stop`; leaves *at behind it. 0 on success.
static int take_hex(const char **at, const char *end, char stop, uint64_t *out)
{
    uint64_t value = 0;
    int digits = 0;
    while (*at < end && **at != stop) {
        int digit = digit_of(**at);
        if (digit < 0 || digits == 16)
            return -1;
        value = value * 16 + (uint64_t)digit;
        digits++;
        (*at)++;
    }
    if (!digits || *at == end)
        return -1;
    (*at)++;
    *out = value;
    return 0;
}

static int take_perms(const char **at, const char *end, uint8_t *out)
{
    const char *p = *at;
    if (end - p < 5 || p[4] != ' ')
        return -1;
    if ((p[0] != 'r' && p[0] != '-') || (p[1] != 'w' && p[1] != '-') || (p[2] != 'x' && p[2] != '-') ||
        (p[3] != 's' && p[3] != 'p'))
        return -1;
    *out = (uint8_t)((p[0] == 'r' ? PW_VMA_READ : 0) | (p[1] == 'w' ? PW_VMA_WRITE : 0) |
                     (p[2] == 'x' ? PW_VMA_EXEC : 0) | (p[3] == 's' ? PW_VMA_SHARED : 0));
    *at = p + 5;
    return 0;
}

// The inode ends at a space (and padding before a name, show_vma_header_prefix) or at the end of the line.
static int take_inode(const char **at, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    int digits = 0;
    while (*at < end && **at != ' ') {
        int digit = digit_of(**at);
        if (digit < 0 || digit > 9 || value > (UINT64_MAX - (uint64_t)digit) / 10)
            return -1;
        value = value * 10 + (uint64_t)digit;
        digits++;
        (*at)++;
    }
    *out = value;
    return digits ? 0 : -1;
}

static int take_line(const char *text, const char *at, const char *end, const struct pw_vmas *out, size_t row)
{
    uint64_t major, minor;
    if (take_hex(&at, end, '-', &out->start[row]) || take_hex(&at, end, ' ', &out->end[row]) ||
        take_perms(&at, end, &out->perms[row]) || take_hex(&at, end, ' ', &out->offset[row]) ||
        take_hex(&at, end, ':', &major) || take_hex(&at, end, ' ', &minor) ||
        take_inode(&at, end, &out->inode[row]))
        return -1;
    if (out->end[row] < out->start[row] || major > UINT32_MAX || minor > UINT32_MAX)
        return -1;
    while (at < end && *at == ' ')
        at++;
    out->major[row] = (uint32_t)major;
    out->minor[row] = (uint32_t)minor;
    out->name_at[row] = (uint32_t)(at - text);
    out->name_len[row] = (uint32_t)(end - at);
    return 0;
}

ssize_t pw_parse_maps(const char *text, size_t size, const struct pw_vmas *out, size_t count)
{
    const char *at = text, *end = text + size;
    size_t row = 0;
    while (at < end && row < count) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        if (take_line(text, at, stop, out, row))
            return -(ssize_t)(row + 1);
        row++;
        at = stop + 1;
    }
    return (ssize_t)row;
}

size_t pw_first_overlap(const struct pw_vmas *vmas, size_t rows)
{
    for (size_t row = 1; row < rows; row++)
        if (vmas->start[row] < vmas->end[row - 1])
            return row;
    return rows;
}

static int is_named(const struct pw_vmas *vmas, size_t row, const char *text, const char *name)
{
    size_t size = strlen(name);
    return vmas->name_len[row] == size && !memcmp(text + vmas->name_at[row], name, size);
}

// Never memory of the process: vsyscall has no page table of its own, and the vvar pages are special PTEs (VM_PFNMAP,
// from 7.3 VM_MIXEDMAP: lib/vdso/datastore.c:vdso_install_vvar_mapping) that no Rss counts.
static int is_memory(const struct pw_vmas *vmas, size_t row, const char *text)
{
    size_t size = vmas->name_len[row];
    if (size < 6 || size > 13 || text[vmas->name_at[row] + 1] != 'v')
        return 1;
    return !is_named(vmas, row, text, "[vsyscall]") && !is_named(vmas, row, text, "[vvar]") &&
           !is_named(vmas, row, text, "[vvar_vclock]");
}

static uint8_t tells(const struct pw_vmas *vmas, size_t row, const struct pw_devices *devices)
{
    if (!vmas->inode[row])
        return PW_TELLS_ANON;
    uint64_t device = (uint64_t)vmas->major[row] << 32 | vmas->minor[row];
    if (device == devices->shmem)
        return PW_TELLS_ANON | PW_TELLS_SHMEM;
    for (size_t i = 0; i < devices->count; i++)
        if (devices->plain[i] == device)
            return PW_TELLS_ANON;
    return 0;
}

size_t pw_plan_reading(const struct pw_vmas *vmas, size_t rows, const char *text, uint64_t page_size, uint64_t bridge,
                       const struct pw_devices *devices, const struct pw_reading *out, uint64_t *vss)
{
    size_t ranges = 0;
    int joins = 0;  // VMAs that are no memory are skipped, never bridged: what lies in a gap must be nobody's
    *vss = 0;
    for (size_t row = 0; row < rows; row++) {
        uint64_t start = vmas->start[row] / page_size, stop = vmas->end[row] / page_size;
        out->vma_start[row] = start;
        out->vma_stop[row] = stop;
        out->tells[row] = row && vmas->inode[row] && vmas->inode[row] == vmas->inode[row - 1] &&
                                  vmas->major[row] == vmas->major[row - 1] && vmas->minor[row] == vmas->minor[row - 1]
                              ? out->tells[row - 1]
                              : tells(vmas, row, devices);
        if (row + 1 < rows || !is_named(vmas, row, text, "[vsyscall]"))
            *vss += vmas->end[row] - vmas->start[row];
        if (start >= stop || !is_memory(vmas, row, text)) {
            joins = 0;
            continue;
        }
        if (joins && start <= out->range_stop[ranges - 1] + bridge) {
            out->range_stop[ranges - 1] = stop;
            continue;
        }
        out->range_start[ranges] = start;
        out->range_stop[ranges++] = stop;
        joins = 1;
    }
    return ranges;
}
