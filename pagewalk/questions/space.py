"""Questions about one address space."""

from __future__ import annotations

from pagewalk.facts import Facts
from pagewalk.table import Table

__all__ = ["OfSpace"]


class OfSpace:
    """What can be asked of one address space, if the walk kept its mappings (``walk(mappings=True)``)."""

    facts: Facts

    def maps(self, pid: int, group: bool = False) -> Table:
        """What a process maps: figures, large folios, who else owns the frames, and the kernel's own figures.

        Parameters
        ----------
        pid : int
            The process.
        group : bool
            One row an object that it maps (a file, ``[heap]``, anonymous memory) instead of one a VMA.

        Returns
        -------
        Table
            By address. Columns named ``kernel_`` and ``vm_flags`` are the kernel's words, from smaps: unknown unless
            the walk read them (``walk(vm_flags=True)``), and of a VMA that changed meanwhile.

        Raises
        ------
        PagewalkError
            The walk kept no mappings of this process.
        """
        from pagewalk.views import maps

        return maps.maps(self.facts, pid, group)

    def folios(self, pid: int, group: bool = False) -> Table:
        """What a process maps of large folios: huge pages of any size.

        Parameters
        ----------
        pid : int
            The process.
        group : bool
            By object that it maps instead of by VMA.

        Returns
        -------
        Table
            One row a VMA (or object), kind and size of folios: bytes of whole ones, aligned and not; and of those that
            are mapped in part, whose size is unknown.

        Raises
        ------
        PagewalkError
            The walk kept no mappings of this process.
        """
        from pagewalk.views import folio

        return folio.folios(self.facts, pid, group)

    def partners(self, pid: int, group: bool = False) -> Table:
        """Who else owns the frames that a process maps.

        Parameters
        ----------
        pid : int
            The process.
        group : bool
            By object that it maps instead of by VMA.

        Returns
        -------
        Table
            One row a VMA (or object) and other owner, the largest first.

        Raises
        ------
        PagewalkError
            The walk kept no mappings of this process.
        """
        from pagewalk.views import partner

        return partner.partners(self.facts, pid, group)
