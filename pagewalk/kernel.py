"""The kernel's own estimate, for where a walk is not to be had."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pagewalk import groups
from pagewalk.estimate import Estimate, read_estimate
from pagewalk.facts import Gap
from pagewalk.groups import Selection
from pagewalk.procfs import ProcFS
from pagewalk.table import Table
from pagewalk.views import gap, process
from pagewalk.walker import machine

__all__ = ["KernelEstimate", "kernel_estimate", "kernel_processes"]


class KernelEstimate:
    """The kernel's own estimate of every process, where a walk is not to be had. Immutable.

    Parameters
    ----------
    estimate : Estimate
        What smaps_rollup says.
    procfs : ProcFS
        Where it was read.
    seconds : float
        How long reading took.
    """

    def __init__(self, estimate: Estimate, procfs: ProcFS, seconds: float) -> None:
        self._estimate = estimate
        self.host = {**machine(procfs), "seconds": round(seconds, 6), "figures": "kernel"}

    def select(
        self,
        pids: Sequence[int] = (),
        programs: Sequence[str] = (),
        users: Sequence[str] = (),
        cgroups: Sequence[str] = (),
        trees: Sequence[int] = (),
    ) -> Selection:
        """Choose address spaces, as `Snapshot.select` does.

        Parameters
        ----------
        pids : sequence of int
            Process IDs.
        programs : sequence of str
            Regular expressions, searched for in the program's name (comm).
        users : sequence of str
            User names or numbers.
        cgroups : sequence of str
            Paths of cgroups; those below them are meant too.
        trees : sequence of int
            Process IDs: these and all that descend from them, beside those of ``pids``.

        Returns
        -------
        Selection
            To hand to `processes`.
        """
        return groups.select(self._estimate.spaces, pids, programs, users, cgroups, trees)

    def processes(self, select: Selection | None = None) -> Table:
        """What smaps_rollup says of every process that may be read; what it does not say is unknown.

        Parameters
        ----------
        select : Selection, optional
            Which to show.

        Returns
        -------
        Table
            The columns of `Snapshot.processes`; ``uss`` and ``shared`` are the kernel's Private and Shared.
        """
        estimate = self._estimate
        return process.estimated_processes(estimate.spaces, estimate.figures, estimate.unknown, select)

    def coverage(self) -> dict[str, int]:
        """Return how many processes were read, refused, and gone.

        Returns
        -------
        dict of str to int
            The part of the JSON's ``coverage`` that applies.
        """
        spaces = self._estimate.spaces
        return {
            "processes": sum(len(pids) for pids in spaces.pids),
            "address_spaces": len(spaces),
            "refused": len(self._estimate.refused),
            "vanished": self._estimate.vanished,
        }

    def gaps(self) -> Table:
        """What could not be read, and why.

        Returns
        -------
        Table
            One row a gap.
        """
        return gap.gaps([Gap(pid, "memory", reason) for pid, reason in sorted(self._estimate.refused.items())])


def kernel_estimate(root: str = "/proc", procfs: ProcFS | None = None) -> KernelEstimate:
    """Ask the kernel for its own estimate of every process (smaps_rollup). Needs no privilege for one's own.

    Parameters
    ----------
    root : str
        Where proc is mounted.
    procfs : ProcFS, optional
        Read through this instead.

    Returns
    -------
    KernelEstimate
        The kernel's figures: a page shared is divided by its mapcount, an average of it on some kernels.
    """
    source = procfs if procfs is not None else ProcFS(root)
    began = time.monotonic()
    estimate = read_estimate(source)
    return KernelEstimate(estimate, source, time.monotonic() - began)


def kernel_processes(root: str = "/proc", procfs: ProcFS | None = None) -> Table:
    """Return the table of `kernel_estimate`.

    Parameters
    ----------
    root : str
        Where proc is mounted.
    procfs : ProcFS, optional
        Read through this instead.

    Returns
    -------
    Table
        The columns of `Snapshot.processes`.
    """
    return kernel_estimate(root, procfs).processes()
