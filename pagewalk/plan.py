"""What a walk is to do: it reads no more than that."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.pagemap import CHUNK

__all__ = ["Plan"]


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
