/* What everybody pays: `cat /proc/PID/smaps_rollup` of every process, without starting a cat.
 *
 *   smaps_rollup PID...
 *
 * Open, read to the end, close; twice, and the second time is measured (as in floor.c). The texts are looked at when
 * the clock has stopped: after the line of costs comes one "PID RSS PSS" in KiB for each process that has any.
 */
#define _GNU_SOURCE
#include "reading.h"

enum { ROOM = 4096 };  /* a smaps_rollup has some 800 bytes */

static int read_process(const char *pid, char *out)
{
    size_t used = 0;
    int fd = open_of(pid, "smaps_rollup");
    if (fd >= 0) {
        ssize_t got;
        while (used + 1 < ROOM && (got = read(fd, out + used, ROOM - 1 - used)) > 0)
            used += (size_t)got;
        close(fd);
    }
    out[used] = '\0';
    return used > 0;
}

static uint64_t kib(const char *from, const char *name)
{
    const char *line = strstr(from, name);
    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    uint64_t processes = 0;
    char *texts = malloc((size_t)argc * ROOM);
    if (!texts)
        return 1;
    for (int pass = 0; pass < 2; pass++) {
        processes = 0;
        start_clocks();
        for (int k = 1; k < argc; k++)
            processes += (uint64_t)read_process(argv[k], texts + (size_t)k * ROOM);
        stop_clocks();
    }
    print_costs();
    printf(" processes %" PRIu64 "\n", processes);
    for (int k = 1; k < argc; k++) {
        const char *said = texts + (size_t)k * ROOM;
        if (*said)
            printf("%s %" PRIu64 " %" PRIu64 "\n", argv[k], kib(said, "\nRss:"), kib(said, "\nPss:"));
    }
    free(texts);
    return 0;
}
