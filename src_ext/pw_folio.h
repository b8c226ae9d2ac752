// The head of a folio, looked up through /proc/kpageflags.
#ifndef PW_FOLIO_H
#define PW_FOLIO_H

#include <stdint.h>

// Finds the head of the compound page that `pfn`, a tail, belongs to. Returns 0 and fills *head and *flags, 1 where no
// head is found (the folio was split or freed meanwhile), or -errno.
int pw_find_head(int fd_flags, uint64_t pfn, uint64_t *head, uint64_t *flags);

#endif
