"""The text of /proc/PID/maps into columns."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pw cimport pw_count_lines, pw_parse_maps, pw_vmas, ssize_t


def count_lines(const uint8_t[::1] text not None):
    if text.shape[0] == 0:
        return 0
    return pw_count_lines(<const char *>&text[0], text.shape[0])


def parse(
    const uint8_t[::1] text not None,
    uint64_t[::1] start not None,
    uint64_t[::1] end not None,
    uint64_t[::1] offset not None,
    uint64_t[::1] inode not None,
    uint32_t[::1] major not None,
    uint32_t[::1] minor not None,
    uint8_t[::1] perms not None,
    uint32_t[::1] name_at not None,
    uint32_t[::1] name_len not None,
):
    cdef pw_vmas columns
    cdef ssize_t rows
    cdef Py_ssize_t room = start.shape[0]
    for length in (
        end.shape[0], offset.shape[0], inode.shape[0], major.shape[0], minor.shape[0],
        perms.shape[0], name_at.shape[0], name_len.shape[0],
    ):
        if length != room:
            raise ValueError("the columns differ in length")
    if room == 0 or text.shape[0] == 0:
        return 0
    columns = pw_vmas(
        &start[0], &end[0], &offset[0], &inode[0], &major[0], &minor[0], &perms[0], &name_at[0], &name_len[0]
    )
    with nogil:
        rows = pw_parse_maps(<const char *>&text[0], text.shape[0], &columns, room)
    return rows
