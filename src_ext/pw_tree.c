#include "pw_tree.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

// 52 numbers of at most 20 digits and a comm of at most 64 bytes (a kernel worker's, wq_worker_comm).
enum { PW_STAT_ROOM = 2048 };

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
