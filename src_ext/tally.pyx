"""Sums over the owner sets, which form a trie: what a set holds belongs to every owner on its path."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pw cimport pw_intern, pw_intern_key, pw_key


def add_rows(const uint32_t[::1] at not None, const int64_t[:, ::1] weights not None, int64_t[:, ::1] sums not None):
    """Add each row of ``weights`` to the row ``at`` of ``sums``."""
    cdef Py_ssize_t i, k, n = weights.shape[1]
    if at.shape[0] != weights.shape[0] or sums.shape[1] != n:
        raise ValueError("the shapes differ")
    for i in range(at.shape[0]):
        if at[i] >= <uint64_t>sums.shape[0]:
            raise IndexError("a row is beyond the sums")
        for k in range(n):
            sums[at[i], k] += weights[i, k]


def up_the_trie(
    const uint32_t[::1] parent not None,
    const uint32_t[::1] label not None,
    const uint32_t[::1] times not None,
    int64_t[:, ::1] weights not None,
    int64_t[:, ::1] sums not None,
    int64_t[:, ::1] pages=None,
):
    """Sum what each label's sets hold: into ``sums`` once a set, into ``pages``, if given, as often as it maps it.

    ``weights`` holds each set's own and is overwritten with the sum over the sets below it. Parents come before
    their children; set 0 is nobody.
    """
    cdef Py_ssize_t node, k, n = weights.shape[1]
    cdef Py_ssize_t n_sets = parent.shape[0]
    cdef bint often = pages is not None
    if label.shape[0] != n_sets or times.shape[0] != n_sets or weights.shape[0] != n_sets:
        raise ValueError("the columns of the owner sets differ in length")
    if sums.shape[1] != n or (often and (pages.shape[1] != n or sums.shape[0] != pages.shape[0])):
        raise ValueError("the sums have other columns than the weights")
    for node in range(1, n_sets):
        if parent[node] >= <uint64_t>node or label[node] >= <uint64_t>sums.shape[0]:
            raise ValueError("an owner set comes before its parent, or its label is beyond the sums")
    with nogil:
        for node in range(n_sets - 1, 0, -1):
            for k in range(n):
                sums[label[node], k] += weights[node, k]
            if often:
                for k in range(n):
                    pages[label[node], k] += weights[node, k] * times[node]
            if parent[node]:
                for k in range(n):
                    weights[parent[node], k] += weights[node, k]


def regroup(
    const uint32_t[::1] parent not None,
    const uint32_t[::1] label not None,
    const uint32_t[::1] times not None,
    const int64_t[::1] group not None,
    uint32_t[::1] new_of not None,
    uint32_t[::1] slots not None,
    uint64_t[:, ::1] keys not None,
    bint distinct,
):
    """Make the trie of the groups that the labels belong to, each group once on a path.

    ``group`` gives each label's group, -1 to leave the label out. ``slots`` is cleared here. ``new_of`` gets each
    set's new number; row i of ``keys`` is set i + 1 of the new trie: its parent, its group, its times. ``distinct``
    promises that no two labels share a group, which spares the look up each path.
    Returns the number of new sets, nobody not counted.
    """
    cdef Py_ssize_t node, n_sets = parent.shape[0]
    cdef uint64_t up, here
    cdef int64_t g
    cdef pw_intern table
    cdef Py_ssize_t length = slots.shape[0]
    if label.shape[0] != n_sets or times.shape[0] != n_sets or new_of.shape[0] != n_sets:
        raise ValueError("the columns of the owner sets differ in length")
    if length & (length - 1) or keys.shape[0] >= length or keys.shape[0] < n_sets or keys.shape[1] != 3:
        raise ValueError("slots is no power of two above the number of sets")
    for node in range(1, n_sets):
        if parent[node] >= <uint64_t>node or label[node] >= <uint64_t>group.shape[0]:
            raise ValueError("an owner set comes before its parent, or its label has no group")
    if n_sets == 0:
        return 0
    slots[:] = 0
    table.slots = &slots[0]
    table.mask = length - 1
    table.keys = <pw_key *>&keys[0, 0]
    table.used = 0
    table.room = keys.shape[0]
    new_of[0] = 0
    with nogil:
        for node in range(1, n_sets):
            g = group[label[node]]
            up = new_of[parent[node]]
            if g < 0:
                new_of[node] = <uint32_t>up
                continue
            here = up
            while here and keys[here - 1, 1] != <uint64_t>g:
                here = 0 if distinct else keys[here - 1, 0]
            if here:
                new_of[node] = <uint32_t>up
            else:
                new_of[node] = <uint32_t>pw_intern_key(&table, up, g, times[node]) + 1
    return table.used


def times_on_path(
    const uint32_t[::1] parent not None,
    const uint32_t[::1] label not None,
    const uint32_t[::1] times not None,
    const uint32_t[::1] sets not None,
    const uint32_t[::1] labels not None,
    int64_t[::1] out not None,
):
    """How often labels[i] maps the frames of sets[i]; 0 where it is no owner of them."""
    cdef Py_ssize_t i, n_sets = parent.shape[0]
    cdef uint32_t node
    if label.shape[0] != n_sets or times.shape[0] != n_sets:
        raise ValueError("the columns of the owner sets differ in length")
    for i in range(1, n_sets):
        if parent[i] >= <uint64_t>i:
            raise ValueError("an owner set comes before its parent")
    if sets.shape[0] != labels.shape[0] or out.shape[0] != sets.shape[0]:
        raise ValueError("the columns differ in length")
    for i in range(sets.shape[0]):
        if sets[i] >= <uint64_t>n_sets:
            raise IndexError("no such owner set")
    with nogil:
        for i in range(sets.shape[0]):
            node = sets[i]
            while node and label[node] != labels[i]:
                node = parent[node]
            out[i] = times[node] if node else 0


def add_pairs(
    const uint32_t[::1] parent not None,
    const uint32_t[::1] label not None,
    int64_t[:, ::1] weights not None,
    int64_t[:, ::1] sums not None,
    Py_ssize_t labels,
):
    """Sum what two labels' sets hold, for every two: row ``a * (a - 1) / 2 + b`` of ``sums`` is of a and b, a > b.

    ``weights`` holds each set's own, none negative, and is overwritten with the sum over the sets below it: two
    labels meet in a set where the second of them joins the path, and share what is there and below. So a beginning
    that many paths have is walked once, where adding up set by set would walk it for each of them.
    """
    cdef Py_ssize_t node, k, row, n = weights.shape[1]
    cdef Py_ssize_t n_sets = parent.shape[0]
    cdef int64_t a, b
    cdef uint32_t up
    cdef bint there, twice = False
    if label.shape[0] != n_sets or weights.shape[0] != n_sets:
        raise ValueError("the columns of the owner sets differ in length")
    # The square root of what an index can be: the product below must not overflow.
    if not 0 <= labels < 1 << 31 or sums.shape[0] != labels * (labels - 1) // 2 or sums.shape[1] != n:
        raise ValueError("the sums are not those of every two labels")
    for node in range(1, n_sets):
        if parent[node] >= <uint64_t>node or label[node] >= <uint64_t>labels:
            raise ValueError("an owner set comes before its parent, or its label is beyond the sums")
    with nogil:
        for node in range(n_sets - 1, 0, -1):
            there = False
            up = parent[node]
            for k in range(n):
                there = there or weights[node, k] != 0
                if up:
                    weights[up, k] += weights[node, k]
            while there and up:
                a, b = label[node], label[up]
                if a < b:
                    a, b = b, a
                if a == b:
                    twice = True
                    break
                row = a * (a - 1) // 2 + b
                for k in range(n):
                    sums[row, k] += weights[node, k]
                up = parent[up]
    if twice:
        raise ValueError("an owner is twice in an owner set")
