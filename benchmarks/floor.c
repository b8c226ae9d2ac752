/* The floor: what reading the bytes costs, nothing looked at.
 *
 *   floor PID...
 *
 * Of each process the maps are read and the addresses in them parsed, and the pagemap of every VMA is read, 256 KiB at
 * a time into one reused buffer. All of it is done twice and the second time is measured, so that what the kernel
 * makes on a first visit (the entries of /proc in its caches) is paid by nobody. One line says what it took.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ENTRIES = 32768, FIRST_TEXT = 1 << 16 };

struct work {
    uint64_t processes, vmas, pages, entries, reads;
};

static uint64_t buffer[ENTRIES];
static char *text;
static size_t text_room;

static uint64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

/* Reads a whole file of unknown size into `text`, ended by 0; its length. */
static size_t read_text(int fd)
{
    size_t used = 0;
    for (;;) {
        if (text_room - used < FIRST_TEXT) {
            text_room = text_room ? 2 * text_room : 2 * FIRST_TEXT;
            text = realloc(text, text_room);
            if (!text)
                exit(1);
        }
        ssize_t got = read(fd, text + used, text_room - used - 1);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    text[used] = '\0';
    return used;
}

static uint64_t take_hex(const char **at)
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

static void read_vma(int pagemap, uint64_t first, uint64_t last, struct work *work)
{
    while (first < last) {
        size_t want = last - first < ENTRIES ? (size_t)(last - first) : ENTRIES;
        ssize_t got = pread(pagemap, buffer, want * sizeof *buffer, (off_t)(first * sizeof *buffer));
        work->reads++;
        if (got <= 0)  /* the process has ended */
            return;
        work->entries += (uint64_t)got / sizeof *buffer;
        first += (uint64_t)got / sizeof *buffer;
    }
}

static void read_process(const char *pid, struct work *work)
{
    char path[64];
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    snprintf(path, sizeof path, "/proc/%s/maps", pid);
    int maps = open(path, O_RDONLY);
    if (maps < 0)
        return;
    size_t length = read_text(maps);
    close(maps);
    if (length == 0)  /* a kernel thread, a zombie */
        return;
    snprintf(path, sizeof path, "/proc/%s/pagemap", pid);
    int pagemap = open(path, O_RDONLY);
    if (pagemap < 0)
        return;
    work->processes++;
    for (const char *at = text; *at; at++) {
        uint64_t start = take_hex(&at);
        at++;
        uint64_t end = take_hex(&at);
        if (start >> 63 == 0) {  /* [vsyscall] is the kernel's: no pagemap reaches it */
            work->vmas++;
            work->pages += (end - start) / page;
            read_vma(pagemap, start / page, end / page, work);
        }
        at = strchr(at, '\n');
        if (!at)
            break;
    }
    close(pagemap);
}

int main(int argc, char **argv)
{
    struct work work;
    uint64_t cpu = 0, wall = 0;
    for (int pass = 0; pass < 2; pass++) {
        memset(&work, 0, sizeof work);
        wall = now(CLOCK_MONOTONIC);
        cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        for (int k = 1; k < argc; k++)
            read_process(argv[k], &work);
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        wall = now(CLOCK_MONOTONIC) - wall;
    }
    printf("cpu_ns %" PRIu64 " wall_ns %" PRIu64 " processes %" PRIu64 " vmas %" PRIu64 " pages %" PRIu64
           " entries %" PRIu64 " reads %" PRIu64 "\n",
           cpu, wall, work.processes, work.vmas, work.pages, work.entries, work.reads);
    return 0;
}
