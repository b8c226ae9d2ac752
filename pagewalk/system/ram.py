"""Which frames are RAM: the kernel no longer marks the holes between them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from pagewalk.errors import ParseError, PermissionRequired, Unsupported
from pagewalk.procfs import ProcFS
from pagewalk.system.source import numbered, text_of

__all__ = ["parse_iomem", "ram_frames", "whole_frames"]

RESOURCE = re.compile(r"\s*(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) : (?P<name>.*)")
# "System RAM (kmem)" and "System RAM (virtio_mem)" were added by drivers, within the device's own range
# (mm/memory_hotplug.c:register_memory_resource).
RAM = re.compile(r"System RAM( \(.*\))?")


def parse_iomem(text: str, path: str = "iomem") -> list[tuple[int, int]]:
    """Find System RAM in iomem (kernel/resource.c:r_show).

    It stands at the top level but for memory that a device brought, which stands within the device: RAM within RAM
    is the same RAM.

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    list of tuple
        ``(start, stop)`` in bytes, stop exclusive, ascending, without overlap.

    Raises
    ------
    PermissionRequired
        The kernel hid the addresses: they all read 0 without CAP_SYS_ADMIN.
    ParseError
        A line is not a range and its name.
    """
    found: list[tuple[int, int]] = []
    for number, line in numbered(text):
        resource = RESOURCE.fullmatch(line)
        if resource is None:
            raise ParseError(path, number, "a range of physical memory")
        if RAM.fullmatch(resource["name"].rstrip()):
            found.append((int(resource["start"], 16), int(resource["end"], 16) + 1))
    if found and all(part == (0, 1) for part in found):
        raise PermissionRequired(f"{path} hides its addresses from this user (needs root, with CAP_SYS_ADMIN)")
    return merged(found)


def whole_frames(ranges: Iterable[tuple[int, int]], page_size: int) -> list[tuple[int, int]]:
    """Return the frames that lie within ranges of bytes with all their bytes.

    A frame of which a part is no RAM belongs to nobody (include/linux/memblock.h:
    memblock_region_memory_base_pfn rounds up, memblock_region_memory_end_pfn down).

    Parameters
    ----------
    ranges : iterable of tuple
        ``(start, stop)`` in bytes.
    page_size : int
        Bytes a frame.

    Returns
    -------
    list of tuple
        ``(start, stop)`` in frames, stop exclusive, ascending, without overlap.
    """
    frames = [(-(-start // page_size), stop // page_size) for start, stop in merged(ranges)]
    return merged((start, stop) for start, stop in frames if start < stop)


def ram_frames(procfs: ProcFS) -> list[tuple[int, int]]:
    """Read which frames are System RAM.

    Parameters
    ----------
    procfs : ProcFS
        The machine.

    Returns
    -------
    list of tuple
        ``(start, stop)`` in frames, stop exclusive, ascending, without overlap. RAM that is offline
        (`memory_blocks`) is among them.

    Raises
    ------
    Unsupported
        There is no iomem, or it names no System RAM.
    PermissionRequired
        The kernel hid the addresses.
    """
    path = procfs.path("iomem")
    ranges = parse_iomem(text_of(procfs, path), path)
    if not ranges:
        raise Unsupported(f"{path} names no System RAM")
    return whole_frames(ranges, os.sysconf("SC_PAGESIZE"))


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ascending ranges without overlap; those side by side become one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined
