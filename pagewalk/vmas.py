"""The VMAs of an address space as columns."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk._native import vmas as native
from pagewalk.errors import ParseError
from pagewalk.procfs import TextRoom

__all__ = ["TELLS_ANON", "TELLS_SHMEM", "UNKNOWN", "Devices", "MapsParser", "PlanArrays", "VMAs", "parse_maps"]

TELLS_ANON, TELLS_SHMEM = native.TELLS_ANON, native.TELLS_SHMEM
Words = NDArray[np.uint64]
PlanArrays = tuple[Words, Words, Words, Words, NDArray[np.uint8]]


@dataclass(frozen=True, eq=False, slots=True)
class Devices:
    """What the pages of files are, by the device that maps names.

    Attributes
    ----------
    plain : ndarray of uint64
        Devices, ``major << 32 | minor``, of file systems other than hugetlbfs: a private page of theirs is anonymous
        memory like any.
    shmem : int
        The device of the kernel's own mount of shmem: memfd, System V and shared anonymous memory. All 64 bits set
        where it is not known.
    """

    plain: NDArray[np.uint64]
    shmem: int


UNKNOWN = Devices(np.empty(0, np.uint64), 2**64 - 1)


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


class MapsParser:
    """Takes the maps of one address space after the other apart, in arrays that are used again and again.

    Attributes
    ----------
    arrays : tuple of ndarray
        What `plan` fills: range_start, range_stop, vma_start, vma_stop of uint64, page numbers, ascending, stops
        exclusive: what to read of a pagemap, and each VMA; and tells of uint8, what an entry of pagemap tells by its
        VMA (TELLS_ANON, TELLS_SHMEM). Others take their place where more VMAs come than there is room for.
    room : TextRoom
        What texts may be read into.
    """

    __slots__ = ("_columns", "_maps", "_text", "arrays", "room")

    def __init__(self, room: int = 128) -> None:
        self._text: bytes | memoryview = b""
        self.room = TextRoom()
        self._make_room(room)

    def _make_room(self, room: int) -> None:
        self._columns = VMAs(
            start=np.empty(room, np.uint64),
            end=np.empty(room, np.uint64),
            offset=np.empty(room, np.uint64),
            inode=np.empty(room, np.uint64),
            major=np.empty(room, np.uint32),
            minor=np.empty(room, np.uint32),
            perms=np.empty(room, np.uint8),
            name_at=np.empty(room, np.uint32),
            name_len=np.empty(room, np.uint32),
            text=b"",
        )
        to = self._columns
        self._maps = native.Maps(
            to.start, to.end, to.offset, to.inode, to.major, to.minor, to.perms, to.name_at, to.name_len
        )
        self.arrays: PlanArrays = (
            np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.uint64),
            np.empty(room, np.uint8),
        )  # fmt: skip

    @property
    def rows(self) -> int:
        """How many VMAs there are."""
        return self._maps.rows

    @property
    def vss(self) -> int:
        """Size of all VMAs in bytes, without vsyscall, as the kernel's VmSize; what `plan` found."""
        return self._maps.vss

    def parse(self, text: bytes | memoryview, path: str = "maps") -> None:
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
        lines = native.count_lines(text)
        if lines > len(self.arrays[0]):
            self._make_room(2 * lines)
        self._text = text
        rows = self._maps.parse(text)
        if rows < 0:
            line = bytes(text).split(b"\n")[-rows - 1]
            raise ParseError(path, -rows, f"a mapping from {os.fsdecode(line[:120])!r}")
        # Where a VMA changed between two reads of the file the kernel goes on from the address it had reached
        # (fs/proc/task_mmu.c:m_start): lines never overlap. If they do the text is not the kernel's.
        overlap = self._maps.overlap()
        if overlap < rows:
            raise ParseError(path, overlap + 1, "a mapping that overlaps the one before it")

    def plan(self, page_size: int, bridge: int, devices: Devices = UNKNOWN) -> int:
        """Find out what to read of the pagemap of what was parsed last.

        Parameters
        ----------
        page_size : int
            Bytes of a page.
        bridge : int
            Gaps between VMAs of up to this many pages are read too, which costs less than a read more.
        devices : Devices
            What the pages of files are.

        Returns
        -------
        int
            How many ranges there are. VMAs that are no memory of the process (vsyscall, vvar) are in none.
        """
        return self._maps.plan(page_size, bridge, devices.plain, devices.shmem, *self.arrays)

    def vmas(self) -> VMAs:
        """Return what was parsed last, in arrays of its own."""
        n, of = self.rows, self._columns
        return VMAs(
            of.start[:n].copy(), of.end[:n].copy(), of.offset[:n].copy(), of.inode[:n].copy(), of.major[:n].copy(),
            of.minor[:n].copy(), of.perms[:n].copy(), of.name_at[:n].copy(), of.name_len[:n].copy(), bytes(self._text),
        )  # fmt: skip


def parse_maps(text: bytes, path: str = "maps") -> VMAs:
    """Take the text of ``/proc/PID/maps`` apart: `MapsParser.parse`, once."""
    parser = MapsParser(native.count_lines(text))
    parser.parse(text, path)
    return parser.vmas()
