/* What the readers in C have in common: clocks, texts of /proc, and the line of costs. */
#ifndef READING_H
#define READING_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_TEXT = 1 << 16 };

static char *text;
static size_t text_room;
static uint64_t cpu_ns, wall_ns;

static inline uint64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

/* Between these two lies what is measured. */
static inline void start_clocks(void)
{
    wall_ns = now(CLOCK_MONOTONIC);
    cpu_ns = now(CLOCK_PROCESS_CPUTIME_ID);
}

static inline void stop_clocks(void)
{
    cpu_ns = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
    wall_ns = now(CLOCK_MONOTONIC) - wall_ns;
}

/* What was resident at most; ru_maxrss will not do, exec hands on that of the process before. */
static inline uint64_t peak_bytes(void)
{
    char status[4096];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, status, sizeof status - 1);
    if (fd >= 0)
        close(fd);
    status[got < 0 ? 0 : got] = '\0';
    const char *line = strstr(status, "\nVmHWM:");
    return line ? strtoull(line + 7, NULL, 10) * 1024 : 0;
}

static inline void print_costs(void)
{
    printf("cpu_ns %" PRIu64 " wall_ns %" PRIu64 " peak %" PRIu64, cpu_ns, wall_ns, peak_bytes());
}

static inline int open_of(const char *pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    return open(path, O_RDONLY);
}

/* Reads a whole file of unknown size into `text`, ended by 0, and closes it; its length, 0 if it was not opened. */
static inline size_t read_text(int fd)
{
    size_t used = 0;
    for (;;) {
        if (text_room - used < FIRST_TEXT) {
            text_room = text_room ? 2 * text_room : 2 * FIRST_TEXT;
            text = realloc(text, text_room);
            if (!text)
                exit(1);
        }
        ssize_t got = fd < 0 ? 0 : read(fd, text + used, text_room - used - 1);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    text[used] = '\0';
    return used;
}

static inline uint64_t take_hex(const char **at)
{
    uint64_t value = 0;
    for (;; ++*at) {
        unsigned char c = (unsigned char)**at;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return value;
    }
}

/* The next VMA of a maps text, as page numbers; 0 at the end. */
static inline int next_vma(const char **at, uint64_t page, uint64_t *first, uint64_t *last)
{
    while (**at) {
        uint64_t start = take_hex(at);
        ++*at;
        uint64_t end = take_hex(at);
        const char *line = strchr(*at, '\n');
        *at = line ? line + 1 : *at + strlen(*at);
        if (start >> 63)  /* [vsyscall] is the kernel's: no pagemap reaches it */
            continue;
        *first = start / page;
        *last = end / page;
        return 1;
    }
    return 0;
}

#endif
