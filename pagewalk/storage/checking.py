"""Whether facts that came from a file can be: every index points at something, every number is one that it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagewalk.accounts import Accounts, Cgroups, Places
from pagewalk.errors import SnapshotError
from pagewalk.facts import Facts
from pagewalk.tally import KINDS

__all__ = ["INDEXES", "NUMBERS", "check_facts"]

_Array = NDArray[Any]

# More frames, mappings of one, or bytes of a page than any machine has: what is computed from less never overflows.
MOST_FRAMES = 1 << 40
MOST_MAPPINGS = (1 << 31) - 1
MOST_BYTES = 1 << 62

# Columns that hold rows of something else, with the number of these.
INDEXES: Mapping[str, Callable[[Facts], int]] = {
    "table.set": lambda facts: len(facts.table.sets),
    "table.kind": lambda _facts: len(KINDS),
    "table.zone": lambda facts: 1 if facts.places is None else len(facts.places.names),
    "table.swap_set": lambda facts: len(facts.table.sets),
    "mappings.space": lambda facts: len(facts.spaces),
    "mappings.vma": lambda facts: _rows(facts.mappings),
    "mappings.row": lambda facts: len(facts.table.set),
    "mappings.swap_vma": lambda facts: _rows(facts.mappings),
    "mappings.swap_set": lambda facts: len(facts.table.sets),
    "pages.vma": lambda facts: _rows(facts.mappings),
    "frames.row": lambda facts: len(facts.table.set),
    "objects.holder": lambda facts: len(facts.spaces),
    "objects.held": lambda facts: _rows(facts.objects),
    "objects.object": lambda facts: _rows(facts.objects),
    "objects.row": lambda facts: len(facts.table.set),
}

# All other columns, with what is the least and the most in them; flags, inodes and the like are whatever they are.
NUMBERS: Mapping[str, tuple[int, int] | None] = {
    "spaces.uid": (-1, 1 << 32),
    "spaces.ppid": (-1, 1 << 32),
    "spaces.start_time": (-1, MOST_BYTES),
    "spaces.vss": (0, MOST_BYTES),
    "spaces.pgtable": (-1, MOST_BYTES),
    "table.mapcount": (-1, MOST_MAPPINGS),
    "table.flags": None,
    "table.memcg": None,
    "table.frames": (0, MOST_FRAMES),
    "table.swap_slots": (0, MOST_FRAMES),
    "mappings.start": None,
    "mappings.end": None,
    "mappings.offset": None,
    "mappings.inode": None,
    "mappings.major": None,
    "mappings.minor": None,
    "mappings.perms": None,
    "mappings.pages": (0, MOST_FRAMES),
    "mappings.slots": (0, MOST_FRAMES),
    "pages.page": (0, 1 << 57),
    "pages.pfn": (0, 1 << 52),
    "pages.length": (1, MOST_FRAMES),
    "frames.pfn": (0, 1 << 52),
    "frames.length": (1, MOST_FRAMES),
    "frames.torn": (0, 1 << 52),
    "objects.major": None,
    "objects.minor": None,
    "objects.inode": None,
    "objects.dies": None,
    "objects.allocated": (-1, MOST_BYTES),
    "objects.frames": (0, MOST_FRAMES),
}

# Columns of one length: those of the rows of a record, where a record has several kinds of rows.
ALIKE: Mapping[str, Sequence[str]] = {
    "spaces": ("pids comm cmdline cgroup uid ppid start_time vss pgtable",),
    "table": ("set kind mapcount flags memcg zone frames", "swap_set swap_slots"),
    "table.sets": ("parent space times",),
    "mappings": (
        "space start end offset inode major minor perms name vm_flags",
        "vma row pages",
        "swap_vma swap_set slots",
    ),
    "pages": ("vma page pfn length",),
    "frames": ("pfn length row",),
    "objects": ("name major minor inode dies allocated", "holder held", "object row frames"),
}


def _rows(record: Any) -> int:
    return 0 if record is None else len(record)


def _need(is_so: object, where: str, what: str) -> None:
    if not is_so:
        raise SnapshotError(f"{where}: {what}")


def _record(facts: Facts, path: str) -> Any:
    """Return a record of the facts by its dotted name; None where it is missing."""
    record: Any = facts
    for name in path.split("."):
        record = getattr(record, name)
    return record


def check_facts(facts: Facts) -> None:
    """Raise unless facts from a file are such as a walk makes them.

    Parameters
    ----------
    facts : Facts
        Of the right types, with anything in them.

    Raises
    ------
    SnapshotError
        What is wrong, and where. Nothing that is asked of facts that pass reads beyond an array, runs for ever or
        overflows.
    """
    _check_host(facts)
    for path, groups in ALIKE.items():
        record = _record(facts, path)
        for group in groups if record is not None else ():
            lengths = {name: len(getattr(record, name)) for name in group.split()}
            _need(len(set(lengths.values())) == 1, path, f"columns of different lengths, {lengths}")
    for path, array in columns(facts):
        if path in INDEXES:
            _check_range(path, array, 0, INDEXES[path](facts) - 1)
        elif (limits := NUMBERS.get(path)) is not None:
            _check_range(path, array, *limits)
    _check_spaces(facts)
    _check_sets(facts)
    for path in ("table.frames", "table.swap_slots", "spaces.vss"):
        most = MOST_BYTES if path == "spaces.vss" else MOST_FRAMES
        _need(float(_record(facts, path).astype(np.float64).sum()) <= most, path, "more than any machine has")
    _check_mappings(facts)
    if facts.places is not None:
        _check_places(facts.places)
    if facts.accounts is not None:
        _check_accounts(facts.accounts)


def columns(facts: Facts) -> Iterator[tuple[str, _Array]]:
    """Yield the arrays of the facts' records, each with its dotted name; those of the owner sets are apart."""
    for path in ALIKE:
        record = _record(facts, path)
        for one in () if record is None or path == "table.sets" else fields(record):
            if isinstance(value := getattr(record, one.name), np.ndarray):
                yield f"{path}.{one.name}", value


def _check_range(path: str, array: _Array, least: int, most: int) -> None:
    if len(array):
        low, high = int(array.min()), int(array.max())
        _need(least <= low and high <= most, path, f"{low if low < least else high} is not from {least} to {most}")


def _check_host(facts: Facts) -> None:
    size, host = facts.page_size, facts.host
    _need(4096 <= size <= 1 << 20 and size & (size - 1) == 0, "page_size", f"{size} is no size of a page")
    _need(host.get("page_size") == size, "host", "another page_size than that of the facts")
    for name in ("hostname", "kernel", "boot_id", "captured_at", "mapcount", "redacted"):
        _need(isinstance(host.get(name, ""), str | None), "host", f"{name} is no text")
    for name in ("seconds", "longest_lock_hold_ns"):
        value = host.get(name)
        is_time = type(value) in (int, float) and 0 <= float(value or 0) < MOST_BYTES
        _need(is_time, "host", f"{name} is no time")
    ram = host.get("ram")
    _need(ram is None or (type(ram) is int and 0 <= ram < MOST_BYTES), "host", "ram is no number of bytes")
    for name in ("processes", "refused", "vanished", "missing_frames"):
        _need(0 <= getattr(facts, name) <= MOST_FRAMES, name, "no number of them")


def _check_spaces(facts: Facts) -> None:
    for pids in facts.spaces.pids:
        ascending = all(low < high for low, high in pairwise((0, *pids, 1 << 32)))
        _need(pids and ascending, "spaces.pids", "no process IDs")
    for gap in facts.gaps:
        _need(gap.pid is None or 0 < gap.pid < 1 << 32, "gaps", "no process ID")


def _check_sets(facts: Facts) -> None:
    sets, n, n_spaces = facts.table.sets, len(facts.table.sets), len(facts.spaces)
    _need(n >= 1, "table.sets", "row 0, nobody, is missing")
    _need(sets.parent[0] == 0, "table.sets.parent", "row 0, nobody, has a parent")
    _need((sets.parent[1:] < np.arange(1, n)).all(), "table.sets.parent", "a set comes before its parent")
    # The first sets may be none: roots that a walk begins with.
    used = np.concatenate((sets.parent, facts.table.set, facts.table.swap_set))
    if facts.mappings is not None:
        used = np.concatenate((used, facts.mappings.swap_set.astype(np.uint32)))
    used = used[used > 0]
    _need((sets.space[used] < n_spaces).all(), "table.sets.space", f"there are {n_spaces} address spaces")
    _need((sets.space == 0).all() or int(sets.space.max()) < n_spaces, "table.sets.space", "beyond the address spaces")
    _need((sets.times[used] >= 1).all(), "table.sets.times", "an owner that maps nothing")
    # Address spaces are folded one after the other, so an owner set names them in ascending order, each once.
    above = used[sets.parent[used] > 0]
    _need((sets.space[sets.parent[above]] < sets.space[above]).all(), "table.sets.space", "an owner twice in a set")
    _need(int(sets.along_paths()[1].max()) <= MOST_MAPPINGS, "table.sets.times", "more mappings than there can be")


def _check_mappings(facts: Facts) -> None:
    mappings, pages, frames = facts.mappings, facts.pages, facts.frames
    _need((mappings is None) == (pages is None) == (frames is None), "pages", "mappings, pages and frames are one")
    if mappings is None or pages is None or frames is None:
        return
    _need((mappings.start <= mappings.end).all(), "mappings.end", "a VMA ends before it starts")
    for name, figures in mappings.kernel.items():
        _need(len(figures) == len(mappings), "mappings.kernel", f"{name} of another number of VMAs")
        _check_range(f"mappings.kernel.{name}", figures, -1, MOST_BYTES)
    size = np.uint64(facts.page_size)
    start, end = mappings.start[pages.vma] // size, mappings.end[pages.vma] // size
    inside = (start <= pages.page) & (pages.page + pages.length.astype(np.uint64) <= end)
    _need(inside.all(), "pages.page", "a page that its VMA has not")
    _need((frames.pfn[1:] >= (frames.pfn + frames.length)[:-1]).all(), "frames.pfn", "not ascending")
    _need((frames.torn[1:] > frames.torn[:-1]).all(), "frames.torn", "not ascending")


def _check_places(places: Places) -> None:
    named = set(places.names)
    _need(places.names and places.names[0] == (-1, ""), "places.names", "number 0 is not outside of RAM")
    _need(all(-1 <= node < 1 << 20 for node, _ in places.names), "places.names", "no number of a node")
    at = 0
    for span in places.spans:
        _need(at <= span.start <= span.stop <= 1 << 52, "places.spans", "not ascending")
        _need((span.node, span.zone) in named, "places.spans", "a zone without a number")
        at = span.stop


def _check_accounts(accounts: Accounts) -> None:
    _check_figures("accounts.meminfo", accounts.meminfo)
    _check_figures("accounts.vmstat", accounts.vmstat)
    for zone in accounts.zones:
        where = f"accounts.zones of node {zone.node}"
        _need(0 <= zone.node < 1 << 20 and 0 <= zone.cpus < 1 << 32, where, "no such node or number of CPUs")
        for name in ("spanned", "present", "managed", "free", "per_cpu"):
            _need(0 <= getattr(zone, name) <= MOST_FRAMES, where, f"{name} is no number of frames")
        _need(zone.start_pfn is None or 0 <= zone.start_pfn <= 1 << 52, where, "no first frame")
        _check_figures(where, zone.counters)
        _check_figures(where, zone.node_counters)
    blocks = accounts.free_blocks
    for column in () if blocks is None else blocks.columns:
        values = blocks[column.name] if blocks is not None else np.zeros(0)
        if values.dtype.kind == "f":
            _need(np.isfinite(values).all(), "accounts.free_blocks", f"{column.name} is no number")
        elif values.dtype.kind in "iu":
            _check_range(f"accounts.free_blocks.{column.name}", values, 0, MOST_BYTES)
    if accounts.cgroups is not None:
        _check_cgroups(accounts.cgroups)


def _check_figures(where: str, figures: Mapping[str, int | None]) -> None:
    for name, value in figures.items():
        _need(value is None or abs(value) <= MOST_BYTES, where, f"{name} is more than any machine has")


def _check_cgroups(cgroups: Cgroups) -> None:
    _need(cgroups.tree.hierarchy.version in (1, 2), "accounts.cgroups", "no version of cgroups")
    for cgroup in cgroups.tree.cgroups:
        where = f"accounts.cgroups: {cgroup.path!r}"
        _need(cgroup.path.startswith("/"), where, "no path of a cgroup")
        # Whoever looks for the ancestor that pays goes up until there is none.
        _need(0 <= cgroup.depth < 1 << 20 and (cgroup.path != "/" or not cgroup.depth), where, "no depth")
        _need(0 <= cgroup.inode < 1 << 64, where, "no inode")
    for path, figures in cgroups.figures.items():
        _check_figures(f"accounts.cgroups: {path!r}", figures)
