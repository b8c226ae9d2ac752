"""Totals of the whole machine: meminfo, vmstat, and how large a huge page is."""

from __future__ import annotations

import contextlib
import os

from pagewalk.errors import ParseError, Unsupported
from pagewalk.procfs import ProcFS
from pagewalk.system.source import numbered, text_of

__all__ = ["huge_order", "meminfo", "parse_meminfo", "parse_vmstat", "vmstat"]


def parse_meminfo(text: str, path: str = "meminfo") -> dict[str, int]:
    """Take meminfo apart (fs/proc/meminfo.c:meminfo_proc_show).

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    dict
        Bytes by name; counts for the ``HugePages_*``, which have no unit.

    Raises
    ------
    ParseError
        A line is not a name and a number, or has another unit than kB.
    """
    figures: dict[str, int] = {}
    for number, line in numbered(text):
        name, colon, rest = line.partition(":")
        match rest.split():
            case [value, "kB"] if colon and value.isdecimal():
                figures[name] = int(value) * 1024
            case [value] if colon and value.isdecimal():
                figures[name] = int(value)
            case _:
                raise ParseError(path, number, name.strip() or "a figure")
    return figures


def meminfo(procfs: ProcFS) -> dict[str, int]:
    """Read meminfo: bytes by name, counts for the ``HugePages_*``."""
    path = procfs.path("meminfo")
    return parse_meminfo(text_of(procfs, path), path)


def parse_vmstat(text: str, path: str = "vmstat") -> dict[str, int]:
    """Take vmstat apart (mm/vmstat.c:vmstat_show).

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    dict
        Figures by name as they stand there: most ``nr_*`` in pages, ``nr_kernel_stack`` in KiB, events as counts
        since boot.

    Raises
    ------
    ParseError
        A line is not a name and a number.
    """
    figures: dict[str, int] = {}
    for number, line in numbered(text):
        match line.split():
            case [name, value] if value.isdecimal():
                figures[name] = int(value)
            case words:
                raise ParseError(path, number, words[0])
    return figures


def vmstat(procfs: ProcFS) -> dict[str, int]:
    """Read vmstat: figures by name, in the units that the kernel has them in."""
    path = procfs.path("vmstat")
    return parse_vmstat(text_of(procfs, path), path)


def huge_order(procfs: ProcFS) -> int | None:
    """Return the order of a huge page that one entry of a page middle directory maps: 9 where that is 2 MiB of 4 KiB.

    ``hpage_pmd_size`` where there are transparent huge pages; else ``Hugepagesize`` of meminfo, which is the default
    of hugetlbfs and may be set to another size at boot. None where neither is there.
    """
    size = _transparent_size(procfs)
    if not size:
        with contextlib.suppress(Unsupported):
            size = meminfo(procfs).get("Hugepagesize", 0)
    pages = size // os.sysconf("SC_PAGESIZE")
    return pages.bit_length() - 1 if pages else None


def _transparent_size(procfs: ProcFS) -> int:
    path = procfs.sys_path("kernel/mm/transparent_hugepage/hpage_pmd_size")
    try:
        text = text_of(procfs, path).strip()
    except Unsupported:
        return 0
    if not text.isdecimal():
        raise ParseError(path, 1, "the size of a huge page")
    return int(text)
