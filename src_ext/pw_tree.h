// Who is whose child, and how much each has: /proc/PID/stat taken apart (fs/proc/array.c:do_task_stat).
#ifndef PW_TREE_H
#define PW_TREE_H

#include <stddef.h>
#include <stdint.h>

// What is kept of a process, one word each, in the order of `PW_STAT_FIELDS` in tree.pyx.
struct pw_stat {
    int64_t state;  // the letter
    int64_t ppid;
    int64_t session;
    int64_t faults;       // minor and major
    int64_t exit_signal;  // -1: a thread that is not the first of its process
    int64_t start_time;
    int64_t rss_pages;
};

// 0, or -1 if the text is not of the form.
int pw_parse_stat(const char *text, size_t size, struct pw_stat *out);

// Reads and parses: 0, -errno of the read, or -EBADMSG. A process that has been reaped is -ESRCH.
int pw_read_stat(int fd, struct pw_stat *out);

// Lets orphans among our descendants become our children (on != 0) or not; returns what was so before, or -errno.
int pw_set_subreaper(int on);

#endif
