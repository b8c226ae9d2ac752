"""What pagewalk must answer of a machine's books, said slowly: one frame at a time, by names, in dicts and sets.

Nothing here is shared with the engine. Figures are counted in frames unless they say otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from books import Books
from model import KPF, RESIDENT, Frame, Kind
from oracle import Oracle

Users = frozenset[str]


@dataclass
class CgroupFigures:
    """One row of the cgroup view, in frames; ``used`` in bytes, as are the kernel's own figures (None: unknown)."""

    inode: int | None = None
    processes: int = 0
    charged: Counter[str] = field(default_factory=Counter)
    charged_not_used: int = 0
    used_not_charged: int = 0
    used: Fraction = Fraction()
    rss: Fraction = Fraction()
    uss: Fraction = Fraction()
    spaces: int = 0
    kernel: dict[str, int | None] = field(default_factory=dict)


def folded(path: str, depth: int | None) -> str:
    """The ancestor of a path at a depth; what is no path has none."""
    if depth is None or path[:1] != "/":
        return path
    return "/" + "/".join(path.strip("/").split("/")[:depth])


class BooksOracle:
    """The books of a machine, as seen through the processes that could be read."""

    def __init__(self, books: Books, pids: Iterable[int] | None = None) -> None:
        self.books = books
        self.oracle = Oracle(books.machine, pids)

    # One frame

    def owners(self, pfn: int) -> frozenset[int]:
        return self.oracle.owners.get(pfn, frozenset())

    def hidden(self, pfn: int) -> int:
        return self.oracle.hidden(pfn) if pfn in self.books.machine.frames else 0

    def use(self, pfn: int) -> str:
        """The one use of a frame, from what it was made to be."""
        leftover = self.books.leftovers.get(pfn)
        if leftover is not None:
            return "poison" if leftover.poisoned and leftover.use != "offline" else leftover.use
        frame = self.books.machine.frames.get(pfn)
        if frame is None:
            return "kernel"  # nothing is said of it
        if frame.noise & KPF["HWPOISON"]:
            return "poison"
        return "kernel" if frame.kind is Kind.SPECIAL else frame.kind.value

    def state(self, pfn: int) -> str:
        """The one state of a frame."""
        owners, hidden = len(self.owners(pfn)), self.hidden(pfn)
        frame = self.books.machine.frames.get(pfn)
        # What the kernel counts no mapping of was given back; zero pages are mapped without being counted.
        counted = frame is not None and (frame.kind is Kind.ZERO or self.books.machine.mapcount(pfn) > 0)
        if owners and counted:
            return "mapped_one" if owners + hidden == 1 else "mapped_several"
        if hidden:
            return "mapped_hidden"
        return "none" if frame is None else unmapped_state(frame)

    # All of RAM

    @cached_property
    def ram(self) -> list[int]:
        """The frames of System RAM that are online and that the kernel has words of."""
        return [pfn for pfn in sorted(self.books.ram.places) if pfn < self.books.machine.limit]

    def uses(self) -> Counter[tuple[str, str]]:
        """Frames of RAM by use and state."""
        return Counter((self.use(pfn), self.state(pfn)) for pfn in self.ram)

    def nodes(self) -> Counter[tuple[int, str, str]]:
        """Frames of RAM by node, zone and use."""
        places = self.books.ram.places
        return Counter((places[pfn].node, places[pfn].zone, self.use(pfn)) for pfn in self.ram)

    def on_nodes(self, space: int) -> Counter[int]:
        """Pages of an address space's rss by node."""
        found: Counter[int] = Counter()
        for pfn, times in self.oracle.maps[space].items():
            if pfn in self.books.ram.places and self.oracle.frame(pfn).kind in RESIDENT:
                found[self.books.ram.places[pfn].node] += times
        return found

    # Who pays

    @cached_property
    def charged(self) -> dict[int, int]:
        """The inode that each charged frame is charged to: those of RAM, and those that somebody seen owns."""
        frames = {*self.ram, *self.oracle.owners}
        return {pfn: inode for pfn in sorted(frames) if (inode := self.books.charged(pfn))}

    def payer(self, inode: int, depth: int | None) -> str:
        """The name of the cgroup with an inode."""
        paths = {cgroup.inode: path for path, cgroup in self.books.tree.items()}
        return folded(paths.get(inode, f"(inode {inode})"), depth)

    def home(self, space: int, depth: int | None) -> str:
        """The cgroup that an address space's memory is charged to: the nearest one with accounts."""
        lowest = min(self.oracle.pids(space))
        path = next(process.cgroup for process in self.oracle.processes if process.pid == lowest)
        tree = self.books.tree
        while path in tree and path != "/" and not tree[path].accounted:
            path = tree[path].parent
        return folded(path, depth)

    def users(self, pfn: int, depth: int | None) -> Users:
        """The cgroups whose processes map a frame."""
        return frozenset(self.home(space, depth) for space in self.owners(pfn))

    def charges(self, depth: int | None = None) -> dict[tuple[str, Users], tuple[int, int]]:
        """Frames by cgroup charged and cgroups that map; and how many of them hidden owners map as well."""
        frames: Counter[tuple[str, Users]] = Counter()
        hidden: Counter[tuple[str, Users]] = Counter()
        for pfn, inode in self.charged.items():
            key = self.payer(inode, depth), self.users(pfn, depth)
            frames[key] += 1
            hidden[key] += self.hidden(pfn) > 0
        return {key: (count, hidden[key]) for key, count in frames.items()}

    def cgroups(self, depth: int | None = None) -> dict[str, CgroupFigures]:
        """Every row of the cgroup view, by path."""
        rows: dict[str, CgroupFigures] = {}
        for path in self.books.tree:
            rows.setdefault(folded(path, depth), CgroupFigures())
        for pfn, inode in self.charged.items():
            payer, users = self.payer(inode, depth), self.users(pfn, depth)
            row = rows.setdefault(payer, CgroupFigures())
            row.charged[self.use(pfn)] += 1
            row.charged_not_used += bool(users) and payer not in users
            for user in users - {payer}:
                rows.setdefault(user, CgroupFigures()).used_not_charged += 1
        homes: dict[str, set[int]] = {}
        for space in self.oracle.spaces:
            homes.setdefault(self.home(space, depth), set()).add(space)
        for path, spaces in homes.items():
            row = rows.setdefault(path, CgroupFigures())
            figures = self.oracle.group(spaces)
            row.used, row.rss, row.uss, row.spaces = figures["pss"], figures["rss"], figures["uss"], len(spaces)
            row.processes = sum(len(self.oracle.pids(space)) for space in spaces)
        for path, row in rows.items():
            cgroup = self.books.tree.get(path)
            row.inode = None if cgroup is None else cgroup.inode
            row.kernel = {name: self.kernel(path, name, depth) for name in ("anon", "file", "shmem", "slab")}
        return rows

    def kernel(self, path: str, name: str, depth: int | None) -> int | None:
        """What memory.stat says of the frames in a row, in bytes: less what has rows of its own."""
        tree = self.books.tree
        if path not in tree or not tree[path].accounted or (name == "slab" and self.books.machine.cgroup_version == 1):
            return None
        total = self.books.with_all_below(tree[path], name)
        if depth is not None and len([part for part in path.split("/") if part]) >= depth:
            return total
        children = [c for c in tree.values() if c.parent == path != c.path and c.accounted]
        return total - sum(self.books.with_all_below(child, name) for child in children)


def unmapped_state(frame: Frame) -> str:
    """The state of a frame that nobody maps."""
    if frame.flag_dirty or frame.noise & KPF["WRITEBACK"]:
        return "dirty"
    if frame.noise & KPF["UNEVICTABLE"]:
        return "unevictable"
    if frame.kind not in RESIDENT:
        return "none"
    return "active" if frame.noise & KPF["ACTIVE"] else "inactive"
