/* A process that somebody else reads, and what that does to it; and the readers that are no part of pagewalk.
 *
 *   victim heap BYTES CPU            a heap of 4K pages; a thread on this CPU does mmap + munmap of one page in a loop
 *   victim smaps_rollup PID CPU      reads this file of the process again and again
 *   victim smaps PID CPU
 *   victim scan PID ADDRESS BYTES CPU   one PAGEMAP_SCAN of this range, again and again
 *
 * It says "ready" (the heap: its address too) and does what each line of its standard input asks for: "go" begins to
 * measure, "stop" says what was measured. It ends when its standard input does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/types.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, LINE = 64, TEXT = 1 << 20, HALF = 32, BUCKETS = 60 * HALF };

/* include/uapi/linux/fs.h, which older headers lack. */
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, returned;
};
struct region {
    uint64_t start, end, categories;
};
#define SCAN _IOWR('f', 16, struct scan)
#define PRESENT_OR_SWAPPED (UINT64_C(3) << 3)

static atomic_int measuring;
static atomic_uint_fast64_t rounds;
static uint64_t counts[BUCKETS], pairs, longest;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

/* Run on this CPU alone, and before others that have it: what is measured is the lock, not the neighbours. Without the
 * right to do so it goes on as it is.
 */
static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        fail("sched_setaffinity");
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -20);
}

/* Buckets a 32nd of where they begin wide, and the nanoseconds below 64 one by one. */
static unsigned bucket(uint64_t ns)
{
    unsigned power = ns < 2 * HALF ? 0 : 63 - (unsigned)__builtin_clzll(ns) - 5;
    return power * HALF + (unsigned)(ns >> power);
}

static uint64_t least_of(unsigned at)
{
    unsigned power = at < 2 * HALF ? 0 : at / HALF - 1;
    return (uint64_t)(at - power * HALF) << power;
}

static void *suffer(void *argument)
{
    pin(*(int *)argument);
    for (int was = 0;;) {
        int is = atomic_load_explicit(&measuring, memory_order_acquire);
        if (is != was) {
            if (is) {
                memset(counts, 0, sizeof counts);
                pairs = longest = 0;
            }
            was = is;
            atomic_fetch_add_explicit(&rounds, 1, memory_order_release);
        }
        if (!is) {
            usleep(100);
            continue;
        }
        uint64_t began = now(CLOCK_MONOTONIC);
        void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED || munmap(page, PAGE) < 0)
            fail("mmap and munmap");
        uint64_t took = now(CLOCK_MONOTONIC) - began;
        counts[bucket(took)]++;
        pairs++;
        if (took > longest)
            longest = took;
    }
    return NULL;
}

/* Let the thread see what was asked, and wait until it has. */
static void ask(int what)
{
    uint64_t before = atomic_load(&rounds);
    atomic_store_explicit(&measuring, what, memory_order_release);
    while (atomic_load_explicit(&rounds, memory_order_acquire) == before)
        usleep(50);
}

static uint64_t at_share(uint64_t part, uint64_t whole)
{
    uint64_t wanted = pairs - pairs * (whole - part) / whole, seen = 0;
    for (unsigned at = 0; at < BUCKETS; at++)
        if ((seen += counts[at]) >= wanted && seen)
            return least_of(at);
    return 0;
}

static int live(size_t length, int cpu)
{
    char line[LINE];
    char *heap = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (heap == MAP_FAILED)
        fail("mmap of the heap");
    madvise(heap, length, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < length; at += PAGE)
        heap[at] = 1;
    pthread_t thread;
    errno = pthread_create(&thread, NULL, suffer, &cpu);
    if (errno)
        fail("pthread_create");
    printf("ready %" PRIuPTR "\n", (uintptr_t)heap);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "go\n")) {
            ask(1);
            continue;
        }
        ask(0);
        printf("pairs %" PRIu64 " p50 %" PRIu64 " p99 %" PRIu64 " p999 %" PRIu64 " max %" PRIu64 "\n", pairs,
               at_share(50, 100), at_share(99, 100), at_share(999, 1000), longest);
        fflush(stdout);
    }
    return 0;
}

static int has_line(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    return poll(&in, 1, 0) > 0;
}

static void read_text(const char *path, char *text)
{
    int fd = open(path, O_RDONLY);
    ssize_t got;
    if (fd < 0)
        fail(path);
    while ((got = read(fd, text, TEXT)) > 0)
        ;
    close(fd);
    if (got < 0)
        fail(path);
}

static void scan(int fd, uint64_t start, uint64_t length)
{
    static struct region found[512];
    struct scan asked = {.size = sizeof asked, .start = start, .end = start + length, .vec = (uintptr_t)found,
                         .vec_len = 512, .anyof = PRESENT_OR_SWAPPED, .returned = PRESENT_OR_SWAPPED};
    if (ioctl(fd, SCAN, &asked) < 0)
        fail("PAGEMAP_SCAN");
}

/* Reads until there is a line, which is not taken; says how often, and the CPU time. */
static int reading(const char *kind, const char *pid, uint64_t start, uint64_t length, int cpu)
{
    char path[LINE], line[LINE], *text = malloc(TEXT);
    int is_scan = !strcmp(kind, "scan"), fd = -1;
    if (!text)
        fail("malloc");
    snprintf(path, sizeof path, "/proc/%s/%s", pid, is_scan ? "pagemap" : kind);
    if (is_scan && (fd = open(path, O_RDONLY)) < 0)
        fail(path);
    pin(cpu);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        uint64_t passes = 0, began = now(CLOCK_MONOTONIC), cpu_began = now(CLOCK_PROCESS_CPUTIME_ID);
        while (!has_line()) {
            if (is_scan)
                scan(fd, start, length);
            else
                read_text(path, text);
            passes++;
        }
        printf("passes %" PRIu64 " wall_ns %" PRIu64 " cpu_ns %" PRIu64 "\n", passes, now(CLOCK_MONOTONIC) - began,
               now(CLOCK_PROCESS_CPUTIME_ID) - cpu_began);
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin))
            break;
    }
    free(text);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "heap"))
        return live(strtoull(argv[2], NULL, 10), atoi(argv[3]));
    if (argc == 4)
        return reading(argv[1], argv[2], 0, 0, atoi(argv[3]));
    if (argc == 6)
        return reading(argv[1], argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), atoi(argv[5]));
    fprintf(stderr, "usage: victim heap BYTES CPU | smaps_rollup PID CPU | smaps PID CPU | scan PID START BYTES CPU\n");
    return 2;
}
