"""Which pages of a file are in memory, and their pagemap entries."""

import os

from libc.stdint cimport uint8_t, uint64_t

from pw cimport pw_is_hugetlbfs, pw_resident_words, ssize_t


def resident_words(
    int fd,
    int fd_pagemap,
    uint64_t offset,
    size_t page_size,
    uint8_t[::1] resident not None,
    uint64_t[::1] words not None,
):
    cdef ssize_t got
    if resident.shape[0] != words.shape[0]:
        raise ValueError("resident and words differ in length")
    if page_size == 0 or offset % page_size:
        raise ValueError("offset is no multiple of the page size")
    if words.shape[0] == 0:
        return 0
    with nogil:
        got = pw_resident_words(fd, fd_pagemap, offset, page_size, &resident[0], &words[0], words.shape[0])
    if got < 0:
        raise OSError(-got, os.strerror(-got))
    return got


def is_hugetlbfs(int fd):
    cdef int answer
    with nogil:
        answer = pw_is_hugetlbfs(fd)
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    return bool(answer)
