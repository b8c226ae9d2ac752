"""The fact table, and the figures that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pagewalk._native import tally as native
from pagewalk.abi import KPF
from pagewalk.frames import FrameRows
from pagewalk.ownership import FIRST_SET, ROOT_FILE, ROOT_SHMEM, OwnerSets, Ownership
from pagewalk.shares import Shares, divide

__all__ = [
    "FIGURES",
    "KINDS",
    "FactTable",
    "Labelled",
    "Sums",
    "Tabulated",
    "hidden_share",
    "kinds_of",
    "regroup",
    "tabulate",
    "times_of",
]

Ints = NDArray[np.int64]

# What a frame is, as far as its owners go. Only the first three are part of rss.
KINDS = ("anon", "file", "shmem", "hugetlb", "zero", "special")
ANON, FILE, SHMEM, HUGETLB, ZERO, SPECIAL = range(len(KINDS))

# Byte figures of an address space or of a group of them, in the order they are shown.
FIGURES = (
    "rss", "pss", "uss", "shared", "private", "anon", "file", "shmem", "thp", "hugetlb", "ksm",
    "shared_clean", "shared_dirty", "private_clean", "private_dirty", "swap", "swap_pss", "swap_uss",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class FactTable:
    """Frames counted by owner set and by what the kernel says of them; swap slots by owner set.

    Attributes
    ----------
    set : ndarray of uint32
        Owner set of each row; 0 for frames that nobody seen owns, counted when all of RAM was asked for.
    kind : ndarray of uint8
        Index into KINDS.
    mapcount : ndarray of int64
        What kpagecount says, -1 where it says nothing (device memory).
    flags, memcg : ndarray of uint64
        What kpageflags and kpagecgroup say; memcg is 0 where the walk had no need of it (`Plan.memcgs`).
    zone : ndarray of int64
        Where the frames are, by the walk's numbers; 0 outside of System RAM, or where it was not asked for.
    frames : ndarray of int64
        Frames of the row.
    swap_set : ndarray of uint32
        Owner set of each swap row.
    swap_slots : ndarray of int64
        Slots of the row.
    sets : OwnerSets
        The owner sets.
    """

    set: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    mapcount: Ints
    flags: NDArray[np.uint64]
    memcg: NDArray[np.uint64]
    zone: Ints
    frames: Ints
    swap_set: NDArray[np.uint32]
    swap_slots: Ints
    sets: OwnerSets

    @cached_property
    def paths(self) -> tuple[Ints, Ints]:
        """Owners of each set, and the mappings these have of each of its frames."""
        return self.sets.along_paths()

    @cached_property
    def owners(self) -> Ints:
        """Seen owners of each row's frames."""
        return self.paths[0][self.set]

    @cached_property
    def seen(self) -> Ints:
        """Seen mappings of each of a row's frames."""
        return self.paths[1][self.set]

    @cached_property
    def hidden(self) -> Ints:
        """Mappings of each of a row's frames that the kernel counts beyond the seen ones."""
        beyond: Ints = np.maximum(self.mapcount - self.seen, 0)
        return beyond

    @cached_property
    def in_rss(self) -> NDArray[np.bool_]:
        """Rows whose frames are part of rss: owned by somebody, and anonymous, file or shmem."""
        return (self.kind <= SHMEM) & (self.owners > 0)

    @cached_property
    def dirty(self) -> NDArray[np.bool_]:
        """Rows that reclaim must write first: KPF_DIRTY, or anonymous and swap-backed without a copy in swap."""
        without_copy = _has(self.flags, KPF.ANON) & _has(self.flags, KPF.SWAPBACKED) & ~_has(self.flags, KPF.SWAPCACHE)
        return _has(self.flags, KPF.DIRTY) | without_copy


def _has(flags: NDArray[np.uint64], bit: KPF) -> NDArray[np.bool_]:
    has: NDArray[np.bool_] = (flags & np.uint64(bit)) != 0
    return has


def kinds_of(flags: NDArray[np.uint64], mapcount: Ints, seen_as_file: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Say what frames are, from their flags.

    Parameters
    ----------
    flags : ndarray of uint64
        Words of kpageflags.
    mapcount : ndarray of int64
        Words of kpagecount.
    seen_as_file : ndarray of bool
        Whether pagemap's bit 61 was set: vm_normal_page found a page that is not anonymous.

    Returns
    -------
    ndarray of uint8
        Indexes into KINDS. ``special`` is present without being a page of the process: a PTE that vm_normal_page
        refuses (VM_MIXEDMAP), told by its having no mapcount, no bit 61 and no ANON flag.
    """
    anon = _has(flags, KPF.ANON)
    kind = np.where(anon, ANON, np.where(_has(flags, KPF.SWAPBACKED), SHMEM, FILE)).astype(np.uint8)
    kind[~anon & ~seen_as_file & (mapcount == 0)] = SPECIAL
    kind[_has(flags, KPF.ZERO_PAGE)] = ZERO
    kind[_has(flags, KPF.HUGE)] = HUGETLB
    return kind


@dataclass(frozen=True, eq=False, slots=True)
class Sums:
    """Sums by label, a column a name.

    Attributes
    ----------
    names : tuple of str
        The columns.
    once : ndarray of int64, shape (labels, len(names))
        Each frame once for each label that owns it.
    often : ndarray of int64, shape (labels, len(names))
        Each frame as often as the label maps it.
    """

    names: tuple[str, ...]
    once: Ints
    often: Ints

    def frames(self, name: str) -> Ints:
        """Return a column summed over distinct frames."""
        column: Ints = self.once[:, self.names.index(name)]
        return column

    def pages(self, name: str) -> Ints:
        """Return a column summed over mapped pages."""
        return self.often[:, self.names.index(name)]

    def pss(self) -> Shares:
        """Return each label's share of the frames it owns."""
        return Shares(self.frames("pss_whole"), self.frames("pss_part"))


def _weights(table: FactTable, sole: NDArray[np.bool_], page_size: int) -> dict[str, Ints]:
    """Return what each row adds to each sum, in frames; ``sole`` marks rows with one owner and none hidden."""
    frames, inside = table.frames, table.in_rss
    private = inside & (table.mapcount < 2)
    where = {
        "rss": inside,
        "anon": inside & (table.kind == ANON),
        "file": inside & (table.kind == FILE),
        "shmem": inside & (table.kind == SHMEM),
        "thp": inside & (table.kind == ANON) & _has(table.flags, KPF.THP),
        "hugetlb": table.kind == HUGETLB,
        "ksm": inside & _has(table.flags, KPF.KSM),
        "private": private,
        "dirty": inside & table.dirty,
        "private_dirty": private & table.dirty,
        "uss": inside & sole,
        "uss_dirty": inside & sole & table.dirty,
    }
    columns = {name: np.where(mask, frames, 0) for name, mask in where.items()}
    share = divide(columns["rss"], table.owners + table.hidden, page_size)
    return {**columns, "pss_whole": share.whole, "pss_part": share.part}


@dataclass(frozen=True, eq=False, slots=True)
class Labelled:
    """Owner sets by label (address spaces, or groups of them), and the sets of the rows among these.

    Attributes
    ----------
    sets : OwnerSets
        Each label once on a path.
    of_row, of_swap_row : ndarray of uint32
        The set of each row of frames, and of swap slots.
    labels : int
        One more than the highest label.
    """

    sets: OwnerSets
    of_row: NDArray[np.uint32]
    of_swap_row: NDArray[np.uint32]
    labels: int

    def sums(self, table: FactTable, page_size: int) -> Sums:
        """Sum the rows of frames up by label."""
        owners, _ = self.sets.along_paths()
        sole = (owners[self.of_row] == 1) & (table.hidden == 0)
        return self.add_up(self.of_row, _weights(table, sole, page_size))

    def swap_sums(self, table: FactTable, page_size: int) -> Sums:
        """Sum the rows of swap slots up by label."""
        owners, _ = self.sets.along_paths()
        slots = table.swap_slots
        share = divide(slots, table.paths[0][table.swap_set], page_size)
        sole = np.where(owners[self.of_swap_row] == 1, slots, 0)
        columns = {"swap": slots, "swap_uss": sole, "pss_whole": share.whole, "pss_part": share.part}
        return self.add_up(self.of_swap_row, columns)

    def add_up(self, at: NDArray[np.uint32], columns: dict[str, Ints]) -> Sums:
        """Sum columns up by label; ``at`` gives each row's set."""
        once = np.zeros((self.labels, len(columns)), np.int64)
        # There may be a hundred sets a process: no more is carried through them than there is.
        weights = np.stack(list(columns.values()), axis=1)
        live = np.flatnonzero(weights.any(axis=0))
        if not len(live):
            return Sums(tuple(columns), once, once)
        per_set = np.zeros((len(self.sets), len(live)), np.int64)
        native.add_rows(np.ascontiguousarray(at), np.ascontiguousarray(weights[:, live]), per_set)
        repeated = bool((self.sets.times > 1).any())
        sums = [np.zeros((self.labels, len(live)), np.int64) for _ in range(2 if repeated else 1)]
        native.up_the_trie(self.sets.parent, self.sets.space, self.sets.times, per_set, *sums)
        once[:, live] = sums[0]
        often = once
        if repeated:
            often = np.zeros_like(once)
            often[:, live] = sums[1]
        return Sums(tuple(columns), once, often)

    def pairs(self, columns: dict[str, Ints]) -> Ints:
        """Sum columns of the rows of frames, none negative, up by pairs of labels that own them, whoever else does.

        Returns
        -------
        ndarray of int64, shape (labels * (labels - 1) / 2, len(columns))
            Row ``a * (a - 1) / 2 + b`` is of the labels a and b, a > b.
        """
        per_set = np.zeros((len(self.sets), len(columns)), np.int64)
        native.add_rows(np.ascontiguousarray(self.of_row), np.stack(list(columns.values()), axis=1), per_set)
        sums = np.zeros((self.labels * (self.labels - 1) // 2, len(columns)), np.int64)
        native.add_pairs(self.sets.parent, self.sets.space, per_set, sums, self.labels)
        return sums


def hidden_share(table: FactTable, page_size: int) -> Shares:
    """Return what the hidden owners have of the frames in rss, shape (1,)."""
    frames = np.where(table.in_rss, table.frames, 0)
    each = divide(frames * table.hidden, table.owners + table.hidden, page_size)
    return Shares(each.whole.sum(keepdims=True), each.part.sum(keepdims=True))


def regroup(sets: OwnerSets, group: Ints) -> tuple[OwnerSets, NDArray[np.uint32]]:
    """Make the owner sets of groups of owners, each group once in a set.

    Parameters
    ----------
    sets : OwnerSets
        The sets, by label.
    group : ndarray of int64
        The group of each label; -1 leaves the label out.

    Returns
    -------
    grouped : OwnerSets
        The sets of groups. Two of them may have the same groups in another order.
    new_of : ndarray of uint32
        For each set its number in ``grouped``.
    """
    n = len(sets)
    if not len(group):
        group = np.full(1, -1, np.int64)  # nobody was read: the roots' label 0 has no group all the same
    new_of = np.zeros(n, np.uint32)
    keys = np.zeros((max(n, 1), 3), np.uint64)
    slots = np.zeros(1 << (2 * max(n, 2) - 1).bit_length(), np.uint32)
    kept = group[group >= 0]
    distinct = len(np.unique(kept)) == len(kept)
    # How often a group maps a frame is no figure of it: one set for the same groups.
    times = sets.times if distinct else np.minimum(sets.times, 1).astype(np.uint32)
    used = native.regroup(sets.parent, sets.space, times, group, new_of, slots, keys, distinct)
    columns = np.concatenate((np.zeros((1, 3), np.uint64), keys[:used])).astype(np.uint32)
    return OwnerSets(*(np.ascontiguousarray(columns[:, k]) for k in range(3))), new_of


def times_of(sets: OwnerSets, numbers: NDArray[np.uint32], labels: NDArray[np.uint32]) -> Ints:
    """Return how often each label maps the frames of each set; 0 where it is not among its owners."""
    out = np.zeros(len(numbers), np.int64)
    native.times_on_path(
        sets.parent, sets.space, sets.times, np.ascontiguousarray(numbers), np.ascontiguousarray(labels), out
    )
    return out


@dataclass(frozen=True, eq=False, slots=True)
class Tabulated:
    """The fact table, and how to find a page's row in it.

    Attributes
    ----------
    table : FactTable
        Its first rows are those of the frames, one for one.
    new_of : ndarray of uint32
        For each owner set of the ownership its number in ``table.sets``.
    row_of_device : dict of int to int
        The row of each device frame.
    """

    table: FactTable
    new_of: NDArray[np.uint32]
    row_of_device: dict[int, int]


def tabulate(ownership: Ownership, rows: FrameRows, space_of: Ints) -> Tabulated:
    """Make the fact table.

    Parameters
    ----------
    ownership : Ownership
        All address spaces folded.
    rows : FrameRows
        What the kernel says of the frames.
    space_of : ndarray of int64
        For each number of the ownership its address space, -1 to leave that one out (it went meanwhile).
    """
    sets = ownership.sets()
    # As they were folded, where none is to be left out.
    if len(space_of) and np.array_equal(space_of, np.arange(len(space_of))):
        new_of = np.arange(len(sets), dtype=np.uint32)
        new_of[:FIRST_SET] = 0
    else:
        sets, new_of = regroup(sets, space_of)
    # An int in the kernel (struct page, _mapcount): what is more than that is no count, and must not overflow a share.
    mapcount = np.minimum(rows.mapcount, np.uint64(2**31 - 1)).astype(np.int64)
    root = ownership.roots()[rows.set]
    kind = kinds_of(rows.flags, mapcount, (root == ROOT_FILE) | (root == ROOT_SHMEM))
    # Device memory: the kernel has no word on it. What pagemap calls a file page is one (DAX), the rest is none.
    device = ownership.device_frames()
    n = len(device.pfn)
    nothing = np.zeros(n, np.uint64)
    swap_set, swap_slots = np.unique(new_of[ownership.swap_sets()], return_counts=True)
    owned = swap_set != 0
    table = FactTable(
        set=np.concatenate((new_of[rows.set], new_of[device.set])),
        kind=np.concatenate((kind, np.where(device.seen_as_file, FILE, SPECIAL).astype(np.uint8))),
        mapcount=np.concatenate((mapcount, np.full(n, -1, np.int64))),
        flags=np.concatenate((rows.flags, nothing)),
        memcg=np.concatenate((rows.memcg, nothing)),
        zone=np.concatenate((rows.zone, np.zeros(n, np.int64))),
        frames=np.concatenate((rows.frames, np.ones(n, np.int64))),
        swap_set=swap_set[owned].astype(np.uint32),
        swap_slots=swap_slots[owned].astype(np.int64),
        sets=sets,
    )
    row_of_device = {pfn: len(rows.set) + k for k, pfn in enumerate(device.pfn.tolist())}
    return Tabulated(table, new_of, row_of_device)
