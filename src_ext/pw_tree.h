// Who is whose child, and how much each has, read through descriptors kept open.
#ifndef PW_TREE_H
#define PW_TREE_H

#include "pw_stat.h"

// Reads and parses: 0, -errno of the read, or -EBADMSG. A process that has been reaped is -ESRCH.
int pw_read_stat(int fd, struct pw_stat *out);

// Lets orphans among our descendants become our children (on != 0) or not; returns what was so before, or -errno.
int pw_set_subreaper(int on);

#endif
