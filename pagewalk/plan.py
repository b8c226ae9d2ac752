"""What a walk is to do: it reads no more than that."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.pagemap import CHUNK

__all__ = ["GENTLE_CHUNK", "OF_FLAGS", "OF_PROCESSES", "Plan"]

# Figures of anonymous memory that need its flags.
OF_FLAGS = ("thp", "ksm", "shared_clean", "shared_dirty", "private_clean", "private_dirty")
# What is said of processes beside their memory, each read from a file of its own.
OF_PROCESSES = ("user", "uid", "cmdline", "cgroup")
# A gentle walk holds a target's lock for 64 KiB of its pagemap at a time, or for a scan of 16 MiB, and then pauses:
# readers take the lock before a writer that has been woken for it can, until it has waited for 4 ms
# (kernel/locking/rwsem.c:rwsem_down_read_slowpath, optimistic stealing; RWSEM_WAIT_TIMEOUT).
GENTLE_CHUNK = 8192
GENTLE_SCAN_PAGES = 4096
GENTLE_PAUSE_NS = 50_000
SCAN_PAGES = 32768


@dataclass(frozen=True, slots=True)
class Plan:
    """What a walk is to do.

    Attributes
    ----------
    pids : collection of int or None
        Walk these only, all else counts as hidden owners; None walks every process.
    cgroups : collection of str or None
        Walk the processes of these cgroups, and of those below them, only.
    threads : int or None
        Reading threads; None chooses.
    mappings : bool or collection of int
        Keep what the mapping view needs: of all, or of these processes.
    chunk : int
        Entries read at a time.
    everything : bool
        Read the kpage files for all of RAM, and the kernel's own accounts beside.
    places : bool
        Tell the node and zone of each frame.
    vm_flags : bool
        Read smaps of the mappings kept: VmFlags, and the kernel's own figures.
    pfns : ndarray of uint64 or None
        Frames, ascending, to be read owned or not, and whose pages are to be kept.
    held : bool
        Look for nameless files and who holds them.
    columns : frozenset of str or None
        What views will be asked for; None is all. What none of these needs is not read.
    verify : bool
        Read what the kernel says of every owned frame, also where pagemap tells all that is asked.
    gentle : bool
        Hold the locks of the processes read for as short as can be: less at a time, with pauses between.
    """

    pids: Collection[int] | None = None
    cgroups: Collection[str] | None = None
    threads: int | None = None
    mappings: bool | Collection[int] = False
    chunk: int = CHUNK
    everything: bool = False
    places: bool = False
    vm_flags: bool = False
    pfns: NDArray[np.uint64] | None = None
    held: bool = False
    columns: frozenset[str] | None = None
    verify: bool = False
    gentle: bool = False

    def asks(self, *names: str) -> bool:
        """Whether one of these columns is wanted."""
        return self.columns is None or not self.columns.isdisjoint(names)

    @property
    def spares(self) -> bool:
        """Whether frames that pagemap tells enough of need no word of the kpage files.

        What a page of theirs is beyond anonymous, and whether it is dirty, only kpageflags says.
        """
        return self.could_spare and not self.verify

    @property
    def could_spare(self) -> bool:
        """Whether what is asked would let frames be spared, were they not to be verified."""
        return not (self.asks(*OF_FLAGS) or self.everything or self.places or self.keeps_rows)

    @property
    def unasked(self) -> tuple[str, ...]:
        """Columns of which this walk knows nothing."""
        # The same whether it is verified or not: so is the answer.
        figures = OF_FLAGS if self.could_spare else ()
        return (*figures, *(name for name in OF_PROCESSES if not self.asks(name)))

    @property
    def keeps_rows(self) -> bool:
        """Whether the row of each frame is needed."""
        return bool(self.mappings) or self.pfns is not None or self.held

    @property
    def memcgs(self) -> bool:
        """Whether the memcg of each frame is needed: for cgroups and charges, and of frames that are asked for."""
        return self.everything or self.pfns is not None

    @property
    def alone(self) -> bool:
        """Whether only some processes are walked."""
        return self.pids is not None or self.cgroups is not None

    @property
    def pause_ns(self) -> int:
        """For how long to let go between two reads of a process, in nanoseconds."""
        return GENTLE_PAUSE_NS if self.gentle else 0

    @property
    def scan_pages(self) -> int:
        """The most pages that one PAGEMAP_SCAN may report: it holds the ``mmap_lock`` all the while."""
        return GENTLE_SCAN_PAGES if self.gentle else SCAN_PAGES
