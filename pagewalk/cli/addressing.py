"""What a word of ``pagewalk who`` means: a frame, or an address of a process and the frame that is there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.target import check_target, row_of

if TYPE_CHECKING:
    from pagewalk.procfs import ProcFS
    from pagewalk.snapshot import Snapshot
    from pagewalk.vmas import VMAs

__all__ = ["Asked", "frame_now", "frame_then", "is_still_there", "read_words"]

ADDRESS = re.compile(r"([0-9]+):(?:0[xX])?([0-9a-fA-F]+)")
LIKE_ADDRESS = re.compile(r"[0-9]+:[^/]*")
NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
# Of an entry of pagemap 55 bits are the frame number (PM_PFRAME_BITS).
FRAMES = 1 << 55
# Names of memory that is swapped without a trace in pagemap (shmem), and of pages that are no process's.
SHARED_MEMORY = ("/memfd:", "/dev/shm/", "/SYSV", "/dev/zero (deleted)")
KERNELS = ("[vvar", "[vsyscall]")


@dataclass(frozen=True)
class Asked:
    """One word: a frame, or an address of a process.

    Parameters
    ----------
    text : str
        The word.
    number : int
        The frame number or the address.
    pid : int or None
        The process, None for a frame.
    """

    text: str
    number: int
    pid: int | None = None


def read_words(words: list[str], is_file_asked: bool) -> tuple[list[Asked], str | None]:
    """Read the words: what is asked about, and last, if it is neither, the snapshot to ask.

    Parameters
    ----------
    words : list of str
        As given.
    is_file_asked : bool
        ``--file`` says what is asked about: no word does.

    Raises
    ------
    Stop
        A word is none of these, or nothing is asked about.
    """
    asked, file = [], None
    for at, word in enumerate(words):
        one = read_word(word)
        if one is not None:
            asked.append(one)
        elif at == len(words) - 1:
            file = word
        else:
            raise Stop(
                Exit.USAGE,
                f"{word!r} is neither PID:ADDRESS nor a frame number; only the last word may be a snapshot's name",
            )
    if is_file_asked and asked:
        raise Stop(Exit.USAGE, f"--file asks about a file, {asked[0].text} about a frame: leave one out")
    if not is_file_asked and not asked:
        missing = "nothing is asked" if file is None else f"{file!r} is no PID:ADDRESS and no frame number"
        raise Stop(Exit.USAGE, f"{missing}: give PID:ADDRESS, a frame number, or --file PATH")
    return asked, file


def read_word(word: str) -> Asked | None:
    """Read one word; None if it is no address and no number."""
    if found := ADDRESS.fullmatch(word):
        pid, address = int(found[1]), int(found[2], 16)
        if not 0 < pid < 1 << 31:
            raise Stop(Exit.USAGE, f"{word}: {found[1]} is no process ID")
        if address >= 1 << 64:
            raise Stop(Exit.USAGE, f"{word}: no address has more than 16 hexadecimal digits")
        return Asked(word, address, pid)
    if LIKE_ADDRESS.fullmatch(word):
        raise Stop(Exit.USAGE, f"{word}: the address is no hexadecimal number, such as 1234:7f5c3a200000")
    if NUMBER.fullmatch(word):
        number = int(word, 0 if word[:2] in ("0x", "0X") else 10)
        if number >= FRAMES:
            raise Stop(Exit.USAGE, f"{word} is no frame number: they are below 2^55")
        return Asked(word, number)
    return None


def frame_now(procfs: ProcFS, asked: Asked) -> int:
    """Return the frame that a word means on this machine, now.

    Raises
    ------
    Stop
        There is none, and why.
    PermissionRequired
        The kernel hides frame numbers from this user.
    """
    from pagewalk.abi import KPF
    from pagewalk.errors import PermissionRequired
    from pagewalk.framefiles import words_of

    if asked.pid is None:
        return asked.number
    check_target(procfs, asked.pid)
    try:
        entry, vmas = entry_of(procfs, asked.pid, asked.number)
    except (FileNotFoundError, ProcessLookupError):
        raise Stop(Exit.NOTHING, f"process {asked.pid} ended while it was asked") from None
    except PermissionError as error:
        if os.geteuid() != 0:
            raise PermissionRequired(str(error)) from error
        raise Stop(Exit.PRIVILEGE, f"process {asked.pid} could not be read: {error.strerror}") from error
    pfn = entry & (FRAMES - 1)
    if not entry >> 63:
        raise Stop(Exit.NOTHING, f"{asked.text} {absent(entry, asked.number, vmas)}")
    if not pfn:
        raise PermissionRequired(f"frame numbers read as 0 for uid {os.geteuid()} (needs CAP_SYS_ADMIN)")
    if int(words_of(procfs, "kpageflags", [pfn])[0]) & KPF.ZERO_PAGE:
        raise Stop(
            Exit.NOTHING,
            f"{asked.text} is on the zero page (frame {pfn}): read but never written, so that it takes no memory",
        )
    return pfn


def entry_of(procfs: ProcFS, pid: int, address: int) -> tuple[int, VMAs]:
    """Return the pagemap entry of an address, 0 where there is none, and the VMAs of its process."""
    from pagewalk.pagemap import read_entries
    from pagewalk.vmas import parse_maps

    page = os.sysconf("SC_PAGESIZE")
    start = address // page * page
    with procfs.open_process(pid) as process:
        vmas = parse_maps(procfs.read_at(process, "maps"), procfs.path(f"{pid}/maps"))
        entries = read_entries(procfs, process, start, start + page, page)
    return (int(entries[0]) if len(entries) else 0), vmas


def absent(entry: int, address: int, vmas: VMAs) -> str:
    """Return what is at an address that has no frame."""
    import numpy as np

    from pagewalk.abi import MAX_SWAPFILES_LEAST, PM, SWAP_OFFSET_SHIFT, SWAP_TYPE_MASK

    row = int(np.searchsorted(vmas.end, np.uint64(address), side="right"))
    if row == len(vmas) or int(vmas.start[row]) > address:
        return f"is not mapped: {between(vmas, row)}"
    name = vmas.name(row)
    where = f" in {name}" if name else ""
    if entry & PM.GUARD_REGION:
        return f"is in a guard region{where}: to touch it is a fault (MADV_GUARD_INSTALL)"
    if entry & PM.SWAP:
        kind, slot = entry & SWAP_TYPE_MASK, (entry & (FRAMES - 1)) >> SWAP_OFFSET_SHIFT
        if kind < MAX_SWAPFILES_LEAST:
            return f"is in swap (type {kind}, slot {slot}){where}"
        return f"has no frame just now{where}: it is being moved, is poisoned, or is marked (entry of type {kind})"
    if name.startswith(KERNELS):
        return f"is a page of the kernel's{where}: it is no memory of any process"
    if name.startswith(SHARED_MEMORY):
        return f"has no frame{where}: never touched by this process, or swapped, which pagemap does not tell here"
    if int(vmas.inode[row]) or name.startswith("/"):
        return f"has no frame{where}: never touched by this process, or memory of a device"
    return f"has no frame{where}: never touched"


def between(vmas: VMAs, row: int) -> str:
    """Return which mappings lie before and behind an address that is in none; ``row`` is the one behind."""
    sides = []
    for at, side in ((row - 1, "before it"), (row, "behind it")):
        if 0 <= at < len(vmas):
            sides.append(f"{side} {int(vmas.start[at]):x}-{int(vmas.end[at]):x} {vmas.name(at)}".rstrip())
    return ", ".join(sides) or "the process maps nothing"


def frame_then(snapshot: Snapshot, asked: Asked, file: str) -> int:
    """Return the frame that a word means in a saved snapshot.

    Raises
    ------
    Stop
        The snapshot knows of none.
    """
    if asked.pid is None:
        return asked.number
    space = row_of(snapshot, asked.pid, file)
    pfn = frame_at(snapshot, space, asked.number)
    if pfn is None:
        raise Stop(
            Exit.NOTHING,
            f"{asked.text} had no frame when {file} was taken: not mapped, never touched, or in swap",
        )
    return pfn


def is_still_there(snapshot: Snapshot, asked: Asked, pfn: int) -> bool:
    """Whether the walk met the frame where it was seen before; True of a word that names no address.

    Raises
    ------
    Stop
        The process was not read.
    """
    if asked.pid is None:
        return True
    return frame_at(snapshot, row_of(snapshot, asked.pid, ""), asked.number) == pfn


def frame_at(snapshot: Snapshot, space: int, address: int) -> int | None:
    """Return the frame at an address of an address space, as far as the walk kept it."""
    import numpy as np

    pages, mappings = snapshot.facts.pages, snapshot.facts.mappings
    if pages is None or mappings is None:
        raise Stop(Exit.FAILURE, "this snapshot kept no pages: make it anew with `pagewalk snapshot`")
    page = np.uint64(address // snapshot.facts.page_size)
    within = (pages.page <= page) & (page < pages.page + pages.length.astype(np.uint64))
    mine = np.flatnonzero(within)
    mine = mine[mappings.space[pages.vma[mine]] == space]
    return int(pages.pfn[mine[0]] + int(page) - int(pages.page[mine[0]])) if len(mine) else None
