"""Questions about the whole machine: they need a walk of all of RAM."""

from __future__ import annotations

from pagewalk.facts import Facts
from pagewalk.table import Table

__all__ = ["OfMachine"]


class OfMachine:
    """What can be asked of all of RAM."""

    facts: Facts

    def uses(self) -> Table:
        """Where all of RAM went: every frame by its use and its state, beside the kernel's own figures.

        Returns
        -------
        Table
            One row a use; they add up to System RAM.

        Raises
        ------
        PagewalkError
            The walk did not read all of RAM (``walk(frames="all")``).
        """
        from pagewalk.views import use

        return use.uses(self.facts)

    def balance(self) -> Table:
        """What lies between our figures and the kernel's, by name.

        Returns
        -------
        Table
            Parts of the kernel's memory, of anonymous memory, and of RAM down to MemTotal.

        Raises
        ------
        PagewalkError
            The walk did not read all of RAM.
        """
        from pagewalk.views import balance

        return balance.balance(self.facts)

    def nodes(self) -> Table:
        """Nodes and zones: what their frames are used for, and how their free memory is cut up.

        Returns
        -------
        Table
            One row a zone with memory.

        Raises
        ------
        PagewalkError
            The walk did not read all of RAM.
        """
        from pagewalk.views import node

        return node.nodes(self.facts)

    def cgroups(self, depth: int | None = None) -> Table:
        """Cgroups: what is charged to each, what its processes use, and where the two part.

        Parameters
        ----------
        depth : int, optional
            Count cgroups deeper than this (the root is 0) with their ancestor at it.

        Returns
        -------
        Table
            One row a cgroup; ``charged`` adds up to all charged frames.

        Raises
        ------
        PagewalkError
            The walk did not read all of RAM (``walk(frames="all")``).
        """
        from pagewalk.views import cgroup

        return cgroup.cgroups(self.facts, depth)

    def charges(self, depth: int | None = None) -> Table:
        """Who is charged for what others use: bytes by cgroup charged and cgroups that map, the largest first.

        Parameters
        ----------
        depth : int, optional
            Count cgroups deeper than this (the root is 0) with their ancestor at it.

        Returns
        -------
        Table
            One row a pair; they add up to all charged frames.

        Raises
        ------
        PagewalkError
            The walk did not read all of RAM.
        """
        from pagewalk.views import charge

        return charge.charges(self.facts, depth)
