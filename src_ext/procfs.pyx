"""Raw reading of the files of /proc: words, text, and which processes share an address space."""

import errno
import os

from libc.stdint cimport uint8_t, uint64_t

from pw cimport pw_read_text, pw_read_words, pw_same_mm, ssize_t


def _raise(ssize_t code, int fd):
    """Turn -errno into an OSError that names the file behind the descriptor."""
    try:
        path = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        path = f"file descriptor {fd}"
    raise OSError(-code, os.strerror(-code), path)


def read_words(int fd, uint64_t first, uint64_t[::1] out not None):
    cdef ssize_t got
    if out.shape[0] == 0:
        return 0
    with nogil:
        got = pw_read_words(fd, first, &out[0], out.shape[0])
    if got < 0:
        _raise(got, fd)
    return got


def read_text(int fd, size_t at_first=16384):
    cdef uint8_t[::1] view
    cdef ssize_t got
    cdef size_t room = at_first, used = 0
    if room == 0:
        raise ValueError("a buffer of 0 bytes")
    buffer = bytearray(room)
    while True:
        view = buffer
        with nogil:
            got = pw_read_text(fd, <char *>&view[used], room - used)
        view = None
        if got < 0:
            _raise(got, fd)
        used += got
        if used < room:
            return bytes(buffer[:used])
        room *= 4
        buffer += bytes(room - used)


def same_mm(int pid_a, int pid_b):
    cdef int answer
    with nogil:
        answer = pw_same_mm(pid_a, pid_b)
    if answer < 0:
        raise OSError(-answer, f"kcmp({pid_a}, {pid_b}, KCMP_VM): {os.strerror(-answer)}")
    if answer > 2:
        raise OSError(errno.ENOTSUP, f"kcmp({pid_a}, {pid_b}, KCMP_VM): no order")
    return answer
