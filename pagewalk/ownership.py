"""Which address spaces own each frame and each swap slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pagewalk._native import ownership as native
from pagewalk.abi import PFRAME_MASK, PM, SWAP_OFFSET_SHIFT, SWAP_TYPE_MASK

__all__ = [
    "BLOCK",
    "FIRST_SET",
    "ROOT_FILE",
    "ROOT_PLAIN",
    "ROOT_SHMEM",
    "ROOT_SOLE",
    "DeviceFrames",
    "OwnerSets",
    "Ownership",
    "Strangers",
]

FIRST_SET, ROOT_FILE, ROOT_SOLE = native.FIRST_SET, native.ROOT_FILE, native.ROOT_SOLE
ROOT_PLAIN, ROOT_SHMEM = native.ROOT_PLAIN, native.ROOT_SHMEM
# Frames of which is noted together what is to be read of them: as many as one PMD maps.
BLOCK = 1 << native.BLOCK_SHIFT

# Tags of the tables of owners: that of the frames, swap type t has t + 1, device memory the last two.
_FRAMES = 0
_DEVICE_FILE, _DEVICE_ANON = 64, 65
_Scalar = TypeVar("_Scalar", np.uint32, np.int64)
_REPEATS = 256  # room at first, a power of two


@dataclass(frozen=True, eq=False, slots=True)
class OwnerSets:
    """The interned owner sets: a trie, parents before children. Row 0 is nobody.

    Attributes
    ----------
    parent : ndarray of uint32
        The set without its last owner.
    space : ndarray of uint32
        The last owner: the number of an address space, or of a group of them.
    times : ndarray of uint32
        How often that owner maps each frame of the set.
    """

    parent: NDArray[np.uint32]
    space: NDArray[np.uint32]
    times: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.parent)

    def along_paths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many owners each set has, and how many mappings these have of each of its frames."""
        owners = np.zeros(len(self), np.int64)
        mappings = np.zeros(len(self), np.int64)
        native.along_paths(self.parent, self.times, owners, mappings)
        return owners, mappings

    def members(self, number: int) -> list[tuple[int, int]]:
        """Return a set's owners in order, each with how often it maps each frame."""
        path = []
        while number:
            path.append((int(self.space[number]), int(self.times[number])))
            number = int(self.parent[number])
        return path[::-1]


@dataclass(frozen=True, eq=False, slots=True)
class DeviceFrames:
    """Frames of which the kpage files say nothing.

    Attributes
    ----------
    pfn : ndarray of uint64
        Frame numbers.
    set : ndarray of uint32
        Owner sets.
    seen_as_file : ndarray of bool
        Whether pagemap's bit 61 was set.
    """

    pfn: NDArray[np.uint64]
    set: NDArray[np.uint32]
    seen_as_file: NDArray[np.bool_]


@dataclass(slots=True)
class Strangers:
    """Entries that are neither frames of RAM nor swap, as counts of pages.

    Attributes
    ----------
    markers : int
        Guard regions, userfaultfd and poison markers: nothing is there (include/linux/swapops.h, PTE markers).
    moving : int
        Migration, poison and device-private entries: a frame that this table cannot name.
    unnumbered : int
        Present pages whose frame number reads as 0: the kernel hides it.
    device : int
        Present pages of frames beyond those of the kpage files.
    """

    markers: int = 0
    moving: int = 0
    unnumbered: int = 0
    device: int = 0


class Ownership:
    """Folds address spaces, one after the other, into owner sets.

    The owner set of a frame is a node of a trie, one address space a step. Folding an address space moves each of
    its frames from its node to the child for this owner; what remains at each node is the answer.

    Parameters
    ----------
    n_frames : int
        Frames that the kpage files report; those beyond are device memory.
    told : bool
        Whether entries bear what their VMA tells of them: frames are kept apart by it (`roots`).

    Attributes
    ----------
    owner : ndarray of uint32
        The owner set of each frame.
    touched : ndarray of uint8
        For each BLOCK of frames whether one has an owner (OWNED), whether one may need words of the kpage files (ASKED:
        all but anonymous frames that pagemap says are mapped once), whether all may be one huge page (HUGE).
    """

    def __init__(self, n_frames: int, told: bool = False) -> None:
        self.owner: NDArray[np.uint32] = np.zeros(n_frames, np.uint32)
        self.touched: NDArray[np.uint8] = np.zeros(-(-n_frames // BLOCK), np.uint8)
        self.swap: dict[int, NDArray[np.uint32]] = {}
        self.device = {_DEVICE_FILE: np.zeros(0, np.uint32), _DEVICE_ANON: np.zeros(0, np.uint32)}
        self.device_pfns: dict[int, int] = {}
        self.strangers = Strangers()
        self.spaces = 0
        room = 4096
        self._parent = np.zeros(room, np.uint32)
        self._space = np.zeros(room, np.uint32)
        self._times = np.zeros(room, np.uint32)
        self._successor = np.zeros(room, np.uint32)
        self._frames = np.zeros(room, np.int64)
        self._fold = native.Fold(native.FIRST_SET, told, self.touched)
        self._fold.use_sets(self._parent, self._space, self._successor, self._frames)
        self._keys: NDArray[np.uint64] = np.zeros((0, 3), np.uint64)
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._use_repeats(_REPEATS, 0)
        self._swaps = np.empty(0, np.uint64)
        self._others = np.empty(0, np.uint64)

    def begin(self) -> int:
        """Start the next address space; returns its number."""
        if self._fold.n_repeats:
            self._use_repeats(_REPEATS, 0)
        self._fold.begin(self.spaces)
        self.spaces += 1
        return self.spaces - 1

    def fold(self, entries: NDArray[np.uint64]) -> None:
        """Fold pagemap entries of the address space begun last; `strangers` counts what is no frame and no swap slot.

        Parameters
        ----------
        entries : ndarray of uint64
            Raw entries, in any order.
        """
        if len(self._swaps) < len(entries):
            self._swaps = np.empty(len(entries), np.uint64)
            self._others = np.empty(len(entries), np.uint64)
        at = 0
        while True:
            at = self._fold.fold_entries(entries, at, len(entries), self.owner, self._swaps, self._others)
            # What lies beside is copied: folding it may stop for want of room and fold further entries.
            if self._fold.n_swaps or self._fold.n_others:
                swaps = self._swaps[: self._fold.n_swaps].copy()
                others = self._others[: self._fold.n_others].copy()
                if len(swaps):
                    self._fold_swaps(swaps)
                if len(others):
                    self._fold_others(others, self.strangers)
            if at == len(entries):
                return
            self._make_room()

    def end(self) -> None:
        """Finish the address space: frames that it maps more than once get sets that say how often."""
        n = self._fold.n_repeats
        if not n:
            return
        keys, counts = self._keys[:n].astype(np.int64), self._counts[:n]
        for tag in np.unique(keys[:, 1]).tolist():
            mine = keys[:, 1] == tag
            table, index, more = self._table(tag), keys[mine, 0], counts[mine]
            # One word for set and times (a mapcount has 31 bits): sorting rows takes six times as long.
            pairs, which, frames = np.unique(
                table[index].astype(np.int64) << 31 | more, return_inverse=True, return_counts=True
            )
            first = self._append_sets(pairs >> 31, (pairs & (1 << 31) - 1) + 1, frames)
            table[index] = (first + which).astype(np.uint32)

    def sets(self) -> OwnerSets:
        """Return the owner sets as they are now; the roots by kind of frame are made one with nobody."""
        n = self._fold.n_sets
        parent = self._parent[:n].copy()
        parent[parent < native.FIRST_SET] = 0
        times = self._times[:n].copy()
        times[(times == 0) & (np.arange(n) >= native.FIRST_SET)] = 1
        return OwnerSets(parent, self._space[:n].copy(), times)

    def roots(self) -> NDArray[np.uint32]:
        """Return how each set's frames were first seen.

        ROOT_FILE or ROOT_SHMEM where pagemap's bit 61 was set, the latter where the VMA tells that it is shmem.
        ROOT_SOLE and ROOT_PLAIN where the VMA tells that it is anonymous memory, and pagemap (bit 56) that it is mapped
        once or not.
        """
        root = np.empty(self._fold.n_sets, np.uint32)
        native.roots(self._parent[: self._fold.n_sets], root)
        return root

    def device_frames(self) -> DeviceFrames:
        """Return the frames beyond those of the kpage files, one a row."""
        pfn = np.array(list(self.device_pfns), np.uint64)
        as_file, as_anon = (
            _long_enough(self.device[tag], len(pfn))[: len(pfn)] for tag in (_DEVICE_FILE, _DEVICE_ANON)
        )
        return DeviceFrames(pfn, np.where(as_file > 0, as_file, as_anon), as_file > 0)

    def swap_sets(self) -> NDArray[np.uint32]:
        """Return the owner set of each swap slot that has one."""
        if not self.swap:
            return np.zeros(0, np.uint32)
        slots = np.concatenate(list(self.swap.values()))
        return slots[slots > 0]

    def frames_per_set(self) -> NDArray[np.int64]:
        """Return the frames (and swap slots) at each set, shape (len(sets()),)."""
        frames = self._frames[: self._fold.n_sets].copy()
        frames[: native.FIRST_SET] = 0
        return frames

    # Below: making room, and the tables beside that of the frames.

    def _table(self, tag: int) -> NDArray[np.uint32]:
        if tag == _FRAMES:
            return self.owner
        return self.device[tag] if tag in self.device else self.swap[tag - 1]

    def _fold_swaps(self, swaps: NDArray[np.uint64]) -> None:
        kinds = swaps & np.uint64(SWAP_TYPE_MASK)
        for kind in np.unique(kinds).tolist():
            slots = swaps[kinds == kind] >> np.uint64(SWAP_OFFSET_SHIFT)
            self.swap[kind] = _long_enough(self.swap.get(kind, np.zeros(0, np.uint32)), int(slots.max()) + 1)
            self._fold_indexes(slots, kind + 1, native.ROOT_SWAP)

    def _fold_others(self, others: NDArray[np.uint64], strangers: Strangers) -> None:
        present = (others & np.uint64(PM.PRESENT)) != 0
        absent = others[~present]
        # PTE markers have the highest type (30 up to 6.1, then 31) and flags where others have a frame number.
        flags = (absent & np.uint64(PFRAME_MASK)) >> np.uint64(SWAP_OFFSET_SHIFT)
        marker = (absent & np.uint64(PM.GUARD_REGION)) != 0
        marker |= ((absent & np.uint64(SWAP_TYPE_MASK)) >= 30) & (flags < 8)
        strangers.markers += int(marker.sum())
        strangers.moving += len(absent) - int(marker.sum())
        entries = others[present]
        pfns = entries & np.uint64(PFRAME_MASK)
        strangers.unnumbered += int((pfns == 0).sum())
        entries, pfns = entries[pfns != 0], pfns[pfns != 0]
        strangers.device += len(pfns)
        if not len(pfns):
            return
        index = np.array([self.device_pfns.setdefault(pfn, len(self.device_pfns)) for pfn in pfns.tolist()], np.uint64)
        is_file = (entries & np.uint64(PM.FILE)) != 0
        for tag, root, mine in (
            (_DEVICE_FILE, native.ROOT_FILE, index[is_file]),
            (_DEVICE_ANON, native.ROOT_ANON, index[~is_file]),
        ):
            self.device[tag] = _long_enough(self.device[tag], len(self.device_pfns))
            self._fold_indexes(mine, tag, root)

    def _fold_indexes(self, indexes: NDArray[np.uint64], tag: int, root: int) -> None:
        indexes = np.ascontiguousarray(indexes)
        at = 0
        while (at := self._fold.fold_indexes(indexes, at, self._table(tag), root, tag)) < len(indexes):
            self._make_room()

    def _make_room(self) -> None:
        if self._fold.n_sets == len(self._parent):
            self._room_for_sets(2 * len(self._parent))
        if self._fold.n_repeats == len(self._keys):
            self._use_repeats(4 * len(self._keys), self._fold.n_repeats)

    def _room_for_sets(self, room: int) -> None:
        self._parent = _long_enough(self._parent, room)
        self._space = _long_enough(self._space, room)
        self._times = _long_enough(self._times, room)
        self._successor = _long_enough(self._successor, room)
        self._frames = _long_enough(self._frames, room)
        self._fold.use_sets(self._parent, self._space, self._successor, self._frames)

    def _use_repeats(self, room: int, used: int) -> None:
        keys, counts = np.zeros((room, 3), np.uint64), np.zeros(room, np.int64)
        if used:
            keys[:used], counts[:used] = self._keys[:used], self._counts[:used]
        self._slots = np.zeros(2 * room, np.uint32)
        self._keys, self._counts = keys, counts
        self._fold.use_repeats(self._slots, keys, counts, used)

    def _append_sets(self, siblings: NDArray[np.int64], times: NDArray[np.int64], frames: NDArray[np.int64]) -> int:
        """Add a set beside each sibling with its owner mapping ``times`` times, and move ``frames`` there."""
        first, n = self._fold.n_sets, len(siblings)
        if first + n > len(self._parent):
            self._room_for_sets(max(2 * len(self._parent), first + n))
        new = slice(first, first + n)
        self._parent[new] = self._parent[siblings]
        self._space[new] = self._space[siblings]
        self._times[new] = times
        self._frames[new] = frames
        np.subtract.at(self._frames, siblings, frames)
        self._fold.n_sets = first + n
        return first


def _long_enough(table: NDArray[_Scalar], length: int) -> NDArray[_Scalar]:
    """Return the table, or a copy of it with at least twice its room, zeros at the end."""
    if length <= len(table):
        return table
    longer = np.zeros(max(length, 2 * len(table)), table.dtype)
    longer[: len(table)] = table
    return longer
