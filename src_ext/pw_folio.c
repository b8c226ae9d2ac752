#include "pw_folio.h"

#include "pw_abi.h"
#include "pw_io.h"

enum { PW_MAX_ORDER = 18 };  // a huge page of 1 GiB in pages of 4 KiB; larger ones are found order by order too

int pw_find_head(int fd_flags, uint64_t pfn, uint64_t *head, uint64_t *flags)
{
    // A folio of order k starts at a multiple of 2^k frames, and all between its head and pfn are tails: the nearest
    // aligned-down frame that is a head is the head.
    uint64_t last = pfn;
    for (int order = 1; order <= PW_MAX_ORDER; order++) {
        uint64_t candidate = pfn & ~((UINT64_C(1) << order) - 1);
        if (candidate == last)
            continue;
        last = candidate;
        uint64_t word = 0;
        ssize_t got = pw_read_words(fd_flags, candidate, &word, 1);
        if (got < 0)
            return (int)got;
        if (got == 1 && (word & PW_KPF_COMPOUND_HEAD)) {
            *head = candidate;
            *flags = word;
            return 0;
        }
        if (got != 1 || !(word & PW_KPF_COMPOUND_TAIL))
            return 1;
    }
    return 1;
}
