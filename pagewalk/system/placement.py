"""The node and zone of each frame."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pagewalk.errors import ParseError, Unsupported
from pagewalk.procfs import ProcFS
from pagewalk.system.source import text_of
from pagewalk.system.zonelist import Zone

__all__ = ["FrameSpan", "MemoryBlock", "frame_spans", "memory_blocks"]

BLOCKS = "devices/system/memory"
NODES = "devices/system/node"
BLOCK_NAME = re.compile(r"memory(\d+)")
NODE_NAME = re.compile(r"node(\d+)")
# Memory of devices has this zone, whose span may reach over System RAM beside it (mm/memremap.c).
DEVICE = "Device"


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """A block of memory that can be switched on and off (drivers/base/memory.c).

    Attributes
    ----------
    start, stop : int
        Its frames; stop is exclusive.
    online : bool
        Whether its frames are in use; those of a block that is not have no node, no zone and no flags.
    nodes : tuple of int
        The nodes that have frames in it; empty where the kernel does not say (no NUMA).
    zone : str
        The one zone that it is in; empty where it is in several, or the kernel does not say.
    """

    start: int
    stop: int
    online: bool
    nodes: tuple[int, ...]
    zone: str


@dataclass(frozen=True, slots=True)
class FrameSpan:
    """Frames in a row that are in one zone of one node.

    Attributes
    ----------
    start, stop : int
        Frame numbers; stop is exclusive.
    node : int
        The NUMA node; -1 where it is not known.
    zone : str
        The zone; empty for frames that no zone spans, or of which it is not known.
    """

    start: int
    stop: int
    node: int
    zone: str


def memory_blocks(procfs: ProcFS, page_size: int) -> list[MemoryBlock]:
    """Read the memory blocks of sysfs.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    page_size : int
        Bytes a frame.

    Returns
    -------
    list of MemoryBlock
        Ascending; empty on a kernel without CONFIG_MEMORY_HOTPLUG, where all RAM is online.

    Raises
    ------
    ParseError
        The size of a block is not a number in hexadecimal.
    """
    path = procfs.sys_path(f"{BLOCKS}/block_size_bytes")
    try:
        size = text_of(procfs, path)
        present = procfs.list_directory(procfs.sys_path(BLOCKS)).directories
    except (Unsupported, FileNotFoundError):
        return []
    try:
        frames = int(size, 16) // page_size
    except ValueError as error:
        raise ParseError(path, 1, "the size of a memory block") from error
    nodes = _nodes_of_blocks(procfs)
    blocks = []
    for name in present:
        if found := BLOCK_NAME.fullmatch(name):
            number = int(found[1])
            block = _block(procfs, name, number * frames, frames, tuple(sorted(nodes.get(number, ()))))
            blocks += [block] if block is not None else []
    return sorted(blocks, key=lambda block: block.start)


def _nodes_of_blocks(procfs: ProcFS) -> dict[int, list[int]]:
    """Return the nodes of each block by its number, from the links in the nodes' directories."""
    nodes: dict[int, list[int]] = {}
    try:
        names = procfs.list_directory(procfs.sys_path(NODES)).directories
    except FileNotFoundError:
        return nodes
    for name in names:
        if node := NODE_NAME.fullmatch(name):
            listing = procfs.list_directory(procfs.sys_path(f"{NODES}/{name}"))
            for entry in (*listing.others, *listing.directories):
                if block := BLOCK_NAME.fullmatch(entry):
                    nodes.setdefault(int(block[1]), []).append(int(node[1]))
    return nodes


def _block(procfs: ProcFS, name: str, start: int, frames: int, nodes: tuple[int, ...]) -> MemoryBlock | None:
    """Read one block; None when it was removed meanwhile."""
    try:
        state = text_of(procfs, procfs.sys_path(f"{BLOCKS}/{name}/state")).strip()
    except Unsupported:
        return None
    try:
        zones = text_of(procfs, procfs.sys_path(f"{BLOCKS}/{name}/valid_zones")).split()
    except Unsupported:  # no CONFIG_MEMORY_HOTREMOVE
        zones = []
    # For a block that is online the zone it is in, "none" for several; for others those it could be put in
    # (drivers/base/memory.c:valid_zones_show).
    zone = zones[0] if zones and zones[0] != "none" and state == "online" else ""
    return MemoryBlock(start, start + frames, state != "offline", nodes, zone)


def frame_spans(
    ram: Iterable[tuple[int, int]], zones: Sequence[Zone], blocks: Sequence[MemoryBlock] = ()
) -> list[FrameSpan]:
    """Cut ranges of frames where the node or the zone changes.

    A zone spans all from its first frame to its last: where nodes interleave, so do the spans of their zones. A
    memory block says which node its frames are of, and often which zone.

    Parameters
    ----------
    ram : iterable of tuple
        ``(start, stop)`` in frames (`ram_frames`), ascending, without overlap.
    zones : sequence of Zone
        All zones (`zoneinfo`).
    blocks : sequence of MemoryBlock
        The memory blocks, ascending; may be empty.

    Returns
    -------
    list of FrameSpan
        Ascending, all frames of `ram` once. Frames that no zone spans, and those of a block that is offline, have
        node -1 and zone ``""``; where several zones of one node span a frame and nothing tells which, the zone alone
        is ``""``.
    """
    spanning = [zone for zone in zones if zone.spanned and zone.start_pfn is not None and zone.name != DEVICE]
    edges = {edge for zone in spanning for edge in (zone.start_pfn, zone.stop_pfn) if edge is not None}
    edges |= {edge for block in blocks for edge in (block.start, block.stop)}
    cuts = sorted(edges)
    starts = [block.start for block in blocks]
    spans: list[FrameSpan] = []
    for first, last in ram:
        inner = cuts[bisect.bisect_right(cuts, first) : bisect.bisect_left(cuts, last)]
        for start, stop in zip([first, *inner], [*inner, last], strict=True):
            at = bisect.bisect_right(starts, start) - 1
            block = blocks[at] if at >= 0 and start < blocks[at].stop else None
            _append(spans, FrameSpan(start, stop, *_place(start, stop, spanning, block)))
    return spans


def _place(start: int, stop: int, zones: Sequence[Zone], block: MemoryBlock | None) -> tuple[int, str]:
    """Return node and zone of frames that no boundary divides."""
    possible = [zone for zone in zones if zone.covers(start, stop)]
    if block is not None:
        if not block.online:
            return -1, ""
        if block.nodes:
            possible = [zone for zone in possible if zone.node in block.nodes]
        possible = [zone for zone in possible if zone.name == block.zone] or possible
    if len(possible) == 1:
        return possible[0].node, possible[0].name
    nodes = {zone.node for zone in possible}
    return (nodes.pop(), "") if len(nodes) == 1 else (-1, "")


def _append(spans: list[FrameSpan], span: FrameSpan) -> None:
    """Add a span, to the last one where both are of one place and side by side."""
    last = spans[-1] if spans else None
    if last is not None and (last.stop, last.node, last.zone) == (span.start, span.node, span.zone):
        spans[-1] = FrameSpan(last.start, span.stop, span.node, span.zone)
    else:
        spans.append(span)
