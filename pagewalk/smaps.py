"""The kernel's own account of a process's memory: ``smaps`` and ``smaps_rollup``, as they are."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace

from pagewalk.errors import ParseError

__all__ = ["SmapsVMA", "parse_smaps", "parse_smaps_rollup", "read_timed"]

# More than the kernel gives at a time.
BUFFER = 1 << 16

# fs/proc/task_mmu.c:show_map_vma, as in maps; the fields below it begin with a capital letter.
_HEADER = re.compile(
    rb"([0-9a-f]+)-([0-9a-f]+) ([r-][w-][x-][sp]) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)", re.DOTALL
)
_FIELD = re.compile(rb"([A-Za-z_0-9]+): *(.*?) *")


@dataclass(frozen=True, slots=True)
class SmapsVMA:
    """One VMA as smaps has it.

    Attributes
    ----------
    start, end, offset : int
        Addresses and offset in bytes.
    perms : str
        Permissions, ``rw-p``.
    inode : int
        Inode of the file, 0 for none.
    name : str
        The kernel's name of it.
    fields : dict of str to int
        Sizes in bytes, other numbers as they are, by the kernel's names.
    vm_flags : tuple of str
        The two-letter codes of VmFlags; unknown ones pass through.
    """

    start: int
    end: int
    perms: str
    offset: int
    inode: int
    name: str
    fields: dict[str, int]
    vm_flags: tuple[str, ...]


def _number(value: bytes) -> int | None:
    digits, _, unit = value.partition(b" ")
    if not digits.isdigit() or unit not in (b"", b"kB"):
        return None
    return int(digits) * (1024 if unit else 1)


def parse_smaps(text: bytes, path: str = "smaps") -> list[SmapsVMA]:
    """Take the text of ``/proc/PID/smaps`` apart.

    Parameters
    ----------
    text : bytes
        The whole file.
    path : str
        Its path, for errors.

    Returns
    -------
    list of SmapsVMA
        In the order of addresses.

    Raises
    ------
    ParseError
        A line is neither a VMA's nor a field of one.
    """
    vmas: list[SmapsVMA] = []
    # Most lines stand there again and again: a figure of 0, a size, the flags of all code.
    known: dict[bytes, tuple[str, int | tuple[str, ...]]] = {}
    for number, line in enumerate(text.removesuffix(b"\n").split(b"\n") if text else [], 1):
        if header := _HEADER.fullmatch(line):
            start, end, perms, offset, _, _, inode, name = header.groups()
            vma = SmapsVMA(
                int(start, 16), int(end, 16), perms.decode(), int(offset, 16), int(inode), os.fsdecode(name), {}, ()
            )
            vmas.append(vma)
            continue
        if not vmas:
            raise ParseError(path, number, f"a VMA from {os.fsdecode(line[:120])!r}")
        if line not in known:
            known[line] = _field(line, path, number)
        field, value = known[line]
        if isinstance(value, int):
            vmas[-1].fields[field] = value
        else:
            vmas[-1] = replace(vmas[-1], vm_flags=value)
    return vmas


def _field(line: bytes, path: str, number: int) -> tuple[str, int | tuple[str, ...]]:
    """Return the name of a field and its figure, or its codes."""
    found = _FIELD.fullmatch(line)
    if found is None:
        raise ParseError(path, number, f"a VMA or a field of one from {os.fsdecode(line[:120])!r}")
    name, value = found[1].decode(), found[2]
    if name == "VmFlags":
        return name, tuple(value.decode("ascii", "replace").split())
    figure = _number(value)
    if figure is None:
        raise ParseError(path, number, f"the figure of {name}")
    return name, figure


def read_timed(fd: int) -> tuple[bytes, int]:
    """Read an open smaps to its end, a buffer of the kernel's at a time.

    Parameters
    ----------
    fd : int
        The open file.

    Returns
    -------
    text : bytes
        All of it.
    longest_ns : int
        How long the longest read took, which bounds how long the lock of the address space was held at a time
        (fs/proc/task_mmu.c:m_start, m_stop: from the first VMA of a read to its last).
    """
    parts: list[bytes] = []
    longest = 0
    while True:
        began = time.perf_counter_ns()
        part = os.read(fd, BUFFER)
        longest = max(longest, time.perf_counter_ns() - began)
        if not part:
            return b"".join(parts), longest
        parts.append(part)


def parse_smaps_rollup(text: bytes, path: str = "smaps_rollup") -> dict[str, int]:
    """Take the text of ``/proc/PID/smaps_rollup`` apart.

    Parameters
    ----------
    text : bytes
        The whole file.
    path : str
        Its path, for errors.

    Returns
    -------
    dict of str to int
        Bytes by the kernel's names.

    Raises
    ------
    ParseError
        A line is not of the kernel's form.
    """
    vmas = parse_smaps(text, path)
    if len(vmas) != 1:
        raise ParseError(path, 1, "one summary of all mappings")
    return vmas[0].fields
