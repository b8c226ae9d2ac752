"""What each combination of kpageflags says a frame is, as KERNEL.md section 1.3 lists the bits; and any word at all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import books
from pagewalk.abi import KPF
from pagewalk.uses import STATE_DOC, STATES, USE_DOC, USES, states_of, uses_of

# include/uapi/linux/kernel-page-flags.h and include/linux/kernel-page-flags.h, by name.
BIT = {
    name: 1 << bit
    for bit, name in {
        0: "LOCKED", 1: "ERROR", 2: "REFERENCED", 3: "UPTODATE", 4: "DIRTY", 5: "LRU", 6: "ACTIVE", 7: "SLAB",
        8: "WRITEBACK", 9: "RECLAIM", 10: "BUDDY", 11: "MMAP", 12: "ANON", 13: "SWAPCACHE", 14: "SWAPBACKED",
        15: "COMPOUND_HEAD", 16: "COMPOUND_TAIL", 17: "HUGE", 18: "UNEVICTABLE", 19: "HWPOISON", 20: "NOPAGE",
        21: "KSM", 22: "THP", 23: "OFFLINE", 24: "ZERO_PAGE", 25: "IDLE", 26: "PGTABLE", 32: "RESERVED",
        33: "MLOCKED", 34: "OWNER_2", 35: "PRIVATE", 36: "PRIVATE_2", 37: "OWNER_PRIVATE", 38: "ARCH",
        39: "UNCACHED", 40: "SOFTDIRTY", 41: "ARCH_2", 42: "ARCH_3",
    }.items()
}  # fmt: skip
# What no kernel has given a meaning yet, and what page-types sets for itself.
UNKNOWN = [bit for bit in range(64) if 1 << bit not in BIT.values()]
# Bits that say how a page is, never what it is used for nor in which state.
IDLE_TALK = [
    "LOCKED", "ERROR", "REFERENCED", "RECLAIM", "MMAP", "SWAPCACHE", "COMPOUND_HEAD", "COMPOUND_TAIL", "KSM", "THP",
    "IDLE", "MLOCKED", "OWNER_2", "PRIVATE", "PRIVATE_2", "OWNER_PRIVATE", "ARCH", "UNCACHED", "SOFTDIRTY", "ARCH_2",
    "ARCH_3",
]  # fmt: skip


def word(names: str) -> int:
    """The word with these bits."""
    return reduce(or_, (BIT[name] for name in names.split()), 0)


def use(flags: int, mapped: bool = False) -> str:
    number = int(uses_of(np.array([flags], np.uint64), np.array([mapped]))[0])
    return USES[number]


def state(flags: int, owners: int = 0, hidden: int = 0) -> str:
    counts = (np.array([count], np.int64) for count in (owners, hidden))
    number = int(states_of(np.array([flags], np.uint64), *counts)[0])
    return STATES[number]


# Every kind of page of sections 1.3 and 1.8, as some kernel shows it when nobody maps it.
UNMAPPED = [
    ("", "kernel", "none"),
    ("BUDDY", "free", "none"),
    ("BUDDY REFERENCED", "free", "none"),
    ("OFFLINE", "offline", "none"),
    ("OFFLINE PRIVATE LOCKED", "offline", "none"),
    ("HWPOISON", "poison", "none"),
    ("HWPOISON BUDDY", "poison", "none"),
    ("HWPOISON ANON SWAPBACKED UPTODATE LRU", "poison", "inactive"),
    ("HWPOISON HUGE COMPOUND_HEAD", "poison", "none"),
    ("PGTABLE", "pgtable", "none"),
    ("PGTABLE MMAP", "pgtable", "none"),
    ("SLAB", "slab", "none"),
    ("SLAB COMPOUND_HEAD", "slab", "none"),
    ("SLAB COMPOUND_TAIL", "slab", "none"),
    ("HUGE COMPOUND_HEAD UPTODATE", "hugetlb", "none"),
    ("HUGE COMPOUND_TAIL", "hugetlb", "none"),
    ("HUGE COMPOUND_HEAD UPTODATE DIRTY ANON", "hugetlb", "dirty"),
    ("ZERO_PAGE RESERVED", "zero", "none"),
    ("ZERO_PAGE THP COMPOUND_HEAD", "zero", "none"),
    ("ZERO_PAGE THP COMPOUND_TAIL", "zero", "none"),
    ("ANON SWAPBACKED SWAPCACHE UPTODATE LRU", "anon", "inactive"),
    ("ANON SWAPBACKED SWAPCACHE UPTODATE LRU ACTIVE", "anon", "active"),
    ("ANON SWAPBACKED SWAPCACHE WRITEBACK RECLAIM UPTODATE LRU", "anon", "dirty"),
    ("ANON SWAPBACKED UPTODATE LRU UNEVICTABLE MLOCKED", "anon", "unevictable"),
    ("ANON KSM SWAPBACKED UPTODATE LRU", "anon", "inactive"),
    ("ANON THP COMPOUND_TAIL MMAP", "anon", "none"),
    ("SWAPBACKED UPTODATE DIRTY LRU", "shmem", "dirty"),
    ("SWAPBACKED UPTODATE LRU ACTIVE", "shmem", "active"),
    ("SWAPBACKED UPTODATE", "shmem", "none"),
    ("SWAPBACKED UPTODATE SWAPCACHE LRU", "shmem", "inactive"),
    ("SWAPBACKED UPTODATE UNEVICTABLE LRU", "shmem", "unevictable"),
    ("UPTODATE LRU", "file", "inactive"),
    ("UPTODATE LRU ACTIVE REFERENCED", "file", "active"),
    ("LRU LOCKED", "file", "inactive"),
    ("UPTODATE DIRTY LRU ACTIVE", "file", "dirty"),
    ("UPTODATE WRITEBACK LRU", "file", "dirty"),
    ("UPTODATE LRU UNEVICTABLE MLOCKED", "file", "unevictable"),
    ("UPTODATE PRIVATE", "file", "none"),
    ("UPTODATE LRU THP COMPOUND_TAIL OWNER_2", "file", "inactive"),
    ("RESERVED", "reserved", "none"),
    ("RESERVED REFERENCED", "reserved", "none"),
    ("RESERVED UPTODATE", "reserved", "none"),
    ("LOCKED", "kernel", "none"),
    ("REFERENCED PRIVATE ARCH", "kernel", "none"),
    ("COMPOUND_HEAD", "kernel", "none"),
    ("COMPOUND_TAIL", "kernel", "none"),
    ("ACTIVE", "file", "none"),
]


@pytest.mark.parametrize(("names", "used_for", "how"), UNMAPPED, ids=[names or "nothing" for names, *_ in UNMAPPED])
def test_pages_that_nobody_maps(names: str, used_for: str, how: str) -> None:
    assert (use(word(names)), state(word(names))) == (used_for, how)


@pytest.mark.parametrize(
    ("names", "used_for"),
    [
        ("ANON SWAPBACKED UPTODATE LRU MMAP OWNER_2", "anon"),
        ("ANON MMAP UPTODATE LRU", "anon"),  # MADV_FREE
        ("SWAPBACKED UPTODATE MMAP LRU DIRTY", "shmem"),
        ("SWAPBACKED LOCKED MMAP", "shmem"),  # taken off its list for a moment
        ("UPTODATE MMAP LRU ACTIVE", "file"),
        ("MMAP", "file"),  # of a driver: the kernel's Rss calls it file
        ("RESERVED MMAP REFERENCED", "reserved"),  # vdso
        ("HUGE COMPOUND_HEAD MMAP UPTODATE DIRTY", "hugetlb"),
        ("BUDDY", "free"),  # given back between the reading of its mapcount and of its flags
    ],
)
def test_pages_that_somebody_maps(names: str, used_for: str) -> None:
    assert use(word(names), mapped=True) == used_for


# The uses in DESIGN's order with the bit that stands for each; what has two goes to the first.
ORDER = [
    ("offline", "OFFLINE"),
    ("poison", "HWPOISON"),
    ("free", "BUDDY"),
    ("pgtable", "PGTABLE"),
    ("slab", "SLAB"),
    ("hugetlb", "HUGE"),
    ("zero", "ZERO_PAGE"),
    ("anon", "ANON"),
    ("shmem", "SWAPBACKED LRU"),
    ("file", "LRU"),
    ("reserved", "RESERVED"),
]


def test_uses_are_tried_in_the_order_of_the_design() -> None:
    assert list(USES) == books.USES
    assert [name for name, _ in ORDER] == list(USES[:-1])
    for at, (first, names) in enumerate(ORDER):
        for _, others in ORDER[at:]:
            for mapped in (False, True):
                assert use(word(f"{names} {others}"), mapped) == first
    everything = (1 << 64) - 1
    assert use(everything) == "offline"


def test_states_are_tried_in_their_order() -> None:
    assert list(STATES) == books.STATES
    full = word("DIRTY WRITEBACK UNEVICTABLE LRU ACTIVE")
    for owners, hidden, expected in [
        (1, 0, "mapped_one"),
        (1, 1, "mapped_several"),
        (2, 0, "mapped_several"),
        (1 << 20, 1 << 20, "mapped_several"),
        (0, 1, "mapped_hidden"),
        (0, 9, "mapped_hidden"),
    ]:
        assert state(full, owners, hidden) == state(0, owners, hidden) == expected
    assert state(full) == "dirty"
    assert state(word("WRITEBACK")) == state(word("DIRTY")) == "dirty"
    assert state(word("UNEVICTABLE LRU ACTIVE")) == "unevictable"
    assert state(word("LRU ACTIVE")) == "active"
    assert state(word("LRU")) == "inactive"


def test_every_use_and_state_is_explained() -> None:
    assert list(USE_DOC) == list(USES)
    assert list(STATE_DOC) == list(STATES)
    assert all(text and not text.endswith(".") for text in (*USE_DOC.values(), *STATE_DOC.values()))


def test_the_bits_are_those_of_the_engine() -> None:
    assert {name: int(bit) for name, bit in KPF.__members__.items()} == BIT


@pytest.mark.parametrize("names", [names for names, *_ in UNMAPPED], ids=lambda names: names or "nothing")
def test_bits_that_say_nothing_change_nothing(names: str) -> None:
    """Those that this kernel has not heard of above all: page-types dies on bit 42."""
    flags = word(names)
    for bit in (*(1 << bit for bit in UNKNOWN), *(BIT[name] for name in IDLE_TALK)):
        for mapped in (False, True):
            assert use(flags | bit, mapped) == use(flags, mapped), hex(bit)
        assert state(flags | bit) == state(flags), hex(bit)


words = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.sets(st.sampled_from(sorted(BIT.values()))).map(lambda bits: reduce(or_, bits, 0)),
)


@given(st.lists(st.tuples(words, st.booleans(), st.integers(0, 3), st.integers(0, 3)), max_size=20))
def test_any_word_has_one_use_and_one_state(rows: Sequence[tuple[int, bool, int, int]]) -> None:
    """As said slowly, one word at a time; a column is answered as each of its words alone."""
    flags = np.array([row[0] for row in rows], np.uint64)
    before = flags.copy()
    uses = uses_of(flags, np.array([row[1] for row in rows], bool))
    owners, hidden = (np.array([row[k] for row in rows], np.int64) for k in (2, 3))
    states = states_of(flags, owners, hidden)
    assert (flags == before).all()
    assert uses.dtype == states.dtype == np.uint8
    assert [USES[number] for number in uses] == [slowly(one, mapped) for one, mapped, *_ in rows]
    assert [STATES[number] for number in states] == [slow_state(one, *counts) for one, _, *counts in rows]


def slowly(flags: int, mapped: bool) -> str:
    """DESIGN section 3, as a row of questions."""
    has = {name for name, bit in BIT.items() if flags & bit}
    for used_for, name in ORDER[:8]:
        if name in has:
            return used_for
    in_cache = bool(has & {"LRU", "ACTIVE", "UNEVICTABLE", "WRITEBACK"})
    # Not on a list (yet): what is up to date or dirty is cache, but for firmware's and the kernel's own image.
    in_cache = in_cache or ("RESERVED" not in has and bool(has & {"UPTODATE", "DIRTY"}))
    if "SWAPBACKED" in has and (in_cache or mapped):
        return "shmem"
    if in_cache or (mapped and "RESERVED" not in has):
        return "file"
    return "reserved" if "RESERVED" in has else "kernel"


def slow_state(flags: int, owners: int, hidden: int) -> str:
    """The states, as a row of questions."""
    has = {name for name, bit in BIT.items() if flags & bit}
    if owners:
        return "mapped_one" if (owners, hidden) == (1, 0) else "mapped_several"
    if hidden:
        return "mapped_hidden"
    if has & {"DIRTY", "WRITEBACK"}:
        return "dirty"
    if "UNEVICTABLE" in has:
        return "unevictable"
    if "LRU" in has:
        return "active" if "ACTIVE" in has else "inactive"
    return "none"
