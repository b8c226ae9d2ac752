"""What this kernel does, found out by trying it on pages of our own."""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk._native.procfs import read_words
from pagewalk.abi import KPF, PFRAME_MASK, PM
from pagewalk.frames import FrameFiles
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
        view = np.frombuffer(memory, np.uint8)
        address = int(view.__array_interface__["data"][0])
        aligned = -(-address // HUGE) * HUGE
        offset = aligned - address
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # EINVAL from a kernel without huge pages
                memory.madvise(mmap.MADV_HUGEPAGE, offset, HUGE)
        view[offset] = 1
        entry = _words(pagemap, aligned // mmap.PAGESIZE, 1)
        pfn = int(entry[0]) & PFRAME_MASK if len(entry) and int(entry[0]) & PM.PRESENT else 0
        if not pfn:
            return Probe(frames_visible=False)
        flags = _words(files.flags, pfn, 1)
        ksm_known = not (len(flags) and int(flags[0]) & KPF.KSM)
        mapcount = "page"
        if len(flags) and int(flags[0]) & KPF.THP:
            # One page of the folio is unmapped: its own mapcount is 0, but an average is never 0.
            memory.madvise(mmap.MADV_DONTNEED, offset + mmap.PAGESIZE, mmap.PAGESIZE)
            count = _words(files.count, pfn + 1, 1)
            mapcount = "folio-average" if len(count) and count[0] else "page"
        del view
        return Probe(True, ksm_known, mapcount)


def _words(fd: int, first: int, count: int) -> NDArray[np.uint64]:
    out = np.zeros(count, np.uint64)
    return out[: read_words(fd, first, out)]
