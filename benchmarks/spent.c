/* Runs a whole program and says what it took, its start included.
 *
 *   spent OUTPUT PROGRAM ARGUMENT...
 *
 * Its standard output goes to the file OUTPUT. A line says what it and the children it waited for spent, the most
 * bytes that any of them had resident, and its exit code (128 + n if signal n ended it). It is started from here rather
 * than by Python since the peak is handed on by exec: the child of a small program begins with a small one.
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/wait.h>

#include "reading.h"

static uint64_t nanoseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_usec * 1000;
}

int main(int argc, char **argv)
{
    struct rusage usage;
    int status;
    if (argc < 3)
        return 2;
    uint64_t began = now(CLOCK_MONOTONIC);
    pid_t pid = fork();
    if (pid == 0) {
        int out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (out >= 0 && dup2(out, STDOUT_FILENO) >= 0)
            execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        return 1;
    printf("cpu_ns %" PRIu64 " wall_ns %" PRIu64 " peak %" PRIu64 " exit %d\n",
           nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime), now(CLOCK_MONOTONIC) - began,
           (uint64_t)usage.ru_maxrss * 1024, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    return 0;
}
