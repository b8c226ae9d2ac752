#include "pw_stat.h"

#include <string.h>

// The fields, counted from 1 as in man proc_pid_stat; the state, number 3, comes behind comm.
enum { PPID = 4, SESSION = 6, FLAGS = 9, MINFLT = 10, MAJFLT = 12, START_TIME = 22, VSIZE = 23, RSS = 24 };
enum { STARTCODE = 26, STARTSTACK = 28, EXIT_SIGNAL = 38, START_DATA = 45, ENV_END = 51 };

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
    const char *end = text + size, *opening = memchr(text, '(', size), *closing = memrchr(text, ')', size);
    if (!opening || !closing || closing < opening || end - closing < 4 || closing[1] != ' ' || closing[3] != ' ')
        return -1;
    const char *behind = take_number(text, opening, &out->pid);
    if (!behind || behind + 1 != opening)
        return -1;
    out->comm_len = (size_t)(closing - opening - 1);
    if (out->comm_len > PW_COMM_ROOM)
        out->comm_len = PW_COMM_ROOM;
    memcpy(out->comm, opening + 1, out->comm_len);
    out->state = (unsigned char)closing[2];
    const char *at = closing + 4;
    int64_t field[ENV_END + 1];
    for (int number = PPID; number <= ENV_END; number++) {
        at = take_number(at, end, &field[number]);
        if (!at)
            return -1;
        if (at < end)
            at++;
    }
    out->ppid = field[PPID];
    out->session = field[SESSION];
    out->flags = field[FLAGS];
    out->faults = (int64_t)((uint64_t)field[MINFLT] + (uint64_t)field[MAJFLT]);
    out->exit_signal = field[EXIT_SIGNAL];
    out->start_time = field[START_TIME];
    out->vsize = field[VSIZE];
    out->rss_pages = field[RSS];
    for (int i = 0; i < 3; i++)
        out->layout[i] = field[STARTCODE + i];
    for (int i = 3; i < PW_STAT_LAYOUT; i++)
        out->layout[i] = field[START_DATA + i - 3];
    return 0;
}
