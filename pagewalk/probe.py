"""What this kernel does, found out by trying it on pages of our own."""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass

import numpy as np

from pagewalk._native.procfs import read_words
from pagewalk.abi import KPF, PFRAME_MASK, PM
from pagewalk.framefiles import FrameFiles
from pagewalk.procfs import ProcFS

__all__ = ["Probe", "probe"]

HUGE = 2 << 20


@dataclass(frozen=True, slots=True)
class Probe:
    """Answers of the running kernel; the defaults are those of a sound one.

    Attributes
    ----------
    frames_visible : bool
        Whether pagemap shows frame numbers to this process (CAP_SYS_ADMIN in the first user namespace).
    ksm_known : bool
        Whether KPF_KSM can be believed: 6.12 to 6.18 set it on every anonymous page (dee3d0bef2b0).
    mapcount : str
        ``page``, or ``folio-average`` under CONFIG_NO_PAGE_MAPCOUNT (fs/proc/internal.h:folio_average_page_mapcount).
    """

    frames_visible: bool = True
    ksm_known: bool = True
    mapcount: str = "page"


def probe(procfs: ProcFS, files: FrameFiles) -> Probe:
    """Try it on pages of our own; a made ``/proc`` is taken for a sound kernel.

    Parameters
    ----------
    procfs : ProcFS
        Where to read.
    files : FrameFiles
        Its kpage files.
    """
    if not procfs.is_real:
        return Probe()
    with procfs.open_process(os.getpid()) as own:
        fd = procfs.open_at(own, "pagemap")
        try:
            return _probe(fd, files)
        finally:
            os.close(fd)


def _probe(pagemap: int, files: FrameFiles) -> Probe:
    with mmap.mmap(-1, 2 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        address = int(np.frombuffer(memory, np.uint8).__array_interface__["data"][0])
        offset = -address % HUGE
        with contextlib.suppress(OSError):  # EINVAL from a kernel without huge pages
            memory.madvise(mmap.MADV_HUGEPAGE, offset, HUGE)
        memory[offset] = 1
        entry = _word(pagemap, (address + offset) // mmap.PAGESIZE)
        pfn = entry & PFRAME_MASK
        if not entry & PM.PRESENT or not pfn:
            return Probe(frames_visible=False)
        flags = _word(files.flags, pfn)
        mapcount = "page"
        if flags & KPF.THP:
            # One page of the folio is unmapped: its own mapcount is 0, but an average is never 0.
            memory.madvise(mmap.MADV_DONTNEED, offset + mmap.PAGESIZE, mmap.PAGESIZE)
            if _word(files.count, pfn + 1):
                mapcount = "folio-average"
        return Probe(True, not flags & KPF.KSM, mapcount)


def _word(fd: int, number: int) -> int:
    """Return a word of a file, 0 where it ends before."""
    out = np.zeros(1, np.uint64)
    read_words(fd, number, out)
    return int(out[0])
