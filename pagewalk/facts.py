"""The frozen result of a walk: facts and their dimensions, and what the walk could not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagewalk.abi import KPF
from pagewalk.accounts import Accounts, Places
from pagewalk.errors import PagewalkError
from pagewalk.groups import Grouping, Spaces
from pagewalk.mappings import MappingFacts
from pagewalk.objects import ObjectFacts
from pagewalk.pages import FrameRuns, PageFacts
from pagewalk.shares import Shares, apportion
from pagewalk.tally import (
    FIGURES,
    HUGETLB,
    KINDS,
    SHMEM,
    FactTable,
    Labelled,
    Sums,
    hidden_share,
    regroup,
)

__all__ = ["Facts", "Gap"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something the walk could not see.

    Attributes
    ----------
    pid : int or None
        The process it concerns, None for the whole machine.
    what : str
        What is missing.
    reason : str
        Why.
    """

    pid: int | None
    what: str
    reason: str


@dataclass(frozen=True, eq=False)
class Facts:
    """All that a walk found out; every figure follows from it.

    Attributes
    ----------
    host : dict
        The machine and the walk: the JSON's ``host``.
    page_size : int
        Bytes of a page.
    spaces : Spaces
        The address spaces.
    table : FactTable
        Frames and swap slots by owner set.
    processes, refused, vanished : int
        Processes read, refused, and gone before they were read whole.
    missing_frames : int
        Owned frames of which the kpage files say nothing (device memory).
    ksm_known : bool
        Whether KPF_KSM can be believed (set on every anonymous page by 6.12 to 6.18).
    gaps : tuple of Gap
        What could not be seen.
    mappings : MappingFacts or None
        Present if the walk was asked to keep mappings.
    places : Places or None
        What the zone numbers of the table mean; present if the walk was asked where frames are.
    accounts : Accounts or None
        The kernel's own figures; present if all of RAM was read.
    pages : PageFacts or None
        Where frames are mapped; present beside the mappings.
    frames : FrameRuns or None
        The row of each frame that was read; present beside the mappings.
    objects : ObjectFacts or None
        Files without a name and who holds them; present if the walk was asked what would be freed.
    memcg_paths : mapping of int to str
        Path of each cgroup by its inode, as far as the walk was asked for them.
    unasked : tuple of str
        Columns that the walk was not asked for, and knows nothing of.
    spared_frames : int
        Frames of which no word of the kpage files was read, since pagemap tells all that was asked.
    """

    host: dict[str, Any]
    page_size: int
    spaces: Spaces
    table: FactTable
    processes: int
    refused: int
    vanished: int
    missing_frames: int
    ksm_known: bool = True
    gaps: tuple[Gap, ...] = field(default=())
    mappings: MappingFacts | None = None
    places: Places | None = None
    accounts: Accounts | None = None
    pages: PageFacts | None = None
    frames: FrameRuns | None = None
    objects: ObjectFacts | None = None
    memcg_paths: Mapping[int, str] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()
    spared_frames: int = 0

    @cached_property
    def by_space(self) -> Labelled:
        """The owner sets as they are: labels are address spaces."""
        return Labelled(self.table.sets, self.table.set, self.table.swap_set, len(self.spaces))

    @cached_property
    def _space_sums(self) -> Sums:
        return self.by_space.sums(self.table, self.page_size)

    @cached_property
    def mapped_frames(self) -> int:
        """Frames in the rss of somebody, each once."""
        return int(self.table.frames[self.table.in_rss].sum())

    @cached_property
    def swap_slots(self) -> int:
        """Swap slots that somebody has, each once."""
        return int(self.table.swap_slots.sum())

    @cached_property
    def _pss(self) -> Ints:
        seen, hidden = self._space_sums.pss(), hidden_share(self.table, self.page_size)
        shares = Shares(np.concatenate((seen.whole, hidden.whole)), np.concatenate((seen.part, hidden.part)))
        return apportion(shares, np.array([self.mapped_frames * self.page_size]), np.zeros(len(shares.whole), np.int64))

    @property
    def hidden_pss(self) -> int:
        """The share of the hidden owners, in bytes: with the ``pss`` of all address spaces, the mapped memory."""
        return int(self._pss[-1])

    @cached_property
    def process_figures(self) -> dict[str, Ints]:
        """FIGURES of every address space, in bytes; ``rss`` and its parts count mapped pages, as the kernel does."""
        swap = self.by_space.swap_sums(self.table, self.page_size)
        everyone = np.zeros(len(self.spaces), np.int64)
        swap_pss = apportion(swap.pss(), np.array([self.swap_slots * self.page_size]), everyone)
        return self._figures(self._space_sums, swap, self._space_sums.often, swap.often, self._pss[:-1], swap_pss)

    def regrouped(self, grouping: Grouping) -> Labelled:
        """Return the owner sets by group; the last label is that of all who were not selected."""
        sets, new_of = regroup(self.table.sets, grouping.of_space)
        return Labelled(sets, new_of[self.table.set], new_of[self.table.swap_set], len(grouping.names) + 1)

    def group_figures(self, grouping: Grouping) -> dict[str, Ints]:
        """FIGURES of every group, in bytes, a frame counted once; ``pss`` is the sum of the members'."""
        n = len(grouping.names)
        labelled = self.regrouped(grouping)
        sums = labelled.sums(self.table, self.page_size)
        swap = labelled.swap_sums(self.table, self.page_size)
        own = self.process_figures
        pss, swap_pss = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
        np.add.at(pss, grouping.of_space, own["pss"])
        np.add.at(swap_pss, grouping.of_space, own["swap_pss"])
        figures = self._figures(sums, swap, sums.once, swap.once, pss, swap_pss)
        return {name: column[:n] for name, column in figures.items()}

    def _figures(
        self, sums: Sums, swap: Sums, counted: Ints, swap_counted: Ints, pss: Ints, swap_pss: Ints
    ) -> dict[str, Ints]:
        """Return FIGURES in bytes; ``counted`` is the way of counting rss and its parts."""
        size = self.page_size
        pages = {name: counted[:, k] * size for k, name in enumerate(sums.names)}
        uss, uss_dirty = sums.frames("uss") * size, sums.frames("uss_dirty") * size
        shared = pages["rss"] - uss
        shared_dirty = pages["dirty"] - uss_dirty
        derived = {
            "pss": pss,
            "uss": uss,
            "shared": shared,
            "shared_clean": shared - shared_dirty,
            "shared_dirty": shared_dirty,
            "private_clean": pages["private"] - pages["private_dirty"],
            "swap": swap_counted[:, swap.names.index("swap")] * size,
            "swap_pss": swap_pss,
            "swap_uss": swap.frames("swap_uss") * size,
        }
        return {name: derived[name] if name in derived else pages[name] for name in FIGURES}

    @property
    def in_ram(self) -> NDArray[np.bool_]:
        """Rows of the table whose frames are System RAM; what the kernel calls NOPAGE (up to 6.15) is a hole in it.

        Raises
        ------
        PagewalkError
            The walk read the frames that have owners only.
        """
        if self.places is None or self.accounts is None:
            raise PagewalkError("this walk read only frames with owners; ask for all of RAM: walk(frames='all')")
        inside: NDArray[np.bool_] = (self.table.zone > 0) & ((self.table.flags & np.uint64(KPF.NOPAGE)) == 0)
        return inside

    def node_figures(self) -> dict[int, Ints]:
        """Return the rss of every address space by NUMA node, in bytes; empty where nothing tells the nodes.

        Raises
        ------
        PagewalkError
            The walk was not asked where frames are.
        """
        if self.places is None:
            raise PagewalkError("this walk did not tell the nodes of frames; ask for it: walk(nodes=True)")
        node_of = np.array([node for node, _ in self.places.names], np.int64)[self.table.zone]
        nodes = sorted({node for node, _ in self.places.names if node >= 0})
        if not nodes:
            return {}
        columns = {str(node): np.where(self.table.in_rss & (node_of == node), self.table.frames, 0) for node in nodes}
        sums = self.by_space.add_up(self.table.set, columns)
        return {node: sums.pages(str(node)) * self.page_size for node in nodes}

    def kind_figures(self) -> dict[str, dict[str, int]]:
        """Return bytes by kind of mapped memory: all, of one owner, of several, of hidden ones too; and swap."""
        table, size = self.table, self.page_size
        figures = {}
        for number, kind in enumerate(KINDS):
            mine = (table.kind == number) & (table.owners > 0)
            one = mine & (table.owners == 1) & (table.hidden == 0)
            hidden = mine & (table.hidden > 0)
            total, sole, unseen = (int(table.frames[rows].sum()) * size for rows in (mine, one, hidden))
            figures[kind] = {"bytes": total, "private": sole, "shared": total - sole, "hidden": unseen}
        swapped = self.swap_slots * size
        own = int(table.swap_slots[table.paths[0][table.swap_set] == 1].sum()) * size
        figures["swap"] = {"bytes": swapped, "private": own, "shared": swapped - own, "hidden": 0}
        return figures

    def coverage(self) -> dict[str, int]:
        """Return the JSON's ``coverage``."""
        table = self.table
        counted = table.in_rss & (table.mapcount >= 0)
        frames = table.frames

        def total(rows: NDArray[np.bool_]) -> int:
            return int(frames[rows].sum())

        return {
            "processes": self.processes,
            "address_spaces": len(self.spaces),
            "refused": self.refused,
            "vanished": self.vanished,
            "mapped_frames": self.mapped_frames,
            "explained_frames": total(counted & (table.mapcount == table.seen)),
            "hidden_frames": total(counted & (table.hidden > 0)),
            "hidden_mappings": int((frames * table.hidden)[counted].sum()),
            "hidden_pss": self.hidden_pss,
            "counted_frames": total(counted) - self.spared_frames,
            "spared_frames": self.spared_frames,
            "drifted_frames": total(counted & (table.mapcount < table.seen)),
            "uncounted_frames": total(table.in_rss & (table.mapcount < 0)),
            "hugetlb_frames": total((table.kind == HUGETLB) & (table.owners > 0)),
            "special_frames": total((table.kind > SHMEM) & (table.kind != HUGETLB) & (table.owners > 0)),
        }
