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
