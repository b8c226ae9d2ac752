"""The views that report knows: one row each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pagewalk.cli import people

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Column, Table

__all__ = ["BALANCE", "DEEP", "VIEWS", "Question", "View"]


@dataclass(frozen=True)
class Question:
    """What is asked of a snapshot.

    Parameters
    ----------
    select : Selection or None
        Which address spaces are meant.
    depth : int or None
        Count cgroups deeper than this with their ancestor at it.
    nodes : bool
        Tell the NUMA nodes of each process's pages.
    """

    select: Any = None
    depth: int | None = None
    nodes: bool = False


@dataclass(frozen=True)
class View:
    """How a question is asked of a snapshot and shown.

    Parameters
    ----------
    what : str
        What its rows are, for the help.
    module : str
        The module of pagewalk.views whose ``COLUMNS`` it has.
    ask : callable
        ``ask(snapshot, question) -> Table``.
    shown : str
        Its columns for people, from left to right. ``order*`` stands for ``order0``, ``order1``, ...: as many as
        there are.
    wanted : str
        Those columns in the order in which a screen takes them in, the most telling first.
    plain : str
        Those that plain records have, one with spaces last.
    measure : str
        The column that orders it where none is asked for, and that the footer adds up over the rows left out.
    is_ordered : bool
        Its rows have an order of their own, which they keep unless another is asked for.
    endings : tuple of str
        Columns whose end says most, when they must be cut.
    derive : mapping
        By format, what makes of the table the one that is shown, where that can say more in less room.
    labels : mapping
        Headers on a screen where a column's name says too little.
    mappings : bool
        The walk must keep mappings for it.
    whole_ram : bool
        The walk must read all of RAM for it.
    freed : bool
        The walk must look for what would be freed.
    numbered : tuple of str or None
        Of columns with a number: the name without it, the unit, and what they say.
    """

    what: str
    module: str
    ask: Callable[[Snapshot, Question], Table]
    shown: str
    wanted: str
    plain: str
    measure: str = "pss"
    is_ordered: bool = False
    endings: tuple[str, ...] = ()
    derive: Mapping[str, Callable[[Table], Table]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    mappings: bool = False
    whole_ram: bool = False
    freed: bool = False
    numbered: tuple[str, str, str] | None = None

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of its table, without asking any snapshot; those with a number are one, ``nodeN``."""
        from pagewalk.table import Column

        module = import_module(f"pagewalk.views.{self.module}")
        columns: tuple[Column, ...] = module.COLUMNS if hasattr(module, "COLUMNS") else module.columns(0)
        if self.numbered is None:
            return columns
        prefix, unit, doc = self.numbered
        return (*columns, Column(f"{prefix}N", unit, doc))

    def is_numbered(self, name: str) -> bool:
        """Whether a column's name is that of the columns with a number."""
        return self.numbered is not None and re.fullmatch(rf"{self.numbered[0]}\d+", name) is not None


FIGURES = "pss uss rss shared anon file shmem swap swap_pss swap_uss thp hugetlb ksm private"
GROUP_FIGURES = "pss uss freed rss shared anon file shmem swap swap_pss swap_uss thp hugetlb ksm private"
SPLIT = "private_clean private_dirty shared_clean shared_dirty"
UNMAPPED = "dirty inactive active unevictable none"
USES = "anon file shmem kernel slab pgtable hugetlb reserved zero poison offline"
CHARGED = "charged_anon charged_file charged_shmem charged_kernel"
KERNELS = "kernel_anon kernel_file kernel_shmem kernel_slab difference"

VIEWS = {
    "process": View(
        what="address spaces, each with its process",
        module="process",
        # A keyword only where it is wanted: the kernel's estimate knows no nodes.
        ask=lambda snapshot, asked: snapshot.processes(asked.select, **({"nodes": True} if asked.nodes else {})),
        shown=f"pid user {FIGURES} node* vss {SPLIT} cgroup comm cmdline",
        wanted=f"pid comm pss uss rss node* user swap shared anon file shmem cmdline vss {FIGURES} cgroup {SPLIT}",
        plain=f"pid user {FIGURES} vss node* comm cmdline",
        numbered=("node", "bytes", "the part of rss on NUMA node N (node0, node1, ...)"),
    ),
    "program": View(
        what="processes of one name, a frame counted once",
        module="group",
        ask=lambda snapshot, asked: snapshot.programs(asked.select),
        shown=f"name processes {GROUP_FIGURES} {SPLIT}",
        wanted=f"name processes pss uss freed rss swap {FIGURES} {SPLIT}",
        plain=f"processes {FIGURES} freed name",
        labels={"name": "program", "processes": "procs"},
        freed=True,
    ),
    "user": View(
        what="processes of one user, a frame counted once",
        module="group",
        ask=lambda snapshot, asked: snapshot.users(asked.select),
        shown=f"name processes {GROUP_FIGURES} {SPLIT}",
        wanted=f"name processes pss uss freed rss swap {FIGURES} {SPLIT}",
        plain=f"processes {FIGURES} freed name",
        labels={"name": "user", "processes": "procs"},
        freed=True,
    ),
    "cgroup": View(
        what="what each cgroup is charged for, and what its processes use",
        module="cgroup",
        ask=lambda snapshot, asked: snapshot.cgroups(depth=asked.depth),
        shown=f"name processes charged {CHARGED} used charged_not_used used_not_charged rss uss freed {KERNELS} path",
        wanted=f"name charged used charged_not_used used_not_charged processes rss uss freed {CHARGED} {KERNELS} path",
        plain=f"charged used charged_not_used used_not_charged processes rss uss {CHARGED} {KERNELS} freed name path",
        measure="charged",
        freed=True,
        endings=("name", "path"),
        derive={"text": people.cgroups_by_name},
        labels={
            "name": "cgroup",
            "processes": "procs",
            "charged_not_used": "for others",
            "used_not_charged": "others pay",
            "difference": "differs",
        },
        whole_ram=True,
    ),
    "mapping": View(
        what="the parts of each address space (VMAs)",
        module="mapping",
        ask=lambda snapshot, asked: snapshot.mappings(select=asked.select),
        shown=f"pid start end perms {FIGURES} vss offset inode name",
        wanted=f"pid start name pss uss rss perms swap {FIGURES} vss end offset inode",
        plain=f"pid start end perms {FIGURES} vss name",
        endings=("name",),
        mappings=True,
    ),
    "sharing": View(
        what="sets of owners, and the memory that exactly they share",
        module="sharing",
        ask=lambda snapshot, asked: snapshot.sharing(asked.select),
        shown="bytes anon file shmem hidden sharers comms owners",
        wanted="bytes sharers comms anon file shmem owners hidden",
        plain="bytes anon file shmem hidden comms owners",
        measure="bytes",
        derive={"text": people.with_sharers},
        labels={"bytes": "shared", "sharers": "owners", "comms": "programs", "owners": "processes"},
    ),
    "charge": View(
        what="who is charged for what others use",
        module="charge",
        ask=lambda snapshot, asked: snapshot.charges(depth=asked.depth),
        shown="bytes foreign charged_to used_by hidden",
        wanted="bytes foreign charged_to used_by hidden",
        plain="bytes hidden foreign charged_to used_by",
        measure="bytes",
        endings=("charged_to", "used_by"),
        derive={"text": people.charges_by_name, "plain": people.charges_of_nobody},
        whole_ram=True,
    ),
    "use": View(
        what="all of RAM: what each frame is used for, in which state",
        module="use",
        ask=lambda snapshot, asked: snapshot.uses(),
        shown=f"use bytes mapped_one mapped_several mapped_hidden unmapped {UNMAPPED} kernel_bytes difference",
        wanted=f"use bytes mapped_one mapped_several unmapped mapped_hidden kernel_bytes difference {UNMAPPED}",
        plain=f"use bytes mapped_one mapped_several mapped_hidden {UNMAPPED} kernel_bytes difference",
        measure="bytes",
        derive={"text": people.uses_there_are},
        labels={
            "mapped_one": "one owner",
            "mapped_several": "several",
            "mapped_hidden": "hidden",
            "kernel_bytes": "kernel's",
            "difference": "differs",
        },
        whole_ram=True,
    ),
    "node": View(
        what="NUMA nodes and zones: uses, and how their free memory is cut up",
        module="node",
        ask=lambda snapshot, asked: snapshot.nodes(),
        shown=f"node zone bytes free fragmentation small {USES} managed order*",
        wanted=f"node zone bytes free fragmentation {USES} small managed order*",
        plain=f"node zone bytes free fragmentation small {USES} managed order*",
        measure="bytes",
        is_ordered=True,
        derive={"text": people.uses_of_nodes},
        labels={"fragmentation": "fragmented", "small": "in small"},
        whole_ram=True,
        numbered=("order", "count", "free blocks of 2^N pages (order0, order1, ...)"),
    ),
}

# What stands beside the uses: no view of its own.
BALANCE = View(
    what="what lies between our figures and the kernel's",
    module="balance",
    ask=lambda snapshot, asked: snapshot.balance(),
    shown="of part bytes source",
    wanted="of part bytes source",
    plain="of bytes part",
    # A part of a part is in both: no sum of them means anything.
    measure="",
    is_ordered=True,
    derive={"text": people.parts_together},
    whole_ram=True,
)

# Those that count cgroups with their ancestors where a depth is asked for.
DEEP = ("cgroup", "charge")
