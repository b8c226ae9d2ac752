"""Writes the books of a machine beside its made ``/proc``: iomem, zones, memory blocks, cgroups, the words of RAM."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fakeproc
from books import Books, Cgroup, Ram
from fakeproc import FakeProcFS
from model import PAGE
from pagewalk.procfs import Listing


@contextmanager
def made(books: Books) -> Iterator[FakeBooksFS]:
    """The machine and its books for a while."""
    with fakeproc.made(books.machine) as root:
        write(books, root)
        yield FakeBooksFS(books, root)


def write(books: Books, root: Path) -> None:
    """Add the books to the made /proc of their machine."""
    for name, word in (("kpagecount", books.mapcount), ("kpageflags", books.flags), ("kpagecgroup", books.memcg)):
        words = ((pfn, word(pfn)) for pfn in range(books.machine.limit))
        fakeproc.write_words(root / name, [told for told in words if told[1]], books.machine.limit)
    (root / "iomem").write_text(iomem(books.ram))
    (root / "zoneinfo").write_text(zoneinfo(books.ram))
    (root / "buddyinfo").write_text(buddyinfo(books.ram))
    if books.ram.block:
        write_blocks(books.ram, root / "sysfs" / "devices" / "system")
    if books.cgroups:
        write_cgroups(books, root)


# RAM


def iomem(ram: Ram) -> str:
    """System RAM with what lies between and within (kernel/resource.c:r_show)."""
    lines = ["00000000-000003ff : Reserved"]
    for at, (start, stop) in enumerate(ram.ranges):
        first = start * PAGE - (ram.ragged if start else 0)
        last = stop * PAGE + ram.ragged - 1
        lines.append(f"{first:08x}-{last:08x} : System RAM")
        lines.append(f"  {start * PAGE:08x}-{start * PAGE + 15:08x} : {'Kernel code' if at else 'Crash kernel'}")
    return "\n".join([*lines, "fee00000-fee00fff : Local APIC", "  fee00000-fee00fff : Reserved", ""])


def zoneinfo(ram: Ram) -> str:
    """The zones (mm/vmstat.c:zoneinfo_show_print): the first of a node has the node's counters."""
    lines = []
    told: set[int] = set()
    for (node, zone), frames in sorted(ram.zones.items()):
        lines.append(f"Node {node}, zone {zone:>8}")
        if node not in told:
            lines += ["  per-node stats", f"      nr_inactive_anon {node}"]
        told.add(node)
        spanned = frames[-1] + 1 - frames[0]
        lines += [f"  pages free     {len(frames) // 2}", "        min      1", "        low      2"]
        lines += [f"        spanned  {spanned}", f"        present  {len(frames)}"]
        lines += [f"        managed  {managed(frames)}", "        protection: (0, 1, 2)"]
        lines += ["  pagesets", "    cpu: 0", f"              count:    {node + 1}", "              high:     9"]
        lines += ["  node_unreclaimable:  0", f"  start_pfn:           {frames[0]}"]
    # A zone without memory, of which the kernel says no more.
    lines += [
        "Node 0, zone   Device",
        "  pages free     0",
        "        spanned  0",
        "        present  0",
        "        managed  0",
    ]
    return "\n".join([*lines, ""])


def managed(frames: list[int]) -> int:
    """Frames of a zone that the allocator was given."""
    return len(frames) - len(frames) // 8


def blocks_of(node: int, zone: str) -> list[int]:
    """Free blocks of a zone by order: made up, and others for each zone."""
    return [node * 100 + len(zone) * 10 + order for order in range(3)]


def buddyinfo(ram: Ram) -> str:
    """Free blocks by order (mm/vmstat.c:frag_show_print)."""
    rows = [
        f"Node {node}, zone {zone:>8} " + " ".join(f"{count:6}" for count in blocks_of(node, zone)) + " \n"
        for node, zone in sorted(ram.zones)
    ]
    return "".join(rows)


def write_blocks(ram: Ram, system: Path) -> None:
    """The memory blocks, and the nodes that have frames in them (drivers/base/memory.c, drivers/base/node.c)."""
    present = {pfn // ram.block for start, stop in ram.ranges for pfn in range(start, stop)}
    offline = {pfn // ram.block for pfn in ram.offline}
    (system / "memory").mkdir(parents=True)
    (system / "memory" / "block_size_bytes").write_text(f"{ram.block * PAGE:x}\n")
    for number in sorted(present):
        frames = range(number * ram.block, (number + 1) * ram.block)
        places = {(ram.places[pfn].node, ram.places[pfn].zone) for pfn in frames if pfn in ram.places}
        block = system / "memory" / f"memory{number}"
        block.mkdir()
        (block / "state").write_text("offline\n" if number in offline else "online\n")
        zones = sorted({zone for _, zone in places})
        named = "Normal Movable" if number in offline else zones[0] if len(places) == 1 else "none"
        (block / "valid_zones").write_text(named + "\n")
        for node in {0} if number in offline else {node for node, _ in places}:
            link = system / "node" / f"node{node}" / f"memory{number}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("../nowhere")


# Cgroups


def hierarchy(books: Books) -> str:
    """The directory of the memory hierarchy below the one that cgroups are mounted in."""
    return "" if books.machine.cgroup_version == 2 else "memory"


def write_cgroups(books: Books, root: Path) -> None:
    """The tree with its memory.stat, of all that are there at some time."""
    top = root / "cgroup" / hierarchy(books)
    top.mkdir(parents=True)
    if books.machine.cgroup_version == 2:
        (top / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    else:
        (root / "cgroup" / "cpu,cpuacct").mkdir()
    for cgroup in books.cgroups:
        directory = top / cgroup.path[1:]
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.procs").write_text("")
        if cgroup.accounted:
            (directory / "memory.stat").write_text(memory_stat(books, cgroup))


def memory_stat(books: Books, cgroup: Cgroup) -> str:
    """memory.stat: shared memory is part of file; version 1 has the cgroup's own beside the total."""
    total = {name: books.with_all_below(cgroup, name) for name in ("anon", "file", "shmem", "slab")}
    if books.machine.cgroup_version == 2:
        named = {"anon": total["anon"], "file": total["file"] + total["shmem"], "shmem": total["shmem"]}
        return "".join(f"{name} {value}\n" for name, value in {**named, "slab": total["slab"], "pgfault": 3}.items())
    lines = []
    for prefix, figures in (("", {name: cgroup.own.get(name, 0) for name in total}), ("total_", total)):
        named = {"cache": figures["file"] + figures["shmem"], "rss": figures["anon"], "shmem": figures["shmem"]}
        lines += [f"{prefix}{name} {value}\n" for name, value in named.items()]
    return "".join(lines)


# Reading them


class FakeBooksFS(FakeProcFS):
    """A made machine with its books; cgroups have the inodes of the model, and change between the two lists."""

    def __init__(self, books: Books, root: Path) -> None:
        super().__init__(books.machine, root)
        self.books = books
        self.sys = str(root / "sysfs")
        self.top = root / "cgroup" / hierarchy(books)
        self.inodes = {self.directory(cgroup): cgroup.inode for cgroup in books.cgroups}
        self.absent = {self.directory(cgroup) for cgroup in books.cgroups if not cgroup.there[0]}

    def directory(self, cgroup: Cgroup) -> str:
        """Where a cgroup is."""
        return str(self.top / cgroup.path[1:])

    def read_file(self, path: str) -> str:
        """A file; the accounts of the machine are read when its frames have been."""
        if path == self.path("meminfo"):
            self.absent = {self.directory(cgroup) for cgroup in self.books.cgroups if not cgroup.there[1]}
        if os.path.dirname(path) in self.absent:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), path)
        return super().read_file(path)

    def list_directory(self, path: str) -> Listing:
        """A directory; cgroups that are not there now are left out."""
        listing = super().list_directory(path)
        if path not in self.inodes:
            return listing
        there = [name for name in listing.directories if os.path.join(path, name) not in self.absent]
        return Listing(self.inodes[path], tuple(there), listing.others)
