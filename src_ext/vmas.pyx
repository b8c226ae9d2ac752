"""The text of /proc/PID/maps into columns, and what to read of the pagemap beside it."""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pw cimport (
    PW_TELLS_ANON, PW_TELLS_SHMEM, pw_count_lines, pw_devices, pw_first_overlap, pw_parse_maps, pw_plan_reading,
    pw_reading, pw_vmas, ssize_t,
)

TELLS_ANON, TELLS_SHMEM = PW_TELLS_ANON, PW_TELLS_SHMEM


def count_lines(const uint8_t[::1] text not None):
    if text.shape[0] == 0:
        return 0
    return pw_count_lines(<const char *>&text[0], text.shape[0])


@cython.final
@cython.auto_pickle(False)
cdef class Maps:
    """Takes one text after the other apart, into the caller's columns."""

    cdef uint64_t[::1] start, end, offset, inode
    cdef uint32_t[::1] major, minor, name_at, name_len
    cdef uint8_t[::1] perms
    cdef pw_vmas columns
    cdef const uint8_t[::1] text
    cdef readonly Py_ssize_t rows
    cdef readonly uint64_t vss

    def __init__(
        self,
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
        cdef Py_ssize_t room = start.shape[0]
        for length in (
            end.shape[0], offset.shape[0], inode.shape[0], major.shape[0], minor.shape[0],
            perms.shape[0], name_at.shape[0], name_len.shape[0],
        ):
            if length != room:
                raise ValueError("the columns differ in length")
        self.start, self.end, self.offset, self.inode = start, end, offset, inode
        self.major, self.minor, self.perms = major, minor, perms
        self.name_at, self.name_len = name_at, name_len
        if room:
            self.columns = pw_vmas(
                &start[0], &end[0], &offset[0], &inode[0], &major[0], &minor[0], &perms[0], &name_at[0], &name_len[0]
            )

    def parse(self, const uint8_t[::1] text not None):
        """Take a text apart; returns its lines, at most as many as there is room for.

        -(number) of the first line that is not of the form.
        """
        cdef ssize_t rows = 0
        self.text = text
        self.rows = 0
        if self.start is not None and self.start.shape[0] and text.shape[0]:
            with nogil:
                rows = pw_parse_maps(<const char *>&text[0], text.shape[0], &self.columns, self.start.shape[0])
        if rows > 0:
            self.rows = rows
        return rows

    def overlap(self):
        """Return the row of the first line that begins before the one above it ends, or the number of rows."""
        return pw_first_overlap(&self.columns, self.rows)

    def plan(
        self,
        uint64_t page_size,
        uint64_t bridge,
        const uint64_t[::1] plain not None,
        uint64_t shmem,
        uint64_t[::1] range_start not None,
        uint64_t[::1] range_stop not None,
        uint64_t[::1] vma_start not None,
        uint64_t[::1] vma_stop not None,
        uint8_t[::1] tells not None,
    ):
        """Fill in where to read the pagemap of what was parsed last; returns the number of ranges."""
        cdef pw_devices devices
        cdef pw_reading out
        cdef size_t ranges
        if page_size == 0:
            raise ValueError("page_size is 0")
        for length in (
            range_start.shape[0], range_stop.shape[0], vma_start.shape[0], vma_stop.shape[0], tells.shape[0]
        ):
            if length < self.rows:
                raise ValueError("less room than there are VMAs")
        if self.rows == 0:
            self.vss = 0
            return 0
        devices.plain = &plain[0] if plain.shape[0] else NULL
        devices.count = plain.shape[0]
        devices.shmem = shmem
        out = pw_reading(&range_start[0], &range_stop[0], &vma_start[0], &vma_stop[0], &tells[0])
        with nogil:
            ranges = pw_plan_reading(
                &self.columns, self.rows, <const char *>&self.text[0], page_size, bridge, &devices, &out, &self.vss
            )
        return ranges
