/* The adaptive floor: the least that reading what is populated costs, nothing kept.
 *
 *   adaptive_floor PID...
 *
 * As floor.c, but gaps of up to 256 pages between VMAs are read too, and what is sparse is not read whole: after a
 * chunk less than an eighth full the PAGEMAP_SCAN ioctl (Linux 6.7) says where pages are, at most 256 ranges or 32,768
 * pages at a time, and only these are read, gaps of up to 256 pages bridged; back to plain reading where a scan finds
 * half of what it went through. Of the entries only this is looked at: whether they hold a page.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/ioctl.h>

#include "reading.h"

enum { ENTRIES = 32768, BRIDGE = 256, REGIONS = 256, SCAN_PAGES = 32768, ENOUGH = 4096 };

/* include/uapi/linux/fs.h: struct page_region, struct pm_scan_arg. Debian 12's headers are older. */
struct region {
    uint64_t start, end, categories;
};

struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_PAGEMAP _IOWR('f', 16, struct scan)
#define IS_PRESENT_OR_SWAPPED (UINT64_C(1) << 3 | UINT64_C(1) << 4)
#define PRESENT_OR_SWAPPED (UINT64_C(1) << 63 | UINT64_C(1) << 62)

struct work {
    uint64_t processes, vmas, pages, entries, populated, reads, scans;
};

static uint64_t buffer[ENTRIES];
static struct region regions[REGIONS];
static uint64_t page;
static int can_scan = 1;

/* Reads entries, at most a buffer of them; how many, 0 if the process has ended. Of these `populated` hold a page. */
static uint64_t read_entries(int pagemap, uint64_t first, uint64_t last, struct work *work, uint64_t *populated)
{
    size_t want = last - first < ENTRIES ? (size_t)(last - first) : ENTRIES;
    ssize_t got = pread(pagemap, buffer, want * sizeof *buffer, (off_t)(first * sizeof *buffer));
    uint64_t count = got <= 0 ? 0 : (uint64_t)got / sizeof *buffer;
    *populated = 0;
    for (uint64_t k = 0; k < count; k++)
        *populated += (buffer[k] & PRESENT_OR_SWAPPED) != 0;
    work->reads++;
    work->entries += count;
    work->populated += *populated;
    return count;
}

/* Finds what is populated from page `first` on; how many regions, -1 if there is no such ioctl. `next` is where to go on. */
static int find_regions(int pagemap, uint64_t first, uint64_t last, uint64_t *next, struct work *work)
{
    struct scan scan = {
        .size = sizeof scan, .start = first * page, .end = last * page, .vec = (uint64_t)(uintptr_t)regions,
        .vec_len = REGIONS, .max_pages = SCAN_PAGES, .category_anyof_mask = IS_PRESENT_OR_SWAPPED,
        .return_mask = IS_PRESENT_OR_SWAPPED,
    };
    uint64_t pages = 0;
    int found;
    do
        found = ioctl(pagemap, SCAN_PAGEMAP, &scan);
    while (found < 0 && errno == EINTR);
    work->scans++;
    if (found < 0)
        return -1;
    for (int k = 0; k < found; k++)
        pages += (regions[k].end - regions[k].start) / page;
    /* walk_end may be stale (fs/proc/task_mmu.c:do_pagemap_scan): room left in both limits says that it is done. */
    *next = last;
    if (found < REGIONS && pages < SCAN_PAGES)
        return found;
    *next = found ? regions[found - 1].end / page : first;
    if (scan.walk_end / page > *next && scan.walk_end / page <= last)
        *next = scan.walk_end / page;
    return found;
}

/* Reads the regions found, small gaps bridged; how many entries held a page. */
static uint64_t read_regions(int pagemap, int found, struct work *work)
{
    uint64_t total = 0, populated, got;
    for (int k = 0; k < found;) {
        uint64_t first = regions[k].start / page, last = regions[k].end / page;
        for (k++; k < found && regions[k].start / page <= last + BRIDGE; k++)
            last = regions[k].end / page;
        for (; first < last; first += got, total += populated)
            if ((got = read_entries(pagemap, first, last, work, &populated)) == 0)
                return total;
    }
    return total;
}

static void read_range(int pagemap, uint64_t first, uint64_t last, struct work *work)
{
    uint64_t got, populated, next;
    int sparse = 0;
    while (first < last) {
        int found = sparse ? find_regions(pagemap, first, last, &next, work) : -1;
        if (found >= 0 && next > first) {
            sparse = 2 * read_regions(pagemap, found, work) < next - first;
            first = next;
            continue;
        }
        if (sparse)
            can_scan = 0;
        if ((got = read_entries(pagemap, first, last, work, &populated)) == 0)
            return;
        sparse = can_scan && got >= ENOUGH && 8 * populated < got;
        first += got;
    }
}

static void read_process(const char *pid, struct work *work)
{
    uint64_t first, last, start = 0, stop = 0;
    if (read_text(open_of(pid, "maps")) == 0)  /* a kernel thread, a zombie, or it has ended */
        return;
    int pagemap = open_of(pid, "pagemap");
    if (pagemap < 0)
        return;
    work->processes++;
    for (const char *at = text; next_vma(&at, page, &first, &last);) {
        work->vmas++;
        work->pages += last - first;
        if (stop && first <= stop + BRIDGE) {
            stop = last;
            continue;
        }
        read_range(pagemap, start, stop, work);
        start = first;
        stop = last;
    }
    read_range(pagemap, start, stop, work);
    close(pagemap);
}

int main(int argc, char **argv)
{
    struct work work;
    page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (int pass = 0; pass < 2; pass++) {
        memset(&work, 0, sizeof work);
        start_clocks();
        for (int k = 1; k < argc; k++)
            read_process(argv[k], &work);
        stop_clocks();
    }
    print_costs();
    printf(" processes %" PRIu64 " vmas %" PRIu64 " pages %" PRIu64 " entries %" PRIu64 " populated %" PRIu64
           " reads %" PRIu64 " scans %" PRIu64 "\n",
           work.processes, work.vmas, work.pages, work.entries, work.populated, work.reads, work.scans);
    return 0;
}
