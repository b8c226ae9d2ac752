/* The floor of the books of all RAM: what reading the three kpage files costs, nothing looked at.
 *
 *   kpage_floor
 *
 * The frames of the System RAM that /proc/iomem names, which are those that pagewalk reads when all of RAM is asked
 * for: the same 65,536 frames of each file in turn, into three reused buffers. Twice; the second time is measured.
 */
#define _GNU_SOURCE
#include "reading.h"

enum { BLOCK = 65536, FILES = 3, SPANS = 4096 };

static const char *const names[FILES] = {"/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup"};
static struct { uint64_t first, last; } spans[SPANS];
static uint64_t buffer[FILES][BLOCK];

/* Finds the spans of frames; how many. Of a page that is only partly RAM there is no frame. */
static size_t find_spans(uint64_t page)
{
    size_t count = 0;
    const char *at = text, *line;
    read_text(open("/proc/iomem", O_RDONLY));
    for (at = text; *at && count < SPANS; at = line + 1) {
        line = strchr(at, '\n');
        if (!line)
            break;
        const char *name = strstr(at, " : ");
        uint64_t start = take_hex(&at), stop = (at++, take_hex(&at)) + 1;
        if (name && name < line && strncmp(name, " : System RAM\n", 14) == 0 && start < stop - 1) {
            spans[count].first = (start + page - 1) / page;
            spans[count++].last = stop / page;
        }
    }
    return count;
}

static uint64_t read_span(const int *fds, uint64_t first, uint64_t last)
{
    uint64_t words = 0;
    for (; first < last; first += BLOCK)
        for (int k = 0; k < FILES; k++) {
            size_t want = last - first < BLOCK ? (size_t)(last - first) : BLOCK;
            ssize_t got = fds[k] < 0 ? 0 : pread(fds[k], buffer[k], want * 8, (off_t)(first * 8));
            words += got > 0 ? (uint64_t)got / 8 : 0;
        }
    return words;
}

int main(void)
{
    uint64_t frames = 0, words = 0;
    int fds[FILES];
    for (int pass = 0; pass < 2; pass++) {
        frames = words = 0;
        start_clocks();
        for (int k = 0; k < FILES; k++)  /* without CONFIG_MEMCG there are two */
            fds[k] = open(names[k], O_RDONLY);
        size_t count = find_spans((uint64_t)sysconf(_SC_PAGESIZE));
        for (size_t k = 0; k < count; k++) {
            frames += spans[k].last - spans[k].first;
            words += read_span(fds, spans[k].first, spans[k].last);
        }
        for (int k = 0; k < FILES; k++)
            if (fds[k] >= 0)
                close(fds[k]);
        stop_clocks();
    }
    print_costs();
    printf(" frames %" PRIu64 " words %" PRIu64 "\n", frames, words);
    return words ? 0 : 1;
}
