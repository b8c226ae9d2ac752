"""The tables of maps: which columns, in which words for whom."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pagewalk.cli.arrange import section_of
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.people import changed, without_zeros
from pagewalk.cli.remarks import size
from pagewalk.cli.views import View
from pagewalk.render.screen import Section

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Column, Table

__all__ = ["folio_section", "legend_section", "maps_view", "part_section"]


@dataclass(frozen=True)
class MapsView(View):
    """A view of one address space.

    Parameters
    ----------
    group : bool
        Of the objects that it maps, not of its VMAs.
    """

    group: bool = False

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of its table, without asking any snapshot."""
        from pagewalk.views import maps

        return maps.GROUP_COLUMNS if self.group else maps.COLUMNS


FIGURES = "pss uss rss swap shared private anon file shmem thp hugetlb ksm swap_pss swap_uss"
SPLIT = "private_clean private_dirty shared_clean shared_dirty"
LARGE = "large_aligned large_unaligned large_partial"
# The others say nothing on a screen where they are zero all the way down.
ALWAYS = ("pss", "uss", "rss")
KERNELS = (
    "kernel_referenced kernel_shared_dirty kernel_private_dirty kernel_lazy_free kernel_locked kernel_anon_huge_pages"
    " kernel_shmem_pmd_mapped kernel_file_pmd_mapped kernel_shmem_swap"
)
TRAITS = "kernel_page_size kernel_mmu_page_size kernel_thp_eligible kernel_protection_key vm_flags"
# `others` counts them: on a screen it stands before the names, which may be cut off.
LABELS = {"perms": "perm", "others": "with", "vm_flags": "VmFlags"}

VMAS = MapsView(
    what="the VMAs of one address space",
    module="maps",
    ask=lambda snapshot, asked: snapshot.maps(asked.select),
    shown=f"start end perms {FIGURES} vss hidden others partners {SPLIT} {LARGE} {KERNELS} {TRAITS} offset inode name",
    wanted=f"start name pss uss rss perms others partners swap vm_flags hidden vss {FIGURES} {LARGE} {KERNELS} {SPLIT}"
    f" {TRAITS} end offset inode",
    plain=f"start end perms {FIGURES} vss {SPLIT} {LARGE} hidden others {KERNELS} {TRAITS} offset inode name",
    is_ordered=True,
    endings=("name",),
    labels=LABELS,
)
OBJECTS = MapsView(
    what="the objects that one address space maps",
    module="maps",
    ask=lambda snapshot, asked: snapshot.maps(asked.select, group=True),
    shown=f"mappings {FIGURES} vss hidden others partners {SPLIT} {LARGE} {KERNELS} inode name",
    wanted=f"name pss uss rss mappings others partners swap hidden vss {FIGURES} {LARGE} {KERNELS} {SPLIT} inode",
    plain=f"mappings {FIGURES} vss {SPLIT} {LARGE} hidden others {KERNELS} inode name",
    endings=("name",),
    labels={**LABELS, "mappings": "VMAs"},
    group=True,
)


def maps_view(group: bool) -> MapsView:
    """Return the view of VMAs, or of the objects they map."""
    return OBJECTS if group else VMAS


def part_section(table: Table, view: MapsView, args: Namespace) -> Section:
    """Return the table of VMAs or objects as the options want it."""
    is_json = args.format in ("json", "ndjson")
    if args.format == "text":
        table = for_people(table, is_short=not args.columns)
        if not args.columns:
            spare = (name for name in f"{FIGURES} {SPLIT} {LARGE} {KERNELS} hidden".split() if name not in ALWAYS)
            table = without_zeros(table, {*spare} - {args.sort})
            # Nor do the kernel's words where smaps was not read.
            table = changed(
                table, {}, [name for name in table.names if table.unknown(name).all() and name != args.sort]
            )
    elif is_json:
        table = with_partners(table)
    if args.sort in ("others", "partners"):
        # Who they are has no order; how many there are has, and the most come first.
        args = Namespace(**{**vars(args), "sort": "others", "reverse": not args.reverse})
    totals = args.totals or args.format == "text"
    section = section_of("object" if view.group else "mapping", table, view, args)
    return replace(section, totals=totals, share=3)


def for_people(table: Table, is_short: bool) -> Table:
    """Return the table with the partners in words, all or only the largest, and a word for memory without a name."""
    from pagewalk.table import objects
    from pagewalk.views.parts import ANONYMOUS

    columns = zip(*(table[name].tolist() for name in ("partner_comms", "partner_bytes", "hidden")), strict=True)
    said = objects(shortened(words) if is_short else ", ".join(words) for words in (in_words(*row) for row in columns))
    names = objects(name or ANONYMOUS for name in table["name"].tolist())
    more = {
        "partners": ("text", "other owners, the one with most of these frames first", said),
        "name": ("text", table.column("name").doc, names),
    }
    return changed(table, more)


def in_words(comms: Sequence[str], sizes: Sequence[int], hidden: int) -> list[str]:
    """Return who shares how much: processes of one name once, with the most that one of them has."""
    most: dict[str, int] = {}
    times: dict[str, int] = {}
    for comm, number in zip(comms, sizes, strict=True):
        most.setdefault(comm, number)
        times[comm] = times.get(comm, 0) + 1
    words = [comm + (f" x{times[comm]}" if times[comm] > 1 else "") + f" {size(most[comm])}" for comm in most]
    return [*words, f"hidden {size(hidden)}"] if hidden else words


def shortened(words: Sequence[str]) -> str:
    """Return the first, and how many there are beside it."""
    return ", ".join(words) if len(words) < 2 else f"{words[0]}, +{len(words) - 1}"


def with_partners(table: Table) -> Table:
    """Return the table with each partner an object, as JSON has lists of what belongs together."""
    from pagewalk.table import objects

    keys = ("pid", "comm", "bytes")
    columns = zip(*(table[name].tolist() for name in ("partners", "partner_comms", "partner_bytes")), strict=True)
    partners = objects(
        tuple(dict(zip(keys, one, strict=True)) for one in zip(*lists, strict=True)) for lists in columns
    )
    more = {"partners": ("list", table.column("partners").doc, partners)}
    return changed(table, more, ("partner_comms", "partner_bytes"))


def folio_section(table: Table, args: Namespace) -> Section:
    """Return the table of large folios; for people those of the whole address space by kind and size."""
    parts = tuple(name for name in ("start", "end") if name in table)
    figures = ("kind", "size", "aligned", "unaligned", "partial")
    if args.format == "text":
        return Section("folios", rolled_up(table), figures, figures, labels={"kind": "folios"})
    return Section("folios", table, (*parts, *figures, "inode", "name"))


def rolled_up(table: Table) -> Table:
    """Return the sums by kind and size, the largest first."""
    import numpy as np

    from pagewalk.table import Table, objects

    sums: dict[tuple[str, int], list[int]] = {}
    for row in table:
        mine = sums.setdefault((row["kind"], row["size"] or 0), [0, 0, 0])
        for at, name in enumerate(("aligned", "unaligned", "partial")):
            mine[at] += row[name]
    rows: list[Any] = sorted(sums.items(), key=lambda item: (-sum(item[1]), item[0]))
    sizes = np.array([key[1] for key, _ in rows], np.int64)
    data = {
        "kind": objects(key[0] for key, _ in rows),
        "size": sizes,
        **{
            name: np.array([one[at] for _, one in rows], np.int64)
            for at, name in enumerate(("aligned", "unaligned", "partial"))
        },
    }
    return Table([table.column(name) for name in data], data, {"size": sizes == 0})


def legend_section(snapshot: Snapshot, pid: int) -> Section:
    """Return what the codes of VmFlags mean that this address space has."""
    from pagewalk.table import Column, Table, objects
    from pagewalk.vmflags import legend

    mappings = snapshot.maps(pid)
    if mappings.unknown("vm_flags").all():
        why = f"--legend: the VmFlags of process {pid} were not read, only smaps has them"
        raise Stop(Exit.NOTHING, f"{why} (for a file: `pagewalk snapshot --smaps`); leave --legend out")
    found = legend(code for codes in mappings["vm_flags"] for code in codes)
    columns = (Column("code", "text", "two letters of VmFlags"), Column("meaning", "text", "what they say of a VMA"))
    table = Table(columns, {"code": objects(found), "meaning": objects(found.values())})
    return Section("legend", table, table.names, wanted=table.names, labels={"code": "VmFlags"})
