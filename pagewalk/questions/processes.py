"""Questions about processes, and groups of them."""

from __future__ import annotations

from collections.abc import Sequence

from pagewalk.facts import Facts
from pagewalk.groups import Selection
from pagewalk.groups import select as selected
from pagewalk.table import Table
from pagewalk.views import process

__all__ = ["OfProcesses"]


class OfProcesses:
    """What can be asked of processes, of one or of many."""

    facts: Facts

    def processes(self, select: Selection | None = None, nodes: bool = False) -> Table:
        """Resident, proportional and unique set of every address space, in bytes.

        Parameters
        ----------
        select : Selection, optional
            Which to show; owners are counted over all.
        nodes : bool
            Add columns ``node0``, ``node1``, ...: the part of ``rss`` on each NUMA node.

        Returns
        -------
        Table
            One row an address space, by pid.

        Raises
        ------
        PagewalkError
            Nodes were asked for, and the walk did not tell them (``walk(nodes=True)``).
        """
        return process.processes(self.facts, select, nodes)

    def programs(self, select: Selection | None = None) -> Table:
        """Figures of programs (processes of one name), a frame counted once in each.

        Parameters
        ----------
        select : Selection, optional
            Which address spaces to group.

        Returns
        -------
        Table
            One row a program.
        """
        from pagewalk.views import group

        return group.programs(self.facts, select)

    def users(self, select: Selection | None = None) -> Table:
        """Figures of users, a frame counted once in each.

        Parameters
        ----------
        select : Selection, optional
            Which address spaces to group.

        Returns
        -------
        Table
            One row a user.
        """
        from pagewalk.views import group

        return group.users(self.facts, select)

    def mappings(self, pid: int | None = None, select: Selection | None = None) -> Table:
        """Figures of every mapping; they add up to those of the process.

        Parameters
        ----------
        pid : int, optional
            Those of this process only.
        select : Selection, optional
            Those of these address spaces only.

        Returns
        -------
        Table
            One row a VMA, by pid and address.

        Raises
        ------
        PagewalkError
            The walk kept no mappings (``walk(mappings=True)``), or the pid was not read.
        """
        from pagewalk.views import mapping

        return mapping.mappings(self.facts, pid, select)

    def sharing(self, select: Selection | None = None, limit: int | None = None) -> Table:
        """Who shares with whom: owner sets by bytes, the largest first.

        Parameters
        ----------
        select : Selection, optional
            Only sets with an owner among these.
        limit : int, optional
            Only so many.

        Returns
        -------
        Table
            One row an owner set.
        """
        from pagewalk.views import sharing

        return sharing.sharing(self.facts, select, limit)

    def pairs(self, by: str = "process", select: Selection | None = None) -> Table:
        """How much every two share, and what each has alone, the largest first.

        Parameters
        ----------
        by : str
            ``"process"`` or ``"program"``.
        select : Selection, optional
            Pairs of these only; the others are owners all the same.

        Returns
        -------
        Table
            One row a pair that shares anything, whoever else owns these frames; and one for each with itself, which
            holds its ``uss``.

        Raises
        ------
        PagewalkError
            There are too many to pair them all.
        """
        from pagewalk.views import pairs

        return pairs.pairs(self.facts, by, select)

    def freed(self, select: Selection | None = None, pids: Sequence[int] = ()) -> Table:
        """What the end of a set of processes would free, in bytes.

        Parameters
        ----------
        select : Selection, optional
            Whose end; by default that of ``pids``.
        pids : sequence of int
            Process IDs.

        Returns
        -------
        Table
            One row.

        Raises
        ------
        PagewalkError
            The walk was not asked for it (``walk(freed=True)``), or a pid was not read.
        """
        from pagewalk.views import freed

        return freed.freed(self.facts, select if select is not None else selected(self.facts.spaces, pids))

    def fates(self, select: Selection | None = None, pids: Sequence[int] = ()) -> Table:
        """What would be freed and what would stay of what a set of processes has, and why.

        Parameters
        ----------
        select : Selection, optional
            Whose end; by default that of ``pids``.
        pids : sequence of int
            Process IDs.

        Returns
        -------
        Table
            One row a part.

        Raises
        ------
        PagewalkError
            The walk was not asked for it (``walk(freed=True)``), or a pid was not read.
        """
        from pagewalk.views import freed

        return freed.fates(self.facts, select if select is not None else selected(self.facts.spaces, pids))

    def kinds(self) -> Table:
        """Mapped memory by what it is: anonymous, file, shared memory, and what no rss counts.

        Returns
        -------
        Table
            One row a kind.
        """
        from pagewalk.views import kind

        return kind.kinds(self.facts)
