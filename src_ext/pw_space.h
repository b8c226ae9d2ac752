// The files of one process that a walk reads, of one moment.
#ifndef PW_SPACE_H
#define PW_SPACE_H

#include "pw_stat.h"

struct pw_space {
    int dir;             // the directory of the process (O_PATH), which goes on naming it
    int pagemap;         // stays that of the address space at its opening
    size_t used;         // bytes of maps
    struct pw_stat stat;  // what stat said once maps had been read
    const char *file;    // the one that failed
};

// Opens /proc/PID (or /proc/PID/task/TID), its pagemap, then reads its maps into `text`, then its stat. 0, or -errno
// with nothing left open: -EMSGSIZE where maps has no room, -EBADMSG where stat is not of the form, -ESRCH where it is
// empty.
int pw_open_space(const char *path, char *text, size_t room, struct pw_space *out);

#endif
