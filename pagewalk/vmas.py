"""The VMAs of an address space as columns."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk._native import vmas as native
from pagewalk.errors import ParseError

__all__ = ["VMAs", "anonymous", "parse_maps"]

# Never memory of the process: vsyscall has no page table of its own, and the vvar pages are special PTEs (VM_PFNMAP,
# from 7.3 VM_MIXEDMAP: lib/vdso/datastore.c:vdso_install_vvar_mapping) that no Rss counts.
_NOT_MEMORY = {b"[vsyscall]", b"[vvar]", b"[vvar_vclock]"}


@dataclass(frozen=True, eq=False, slots=True)
class VMAs:
    """The lines of one ``/proc/PID/maps``, one array a column, all of one length.

    Attributes
    ----------
    start, end : ndarray of uint64
        Addresses in bytes; end is exclusive.
    offset : ndarray of uint64
        Where in the file the mapping begins, in bytes.
    inode : ndarray of uint64
        Inode of the file, 0 for none.
    major, minor : ndarray of uint32
        Device of the file.
    perms : ndarray of uint8
        Sum of `abi.VM` bits.
    name_at, name_len : ndarray of uint32
        Where the name stands in ``text`` and its length in bytes.
    text : bytes
        What the kernel wrote.
    """

    start: NDArray[np.uint64]
    end: NDArray[np.uint64]
    offset: NDArray[np.uint64]
    inode: NDArray[np.uint64]
    major: NDArray[np.uint32]
    minor: NDArray[np.uint32]
    perms: NDArray[np.uint8]
    name_at: NDArray[np.uint32]
    name_len: NDArray[np.uint32]
    text: bytes

    def __len__(self) -> int:
        return len(self.start)

    def raw_name(self, row: int) -> bytes:
        """Return the name as the kernel wrote it: newlines escaped in octal, `` (deleted)`` appended."""
        at = int(self.name_at[row])
        return self.text[at : at + int(self.name_len[row])]

    def name(self, row: int) -> str:
        """Return the name; undecodable bytes become surrogates (os.fsdecode)."""
        return os.fsdecode(self.raw_name(row))

    def names(self) -> list[str]:
        """Return the names of all rows."""
        at, stop = self.name_at.tolist(), (self.name_at + self.name_len).tolist()
        return [os.fsdecode(self.text[a:b]) for a, b in zip(at, stop, strict=True)]

    @property
    def vss(self) -> int:
        """Size of all VMAs in bytes, without vsyscall, as the kernel's VmSize."""
        size = int((self.end - self.start).sum())
        if len(self) and self.raw_name(len(self) - 1) == b"[vsyscall]":
            size -= int(self.end[-1] - self.start[-1])
        return size

    def ranges(self, page_size: int, bridge: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return what to read of the pagemap.

        Parameters
        ----------
        page_size : int
            Bytes of a page.
        bridge : int
            Gaps between VMAs of up to this many pages are read too, which costs less than a read more.

        Returns
        -------
        starts, stops : ndarray of uint64
            Page numbers, ascending; stops are exclusive.
        """
        keep = self.end > self.start
        named = np.flatnonzero((self.name_len >= 6) & (self.name_len <= 13))
        letters = np.frombuffer(self.text, np.uint8)
        named = named[letters[self.name_at[named] + np.uint32(1)] == ord("v")]
        for row in named.tolist():
            if self.raw_name(row) in _NOT_MEMORY:
                keep[row] = False
        starts = self.start[keep] // np.uint64(page_size)
        stops = self.end[keep] // np.uint64(page_size)
        if not len(starts):
            return starts, stops
        # VMAs are skipped over, never bridged: what lies in a gap must be nobody's.
        apart = starts[1:] > stops[:-1] + np.uint64(bridge)
        skipped = np.cumsum(~keep)[keep]
        apart |= skipped[1:] != skipped[:-1]
        return (
            np.ascontiguousarray(starts[np.concatenate(([True], apart))]),
            np.ascontiguousarray(stops[np.concatenate((apart, [True]))]),
        )


def anonymous(vmas: VMAs, page_size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the ranges that no file is mapped in: no page there is of hugetlbfs, nor of a device.

    Parameters
    ----------
    vmas : VMAs
        All of an address space.
    page_size : int
        Bytes of a page.

    Returns
    -------
    starts, stops : ndarray of uint64
        Page numbers, ascending; stops are exclusive.
    """
    plain = vmas.inode == 0
    return vmas.start[plain] // np.uint64(page_size), vmas.end[plain] // np.uint64(page_size)


def parse_maps(text: bytes, path: str = "maps") -> VMAs:
    """Take the text of ``/proc/PID/maps`` apart.

    Parameters
    ----------
    text : bytes
        The whole file.
    path : str
        Its path, for errors.

    Raises
    ------
    ParseError
        A line is not of the kernel's form (fs/proc/task_mmu.c:show_map_vma).
    """
    n = native.count_lines(text)
    vmas = VMAs(
        start=np.empty(n, np.uint64),
        end=np.empty(n, np.uint64),
        offset=np.empty(n, np.uint64),
        inode=np.empty(n, np.uint64),
        major=np.empty(n, np.uint32),
        minor=np.empty(n, np.uint32),
        perms=np.empty(n, np.uint8),
        name_at=np.empty(n, np.uint32),
        name_len=np.empty(n, np.uint32),
        text=text,
    )
    rows = native.parse(
        text, vmas.start, vmas.end, vmas.offset, vmas.inode, vmas.major, vmas.minor, vmas.perms, vmas.name_at,
        vmas.name_len,
    )  # fmt: skip
    if rows < 0:
        line = text.split(b"\n")[-rows - 1]
        raise ParseError(path, -rows, f"a mapping from {os.fsdecode(line[:120])!r}")
    # Where a VMA changed between two reads of the file the kernel goes on from the address it had reached
    # (fs/proc/task_mmu.c:m_start): lines never overlap. If they do the text is not the kernel's.
    overlaps = np.flatnonzero(vmas.start[1:] < vmas.end[:-1])
    if len(overlaps):
        raise ParseError(path, int(overlaps[0]) + 2, "a mapping that overlaps the one before it")
    return vmas
