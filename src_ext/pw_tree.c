#include "pw_tree.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

// 52 numbers of at most 20 digits and a comm of at most 64 bytes (a kernel worker's, wq_worker_comm).
enum { PW_STAT_ROOM = 2048 };

// The fields after comm, counted from 0 as in man proc_pid_stat: the state is number 3 there.
enum { PPID = 4, SESSION = 6, MINFLT = 10, MAJFLT = 12, START_TIME = 22, RSS = 24, EXIT_SIGNAL = 38 };

// Reads a decimal number up to a space or the end; NULL if there is none.
static const char *take_number(const char *at, const char *end, int64_t *out)
{
    int is_negative = at < end && *at == '-';
    uint64_t value = 0;
    const char *first = at += is_negative;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (at == first || (at < end && *at != ' ' && *at != '\n'))
        return NULL;
    *out = (int64_t)(is_negative ? 0 - value : value);
    return at;
}

int pw_parse_stat(const char *text, size_t size, struct pw_stat *out)
{
    // comm may hold anything, a ')' too: it ends at the last one.
    const char *end = text + size, *at = memrchr(text, ')', size);
    if (!at || end - at < 4 || at[1] != ' ' || at[3] != ' ')
        return -1;
    int64_t field[EXIT_SIGNAL + 1] = {0};
    out->state = (unsigned char)at[2];
    at += 4;
    for (int number = PPID; number <= EXIT_SIGNAL; number++) {
        at = take_number(at, end, &field[number]);
        if (!at)
            return -1;
        if (at < end)
            at++;
    }
    out->ppid = field[PPID];
    out->session = field[SESSION];
    out->faults = (int64_t)((uint64_t)field[MINFLT] + (uint64_t)field[MAJFLT]);
    out->exit_signal = field[EXIT_SIGNAL];
    out->start_time = field[START_TIME];
    out->rss_pages = field[RSS];
    return 0;
}

int pw_read_stat(int fd, struct pw_stat *out)
{
    char text[PW_STAT_ROOM];
    ssize_t got;
    do {
        got = pread(fd, text, sizeof text, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    return pw_parse_stat(text, (size_t)got, out) ? -EBADMSG : 0;
}

int pw_set_subreaper(int on)
{
    int before = 0;
    if (prctl(PR_GET_CHILD_SUBREAPER, &before, 0, 0, 0) < 0)
        return -errno;
    if (prctl(PR_SET_CHILD_SUBREAPER, (unsigned long)(on != 0), 0, 0, 0) < 0)
        return -errno;
    return before;
}
