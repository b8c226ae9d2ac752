"""Owner sets against a dictionary of owners, and against the four lines of numpy that the design gives."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk._native import ownership as native
from pagewalk.abi import PFRAME_MASK, PM, TOLD_ANON, TOLD_SHMEM
from pagewalk.ownership import BLOCK, ROOT_FILE, ROOT_PLAIN, ROOT_SHMEM, ROOT_SOLE, Ownership, Strangers

N_FRAMES = 50
Owners = defaultdict[Hashable, Counter[int]]


@dataclass(frozen=True)
class Entry:
    """A pagemap entry, and what it is by construction: the key of what is owned, or the stranger that it is."""

    word: int
    owns: Hashable = None
    stranger: str = ""


def present(pfn: int, noise: int = 0, limit: int = N_FRAMES) -> Entry:
    word = PM.PRESENT | noise | pfn
    if pfn == 0:
        return Entry(word, stranger="unnumbered")
    return Entry(word, pfn, "device" if pfn >= limit else "")


def swapped(kind: int, offset: int, noise: int = 0) -> Entry:
    return Entry(PM.SWAP | noise | offset << 5 | kind, (kind, offset))


def absent(kind: int, offset: int, stranger: str, noise: int = 0) -> Entry:
    return Entry(PM.SWAP | noise | offset << 5 | kind, stranger=stranger)


noise = st.sampled_from([0, 0, PM.SOFT_DIRTY, PM.MMAP_EXCLUSIVE | PM.SOFT_DIRTY, PM.UFFD_WP])
entries = st.one_of(
    st.builds(present, st.integers(1, N_FRAMES - 1), noise),
    st.builds(present, st.sampled_from([0, 1, 2, N_FRAMES - 1, N_FRAMES, N_FRAMES + 1, 1 << 40, PFRAME_MASK]), noise),
    st.builds(swapped, st.sampled_from([0, 1, 21]), st.sampled_from([0, 1, 2, 5000]), noise),
    st.builds(absent, st.sampled_from([22, 24, 25, 26, 27, 28, 29]), st.integers(0, 99), st.just("moving"), noise),
    st.builds(absent, st.sampled_from([30, 31]), st.integers(8, 99), st.just("moving")),
    st.builds(absent, st.sampled_from([30, 31]), st.integers(0, 7), st.just("markers"), noise),
    st.builds(lambda kind: absent(kind, 4, "markers", PM.GUARD_REGION), st.sampled_from([0, 21, 22, 31])),
    st.sampled_from([Entry(0), Entry(int(PM.SOFT_DIRTY)), Entry(1 << 59 | 7)]),
)
spaces = st.lists(st.lists(st.lists(entries, max_size=12), max_size=3), max_size=7)


def words(chunk: Iterable[Entry]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array([entry.word for entry in chunk], np.uint64)


def fold_all(ownership: Ownership, all_spaces: Sequence[Sequence[Sequence[Entry]]]) -> None:
    for number, chunks in enumerate(all_spaces):
        assert ownership.begin() == number
        for chunk in chunks:
            ownership.fold(words(chunk))
        ownership.end()


def said(ownership: Ownership) -> dict[Hashable, list[tuple[int, int]]]:
    """Owners of everything, each with how often it maps it, in the order of folding."""
    sets = ownership.sets()
    found: dict[Hashable, int] = dict(enumerate(ownership.owner.tolist()))
    device = ownership.device_frames()
    found.update(zip(device.pfn.tolist(), device.set.tolist(), strict=True))
    for kind, table in ownership.swap.items():
        found.update({(kind, offset): number for offset, number in enumerate(table.tolist())})
    return {key: sets.members(number) for key, number in found.items() if number}


@given(spaces)
def test_owners_are_those_of_the_model(all_spaces: list[list[list[Entry]]]) -> None:
    ownership = Ownership(N_FRAMES)
    fold_all(ownership, all_spaces)
    owners: Owners = defaultdict(Counter)
    counted: Counter[str] = Counter()
    for number, chunks in enumerate(all_spaces):
        for entry in (entry for chunk in chunks for entry in chunk):
            counted[entry.stranger] += 1
            if entry.owns is not None:
                owners[entry.owns][number] += 1
    assert said(ownership) == {key: sorted(found.items()) for key, found in owners.items()}
    names = ("markers", "moving", "unnumbered", "device")
    assert {name: getattr(ownership.strangers, name) for name in names} == {name: counted[name] for name in names}
    assert ownership.spaces == len(all_spaces)
    # What each set has: everything owned, once.
    per_set = Counter(tuple(sorted(found.items())) for found in owners.values())
    sets, frames = ownership.sets(), ownership.frames_per_set()
    told: Counter[tuple[tuple[int, int], ...]] = Counter()
    for number, n in enumerate(frames.tolist()):
        told[tuple(sets.members(number))] += n
    assert +told == per_set
    assert (frames >= 0).all()
    assert len(ownership.swap_sets()) == sum(isinstance(key, tuple) for key in owners)


@given(spaces)
def test_sets_form_a_trie(all_spaces: list[list[list[Entry]]]) -> None:
    """Parents come before children, owners ascend along a path, and counts agree with the paths."""
    ownership = Ownership(N_FRAMES)
    fold_all(ownership, all_spaces)
    sets = ownership.sets()
    owners, mappings = sets.along_paths()
    for number in range(1, len(sets)):
        members = sets.members(number)
        assert sets.parent[number] < number
        assert [space for space, _ in members] == sorted({space for space, _ in members})
        if number >= native.FIRST_SET:
            assert (owners[number], mappings[number]) == (len(members), sum(times for _, times in members))
    assert (owners[: native.FIRST_SET] == 0).all()
    assert (mappings[: native.FIRST_SET] == 0).all()


@given(st.lists(st.sets(st.integers(1, N_FRAMES - 1), max_size=30), max_size=12))
def test_the_four_lines_of_the_design(all_spaces: list[set[int]]) -> None:
    """Two frames have one set by these exactly if they have one by the native fold."""
    owner, n_sets = np.zeros(N_FRAMES, np.int64), 1
    ownership = Ownership(N_FRAMES)
    successor = np.zeros(10_000, np.int64)
    for mine in all_spaces:
        pfns = np.array(sorted(mine), np.int64)
        ids = owner[pfns]
        seen = np.unique(ids)
        successor[seen] = np.arange(n_sets, n_sets + seen.size)
        owner[pfns] = successor[ids]
        n_sets += seen.size
        ownership.begin()
        ownership.fold(pfns.astype(np.uint64) | np.uint64(PM.PRESENT))
        ownership.end()
    pairs = set(zip(owner.tolist(), ownership.owner.tolist(), strict=True))
    assert len(pairs) == len({ours for ours, _ in pairs}) == len({theirs for _, theirs in pairs})


@given(st.permutations([present(1), present(2, PM.FILE), present(3), present(2, PM.FILE), swapped(0, 7)]))
def test_roots_say_how_a_frame_was_first_seen(chunk: list[Entry]) -> None:
    ownership = Ownership(N_FRAMES)
    fold_all(ownership, [[chunk], [chunk]])
    roots = ownership.roots()
    assert [int(roots[ownership.owner[pfn]]) for pfn in (1, 2, 3)] == [native.ROOT_ANON, ROOT_FILE, native.ROOT_ANON]
    assert int(roots[ownership.swap[0][7]]) == native.ROOT_SWAP


def test_device_frames_say_how_they_were_seen() -> None:
    ownership = Ownership(4)
    chunk = [present(9, PM.FILE, 4), present(7, 0, 4), present(9, PM.FILE, 4)]
    fold_all(ownership, [[chunk], [[present(7, 0, 4)]]])
    device = ownership.device_frames()
    assert device.pfn.tolist() == [9, 7]
    assert device.seen_as_file.tolist() == [True, False]
    assert [ownership.sets().members(int(number)) for number in device.set] == [[(0, 2)], [(0, 1), (1, 1)]]


def test_nothing_folded_is_nobodys() -> None:
    ownership = Ownership(0)
    assert ownership.begin() == 0
    ownership.fold(np.empty(0, np.uint64))
    assert ownership.strangers == Strangers()
    ownership.end()
    assert len(ownership.sets()) == native.FIRST_SET
    assert len(ownership.device_frames().pfn) == len(ownership.swap_sets()) == 0
    assert ownership.sets().members(0) == []


# Room


def test_one_frame_mapped_many_times() -> None:
    ownership = Ownership(10)
    chunk = np.full(50_000, PM.PRESENT | 3, np.uint64)
    ownership.begin()
    ownership.fold(chunk)
    ownership.fold(chunk)
    ownership.end()
    assert ownership.sets().members(int(ownership.owner[3])) == [(0, 100_000)]
    assert ownership.frames_per_set().sum() == 1


def test_many_frames_mapped_again_in_every_table() -> None:
    """More repeats than there is room for at first, and again and again; what repeats in RAM does not in swap."""
    n = 6000
    ownership = Ownership(n)
    ram = np.arange(1, n, dtype=np.uint64) | np.uint64(PM.PRESENT)
    swap = (np.arange(1, n, dtype=np.uint64) << np.uint64(5)) | np.uint64(PM.SWAP | 3)
    device = np.arange(n, n + 700, dtype=np.uint64) | np.uint64(PM.PRESENT | PM.FILE)
    for times in (1, 3):
        ownership.begin()
        for _ in range(times):
            ownership.fold(np.concatenate((ram, swap[: n // 2], device)))
        ownership.end()
    for number in [*ownership.owner[1:], *ownership.swap[3][1 : n // 2], *ownership.device_frames().set]:
        assert ownership.sets().members(int(number)) == [(0, 1), (1, 3)]
    owners, mappings = ownership.sets().along_paths()
    assert set(zip(owners[ownership.owner[1:]].tolist(), mappings[ownership.owner[1:]].tolist(), strict=True)) == {
        (2, 4)
    }


@pytest.mark.parametrize("before", [4090, 4091, 4092, 4093])
def test_room_for_sets_ends_at_the_end_of_a_chunk(before: int) -> None:
    """4096 rows: as many spaces, each with a set of its own, and then one that shares with all of them."""
    ownership = Ownership(before + 1)
    for pfn in range(1, before + 1):
        ownership.begin()
        ownership.fold(np.array([PM.PRESENT | pfn], np.uint64))
        ownership.end()
    assert len(ownership.sets()) == before + native.FIRST_SET
    ownership.begin()
    ownership.fold(np.arange(1, before + 1, dtype=np.uint64) | np.uint64(PM.PRESENT))
    ownership.end()
    sets = ownership.sets()
    assert len(sets) == 2 * before + native.FIRST_SET
    assert all(sets.members(int(ownership.owner[pfn])) == [(pfn - 1, 1), (before, 1)] for pfn in range(1, before + 1))


@pytest.mark.parametrize("told", [False, True])
def test_frames_are_kept_apart_by_what_their_vmas_tell(told: bool) -> None:
    """By the first entry for it; without being told of VMAs only bit 61 counts, whatever else is set."""
    ownership = Ownership(1 << 18, told)
    anon, shmem, sole = TOLD_ANON, TOLD_SHMEM, int(PM.MMAP_EXCLUSIVE)
    file = int(PM.FILE)
    bits = [0, sole, anon, anon | sole, file, file | anon | sole, file | anon | shmem, shmem]
    for first in (bits, [anon | sole] * 8):
        ownership.begin()
        ownership.fold(np.array([PM.PRESENT | 70_000 + k | bit for k, bit in enumerate(first)], np.uint64))
        ownership.end()
    root = ownership.roots()[ownership.owner[70_000:70_008]].tolist()
    plain = native.ROOT_ANON
    if told:
        assert root == [plain, plain, ROOT_PLAIN, ROOT_SOLE, ROOT_FILE, ROOT_FILE, ROOT_SHMEM, plain]
    else:
        assert root == [*[plain] * 4, *[ROOT_FILE] * 3, plain]
    assert np.flatnonzero(ownership.touched).tolist() == [70_000 // BLOCK]
    assert len(ownership.touched) * BLOCK == 1 << 18


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3 * BLOCK), st.integers(1, 2 * BLOCK), st.booleans()), max_size=4),
        max_size=3,
    ),
    st.integers(1, 700),
)
def test_what_is_noted_of_blocks(spaces: list[list[tuple[int, int, bool]]], chunk: int) -> None:
    """No block is left out that has a frame to be read, or that one run of entries fills: it may be a huge page."""
    limit = 8 * BLOCK
    ownership = Ownership(limit, told=True)
    owners: dict[int, list[bool]] = {}
    whole: set[int] = set()
    for runs in spaces:
        entries = []
        for first, length, is_sole in runs:
            bits = int(PM.PRESENT | TOLD_ANON | (PM.MMAP_EXCLUSIVE if is_sole else 0))
            pfns = range(first + 1, min(first + 1 + length, limit))
            entries += [bits | pfn for pfn in pfns]
            for pfn in pfns:
                owners.setdefault(pfn, []).append(is_sole)
            whole |= {block for block in range(8) if pfns.start <= block * BLOCK and (block + 1) * BLOCK <= pfns.stop}
        ownership.begin()
        for at in range(0, len(entries), chunk):
            ownership.fold(np.array(entries[at : at + chunk], np.uint64))
        ownership.end()
    noted = ownership.touched
    for pfn, told in owners.items():
        assert noted[pfn // BLOCK] & native.OWNED
        assert noted[pfn // BLOCK] & native.ASKED or told == [True]
    for block in whole:
        assert noted[block] & native.HUGE
    assert {int(block) for block in np.flatnonzero(noted)} == {pfn // BLOCK for pfn in owners}
