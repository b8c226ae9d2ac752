#include "pw_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PW_KCMP_VM = 1 };  // include/uapi/linux/kcmp.h

ssize_t pw_read_words(int fd, uint64_t first, uint64_t *out, size_t count)
{
    // No file is longer than off_t can say: words beyond are past its end, and must not wrap around to its beginning.
    const uint64_t most = (uint64_t)INT64_MAX / sizeof(uint64_t);
    if (first >= most)
        return 0;
    if (count > most - first)
        count = (size_t)(most - first);
    char *to = (char *)out;
    size_t want = count * sizeof(uint64_t);
    size_t got = 0;
    while (got < want) {
        ssize_t n = pread(fd, to + got, want - got, (off_t)(first * sizeof(uint64_t) + got));
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)(got / sizeof(uint64_t));
}

ssize_t pw_read_text(int fd, char *out, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, out + got, size - got);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int pw_open_at(int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void pw_close(int fd)
{
    close(fd);
}

int pw_same_mm(int pid_a, int pid_b)
{
    long answer = syscall(SYS_kcmp, (pid_t)pid_a, (pid_t)pid_b, PW_KCMP_VM, 0UL, 0UL);
    return answer < 0 ? -errno : (int)answer;
}

uint64_t pw_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void pw_pause(uint64_t ns)
{
    struct timespec left = {(time_t)(ns / UINT64_C(1000000000)), (long)(ns % UINT64_C(1000000000))};
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}
