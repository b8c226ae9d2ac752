"""The fold: an address space's entries move each frame they map to the owner set that has this owner too."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pw cimport (
    PW_BLOCK_ASKED, PW_BLOCK_HUGE, PW_BLOCK_OWNED, PW_BLOCK_SHIFT, PW_MAX_SWAPFILES_LEAST, PW_PM_FILE,
    PW_PM_GUARD_REGION, PW_PM_MMAP_EXCLUSIVE, PW_PM_PFRAME_MASK, PW_PM_PRESENT, PW_PM_SWAP, PW_SWAP_TYPE_MASK,
    PW_TOLD_ANON, PW_TOLD_SHMEM, pw_fetch, pw_intern, pw_intern_key, pw_intern_rehash, pw_key,
)

# Where the path of a frame begins, by what its first entry told. Nothing but bit 61: ROOT_ANON, ROOT_FILE. That it is
# anonymous memory and no page of hugetlbfs: ROOT_PLAIN; that it is mapped once as well: ROOT_SOLE. That it is shmem:
# ROOT_SHMEM.
NOBODY, ROOT_ANON, ROOT_FILE, ROOT_SWAP, ROOT_SOLE, ROOT_PLAIN, ROOT_SHMEM, FIRST_SET = range(8)
BLOCK_SHIFT = PW_BLOCK_SHIFT
OWNED, ASKED, HUGE = PW_BLOCK_OWNED, PW_BLOCK_ASKED, PW_BLOCK_HUGE

cdef enum:
    C_NOBODY = 0
    C_ROOT_ANON = 1
    C_ROOT_FILE = 2
    C_ROOT_SOLE = 4
    C_ROOT_PLAIN = 5
    C_ROOT_SHMEM = 6
    C_FIRST_SET = 7
    AHEAD = 32          # entries: what is fetched so far ahead is there when its turn comes


@cython.final
@cython.auto_pickle(False)
cdef class Fold:
    """The owner sets (a trie), and the address space being folded into them."""

    cdef uint32_t[::1] parent, space, successor
    cdef int64_t[::1] frames
    cdef uint32_t[::1] slots
    cdef uint64_t[:, ::1] keys
    cdef int64_t[::1] counts
    cdef pw_intern repeats
    cdef uint8_t[::1] touched
    cdef uint64_t blocks
    cdef uint32_t current, first
    cdef bint told
    cdef Py_ssize_t sets
    cdef readonly Py_ssize_t n_swaps, n_others

    def __init__(self, Py_ssize_t n_sets, bint told=False, uint8_t[::1] touched=None):
        """``told``: the entries bear what their VMA tells, and frames begin at ROOT_SOLE, _PLAIN and _SHMEM too.

        ``touched`` gets OWNED, ASKED and HUGE for each block of ``1 << BLOCK_SHIFT`` frames.
        """
        if n_sets < C_FIRST_SET:
            raise ValueError("no room for the roots")
        self.sets = n_sets
        self.told = told
        self.touched = touched
        self.blocks = touched.shape[0] if touched is not None else 0

    @property
    def n_sets(self):
        """Owner sets so far, the roots counted; the caller may add rows of its own between two address spaces."""
        return self.sets

    @n_sets.setter
    def n_sets(self, Py_ssize_t n_sets):
        if not C_FIRST_SET <= n_sets <= self.parent.shape[0]:
            raise ValueError("more owner sets than rows, or fewer than roots")
        self.sets = n_sets

    def use_sets(
        self,
        uint32_t[::1] parent not None,
        uint32_t[::1] space not None,
        uint32_t[::1] successor not None,
        int64_t[::1] frames not None,
    ):
        """Work on these arrays from now on; the caller has copied what the shorter ones held."""
        if not parent.shape[0] == space.shape[0] == successor.shape[0] == frames.shape[0]:
            raise ValueError("the columns of the owner sets differ in length")
        if parent.shape[0] < self.sets or parent.shape[0] == 0:
            raise ValueError("fewer rows than owner sets")
        self.parent = parent
        self.space = space
        self.successor = successor
        self.frames = frames

    def use_repeats(
        self,
        uint32_t[::1] slots not None,
        uint64_t[:, ::1] keys not None,
        int64_t[::1] counts not None,
        Py_ssize_t used,
    ):
        """Count frames mapped again in these arrays from now on.

        ``slots`` is a power of two long and cleared here; ``keys`` and ``counts`` hold ``used`` repeats, then zeros.
        """
        cdef Py_ssize_t length = slots.shape[0]
        if length & (length - 1) or keys.shape[1] != 3 or keys.shape[0] >= length or keys.shape[0] == 0:
            raise ValueError("slots is no power of two above the number of keys")
        if counts.shape[0] < keys.shape[0] or not 0 <= used <= keys.shape[0]:
            raise ValueError("fewer rows than repeats")
        self.slots = slots
        self.keys = keys
        self.counts = counts
        slots[:] = 0
        self.repeats.slots = &slots[0]
        self.repeats.mask = length - 1
        self.repeats.keys = <pw_key *>&keys[0, 0]
        self.repeats.room = keys.shape[0]
        self.repeats.used = used
        pw_intern_rehash(&self.repeats)

    @property
    def n_repeats(self):
        """Frames that the address space at hand maps more than once, so far."""
        return self.repeats.used

    def begin(self, uint32_t space):
        """Start folding this address space."""
        if self.repeats.used:
            raise ValueError("the repeats of the address space before are still there")
        if self.parent.shape[0] == 0 or self.counts.shape[0] == 0:
            raise ValueError("use_sets and use_repeats come before")
        self.current = space
        self.first = <uint32_t>self.sets

    cdef inline uint32_t child_of(self, uint32_t old) noexcept nogil:
        """Return the set that has this owner too; nobody where there is no room for it."""
        cdef uint32_t new = self.successor[old]
        if new >= self.first:
            return new
        if self.sets == self.parent.shape[0]:       # the successor is of an earlier address space
            return C_NOBODY
        new = <uint32_t>self.sets
        self.sets += 1
        self.parent[new] = old
        self.space[new] = self.current
        self.successor[old] = new
        return new

    cdef inline bint repeat(self, uint64_t index, uint64_t tag) noexcept nogil:
        """Count a mapping more of what has this owner already; False where there is no room for that."""
        cdef int64_t repeat = pw_intern_key(&self.repeats, index, tag, 0)
        if repeat < 0:
            return False
        self.counts[repeat] += 1
        return True

    cdef inline uint32_t child(self, const uint32_t[::1] owner, uint64_t pfn, uint32_t old) noexcept nogil:
        """Return the set to move a frame to: ``old`` itself where it has this owner, nobody for want of room."""
        if old < self.first:
            return self.child_of(old)
        if not self.repeat(pfn, 0):
            return C_NOBODY
        if self.blocks:
            self.touched[pfn >> PW_BLOCK_SHIFT] |= PW_BLOCK_ASKED
        return old

    cdef inline bint take(self, uint32_t[::1] owner, uint64_t index, uint32_t root, uint64_t tag) noexcept nogil:
        """Give what a table holds this owner; False when the arrays have no room for that."""
        cdef uint32_t old = owner[index], new
        if old >= self.first:           # it has this owner already
            return self.repeat(index, tag)
        if old == C_NOBODY:
            old = root
        new = self.child_of(old)
        if new == C_NOBODY:
            return False
        owner[index] = new
        self.move(old, new, 1)
        return True

    cdef inline uint32_t root_of(self, uint64_t entry) noexcept nogil:
        """Return where the path of a frame begins that this entry is the first of."""
        if entry & PW_PM_FILE:
            return C_ROOT_SHMEM if self.told and entry & PW_TOLD_SHMEM else C_ROOT_FILE
        if not self.told or not entry & PW_TOLD_ANON:
            return C_ROOT_ANON
        return C_ROOT_SOLE if entry & PW_PM_MMAP_EXCLUSIVE else C_ROOT_PLAIN

    cdef inline void move(self, uint32_t old, uint32_t new, int64_t frames) noexcept nogil:
        self.frames[new] += frames
        self.frames[old] -= frames

    cdef inline int64_t run_on(
        self, const uint64_t *entries, Py_ssize_t i, Py_ssize_t start, Py_ssize_t stop,
        uint32_t[::1] owner, uint32_t new
    ) noexcept nogil:
        """Give a frame its new owners, and those after it whose entries go on with theirs; returns how many."""
        cdef uint64_t first = entries[i], pfn = first & PW_PM_PFRAME_MASK, k = 1
        cdef uint64_t most = <uint64_t>owner.shape[0] - pfn
        cdef uint32_t before = owner[pfn]
        cdef uint8_t mark = PW_BLOCK_OWNED
        if most > <uint64_t>(stop - i):
            most = stop - i
        if before != C_NOBODY or self.root_of(first) != C_ROOT_SOLE:
            mark |= PW_BLOCK_ASKED
        owner[pfn] = new
        while k < most and entries[i + k] == first + k and owner[pfn + k] == before:
            owner[pfn + k] = new
            k += 1
        if self.blocks:
            self.note(
                pfn, pfn + k, mark,
                i > start and entries[i - 1] + 1 != first,
                i + <Py_ssize_t>k < stop and entries[i + k] != first + k,
            )
        return k

    cdef inline void note(self, uint64_t pfn, uint64_t stop, uint8_t mark, bint begins, bint ends) noexcept nogil:
        """Note of the blocks of some frames side by side that they are owned, and which may be huge pages.

        A huge page that a PMD maps is one run of entries. Where it is known that none goes on before or behind these, a
        block that they fill in part is no such page.
        """
        cdef uint64_t block, blocks = (stop - 1 >> PW_BLOCK_SHIFT) + 1
        for block in range(pfn >> PW_BLOCK_SHIFT, blocks):
            self.touched[block] |= mark
            if (
                (not begins or block << PW_BLOCK_SHIFT >= pfn)
                and (not ends or (block + 1) << PW_BLOCK_SHIFT <= stop)
            ):
                self.touched[block] |= PW_BLOCK_HUGE

    cdef inline void set_aside(self, uint64_t entry, uint64_t[::1] swaps, uint64_t[::1] others) noexcept nogil:
        """Keep an entry that is not present: every such leaf is called swap; only low types are, guards are markers."""
        if entry & PW_PM_GUARD_REGION or entry & PW_SWAP_TYPE_MASK >= PW_MAX_SWAPFILES_LEAST:
            others[self.n_others] = entry
            self.n_others += 1
        else:
            swaps[self.n_swaps] = entry & PW_PM_PFRAME_MASK
            self.n_swaps += 1

    def fold_entries(
        self,
        const uint64_t[::1] entries not None,
        Py_ssize_t start,
        Py_ssize_t stop,
        uint32_t[::1] owner not None,
        uint64_t[::1] swaps not None,
        uint64_t[::1] others not None,
    ):
        """Fold entries [start, stop); returns where it had to stop for want of room, or ``stop``."""
        cdef Py_ssize_t i = start
        cdef uint64_t entry, pfn, ahead, limit = owner.shape[0]
        # Neighbours mostly go the same way, from one set to one other: those frames are counted together.
        cdef uint32_t old, new, last_old = C_NOBODY, last_new = C_NOBODY
        cdef int64_t run, alike = 0
        if self.first == 0:
            raise ValueError("no address space was begun")
        if not 0 <= start <= stop <= entries.shape[0]:
            raise ValueError("start and stop are not within entries")
        if swaps.shape[0] < stop - start or others.shape[0] < stop - start:
            raise ValueError("swaps or others have less room than the entries")
        if self.blocks and self.blocks << PW_BLOCK_SHIFT < limit:
            raise ValueError("fewer blocks than frames")
        self.n_swaps = self.n_others = 0
        with nogil:
            while i < stop:
                if i + AHEAD < stop:
                    ahead = entries[i + AHEAD] & PW_PM_PFRAME_MASK
                    if ahead < limit:
                        pw_fetch(&owner[ahead])
                entry = entries[i]
                pfn = entry & PW_PM_PFRAME_MASK
                if entry & PW_PM_PRESENT and 0 < pfn < limit:
                    old = owner[pfn]
                    if old == C_NOBODY:
                        old = self.root_of(entry)
                    if old != last_old:
                        new = self.child(owner, pfn, old)
                        if new == C_NOBODY:
                            break
                        if new == old:              # it had this owner already
                            i += 1
                            continue
                        self.move(last_old, last_new, alike)
                        last_old, last_new, alike = old, new, 0
                    run = self.run_on(&entries[0], i, start, stop, owner, last_new)
                    alike += run
                    i += run
                    continue
                if entry & PW_PM_PRESENT:
                    others[self.n_others] = entry
                    self.n_others += 1
                elif entry & PW_PM_SWAP:
                    self.set_aside(entry, swaps, others)
                i += 1
            self.move(last_old, last_new, alike)
        return i

    def fold_indexes(
        self,
        const uint64_t[::1] indexes not None,
        Py_ssize_t start,
        uint32_t[::1] owner not None,
        uint32_t root,
        uint64_t tag,
    ):
        """Fold table indexes, from ``start`` on; returns where it had to stop for want of room, or their number."""
        cdef Py_ssize_t i = start, stop = indexes.shape[0]
        cdef bint outside = False
        if self.first == 0:
            raise ValueError("no address space was begun")
        if not 0 <= start <= stop:
            raise ValueError("start is not within indexes")
        if not C_NOBODY < root < C_FIRST_SET:
            raise ValueError("no such root")
        with nogil:
            for i in range(start, stop):
                if indexes[i] >= <uint64_t>owner.shape[0]:
                    outside = True
                    break
                if not self.take(owner, indexes[i], root, tag):
                    break
            else:
                i = stop
        if outside:
            raise IndexError("an index is beyond the table of owners")
        return i


def along_paths(
    const uint32_t[::1] parent not None,
    const uint32_t[::1] times not None,
    int64_t[::1] owners not None,
    int64_t[::1] mappings not None,
):
    """Count, for each set, its owners and the mappings that these have of each of its frames."""
    cdef Py_ssize_t node, n_sets = parent.shape[0]
    if times.shape[0] != n_sets or owners.shape[0] != n_sets or mappings.shape[0] != n_sets:
        raise ValueError("the columns of the owner sets differ in length")
    for node in range(1, n_sets):
        if parent[node] >= <uint64_t>node:
            raise ValueError("an owner set comes before its parent")
    if n_sets:
        owners[0] = mappings[0] = 0
    with nogil:
        for node in range(1, n_sets):
            if times[node]:
                owners[node] = owners[parent[node]] + 1
                mappings[node] = mappings[parent[node]] + times[node]
            else:
                owners[node] = mappings[node] = 0


def roots(const uint32_t[::1] parent not None, uint32_t[::1] root not None):
    """Give each set the root (ROOT_ANON to ROOT_SHMEM) that its path begins at."""
    cdef Py_ssize_t node, n_sets = parent.shape[0]
    if root.shape[0] != n_sets:
        raise ValueError("root has another length")
    for node in range(n_sets):
        if node < C_FIRST_SET:
            root[node] = <uint32_t>node
        elif parent[node] >= <uint64_t>node:
            raise ValueError("an owner set comes before its parent")
        else:
            root[node] = root[parent[node]]
