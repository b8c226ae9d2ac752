/* The floor: what reading the bytes costs, nothing looked at.
 *
 *   floor PID...
 *
 * Of each process the maps are read and the addresses in them parsed, and the pagemap of every VMA is read, 256 KiB at
 * a time into one reused buffer. All of it is done twice and the second time is measured, so that what the kernel
 * makes on a first visit (the entries of /proc in its caches) is paid by nobody. One line says what it took.
 */
#define _GNU_SOURCE
#include "reading.h"

enum { ENTRIES = 32768 };

struct work {
    uint64_t processes, vmas, pages, entries, reads;
};

static uint64_t buffer[ENTRIES];

static void read_vma(int pagemap, uint64_t first, uint64_t last, struct work *work)
{
    while (first < last) {
        size_t want = last - first < ENTRIES ? (size_t)(last - first) : ENTRIES;
        ssize_t got = pread(pagemap, buffer, want * sizeof *buffer, (off_t)(first * sizeof *buffer));
        work->reads++;
        if (got <= 0)  /* the process has ended */
            return;
        work->entries += (uint64_t)got / sizeof *buffer;
        first += (uint64_t)got / sizeof *buffer;
    }
}

static void read_process(const char *pid, uint64_t page, struct work *work)
{
    uint64_t first, last;
    if (read_text(open_of(pid, "maps")) == 0)  /* a kernel thread, a zombie, or it has ended */
        return;
    int pagemap = open_of(pid, "pagemap");
    if (pagemap < 0)
        return;
    work->processes++;
    for (const char *at = text; next_vma(&at, page, &first, &last);) {
        work->vmas++;
        work->pages += last - first;
        read_vma(pagemap, first, last, work);
    }
    close(pagemap);
}

int main(int argc, char **argv)
{
    struct work work;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (int pass = 0; pass < 2; pass++) {
        memset(&work, 0, sizeof work);
        start_clocks();
        for (int k = 1; k < argc; k++)
            read_process(argv[k], page, &work);
        stop_clocks();
    }
    print_costs();
    printf(" processes %" PRIu64 " vmas %" PRIu64 " pages %" PRIu64 " entries %" PRIu64 " reads %" PRIu64 "\n",
           work.processes, work.vmas, work.pages, work.entries, work.reads);
    return 0;
}
