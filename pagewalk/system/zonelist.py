"""The zones of each node: what each spans and holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pagewalk.errors import ParseError
from pagewalk.procfs import ProcFS
from pagewalk.system.source import integer, numbered, text_of
from pagewalk.table import Column, Table, objects

__all__ = ["ZONES", "Zone", "node_stats", "parse_zoneinfo", "zone_table", "zoneinfo", "zones"]

ZONES = (
    Column("node", "id", "the NUMA node"),
    Column("zone", "text", "DMA, DMA32, Normal, HighMem, Movable or Device"),
    Column("start_pfn", "id", "its first frame; unknown for a zone without memory"),
    Column("spanned", "frames", "from its first frame to its last, holes and other zones between them included"),
    Column("present", "frames", "spanned without the holes"),
    Column("managed", "frames", "handed to the page allocator: what MemTotal counts"),
    Column("cma", "frames", "reserved for contiguous allocations, part of managed"),
    Column("free", "frames", "free, per-CPU lists not included"),
    Column("per_cpu", "frames", "free on per-CPU lists, which no frame's flags tell"),
    Column("min", "frames", "free frames below which only the kernel's own needs are met"),
    Column("low", "frames", "free frames below which kswapd is woken"),
    Column("high", "frames", "free frames at which kswapd sleeps again"),
)

HEADER = re.compile(r"Node\s+(?P<node>[0-9]{1,9}),\s+zone\s+(?P<zone>\S+)\s*")
FIGURE = re.compile(r"\s+(?P<name>\S.*?):?\s+(?P<value>-?[0-9]+)")
# Watermarks and sizes of the zone (zoneinfo_show_print prints them under the words "pages free").
FREE = "pages free"
NODE_SECTION = "per-node stats"
CPU_SECTION = "pagesets"


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone of one node, as zoneinfo has it (mm/vmstat.c:zoneinfo_show_print).

    Attributes
    ----------
    node : int
        The NUMA node.
    name : str
        ``DMA``, ``Normal``, ...
    start_pfn : int or None
        Its first frame; None for a zone without present frames, of which the kernel says no more.
    spanned, present, managed : int
        Frames from the first to the last; those without the holes; those handed to the page allocator.
    free : int
        Free frames, without those on per-CPU lists.
    per_cpu : int
        Free frames on the lists of all CPUs; KPF_BUDDY is not set on them.
    cpus : int
        How many CPUs have such lists for the zone.
    counters : mapping of str to int
        Every figure of the zone by the kernel's name, ``min``, ``low``, ``cma``, ``nr_free_pages``, ... included.
    node_counters : mapping of str to int
        The node's figures: the kernel prints them with the first zone of the node that has memory; empty elsewhere.
    """

    node: int
    name: str
    start_pfn: int | None
    spanned: int
    present: int
    managed: int
    free: int
    per_cpu: int
    cpus: int
    counters: Mapping[str, int]
    node_counters: Mapping[str, int]

    @property
    def stop_pfn(self) -> int | None:
        """The frame after its last; None where `start_pfn` is."""
        return None if self.start_pfn is None else self.start_pfn + self.spanned

    def covers(self, start: int, stop: int) -> bool:
        """Whether the frames from `start` to before `stop` lie within what it spans."""
        return self.start_pfn is not None and self.start_pfn <= start and stop <= self.start_pfn + self.spanned


@dataclass
class Reading:
    """A zone while its lines are read."""

    node: int
    name: str
    line: int
    section: str = ""
    counters: dict[str, int] = field(default_factory=dict)
    node_counters: dict[str, int] = field(default_factory=dict)
    per_cpu: int = 0
    cpus: int = 0

    def take(self, name: str, value: int) -> None:
        """Put one figure where its section says."""
        if name == FREE:
            self.section = FREE
        if self.section == NODE_SECTION:
            self.node_counters[name] = value
        elif self.section == CPU_SECTION and name in ("cpu", "count", "high", "batch", "high_min", "high_max"):
            self.cpus += name == "cpu"
            self.per_cpu += value if name == "count" else 0
        else:
            self.counters[name] = value

    def finish(self, path: str) -> Zone:
        """Return the zone, or raise ParseError where a figure that every kernel has is missing."""
        try:
            spanned, present, managed, free = (self.counters[name] for name in ("spanned", "present", "managed", FREE))
        except KeyError as error:
            item = f"'{error.args[0]}' of zone {self.name} of node {self.node}"
            raise ParseError(path, self.line, item) from error
        return Zone(
            node=self.node,
            name=self.name,
            start_pfn=self.counters.get("start_pfn"),
            spanned=spanned,
            present=present,
            managed=managed,
            free=free,
            per_cpu=self.per_cpu,
            cpus=self.cpus,
            counters=self.counters,
            node_counters=self.node_counters,
        )


def parse_zoneinfo(text: str, path: str = "zoneinfo") -> list[Zone]:
    """Take zoneinfo apart.

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    list of Zone
        In the kernel's order: by node, then from the lowest zone.

    Raises
    ------
    ParseError
        A figure comes before any zone, or a zone lacks one of those that every kernel has.
    """
    readings: list[Reading] = []
    for number, line in numbered(text):
        if header := HEADER.fullmatch(line):
            readings.append(Reading(int(header["node"]), header["zone"], number))
        elif not readings or not line[0].isspace():
            raise ParseError(path, number, "a zone")
        elif figure := FIGURE.fullmatch(line.rstrip()):
            try:
                readings[-1].take(figure["name"], integer(figure["value"]))
            except ValueError as error:
                raise ParseError(path, number, figure["name"]) from error
        elif "(" not in line:
            # A heading. What is in parentheses is the protection of the lower zones, no figure of this one.
            readings[-1].section = line.strip()
    return [reading.finish(path) for reading in readings]


def zoneinfo(procfs: ProcFS) -> list[Zone]:
    """Read the zones of all nodes, those without memory too."""
    path = procfs.path("zoneinfo")
    return parse_zoneinfo(text_of(procfs, path), path)


def node_stats(zones: Sequence[Zone]) -> dict[int, Mapping[str, int]]:
    """Return the figures of each node that has memory, by the kernel's names: pages, ``nr_kernel_stack`` in KiB."""
    return {zone.node: zone.node_counters for zone in zones if zone.node_counters}


def zone_table(zones: Sequence[Zone]) -> Table:
    """Return the zones as a table with the columns `ZONES`; a figure that this kernel does not give is unknown."""
    cells: dict[str, list[object]] = {
        "node": [zone.node for zone in zones],
        "zone": [zone.name for zone in zones],
        "start_pfn": [zone.start_pfn for zone in zones],
        "spanned": [zone.spanned for zone in zones],
        "present": [zone.present for zone in zones],
        "managed": [zone.managed for zone in zones],
        "free": [zone.free for zone in zones],
        "per_cpu": [zone.per_cpu for zone in zones],
        **{name: [zone.counters.get(name) for zone in zones] for name in ("cma", "min", "low", "high")},
    }
    unknown = {name: np.array([cell is None for cell in column], np.bool_) for name, column in cells.items()}
    data = {name: objects(0 if cell is None else cell for cell in column) for name, column in cells.items()}
    return Table(ZONES, data, unknown)


def zones(procfs: ProcFS) -> Table:
    """Read the zones of all nodes as a table: a row each, with the columns `ZONES`."""
    return zone_table(zoneinfo(procfs))
