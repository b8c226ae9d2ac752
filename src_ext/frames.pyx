"""What the kernel says of each wanted frame, tallied by owner set."""

import os

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pw cimport (
    PW_BLOCK_ASKED, PW_BLOCK_HUGE, PW_BLOCK_SHIFT, PW_KPF_ANON, PW_KPF_COMPOUND_HEAD, PW_KPF_COMPOUND_TAIL,
    PW_KPF_OF_FOLIO, PW_KPF_ON_NEW_TAILS, PW_KPF_OWNER_2, pw_find_head, pw_intern, pw_intern_key, pw_intern_rehash,
    pw_key, pw_read_words, pw_skip_bytes, pw_skip_words, ssize_t,
)


# What may be asked for of a frame.
ASK_COUNT, ASK_FLAGS, ASK_CGROUP = 1, 2, 4

cdef enum:
    C_ASK_COUNT = 1
    C_ASK_FLAGS = 2
    C_HUGE = 1 << PW_BLOCK_SHIFT     # frames of a huge page that one PMD maps


def ask(
    const uint32_t[::1] owner not None,
    const uint8_t[::1] need not None,
    uint8_t[::1] out not None,
    const uint8_t[::1] touched not None,
    uint64_t base,
):
    """Write what is needed of each frame, by its owner set; returns all bits, and whether owned frames need nothing.

    ``touched`` is what was noted of each block of frames while they were folded: most need not be gone through.
    """
    cdef Py_ssize_t i = 0, n = owner.shape[0]
    cdef uint32_t last = 0          # neighbours mostly have the same owners
    cdef uint8_t bits = 0, here = 0, noted
    cdef uint64_t behind
    cdef bint spared = False, outside = False
    if out.shape[0] < n:
        raise ValueError("out has less room than there are frames")
    if n and base + n - 1 >> PW_BLOCK_SHIFT >= <uint64_t>touched.shape[0]:
        raise ValueError("fewer blocks than frames")
    with nogil:
        while i < n:
            if i == 0 or base + i & C_HUGE - 1 == 0:
                noted = touched[base + i >> PW_BLOCK_SHIFT]
                if not noted & PW_BLOCK_ASKED:
                    behind = ((base + i >> PW_BLOCK_SHIFT) + 1 << PW_BLOCK_SHIFT) - base
                    if behind > <uint64_t>n:
                        behind = n
                    memset(&out[i], 0, behind - i)
                    spared |= noted != 0
                    i = behind
                    continue
            if owner[i] != last:
                last = owner[i]
                if last >= <uint64_t>need.shape[0]:
                    outside = True
                    break
                here = need[last] if last else 0
                bits |= here
                spared |= last != 0 and here == 0
            out[i] = here
            i += 1
    if outside:
        raise ValueError("fewer needs than owner sets")
    return bits, spared


def ask_huge(
    int fd_flags,
    uint64_t base,
    const uint32_t[::1] owner not None,
    uint8_t[::1] ask not None,
    const uint8_t[::1] touched not None,
):
    """Ask for count and flags of the huge pages of which bit 56 of pagemap cannot be believed; returns words read.

    Where a PMD maps a huge page the bit is told of its first page for all of it (fs/proc/task_mmu.c:
    pagemap_pmd_range_thp): the others may have owners more. But all of it is one address space's alone if the first
    page is exclusive to one (PG_anon_exclusive, include/linux/page-flags.h; bit 34 of its flags): fork takes that away,
    and gives it back to single pages of PTEs only.
    """
    cdef Py_ssize_t n = owner.shape[0], first = (<uint64_t>C_HUGE - base % C_HUGE) % C_HUGE, i
    cdef uint64_t flags = 0, alone = PW_KPF_ANON | PW_KPF_OWNER_2, reads = 0
    cdef ssize_t got = 0
    cdef bint spared, owned
    if ask.shape[0] < n:
        raise ValueError("less is asked for than there are frames")
    if n and base + n - 1 >> PW_BLOCK_SHIFT >= <uint64_t>touched.shape[0]:
        raise ValueError("fewer blocks than frames")
    with nogil:
        while first + C_HUGE <= n:
            # One address space maps all of it: each frame has an owner.
            spared, owned = False, touched[base + first >> PW_BLOCK_SHIFT] & PW_BLOCK_HUGE and owner[first] != 0
            if owned:
                for i in range(first, first + C_HUGE):
                    spared |= ask[i] == 0
                    owned &= owner[i] != 0
            if owned and spared:
                got = pw_read_words(fd_flags, base + first, &flags, 1)
                if got < 0:
                    break
                reads += got
                if got and flags & PW_KPF_COMPOUND_HEAD and flags & alone != alone:
                    for i in range(first, first + C_HUGE):
                        ask[i] |= C_ASK_COUNT | C_ASK_FLAGS
            first += C_HUGE
    if got < 0:
        raise OSError(-got, os.strerror(-got), "kpageflags")
    return reads


def ask_flags(
    const uint32_t[::1] owner not None,
    const uint32_t[::1] seen not None,
    const uint64_t[::1] mapcount not None,
    uint8_t[::1] ask not None,
):
    """Ask for the flags of frames of which the kernel counts no mapping, or fewer than were seen; returns all bits.

    ``seen`` is by owner set. The kernel counts no mapping of the zero page (mm/memory.c:do_anonymous_page) and none of
    a special page: those are no memory of the process, whatever their VMA tells.
    """
    cdef Py_ssize_t i = 0, n = owner.shape[0]
    cdef uint8_t bits = 0
    cdef bint outside = False
    if ask.shape[0] < n or mapcount.shape[0] < n:
        raise ValueError("a column is shorter than the frames")
    if n == 0:
        return 0
    with nogil:
        while True:
            i = pw_skip_bytes(&ask[0], i, n)
            if i == n:
                break
            if ask[i] == C_ASK_COUNT:
                if owner[i] >= <uint64_t>seen.shape[0]:
                    outside = True
                    break
                if mapcount[i] == 0 or mapcount[i] < seen[owner[i]]:
                    ask[i] |= C_ASK_FLAGS
            bits |= ask[i]
            i += 1
    if outside:
        raise ValueError("fewer sets than owners")
    return bits


def read_wanted(
    int fd,
    uint64_t base,
    const uint8_t[::1] ask not None,
    uint8_t bit,
    uint64_t[::1] out not None,
    Py_ssize_t bridge,
):
    """Read the words of the frames of which ``bit`` is asked; returns (words read, reads, frames past the end)."""
    cdef Py_ssize_t n = ask.shape[0], start = 0, stop, gap
    cdef ssize_t got = 0
    cdef uint64_t words = 0, reads = 0, missing = 0
    if out.shape[0] < n:
        raise ValueError("out has less room than there are frames")
    with nogil:
        while start < n:
            start = pw_skip_bytes(&ask[0], start, n)
            if start == n:
                break
            if not ask[start] & bit:
                start += 1
                continue
            stop = start + 1
            gap = 0
            while stop + gap < n and gap <= bridge:
                if ask[stop + gap] & bit:
                    stop += gap + 1
                    gap = 0
                else:
                    gap += 1
            got = pw_read_words(fd, base + start, &out[start], stop - start)
            if got < 0:
                break
            reads += 1
            words += got
            missing += (stop - start) - got
            out[start + got:stop] = 0
            start = stop
    if got < 0:
        raise OSError(-got, os.strerror(-got), "kpage file")
    return words, reads, missing


@cython.final
@cython.auto_pickle(False)
cdef class Interned:
    """Three-word keys numbered in order of arrival, in the caller's arrays."""

    cdef pw_intern table
    cdef uint32_t[::1] slots
    cdef uint64_t[:, ::1] keys

    @property
    def used(self):
        return self.table.used

    def use(self, uint32_t[::1] slots not None, uint64_t[:, ::1] keys not None):
        """Work on these arrays from now on.

        ``slots``, a power of two long, is cleared here; ``keys`` holds the keys so far.
        """
        cdef Py_ssize_t length = slots.shape[0]
        if length & (length - 1) or keys.shape[1] != 3 or keys.shape[0] == 0 or keys.shape[0] >= length:
            raise ValueError("slots is no power of two above the number of keys")
        if <Py_ssize_t>self.table.used > keys.shape[0]:
            raise ValueError("fewer rows than keys")
        self.slots = slots
        self.keys = keys
        slots[:] = 0
        self.table.slots = &slots[0]
        self.table.mask = length - 1
        self.table.keys = <pw_key *>&keys[0, 0]
        self.table.room = keys.shape[0]
        pw_intern_rehash(&self.table)


@cython.final
@cython.auto_pickle(False)
cdef class Tally:
    """Counts frames by (owner set, (mapcount, flags, memcg), zone)."""

    cdef Interned words, rows
    cdef uint64_t head_flags, head_cgroup, last_pfn
    cdef bint in_folio
    cdef readonly uint64_t head_reads, headless

    def __init__(self, Interned words not None, Interned rows not None):
        self.words = words
        self.rows = rows

    cdef int mend_tail(
        self, int fd_flags, int fd_cgroup, uint64_t pfn, uint64_t *flags, uint64_t *cgroup
    ) noexcept nogil:
        """Give a tail what up to 6.1 only the head of its folio says (6.4 for the cgroup); 0 or -errno."""
        cdef uint64_t head = 0
        cdef int found
        cdef ssize_t got
        if not (self.in_folio and self.last_pfn + 1 == pfn):
            found = pw_find_head(fd_flags, pfn, &head, &self.head_flags)
            self.head_reads += 1
            if found < 0:
                return found
            if found:
                self.headless += 1
                self.head_flags = self.head_cgroup = 0
            else:
                self.head_cgroup = 0
                if fd_cgroup >= 0:
                    got = pw_read_words(fd_cgroup, head, &self.head_cgroup, 1)
                    if got < 0:
                        return <int>got
            self.in_folio = True
        flags[0] |= self.head_flags & PW_KPF_OF_FOLIO
        if not cgroup[0]:
            cgroup[0] = self.head_cgroup
        return 0

    cdef inline int settle(
        self, int fd_flags, int fd_cgroup, uint64_t pfn, uint64_t *flags, uint64_t *cgroup
    ) noexcept nogil:
        """Follow the folios: remember what a head says, and mend the tails that lack it; 0 or -errno."""
        cdef int failed = 0
        if flags[0] & PW_KPF_COMPOUND_HEAD:
            self.head_flags = flags[0]
            self.head_cgroup = cgroup[0]
            self.in_folio = True
        elif not flags[0] & PW_KPF_COMPOUND_TAIL or flags[0] & PW_KPF_ON_NEW_TAILS:
            self.in_folio = False       # nothing to mend; what comes next may be of another folio
        else:
            failed = self.mend_tail(fd_flags, fd_cgroup, pfn, flags, cgroup)
        self.last_pfn = pfn
        return failed

    cdef inline int64_t row_of(
        self, uint64_t owner, uint64_t mapcount, uint64_t word, uint64_t memcg, uint64_t zone
    ) noexcept nogil:
        """Return the row of a frame, -1 where a table has no room for it."""
        cdef int64_t info = pw_intern_key(&self.words.table, mapcount, word, memcg)
        return info if info < 0 else pw_intern_key(&self.rows.table, owner, info, zone)

    cdef int check(self, Py_ssize_t start, Py_ssize_t n, Py_ssize_t counts) except -1:
        """Refuse to count where there is no room, or from outside of the frames."""
        if self.words is None or self.words.keys.shape[0] == 0 or self.rows.keys.shape[0] == 0:
            raise ValueError("the tables of keys have no arrays yet")
        if not 0 <= start <= n:
            raise ValueError("start is not within the frames")
        if counts < self.rows.keys.shape[0]:
            raise ValueError("fewer counts than rows")
        return 0

    def count(
        self,
        uint64_t base,
        Py_ssize_t start,
        const uint32_t[::1] owner not None,
        const uint64_t[::1] mapcount not None, const uint64_t[::1] flags not None, const uint64_t[::1] cgroup not None,
        uint64_t zone,
        bint unowned,
        int fd_flags, int fd_cgroup,
        int64_t[::1] frames not None,
        uint32_t[::1] row_of not None,
        const uint8_t[::1] ask=None, const uint64_t[::1] stand_in=None,
    ):
        """Tally frames from ``start`` on; returns where it had to stop for want of room, or their number.

        All are of this zone; those without an owner are tallied if ``unowned``. ``frames`` counts per row; ``row_of``
        gets each frame's row + 1, if not empty. Frames of which ``ask`` asks nothing are left out; where it asks for no
        flags, those that ``stand_in`` has for the owner set count.
        """
        cdef Py_ssize_t i = start, n = owner.shape[0]
        cdef uint64_t word, memcg, last_owner = 0, last_count = 0, last_word = 0, last_memcg = 0
        cdef int64_t row = -1
        cdef bint keep = row_of.shape[0] > 0, asked = ask is not None, outside = False
        if asked and (ask.shape[0] < n or stand_in is None):
            raise ValueError("less is asked for than there are frames, or nothing stands in for flags")
        if mapcount.shape[0] < n or flags.shape[0] < n or cgroup.shape[0] < n or (keep and row_of.shape[0] < n):
            raise ValueError("a column is shorter than the frames")
        cdef int failed = self.check(start, n, frames.shape[0])
        with nogil:
            while i < n:
                if asked or not unowned:
                    i = pw_skip_bytes(&ask[0], i, n) if asked else pw_skip_words(&owner[0], i, n)
                    if i == n:
                        break
                memcg = cgroup[i]
                if not asked or ask[i] & C_ASK_FLAGS:
                    word = flags[i]
                    failed = self.settle(fd_flags, fd_cgroup, base + i, &word, &memcg)
                    if failed:
                        break
                elif owner[i] < <uint64_t>stand_in.shape[0]:
                    word = stand_in[owner[i]]
                else:
                    outside = True
                    break
                # Neighbours are mostly alike: no look-up for these.
                if (row < 0 or owner[i] != last_owner or mapcount[i] != last_count or word != last_word
                        or memcg != last_memcg):
                    row = self.row_of(owner[i], mapcount[i], word, memcg, zone)
                    if row < 0:
                        break
                    last_owner, last_count, last_word, last_memcg = owner[i], mapcount[i], word, memcg
                frames[row] += 1
                if keep:
                    row_of[i] = <uint32_t>row + 1
                i += 1
        if failed:
            raise OSError(-failed, os.strerror(-failed), "kpage file")
        if outside:
            raise ValueError("nothing stands in for the flags of an owner set")
        return i
