#include "pw_space.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pw_io.h"

// 52 numbers of at most 20 digits and a comm of at most 64 bytes (a kernel worker's, wq_worker_comm).
enum { STAT_ROOM = 2048 };

// Reads a text file whole; its bytes, or -errno: -EMSGSIZE where it fills the room.
static ssize_t read_at(int dir, const char *name, char *text, size_t room)
{
    int fd = pw_open_at(dir, name);
    if (fd < 0)
        return fd;
    ssize_t got = pw_read_text(fd, text, room);
    pw_close(fd);
    return got >= 0 && (size_t)got == room ? -EMSGSIZE : got;
}

static int read_all(char *text, size_t room, struct pw_space *out)
{
    char stat[STAT_ROOM];
    out->file = "pagemap";
    out->pagemap = pw_open_at(out->dir, "pagemap");
    if (out->pagemap < 0)
        return out->pagemap;
    out->file = "maps";
    ssize_t got = read_at(out->dir, "maps", text, room);
    if (got < 0)
        return (int)got;
    out->used = (size_t)got;
    out->file = "stat";
    got = read_at(out->dir, "stat", stat, sizeof stat);
    if (got <= 0)
        return got ? (int)got : -ESRCH;
    return pw_parse_stat(stat, (size_t)got, &out->stat) ? -EBADMSG : 0;
}

int pw_open_space(const char *path, char *text, size_t room, struct pw_space *out)
{
    out->pagemap = -1;
    out->file = path;
    out->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (out->dir < 0)
        return -errno;
    int failed = read_all(text, room, out);
    if (failed) {
        if (out->pagemap >= 0)
            close(out->pagemap);
        close(out->dir);
    }
    return failed;
}
