"""The machine's own accounts of its memory, each file of the kernel as figures or as a Table.

Every file has a parser, a pure function of its text, and a reader that takes it from a `ProcFS`. Figures that a
kernel adds pass through under their own names; a figure that is not there is absent or unknown, and never 0.
Readers raise `Unsupported` where the file is not there, `PermissionRequired` where this user may not read it,
`ParseError` where it is not of the form known.
"""

from __future__ import annotations

from pagewalk.system.areas import parse_swaps, parse_vmallocinfo, swaps, vmallocinfo
from pagewalk.system.freeblocks import buddyinfo, pagetypeinfo, parse_buddyinfo, parse_pagetypeinfo
from pagewalk.system.placement import FrameSpan, MemoryBlock, frame_spans, memory_blocks
from pagewalk.system.ram import parse_iomem, ram_frames, whole_frames
from pagewalk.system.totals import huge_order, meminfo, parse_meminfo, parse_vmstat, vmstat
from pagewalk.system.zonelist import Zone, node_stats, parse_zoneinfo, zoneinfo, zones

__all__ = [
    "FrameSpan",
    "MemoryBlock",
    "Zone",
    "buddyinfo",
    "frame_spans",
    "huge_order",
    "meminfo",
    "memory_blocks",
    "node_stats",
    "pagetypeinfo",
    "parse_buddyinfo",
    "parse_iomem",
    "parse_meminfo",
    "parse_pagetypeinfo",
    "parse_swaps",
    "parse_vmallocinfo",
    "parse_vmstat",
    "parse_zoneinfo",
    "ram_frames",
    "swaps",
    "vmallocinfo",
    "vmstat",
    "whole_frames",
    "zoneinfo",
    "zones",
]
