/* The kernel's own estimate VMA by VMA: /proc/PID/smaps of every process, Rss and Pss summed up.
 *
 *   smaps PID...
 *
 * Twice, and the second time is measured, the summing with it; output as that of smaps_rollup.c.
 */
#define _GNU_SOURCE
#include "reading.h"

struct figures {
    uint64_t rss, pss;
};

static uint64_t kib(const char *at)
{
    uint64_t value = 0;
    while (*at == ' ')
        at++;
    for (; *at >= '0' && *at <= '9'; at++)
        value = 10 * value + (uint64_t)(*at - '0');
    return value;
}

static int read_process(const char *pid, struct figures *sum)
{
    memset(sum, 0, sizeof *sum);
    if (read_text(open_of(pid, "smaps")) == 0)
        return 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (line[1] != 's' || line[2] != 's' || line[3] != ':')
            continue;
        if (line[0] == 'R')
            sum->rss += kib(line + 4);
        else if (line[0] == 'P')
            sum->pss += kib(line + 4);
    }
    return 1;
}

int main(int argc, char **argv)
{
    uint64_t processes = 0;
    struct figures *sums = calloc((size_t)argc, sizeof *sums);
    if (!sums)
        return 1;
    for (int pass = 0; pass < 2; pass++) {
        processes = 0;
        start_clocks();
        for (int k = 1; k < argc; k++)
            processes += (uint64_t)read_process(argv[k], &sums[k]);
        stop_clocks();
    }
    print_costs();
    printf(" processes %" PRIu64 "\n", processes);
    for (int k = 1; k < argc; k++)
        if (sums[k].rss)
            printf("%s %" PRIu64 " %" PRIu64 "\n", argv[k], sums[k].rss, sums[k].pss);
    free(sums);
    return 0;
}
