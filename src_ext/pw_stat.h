// /proc/PID/stat taken apart (fs/proc/array.c:do_task_stat).
#ifndef PW_STAT_H
#define PW_STAT_H

#include <stddef.h>
#include <stdint.h>

// Addresses that exec sets: startcode, endcode, startstack; start_data, end_data, start_brk, arg_start .. env_end.
enum { PW_STAT_LAYOUT = 10 };

struct pw_stat {
    int64_t state;  // the letter
    int64_t ppid;
    int64_t session;
    int64_t flags;        // PF_*
    int64_t faults;       // minor and major
    int64_t exit_signal;  // -1: a thread that is not the first of its process
    int64_t start_time;
    int64_t vsize;
    int64_t rss_pages;
    int64_t pid;
    size_t comm_at;  // where in the text the name begins, and its length
    size_t comm_len;
    int64_t layout[PW_STAT_LAYOUT];
};

// 0, or -1 if the text is not of the form.
int pw_parse_stat(const char *text, size_t size, struct pw_stat *out);

#endif
