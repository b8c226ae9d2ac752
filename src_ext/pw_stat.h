// /proc/PID/stat taken apart (fs/proc/array.c:do_task_stat).
#ifndef PW_STAT_H
#define PW_STAT_H

#include <stddef.h>
#include <stdint.h>

// Addresses that exec sets: startcode, endcode, startstack; start_data, end_data, start_brk, arg_start .. env_end.
enum { PW_STAT_LAYOUT = 10 };

// A kernel worker's name has 64 bytes at most (kernel/workqueue.c:wq_worker_comm), others 15.
enum { PW_COMM_ROOM = 256 };

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
    char comm[PW_COMM_ROOM];  // the name, cut where it is longer
    size_t comm_len;
    int64_t layout[PW_STAT_LAYOUT];
};

// 0, or -1 if the text is not of the form.
int pw_parse_stat(const char *text, size_t size, struct pw_stat *out);

#endif
