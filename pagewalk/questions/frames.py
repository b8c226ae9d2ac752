"""Questions about single frames, and the pages of a file."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.sorting import distinct
from pagewalk.table import Table

__all__ = ["OfFrames"]


class OfFrames:
    """What can be asked of frames."""

    facts: Facts

    def who(self, pfns: ArrayLike) -> Table:
        """Every owner of some frames, with all addresses, and what the kernel says of these frames.

        Parameters
        ----------
        pfns : array_like of int
            Frame numbers, as `read_pagemap` gives them.

        Returns
        -------
        Table
            One row a frame, ascending. ``owners`` is a list of ``{"pid", "comm", "user", "addresses", "mapping",
            "perms"}``, one an address space; ``hidden`` counts the mappings of processes that could not be read. What
            is no frame, or was not read, is unknown.

        Raises
        ------
        PagewalkError
            The walk was asked neither for frames (``walk(pfns=[...])``) nor for mappings (``walk(mappings=True)``).
        """
        from pagewalk.views import who

        return who.who(self.facts, frame_numbers(pfns))

    def places(self, pfns: ArrayLike) -> Table:
        """Every page that maps one of some frames.

        Parameters
        ----------
        pfns : array_like of int
            Frame numbers.

        Returns
        -------
        Table
            One row a page: the frame, whose page it is, its address, and what is mapped there.

        Raises
        ------
        PagewalkError
            As of `who`.
        """
        from pagewalk.views import who

        return who.places(self.facts, frame_numbers(pfns))

    def frame_states(self, pfns: ArrayLike) -> Table:
        """In what states some frames are: mapped, dirty, active and so on.

        Parameters
        ----------
        pfns : array_like of int
            Frame numbers.

        Returns
        -------
        Table
            One row.

        Raises
        ------
        PagewalkError
            As of `who`.
        """
        from pagewalk.views import frameset

        return frameset.states(self.facts, frame_numbers(pfns))

    def frame_owners(self, pfns: ArrayLike) -> Table:
        """Who maps some frames, each with its part of them.

        Parameters
        ----------
        pfns : array_like of int
            Frame numbers.

        Returns
        -------
        Table
            One row an address space, the largest part first.

        Raises
        ------
        PagewalkError
            As of `who`.
        """
        from pagewalk.views import frameset

        return frameset.owners(self.facts, frame_numbers(pfns))

    def frame_charges(self, pfns: ArrayLike) -> Table:
        """Which cgroups some frames are charged to.

        Parameters
        ----------
        pfns : array_like of int
            Frame numbers.

        Returns
        -------
        Table
            One row a cgroup, the largest part first.

        Raises
        ------
        PagewalkError
            As of `who`.
        """
        from pagewalk.views import frameset

        return frameset.charges(self.facts, frame_numbers(pfns))

    def frames_of_file(self, path: str = "", device: tuple[int, int] = (0, 0), inode: int = 0) -> NDArray[np.int64]:
        """Find the frames of a file that processes map.

        Parameters
        ----------
        path : str
            Name of the file; of a deleted one what maps calls it, with or without `` (deleted)``.
        device : tuple of int
            Major and minor number of its device, to go by its inode instead of its name.
        inode : int
            Its inode, 0 to go by its name.

        Returns
        -------
        ndarray of int64
            Frame numbers, ascending. Copies that processes made by writing are none of the file's.

        Raises
        ------
        PagewalkError
            As of `who`.
        """
        from pagewalk.views import frameset

        return frameset.frames_of_file(self.facts, path, device, inode)


def frame_numbers(pfns: ArrayLike) -> NDArray[np.int64]:
    """Return frame numbers that a machine could have, ascending, each once."""
    asked = np.asarray(pfns).reshape(-1)
    if len(asked) and (asked.dtype.kind not in "iu" or int(asked.min()) < 0 or int(asked.max()) >= 1 << 55):
        raise PagewalkError("frame numbers are integers from 0 up, below 2^55")
    return distinct(asked).astype(np.int64)
