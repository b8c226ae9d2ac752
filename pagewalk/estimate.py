"""The kernel's own estimate of every process: what can be had without root."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import ParseError
from pagewalk.groups import Spaces, user_names
from pagewalk.listing import Candidate, Listing, is_gone
from pagewalk.procfs import ProcFS
from pagewalk.smaps import parse_smaps_rollup
from pagewalk.tally import FIGURES

__all__ = ["Estimate", "read_estimate"]

# Our figures by the fields of smaps_rollup that they are the sum of. What is not here, the kernel does not say.
_FIELDS = {
    "rss": ("Rss",),
    "pss": ("Pss",),
    "uss": ("Private_Clean", "Private_Dirty"),
    "shared": ("Shared_Clean", "Shared_Dirty"),
    "private": ("Private_Clean", "Private_Dirty"),
    "anon": ("Anonymous",),
    "hugetlb": ("Shared_Hugetlb", "Private_Hugetlb"),
    "ksm": ("KSM",),
    "shared_clean": ("Shared_Clean",),
    "shared_dirty": ("Shared_Dirty",),
    "private_clean": ("Private_Clean",),
    "private_dirty": ("Private_Dirty",),
    "swap": ("Swap",),
    "swap_pss": ("SwapPss",),
}


@dataclass(frozen=True, eq=False)
class Estimate:
    """What smaps_rollup says of every process that may be read.

    Attributes
    ----------
    spaces : Spaces
        The address spaces.
    figures : dict of str to ndarray of int64
        FIGURES in bytes, 0 where unknown.
    unknown : dict of str to ndarray of bool
        Where a figure is unknown.
    refused : dict of int to str
        Processes that may not be read, and why.
    vanished : int
        Processes gone before they were read.
    """

    spaces: Spaces
    figures: dict[str, NDArray[np.int64]]
    unknown: dict[str, NDArray[np.bool_]]
    refused: dict[int, str]
    vanished: int


@dataclass(frozen=True, slots=True)
class _Row:
    candidate: Candidate
    uid: int
    cmdline: str
    cgroup: str
    words: dict[str, int]


def read_estimate(procfs: ProcFS) -> Estimate:
    """Read smaps_rollup of every process.

    Parameters
    ----------
    procfs : ProcFS
        Where to read.

    Returns
    -------
    Estimate
        One row an address space; where they cannot be compared (kcmp is refused) one a process.
    """
    listing = Listing(procfs)
    rows: list[_Row] = []
    for candidate in listing.update():
        try:
            with candidate.open(procfs) as process:
                text = procfs.read_at(process, "smaps_rollup")
                words = parse_smaps_rollup(text, procfs.path(f"{process.pid}/smaps_rollup"))
                rows.append(
                    _Row(candidate, procfs.uid(process), procfs.cmdline(process), procfs.cgroup_of(process), words)
                )
        except OSError as error:
            if is_gone(error):
                listing.vanished.update(candidate.pids)
            else:
                reason = f"smaps_rollup: {error.strerror or error}"
                listing.refused.update(dict.fromkeys(candidate.pids, reason))
        except ParseError as error:
            listing.refused.update(dict.fromkeys(candidate.pids, str(error)))
    figures, unknown = {}, {}
    for name in FIGURES:
        fields = _FIELDS.get(name, ())
        known = [bool(fields) and all(field in row.words for field in fields) for row in rows]
        unknown[name] = ~np.array(known, bool)
        figures[name] = np.array([sum(row.words.get(field, 0) for field in fields) for row in rows], np.int64)
    return Estimate(_spaces(rows), figures, unknown, listing.refused, len(listing.vanished))


def _spaces(rows: list[_Row]) -> Spaces:
    stats = [row.candidate.stat for row in rows]
    uids = np.array([row.uid for row in rows], np.int64)
    # VmSize, as the kernel has it: without the gate area.
    return Spaces(
        pids=[tuple(sorted(row.candidate.pids)) for row in rows],
        comm=[stat.comm for stat in stats],
        cmdline=[row.cmdline for row in rows],
        cgroup=[row.cgroup for row in rows],
        uid=uids,
        ppid=np.array([stat.ppid for stat in stats], np.int64),
        start_time=np.array([stat.start_time for stat in stats], np.int64),
        vss=np.array([stat.vsize for stat in stats], np.int64),
        pgtable=np.full(len(rows), -1, np.int64),
        names=user_names(uids),
    )
