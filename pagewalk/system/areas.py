"""Areas that the kernel lists one a line: of swap, and of its own virtual memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from pagewalk.errors import ParseError
from pagewalk.procfs import ProcFS, unescaped
from pagewalk.system.source import integer, numbered, text_of
from pagewalk.table import Column, Table, objects

__all__ = ["SWAPS", "VMALLOC", "parse_swaps", "parse_vmallocinfo", "swaps", "vmallocinfo"]

SWAPS = (
    Column("path", "text", "the device or file, its octal escapes undone"),
    Column("type", "text", "partition or file"),
    Column("size", "bytes", "its slots, in bytes"),
    Column("used", "bytes", "slots in use, in bytes"),
    Column("priority", "id", "the highest is used first; negative ones were given by the kernel"),
)

VMALLOC = (
    Column("start", "hex", "its first address as the kernel prints it: hashed, but with no_hash_pointers"),
    Column("end", "hex", "the address after it, likewise; not start + bytes when hashed"),
    Column("bytes", "bytes", "virtual memory it takes, its guard page included"),
    Column("caller", "text", "the kernel function that asked for it"),
    Column("pages", "pages", "frames allocated for it; unknown where the kernel does not say"),
    Column("phys", "hex", "the physical address that an ioremap maps"),
    Column("kind", "text", "vmalloc, vmap, ioremap, vm_map_ram, 'unpurged vm_area' (freed, not yet given back), ..."),
    Column("notes", "list", "further words of the kernel: user, dma-coherent, vpages"),
    Column("nodes", "list", "frames by node as the kernel writes them: N0=4"),
)

# What an area is for (mm/vmalloc.c:vmalloc_info_show).
KINDS = frozenset({"vmalloc", "vmap", "ioremap", "vm_map_ram"})
UNPURGED = ["unpurged", "vm_area"]
NODE = re.compile(r"N\d+=\d+")
KNOWN = re.compile(rf"pages=.*|phys=.*|{NODE.pattern}|user|dma-coherent|vpages|{'|'.join(sorted(KINDS))}")
POINTER = re.compile(r"(0x)?[0-9a-f]{1,16}")
BLANKS = re.compile(r"[ \t]+")
AREA = re.compile(r"(?P<start>\S+?)-(?P<end>\S+)\s+(?P<size>\d+)(?:\s+(?P<rest>.*))?")


def parse_swaps(text: str, path: str = "swaps") -> Table:
    """Take swaps apart (mm/swapfile.c:swap_show).

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    Table
        A row an area, with the columns `SWAPS`.

    Raises
    ------
    ParseError
        A line is not a path, a type and three numbers.
    """
    rows: list[tuple[str, str, int, int, int]] = []
    for number, line in numbered(text):
        if number == 1 and line.startswith("Filename"):
            continue
        try:
            # The kernel escapes these two; other white space may stand in a name as it is.
            name, kind, size, used, priority = BLANKS.split(line.strip(" \t"))
            rows.append((unescaped(name), kind, kibibytes(size), kibibytes(used), integer(priority)))
        except ValueError as error:
            raise ParseError(path, number, "an area of swap") from error
    columns = list(zip(*rows, strict=True)) or [()] * len(SWAPS)
    return Table(SWAPS, {head.name: objects(cells) for head, cells in zip(SWAPS, columns, strict=True)})


def kibibytes(word: str) -> int:
    """Return in bytes what the kernel prints in KiB; ValueError where it is no number."""
    return integer(str(integer(word) * 1024))


def swaps(procfs: ProcFS) -> Table:
    """Read the areas of swap, in the kernel's order: a row each, with the columns `SWAPS`."""
    path = procfs.path("swaps")
    return parse_swaps(text_of(procfs, path), path)


@dataclass
class Area:
    """One line of vmallocinfo."""

    start: int | None
    end: int | None
    size: int
    caller: str = ""
    pages: int | None = None
    phys: int | None = None
    kind: str = ""
    notes: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)

    def take(self, words: list[str]) -> None:
        """Sort the words after the size: the caller comes first, and may be a function and its module in brackets."""
        if words == UNPURGED:
            self.kind = " ".join(words)
            return
        first = next((at for at, word in enumerate(words) if KNOWN.fullmatch(word)), len(words))
        self.caller = " ".join(words[:first])
        for word in words[first:]:
            if word.startswith("pages="):
                self.pages = integer(word[6:])
            elif word.startswith("phys="):
                self.phys = pointer(word[5:])
            elif NODE.fullmatch(word):
                self.nodes.append(word)
            elif word in KINDS and not self.kind:
                self.kind = word
            else:
                self.notes.append(word)


def parse_vmallocinfo(text: str, path: str = "vmallocinfo") -> Table:
    """Take vmallocinfo apart (mm/vmalloc.c:vmalloc_info_show, show_purge_info).

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    Table
        A row an area, with the columns `VMALLOC`.

    Raises
    ------
    ParseError
        A line does not begin with two addresses and a size.
    """
    areas = []
    for number, line in numbered(text):
        found = AREA.fullmatch(line.strip())
        try:
            if found is None:
                raise ValueError
            area = Area(address(found["start"]), address(found["end"]), integer(found["size"]))
            area.take((found["rest"] or "").split())
        except ValueError as error:
            raise ParseError(path, number, "an area of virtual memory") from error
        areas.append(area)
    unknown = {name: [getattr(area, name) is None for area in areas] for name in ("start", "end", "pages", "phys")}
    data = {
        "start": objects(area.start or 0 for area in areas),
        "end": objects(area.end or 0 for area in areas),
        "bytes": objects(area.size for area in areas),
        "caller": objects(area.caller for area in areas),
        "pages": objects(area.pages or 0 for area in areas),
        "phys": objects(area.phys or 0 for area in areas),
        "kind": objects(area.kind for area in areas),
        "notes": objects(tuple(area.notes) for area in areas),
        "nodes": objects(tuple(area.nodes) for area in areas),
    }
    return Table(VMALLOC, data, {name: np.array(mask, np.bool_) for name, mask in unknown.items()})


def address(word: str) -> int | None:
    """Return a printed address; None where it says nothing: 0 (kptr_restrict), ``(____ptrval____)`` (early at boot)."""
    return None if "ptrval" in word else pointer(word) or None


def pointer(word: str) -> int:
    """Return a number in hexadecimal; ValueError where it is none, or one that no column has room for."""
    if POINTER.fullmatch(word) is None:
        raise ValueError(f"no address: {word!r}")
    return int(word, 16)


def vmallocinfo(procfs: ProcFS) -> Table:
    """Read the areas of the kernel's virtual memory: a row each, with the columns `VMALLOC`. For root only."""
    path = procfs.path("vmallocinfo")
    return parse_vmallocinfo(text_of(procfs, path), path)
