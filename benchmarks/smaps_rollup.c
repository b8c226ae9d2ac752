/* What everybody pays: `cat /proc/PID/smaps_rollup` of every process, without starting a cat.
 *
 *   smaps_rollup PID...
 *
 * Open, read to the end, close; twice, and the second time is measured (as in floor.c). The texts are looked at when
 * the clock has stopped: after the line of costs comes one "PID RSS PSS" in KiB for each process that has any.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 4096 };  /* a smaps_rollup has some 800 bytes */

static uint64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static int read_process(const char *pid, char *text)
{
    char path[64];
    size_t used = 0;
    snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        ssize_t got;
        while (used + 1 < ROOM && (got = read(fd, text + used, ROOM - 1 - used)) > 0)
            used += (size_t)got;
        close(fd);
    }
    text[used] = '\0';
    return used > 0;
}

static uint64_t kib(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    uint64_t cpu = 0, wall = 0, processes = 0;
    char *texts = malloc((size_t)argc * ROOM);
    if (!texts)
        return 1;
    for (int pass = 0; pass < 2; pass++) {
        processes = 0;
        wall = now(CLOCK_MONOTONIC);
        cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        for (int k = 1; k < argc; k++)
            processes += (uint64_t)read_process(argv[k], texts + (size_t)k * ROOM);
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        wall = now(CLOCK_MONOTONIC) - wall;
    }
    printf("cpu_ns %" PRIu64 " wall_ns %" PRIu64 " processes %" PRIu64 "\n", cpu, wall, processes);
    for (int k = 1; k < argc; k++) {
        const char *text = texts + (size_t)k * ROOM;
        if (*text)
            printf("%s %" PRIu64 " %" PRIu64 "\n", argv[k], kib(text, "\nRss:"), kib(text, "\nPss:"));
    }
    free(texts);
    return 0;
}
