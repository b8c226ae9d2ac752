// Which pages of a file are in memory, and in which frames, without bringing any of it in.
#ifndef PW_RESIDENCE_H
#define PW_RESIDENCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Looks at `pages` pages of a file from byte `offset` on: maps them for the time of the call, asks which are resident
// (a byte a page in `resident`), and takes their pagemap entries into `words`, 0 for a page that is not in memory.
// Returns the number of resident pages, or -errno. Never reads from disk, never changes what the kernel thinks of a
// page's age.
ssize_t pw_resident_words(int fd, int fd_pagemap, uint64_t offset, size_t page_size, unsigned char *resident,
                          uint64_t *words, size_t pages);

// Whether a file is of hugetlbfs, where a hole that is looked at becomes a huge page: 1, 0, or -errno.
int pw_is_hugetlbfs(int fd);

#endif
