"""Raw reading of the files of /proc: words, text, and which processes share an address space."""

import errno
import os

from libc.stdint cimport uint8_t, uint64_t

from pw cimport (
    pw_close, pw_open_at, pw_open_space, pw_parse_stat, pw_read_text, pw_read_words, pw_same_mm, pw_space, pw_stat,
    ssize_t,
)


cdef extern from "Python.h":
    ctypedef struct PyObject
    PyObject *PyBytes_FromStringAndSize(const char *text, Py_ssize_t size)
    int _PyBytes_Resize(PyObject **bytes, Py_ssize_t size)
    char *PyBytes_AS_STRING(PyObject *bytes)
    void Py_DECREF(PyObject *object)


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
    cdef PyObject *whole
    cdef char *to
    cdef ssize_t got
    cdef size_t room = at_first, used = 0
    if room == 0:
        raise ValueError("a buffer of 0 bytes")
    # Bytes that are not to be cleared first, nor copied at the end.
    whole = PyBytes_FromStringAndSize(NULL, room)
    if whole == NULL:
        raise MemoryError
    while True:
        to = PyBytes_AS_STRING(whole)
        with nogil:
            got = pw_read_text(fd, to + used, room - used)
        if got < 0:
            Py_DECREF(whole)
            _raise(got, fd)
        used += got
        if used < room:
            break
        room *= 4
        if _PyBytes_Resize(&whole, room) < 0:
            raise MemoryError
    if _PyBytes_Resize(&whole, used) < 0:
        raise MemoryError
    text = <object>whole
    Py_DECREF(whole)
    return text


def read_file(int dir_fd, bytes name not None, size_t at_first=4096):
    cdef const char *path = name
    cdef int fd
    with nogil:
        fd = pw_open_at(dir_fd, path)
    if fd < 0:
        raise OSError(-fd, os.strerror(-fd), os.fsdecode(name))
    try:
        return read_text(fd, at_first)
    finally:
        pw_close(fd)


cdef tuple stat_fields(const pw_stat *stat):
    return (
        stat.pid, stat.comm[:stat.comm_len], chr(stat.state), stat.ppid, stat.flags, stat.start_time, stat.vsize,
        stat.rss_pages, (
            stat.layout[0], stat.layout[1], stat.layout[2], stat.layout[3], stat.layout[4],
            stat.layout[5], stat.layout[6], stat.layout[7], stat.layout[8], stat.layout[9],
        ),
    )


def parse_stat(const uint8_t[::1] text not None):
    """Take the text of stat apart: pid, comm, state, ppid, flags, start_time, vsize, rss_pages, layout; None if it is
    not of the form.
    """
    cdef pw_stat stat
    if text.shape[0] == 0 or pw_parse_stat(<const char *>&text[0], text.shape[0], &stat):
        return None
    return stat_fields(&stat)


def open_space(bytes path not None, uint8_t[::1] text not None):
    """Open the directory and the pagemap of a process, and read its maps into ``text``, then its stat.

    Returns (directory, pagemap, bytes of maps, fields of stat as `parse_stat` has them); None where maps has no room,
    () where stat is not of the form.
    """
    cdef pw_space space
    cdef const char *at = path
    cdef int failed
    if text.shape[0] == 0:
        return None
    with nogil:
        failed = pw_open_space(at, <char *>&text[0], text.shape[0], &space)
    if failed == -errno.EMSGSIZE:
        return None
    if failed == -errno.EBADMSG:
        return ()
    if failed:
        raise OSError(-failed, os.strerror(-failed), os.fsdecode(space.file))
    return space.dir, space.pagemap, space.used, stat_fields(&space.stat)


def same_mm(int pid_a, int pid_b):
    cdef int answer
    with nogil:
        answer = pw_same_mm(pid_a, pid_b)
    if answer < 0:
        raise OSError(-answer, f"kcmp({pid_a}, {pid_b}, KCMP_VM): {os.strerror(-answer)}")
    if answer > 2:
        raise OSError(errno.ENOTSUP, f"kcmp({pid_a}, {pid_b}, KCMP_VM): no order")
    return answer
