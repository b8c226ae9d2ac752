/* Memory of a known shape, held by one process or many until told to end.
 *
 *   workload prefork BYTES CHILDREN STRIDE   one heap of 4K pages, forked; child k rewrites the pages k, k+STRIDE, ...
 *   workload heap BYTES                      one heap of 4K pages
 *   workload sleepers COUNT                  processes that have nothing to do, each started by exec
 *
 * Once all is set up it prints one line, "ready HEAP LENGTH PID PID ..." (its own pid first), and holds on until its
 * standard input ends: then it ends and waits for its children, and exits. That the pipe also ends with whoever holds
 * the other side, and that the kernel ends the children with this process, is what leaves nothing behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *what = "workload";

static void fail(const char *call)
{
    fprintf(stderr, "%s: %s: %s\n", what, call, strerror(errno));
    exit(1);
}

/* A VMA of its own: between two pages without access it merges with no neighbour. */
static char *make_heap(size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *around = mmap(NULL, length + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (around == MAP_FAILED)
        fail("mmap");
    char *heap = around + page;
    if (mprotect(heap, length, PROT_READ | PROT_WRITE))
        fail("mprotect");
    /* EINVAL: a kernel without huge pages. */
    if (madvise(heap, length, MADV_NOHUGEPAGE) && errno != EINVAL)
        fail("madvise");
    for (size_t at = 0; at < length; at += page)
        *(volatile uint64_t *)(heap + at) = at + 1;
    return heap;
}

static void rewrite(char *heap, size_t length, size_t first, size_t stride)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = first * page; at < length; at += stride * page)
        *(volatile uint64_t *)(heap + at) += 1;
}

/* The life of a child: say that all is set up, then nothing. */
static void linger(int ready, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)  /* it ended before it was asked to take this process along */
        _exit(1);
    if (write(ready, "", 1) != 1)
        _exit(1);
    close(ready);
    for (;;)
        pause();
}

static void become_sleeper(const char *program, int ready, pid_t parent)
{
    char fd[16], pid[16];
    snprintf(fd, sizeof fd, "%d", ready);
    snprintf(pid, sizeof pid, "%d", (int)parent);
    execl(program, program, "linger", fd, pid, (char *)NULL);
    _exit(1);
}

static void hold(const char *heap, size_t length, const pid_t *pids, size_t count)
{
    char byte;
    printf("ready %zu %zu %d", (size_t)(uintptr_t)heap, length, (int)getpid());
    for (size_t k = 0; k < count; k++)
        printf(" %d", (int)pids[k]);
    printf("\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    for (size_t k = 0; k < count; k++)
        kill(pids[k], SIGKILL);
    while (wait(NULL) > 0)
        ;
}

int main(int argc, char **argv)
{
    size_t number[3] = {0};
    if (argc < 3)
        return 2;
    what = argv[1];
    for (int k = 0; k < 3 && k + 2 < argc; k++)
        number[k] = strtoull(argv[k + 2], NULL, 10);
    if (strcmp(what, "linger") == 0)
        linger((int)number[0], (pid_t)number[1]);

    int sleepers = strcmp(what, "sleepers") == 0;
    size_t length = sleepers ? 0 : number[0], count = sleepers ? number[0] : number[1], stride = number[2];
    char *heap = sleepers ? NULL : make_heap(length);
    int ready[2];
    if (pipe(ready))
        fail("pipe");
    pid_t parent = getpid(), *pids = calloc(count + 1, sizeof *pids);
    if (!pids)
        fail("calloc");
    for (size_t k = 0; k < count; k++) {
        pids[k] = fork();
        if (pids[k] < 0)
            fail("fork");
        if (pids[k] > 0)
            continue;
        close(ready[0]);
        close(STDIN_FILENO);
        if (sleepers)
            become_sleeper(argv[0], ready[1], parent);
        rewrite(heap, length, k % stride, stride);
        linger(ready[1], parent);
    }
    close(ready[1]);
    char byte;
    for (size_t k = 0; k < count; k++)
        if (read(ready[0], &byte, 1) != 1) {
            errno = ECHILD;
            fail("a child ended early");
        }
    close(ready[0]);
    hold(heap, length, pids, count);
    return 0;
}
