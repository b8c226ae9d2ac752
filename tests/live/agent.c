/* A process that does exactly what a test tells it, and nothing else.
 *
 * Python brings thousands of pages of its own that come and go; a test that knows every page by
 * construction needs a process which touches memory only when told. This one connects to the
 * test's socket, says who it is, and then answers one line with one line:
 *
 *   NAME A B C ...             the system call of that name: its result, or -errno
 *   write ADDR N STRIDE V STEP store the words V, V+STEP, ... at N addresses STRIDE apart
 *   read ADDR N STRIDE         load them: their sum
 *   poke ADDR HEX              bytes into memory;  peek ADDR N  and out of it
 *   fork                       a child that connects on its own: its pid
 *   clone FLAGS                the same by clone(2) on a new stack: twins, vfork, threads
 *   reap 0|1                   whether ended children are waited for by themselves
 *
 * Everything a command needs lives on the stack, since twins share all other memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 16384, STACK = 1 << 18, CHURN_PAGES = 64 };

static const struct { const char *name; long number; } calls[] = {
    {"mmap", SYS_mmap}, {"munmap", SYS_munmap}, {"mremap", SYS_mremap},
    {"mprotect", SYS_mprotect}, {"madvise", SYS_madvise}, {"mlock", SYS_mlock},
    {"openat", SYS_openat}, {"close", SYS_close}, {"ftruncate", SYS_ftruncate},
    {"memfd_create", SYS_memfd_create}, {"prctl", SYS_prctl}, {"ioctl", SYS_ioctl},
    {"userfaultfd", SYS_userfaultfd}, {"setresuid", SYS_setresuid},
    {"shmget", SYS_shmget}, {"shmat", SYS_shmat}, {"shmctl", SYS_shmctl},
    {"exit", SYS_exit}, {"exit_group", SYS_exit_group},
};

struct birth { const char *address; int inherited; int shares_files; };

static void serve(const char *address);

static int begin(void *argument)
{
    const struct birth *birth = argument;
    if (!birth->shares_files)
        close(birth->inherited);
    /* Cleared by fork; asked for again, so that nothing outlives a killed test. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(birth->address);
    _exit(0);
}

static long start_by_clone(const char *address, int sock, int flags)
{
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    /* On the new stack: with CLONE_VM this function may return before the child reads it. */
    struct birth *birth = (struct birth *)stack;
    *birth = (struct birth){address, sock, (flags & CLONE_FILES) != 0};
    long pid = clone(begin, stack + STACK, flags, birth);
    return pid < 0 ? -errno : pid;
}

static long start_by_fork(const char *address, int sock)
{
    struct birth birth = {address, sock, 0};
    pid_t pid = fork();
    if (pid == 0)
        begin(&birth);
    return pid < 0 ? -errno : pid;
}

static long poke(unsigned char *to, const char *hex)
{
    long count = 0;
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        to[count++] = (unsigned char)byte;
    return count;
}

static long words(char *line, uint64_t *out, int most)
{
    int count = 0;
    for (char *rest = strchr(line, ' '); rest && count < most; count++) {
        char *end;
        out[count] = strtoull(rest, &end, 0);
        if (end == rest)
            break;
        rest = *end ? end : NULL;
    }
    return count;
}

static int is(const char *line, const char *name)
{
    size_t length = strlen(name);
    return strncmp(line, name, length) == 0 && (line[length] == ' ' || line[length] == '\0');
}

static long obey(char *line, const char *address, int sock)
{
    uint64_t a[6] = {0};
    words(line, a, 6);
    if (is(line, "write")) {
        for (uint64_t i = 0; i < a[1]; i++)
            *(volatile uint64_t *)(uintptr_t)(a[0] + i * a[2]) = a[3] + i * a[4];
        return 0;
    }
    if (is(line, "read")) {
        uint64_t sum = 0;
        for (uint64_t i = 0; i < a[1]; i++)
            sum += *(volatile uint64_t *)(uintptr_t)(a[0] + i * a[2]);
        return (long)sum;
    }
    if (is(line, "poke"))
        return poke((unsigned char *)(uintptr_t)a[0], strrchr(line, ' ') + 1);
    if (is(line, "fork"))
        return start_by_fork(address, sock);
    if (is(line, "clone"))
        return start_by_clone(address, sock, (int)a[0]);
    if (is(line, "reap"))
        return signal(SIGCHLD, a[0] ? SIG_IGN : SIG_DFL) == SIG_ERR ? -errno : 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (!is(line, calls[i].name))
            continue;
        long result = syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
        return result == -1 ? -errno : result;
    }
    return -ENOSYS;
}

static void answer(char *line, const char *address, int sock)
{
    char *out = line;
    if (is(line, "peek")) {
        uint64_t a[2] = {0};
        words(line, a, 2);
        for (uint64_t i = 0; i < a[1] && i * 2 + 2 < LINE; i++)
            out += sprintf(out, "%02x", ((unsigned char *)(uintptr_t)a[0])[i]);
    } else {
        out += sprintf(out, "%ld", obey(line, address, sock));
    }
    *out++ = '\n';
    if (write(sock, line, (size_t)(out - line)) < 0)
        _exit(1);
}

static void serve(const char *address)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char line[LINE];
    char inbox[LINE / 4];
    ssize_t got;
    size_t used = 0;
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* An abstract name: no file to remove. */
    memcpy(name.sun_path + 1, address, strlen(address));
    if (connect(sock, (struct sockaddr *)&name,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address))) < 0)
        _exit(1);
    dprintf(sock, "%d %ld\n", getpid(), syscall(SYS_gettid));
    while ((got = read(sock, inbox, sizeof inbox)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (inbox[i] != '\n') {
                if (used + 1 < LINE)
                    line[used++] = inbox[i];
                continue;
            }
            line[used] = '\0';
            used = 0;
            answer(line, address, sock);
        }
    }
    _exit(0);
}

/* Processes that live for a few milliseconds, WIDTH at a time, until this one is killed: each writes
 * some of the memory it had from its parent and some of its own. */
static void churn(int width)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *inherited = mmap(NULL, CHURN_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(inherited, 1, CHURN_PAGES * page);
    for (unsigned long round = 0, living = 0;; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct timespec life = {0, (long)(1 + round % 7) * 2000000};
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            memset(inherited, 2, (round % CHURN_PAGES) * page);
            char *own = mmap(NULL, CHURN_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            memset(own, 3, (round % CHURN_PAGES) * page);
            nanosleep(&life, NULL);
            _exit(0);
        }
        if (pid > 0)
            living++;
        if (living >= (unsigned long)width && wait(NULL) > 0)
            living--;
    }
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 3 && strcmp(argv[1], "churn") == 0)
        churn(atoi(argv[2]));
    if (argc < 2)
        return 2;
    signal(SIGCHLD, SIG_IGN);
    serve(argv[1]);
    return 0;
}
