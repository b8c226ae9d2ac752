"""The entries of the populated parts of an address space, a buffer at a time."""

import os

cimport cython
from libc.errno cimport EINVAL, ENOTTY
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pw cimport (
    PW_PM_FILE, PW_PM_GUARD_REGION, PW_PM_MMAP_EXCLUSIVE, PW_PM_PFRAME_MASK, PW_PM_PRESENT, PW_PM_SWAP,
    PW_SWAP_OFFSET_SHIFT, PW_TELLS_ANON, PW_TELLS_SHIFT, PW_TOLD_ANON, PW_TOLD_SHMEM,
    pw_now, pw_pause, pw_read_words, pw_region, pw_scan_populated, ssize_t,
)

cdef enum:
    REGIONS = 256        # fewer than the 512 that the kernel gathers at a time, so one call is one batch
    BRIDGE = 256         # pages: a pread costs as much as some 256 empty entries
    SPARSE_CHUNK = 4096  # entries: a read at least this long decides whether what follows is sparse
    SCAN_PAGES = 32768   # the most pages one scan may report: it holds mmap_lock all the while


@cython.final
@cython.auto_pickle(False)
cdef class Reader:
    """Fills ``entries`` again and again with what ``ranges`` of one pagemap hold."""

    cdef int fd
    cdef uint64_t page_size
    cdef uint64_t[::1] starts, stops, entries, seg_page
    cdef uint32_t[::1] seg_len
    cdef uint64_t[::1] vma_start, vma_stop
    cdef uint8_t[::1] tells
    cdef bint bounded            # what lies in no VMA is cleared
    cdef bint telling            # what VMAs tell is written into the entries
    cdef Py_ssize_t n_ranges, n_vmas, vma
    cdef uint64_t scan_pages, pause_ns
    cdef Py_ssize_t range_now
    cdef uint64_t at             # the next page to read
    cdef bint sparse             # going by what PAGEMAP_SCAN found
    cdef uint64_t stretch_end    # the end of the populated stretch being read, when sparse
    cdef uint64_t scanned_to     # everything before it was scanned, when sparse
    cdef uint64_t judged, filled  # entries read since it was last chosen, and how many of them hold something
    cdef pw_region regions[REGIONS]
    cdef Py_ssize_t region_now, n_regions
    cdef readonly bint can_scan, gone
    cdef readonly Py_ssize_t segments
    cdef readonly uint64_t words, reads, scans, longest_ns

    def __init__(
        self,
        int fd,
        uint64_t[::1] starts not None,
        uint64_t[::1] stops not None,
        uint64_t[::1] entries not None,
        uint64_t[::1] seg_page not None,
        uint32_t[::1] seg_len not None,
        uint64_t page_size,
        bint can_scan=True,
        uint64_t[::1] vma_start=None,
        uint64_t[::1] vma_stop=None,
        uint8_t[::1] tells=None,
        uint64_t scan_pages=SCAN_PAGES,
        uint64_t pause_ns=0,
    ):
        """What lies in no VMA from ``vma_start`` to ``vma_stop`` is cleared; ``tells``: what each says of its pages.

        ``scan_pages``: the most pages one scan may report. ``pause_ns``: a pause after each system call.
        """
        if (vma_start is None) != (vma_stop is None) or (tells is not None and vma_start is None):
            raise ValueError("vma_start, vma_stop and tells go together")
        if vma_start is not None and vma_start.shape[0] != vma_stop.shape[0]:
            raise ValueError("vma_start and vma_stop differ in length")
        if tells is not None and tells.shape[0] != vma_start.shape[0]:
            raise ValueError("tells has another length than vma_start")
        if not 0 < scan_pages <= SCAN_PAGES:
            raise ValueError("scan_pages is 0, or more than a scan may hold the lock for")
        if starts.shape[0] != stops.shape[0]:
            raise ValueError("starts and stops differ in length")
        if entries.shape[0] == 0 or seg_page.shape[0] < entries.shape[0] or seg_len.shape[0] < entries.shape[0]:
            raise ValueError("entries is empty, or the segments have less room than it")
        if page_size == 0:
            raise ValueError("page_size is 0")
        self.fd = fd
        self.starts = starts
        self.stops = stops
        self.entries = entries
        self.seg_page = seg_page
        self.seg_len = seg_len
        self.page_size = page_size
        self.vma_start = vma_start
        self.vma_stop = vma_stop
        self.tells = tells
        self.bounded = vma_start is not None
        self.telling = tells is not None
        self.scan_pages = scan_pages
        self.pause_ns = pause_ns
        self.aim(fd, starts.shape[0], vma_start.shape[0] if vma_start is not None else 0, can_scan)

    def aim(self, int fd, Py_ssize_t ranges, Py_ssize_t vmas, bint can_scan=True):
        """Read another pagemap: as many ranges and VMAs as said, from the start of the same arrays."""
        if not 0 <= ranges <= self.starts.shape[0] or ranges > self.stops.shape[0]:
            raise ValueError("fewer ranges than said")
        if vmas < 0 or (self.bounded and vmas > self.vma_start.shape[0]):
            raise ValueError("fewer VMAs than said")
        self.fd = fd
        self.n_ranges = ranges
        self.n_vmas = vmas
        self.can_scan = can_scan
        self.gone = False
        self.segments = 0
        self.words = self.reads = self.scans = self.longest_ns = 0
        self.vma = 0
        self.stretch_end = self.scanned_to = 0
        self.region_now = self.n_regions = 0
        self.range_now = -1
        self.next_range()

    cdef void next_range(self) noexcept nogil:
        self.range_now += 1
        self.sparse = False
        self.judged = self.filled = 0
        if self.range_now < self.n_ranges:
            self.at = self.starts[self.range_now]

    cdef void note(self, uint64_t began) noexcept nogil:
        cdef uint64_t took = pw_now() - began
        if took > self.longest_ns:
            self.longest_ns = took
        if self.pause_ns:
            pw_pause(self.pause_ns)

    cdef ssize_t scan(self) noexcept nogil:
        """Ask where the range holds something from ``scanned_to`` on; returns ranges found, or -errno."""
        cdef uint64_t start = self.scanned_to * self.page_size
        cdef uint64_t stop = self.stops[self.range_now] * self.page_size
        cdef uint64_t after = start, began = pw_now()
        cdef ssize_t found = pw_scan_populated(
            self.fd, start, stop, self.page_size, self.scan_pages, self.regions, REGIONS, &after
        )
        self.note(began)
        self.scans += 1
        if found < 0:
            return found
        if after <= start:
            return -EINVAL       # no progress
        self.scanned_to = after // self.page_size
        self.region_now = 0
        self.n_regions = found
        return found

    cdef void next_stretch(self) noexcept nogil:
        """Take the next populated ranges as one stretch, small gaps bridged."""
        cdef uint64_t stop
        self.judged = self.filled = 0
        self.at = self.regions[self.region_now].start // self.page_size
        stop = self.regions[self.region_now].end // self.page_size
        self.region_now += 1
        while (
            self.region_now < self.n_regions
            and self.regions[self.region_now].start // self.page_size <= stop + BRIDGE
        ):
            stop = self.regions[self.region_now].end // self.page_size
            self.region_now += 1
        self.stretch_end = stop

    cdef ssize_t seek(self) noexcept nogil:
        """Move ``at`` to the next entry worth reading; 1 if there is one, 0 at the end, or -errno."""
        cdef ssize_t found
        while self.range_now < self.n_ranges:
            if not self.sparse:
                if self.at < self.stops[self.range_now]:
                    return 1
                self.next_range()
            elif self.at < self.stretch_end:
                return 1
            elif self.region_now < self.n_regions:
                self.next_stretch()
            elif self.scanned_to >= self.stops[self.range_now]:
                self.next_range()
            else:
                found = self.scan()
                if found == -ENOTTY or found == -EINVAL:
                    self.can_scan = False       # a kernel before 6.7, or a made file
                    self.at = self.scanned_to
                    self.sparse = False
                elif found < 0:
                    return found
        return 0

    cdef void judge(self, Py_ssize_t first, ssize_t got) noexcept nogil:
        """Choose between plain reading and scanning by how full the last SPARSE_CHUNK entries or more were.

        However many reads they took: with a buffer smaller than that nothing would be found sparse otherwise.
        """
        cdef Py_ssize_t i
        if not self.can_scan:
            return
        for i in range(first, first + got):
            # Not any entry but 0: in a VMA that is soft-dirty its holes have bit 55 set (task_mmu.c:pagemap_pte_hole).
            self.filled += (self.entries[i] & (PW_PM_PRESENT | PW_PM_SWAP)) != 0
        self.judged += got
        if self.judged < SPARSE_CHUNK:
            return
        if not self.sparse and self.filled * 8 < self.judged:
            self.sparse = True
            self.stretch_end = self.scanned_to = self.at
            self.region_now = self.n_regions = 0
        elif (
            self.sparse and self.filled * 2 > self.judged
            and self.at == self.stretch_end and self.region_now == self.n_regions
        ):
            self.at = self.scanned_to
            self.sparse = False
        self.judged = self.filled = 0

    cdef void tell(self, Py_ssize_t first, uint64_t count) noexcept nogil:
        """Clear those of the entries just read that lie in no VMA, and write into the others what their VMA tells."""
        cdef uint64_t page = self.at, stop = self.at + count, until, told, kept, i
        cdef uint64_t *entry = &self.entries[first]
        while page < stop:
            while self.vma < self.n_vmas and self.vma_stop[self.vma] <= page:
                self.vma += 1
            if self.vma == self.n_vmas or self.vma_start[self.vma] > page:
                until = stop
                if self.vma < self.n_vmas and self.vma_start[self.vma] < stop:
                    until = self.vma_start[self.vma]
                for i in range(until - page):
                    entry[i] = 0
            else:
                until = self.vma_stop[self.vma] if self.vma_stop[self.vma] < stop else stop
                if self.telling:
                    told = <uint64_t>self.tells[self.vma] << PW_TELLS_SHIFT
                    kept = ~(PW_TOLD_ANON | PW_TOLD_SHMEM)
                    if not self.tells[self.vma] & PW_TELLS_ANON:
                        kept &= ~PW_PM_MMAP_EXCLUSIVE
                    for i in range(until - page):
                        entry[i] = entry[i] & kept | told
            entry += until - page
            page = until

    cdef ssize_t fill(self) noexcept nogil:
        cdef Py_ssize_t used = 0, room = self.entries.shape[0]
        cdef uint64_t count, began
        cdef ssize_t got
        self.segments = 0
        while used < room and not self.gone:
            got = self.seek()
            if got <= 0:
                return got if got < 0 else used
            count = (self.stretch_end if self.sparse else self.stops[self.range_now]) - self.at
            if count > <uint64_t>(room - used):
                count = room - used
            began = pw_now()
            got = pw_read_words(self.fd, self.at, &self.entries[used], count)
            self.note(began)
            self.reads += 1
            if got < 0:
                return got
            # A dead address space reads as nothing (pagemap_read: mmget_not_zero fails).
            self.gone = <uint64_t>got < count
            if got > 0:
                self.seg_page[self.segments] = self.at
                self.seg_len[self.segments] = <uint32_t>got
                self.segments += 1
                self.words += got
                if self.bounded:
                    self.tell(used, got)
                self.at += got
                self.judge(used, got)
                used += got
        return used

    def next(self):
        """Fill the buffer; returns how many entries it holds, 0 at the end."""
        cdef ssize_t used
        with nogil:
            used = self.fill()
        if used < 0:
            raise OSError(-used, os.strerror(-used), "pagemap")
        return used


cdef inline bint continues(uint64_t word, uint64_t last, uint64_t run) noexcept nogil:
    """Whether an entry goes on where a run of ``run`` entries that began with ``last`` ends."""
    cdef uint64_t kind = PW_PM_PRESENT | PW_PM_SWAP | PW_PM_GUARD_REGION | PW_PM_FILE
    cdef uint64_t step = 1 if last & PW_PM_PRESENT else <uint64_t>1 << PW_SWAP_OFFSET_SHIFT
    return (word & kind) == (last & kind) and (
        word & PW_PM_PFRAME_MASK
    ) == (last & PW_PM_PFRAME_MASK) + run * step


def compress(
    const uint64_t[::1] entries not None,
    const uint64_t[::1] seg_page not None,
    const uint32_t[::1] seg_len not None,
    Py_ssize_t segments,
    uint64_t[::1] page not None,
    uint64_t[::1] word not None,
    uint32_t[::1] length not None,
):
    """Write the present and swapped entries as runs; returns how many. The arrays hold as many as ``entries``."""
    cdef Py_ssize_t s, i, at = 0, runs = 0
    cdef uint64_t entry, vpn, total = 0
    if segments > seg_page.shape[0] or segments > seg_len.shape[0]:
        raise ValueError("fewer segments than said")
    for s in range(segments):
        total += seg_len[s]
    if total > <uint64_t>entries.shape[0]:
        raise ValueError("the segments are longer than the entries")
    if page.shape[0] < entries.shape[0] or word.shape[0] < entries.shape[0] or length.shape[0] < entries.shape[0]:
        raise ValueError("the runs have less room than the entries")
    with nogil:
        for s in range(segments):
            for i in range(seg_len[s]):
                entry = entries[at + i]
                if not entry & (PW_PM_PRESENT | PW_PM_SWAP):
                    continue
                vpn = seg_page[s] + i
                if (
                    runs
                    and page[runs - 1] + length[runs - 1] == vpn
                    and continues(entry, word[runs - 1], length[runs - 1])
                ):
                    length[runs - 1] += 1
                    continue
                page[runs] = vpn
                word[runs] = entry
                length[runs] = 1
                runs += 1
            at += seg_len[s]
    return runs
