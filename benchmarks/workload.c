/* Memory of a known shape, held by one process or many until told to end.
 *
 *   workload prefork BYTES CHILDREN STRIDE   one heap of 4K pages, forked; child k rewrites the pages k, k+STRIDE, ...
 *   workload heap BYTES                      one heap of 4K pages
 *   workload huge BYTES                      one heap of transparent huge pages, as far as the kernel gives them
 *   workload sleepers COUNT                  processes that have nothing to do, each started by exec
 *   workload sparse BYTES STEP DENSE         BYTES reserved, of which one page in STEP bytes is there; a heap of DENSE
 *   workload memfd BYTES CHILDREN            one memfd, all of which each process has mapped
 *   workload mixed BYTES CHILDREN            four times BYTES, forked: huge pages, pairs of pages that KSM has merged,
 *                                            pages of hugetlbfs, pages swapped out
 *   workload vmas COUNT                      a page each, every other one read-only
 *
 * Once all is set up it prints one line, "ready N START LENGTH ... PID PID ..." (N mappings; its own pid first), and
 * holds on until its standard input ends: then it ends and waits for its children, and exits. That the pipe also ends
 * with whoever holds the other side, and that the kernel ends the children with this process, is what leaves nothing
 * behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21   /* Linux 5.4 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  /* Linux 6.1 */
#endif

enum { NUMBERS = 3, REGIONS = 4, TURNS = 3000, TURN_NS = 20000000, ENTRIES = 512 };

static const size_t HUGE = (size_t)1 << 21;

static const char *what = "workload";
static size_t page, number[NUMBERS];
static struct region { char *start; size_t length; } regions[REGIONS];
static size_t n_regions;

static void fail(const char *call)
{
    fprintf(stderr, "%s: %s: %s\n", what, call, strerror(errno));
    exit(1);
}

static char *add(char *start, size_t length)
{
    regions[n_regions++] = (struct region){start, length};
    return start;
}

static char *map(size_t length, int protection, int flags, int fd)
{
    char *start = mmap(NULL, length, protection, flags, fd, 0);
    if (start == MAP_FAILED)
        fail("mmap");
    return start;
}

/* A VMA of its own: between pages without access it merges with no neighbour. Huge pages only where they are wanted. */
static char *make_vma(size_t length, int huge)
{
    char *around = map(length + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    char *start = around + (HUGE - (uintptr_t)around % HUGE);
    if (mprotect(start, length, PROT_READ | PROT_WRITE))
        fail("mprotect");
    /* EINVAL: a kernel without huge pages. */
    if (madvise(start, length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) && (huge || errno != EINVAL))
        fail("madvise");
    return add(start, length);
}

/* A word in each page, one that few pages of the machine begin with. */
static void fill(char *start, size_t length, size_t step)
{
    uint64_t value = (uint64_t)getpid() << 40;
    for (size_t at = 0; at < length; at += step)
        *(volatile uint64_t *)(start + at) = value + at + 1;
}

static void rewrite(char *heap, size_t length, size_t first, size_t stride)
{
    for (size_t at = first * page; at < length; at += stride * page)
        *(volatile uint64_t *)(heap + at) += 1;
}

static void look(const char *start, size_t length)
{
    for (size_t at = 0; at < length; at += page)
        (void)*(const volatile char *)(start + at);
}

static void rest(void)
{
    struct timespec turn = {0, TURN_NS};
    nanosleep(&turn, NULL);
}

/* Tries again and again until `count` says that it is so of all pages of a mapping. */
static void until(size_t (*count)(const struct region *), const struct region *region, const char *call)
{
    for (int turn = 0; turn < TURNS; turn++) {
        if (count(region) == region->length / page)
            return;
        rest();
    }
    errno = ETIMEDOUT;
    fail(call);
}

/* Pages of this process that KSM has merged (Linux 5.19 on). */
static size_t count_merged(const struct region *region)
{
    size_t count = 0;
    FILE *file = fopen("/proc/self/ksm_merging_pages", "r");
    (void)region;
    if (!file || fscanf(file, "%zu", &count) != 1)
        fail("ksm_merging_pages");
    fclose(file);
    return count;
}

static size_t count_swapped(const struct region *region)
{
    uint64_t entries[ENTRIES];
    size_t count = 0, pages = region->length / page, first = (uintptr_t)region->start / page;
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    if (pagemap < 0 || madvise(region->start, region->length, MADV_PAGEOUT))
        fail("swap out");
    for (size_t k = 0; k < pages; k += ENTRIES) {
        size_t want = pages - k < ENTRIES ? pages - k : ENTRIES;
        if (pread(pagemap, entries, want * 8, (off_t)((first + k) * 8)) != (ssize_t)(want * 8))
            fail("pagemap");
        for (size_t j = 0; j < want; j++)
            count += entries[j] >> 62 & 1;
    }
    close(pagemap);
    return count;
}

static void make_heap(void) { fill(make_vma(number[0], 0), number[0], page); }

static void make_huge(void)
{
    char *heap = make_vma(number[0], 1);
    fill(heap, number[0], page);
    /* Where no huge page was free at the fault. That it failed is seen by who counts them. */
    (void)madvise(heap, number[0], MADV_COLLAPSE);
}

static void make_sparse(void)
{
    fill(make_vma(number[0], 0), number[0], number[1]);
    fill(make_vma(number[2], 0), number[2], page);
}

static void make_memfd(void)
{
    int fd = memfd_create("workload", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)number[0]))
        fail("memfd");
    char *start = add(map(number[0], PROT_READ | PROT_WRITE, MAP_SHARED, fd), number[0]);
    if (madvise(start, number[0], MADV_NOHUGEPAGE) && errno != EINVAL)
        fail("madvise");
    fill(start, number[0], page);
}

static void make_mixed(void)
{
    uint64_t value = (uint64_t)getpid() << 40;
    make_huge();
    char *pairs = make_vma(number[0], 0);
    for (size_t k = 0; k < number[0] / page; k++)
        *(volatile uint64_t *)(pairs + k * page) = value + k / 2 + 1;
    if (madvise(pairs, number[0], MADV_MERGEABLE))
        fail("madvise for KSM");
    until(count_merged, &regions[1], "merge by KSM");
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
    fill(add(map(number[0], PROT_READ | PROT_WRITE, flags, -1), number[0]), number[0], page);
    make_heap();
    until(count_swapped, &regions[3], "swap out");
}

static void make_vmas(void)
{
    char *start = make_vma(number[0] * page, 0);
    fill(start, number[0] * page, page);
    for (size_t k = 1; k < number[0]; k += 2)
        if (mprotect(start + k * page, page, PROT_READ))
            fail("mprotect");
}

static void make_nothing(void) {}

/* What a child does with what it inherits. */
static void child_rewrites(size_t k) { rewrite(regions[0].start, number[0], k % number[2], number[2]); }

static void child_maps(size_t k)
{
    (void)k;  /* the page tables of a shared mapping are not copied by fork */
    look(regions[0].start, number[0]);
}

static void child_rests(size_t k) { (void)k; }

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

static const struct shape {
    const char *name;
    void (*make)(void);
    int children;          /* which number says how many, -1: there are none */
    void (*child)(size_t); /* NULL: it becomes a sleeper */
} shapes[] = {
    {"prefork", make_heap, 1, child_rewrites}, {"heap", make_heap, -1, NULL},
    {"huge", make_huge, -1, NULL},             {"sleepers", make_nothing, 0, NULL},
    {"sparse", make_sparse, -1, NULL},         {"memfd", make_memfd, 1, child_maps},
    {"mixed", make_mixed, 1, child_rests},     {"vmas", make_vmas, -1, NULL},
};

static const struct shape *shape_of(const char *name)
{
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        if (strcmp(shapes[k].name, name) == 0)
            return &shapes[k];
    exit(2);
}

static void hold(const pid_t *pids, size_t count)
{
    char byte;
    printf("ready %zu", n_regions);
    for (size_t k = 0; k < n_regions; k++)
        printf(" %zu %zu", (size_t)(uintptr_t)regions[k].start, regions[k].length);
    printf(" %d", (int)getpid());
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
    if (argc < 3)
        return 2;
    what = argv[1];
    page = (size_t)sysconf(_SC_PAGESIZE);
    for (int k = 0; k < NUMBERS && k + 2 < argc; k++)
        number[k] = strtoull(argv[k + 2], NULL, 10);
    if (strcmp(what, "linger") == 0)
        linger((int)number[0], (pid_t)number[1]);

    const struct shape *shape = shape_of(what);
    size_t count = shape->children < 0 ? 0 : number[shape->children];
    shape->make();
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
        if (!shape->child)
            become_sleeper(argv[0], ready[1], parent);
        shape->child(k);
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
    hold(pids, count);
    return 0;
}
