"""Many processes' /proc/PID/stat at once, through descriptors kept open; and who adopts orphans."""

import os

from libc.stdint cimport int32_t, int64_t

from pw cimport pw_read_stat, pw_set_subreaper, pw_stat

FIELDS = ("state", "ppid", "session", "faults", "exit_signal", "start_time", "rss_pages")


def read_stats(const int32_t[::1] fds not None, int64_t[:, ::1] out not None):
    cdef Py_ssize_t number, good = 0
    cdef int error
    cdef pw_stat stat
    if out.shape[0] != fds.shape[0] or out.shape[1] != 7:
        raise ValueError("a row of 7 words is needed for each descriptor")
    with nogil:
        for number in range(fds.shape[0]):
            error = pw_read_stat(fds[number], &stat)
            if error < 0:
                out[number, 0] = error
                continue
            good += 1
            out[number, 0] = stat.state
            out[number, 1] = stat.ppid
            out[number, 2] = stat.session
            out[number, 3] = stat.faults
            out[number, 4] = stat.exit_signal
            out[number, 5] = stat.start_time
            out[number, 6] = stat.rss_pages
    return good


def set_subreaper(bint on):
    cdef int before = pw_set_subreaper(on)
    if before < 0:
        raise OSError(-before, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(-before)}")
    return before != 0
