"""Two snapshots compared: what `diff` returns, with one method for each question."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pagewalk.difference import (
    PAGE_FIGURES,
    UNSHARED,
    Chosen,
    PageChanges,
    Pairs,
    change_columns,
    changes,
    choose,
    compare_pages,
    match,
    process_ids,
    unshared,
    with_pages,
)
from pagewalk.errors import PagewalkError
from pagewalk.groups import Selection
from pagewalk.snapshot import Snapshot
from pagewalk.table import Column, Table, objects
from pagewalk.views import cgroup, gap, group, mapping, process, use

__all__ = ["COLUMNS", "Chosen", "Difference", "diff"]

# VmFlags are read where they are asked for only, and are no figure.
_MAPPING = tuple(column for column in mapping.COLUMNS if column.name != "vm_flags")

_OF = Column("snapshot", "text", "old or new: the walk that did not see it")

# The columns of each question's answer.
COLUMNS: dict[str, tuple[Column, ...]] = {
    "process": (*change_columns(process.COLUMNS), *PAGE_FIGURES),
    "program": change_columns(group.COLUMNS),
    "user": change_columns(group.COLUMNS),
    "cgroup": change_columns(cgroup.COLUMNS),
    "mapping": change_columns(_MAPPING),
    "use": change_columns(use.COLUMNS),
    "unshared": UNSHARED,
}


class Difference:
    """What changed between two snapshots; no figure of it is read anew. Immutable.

    Each table but `unshared` has for every figure ``F`` of the view three columns: ``F`` is the change, new less old,
    ``F_old`` and ``F_new`` are what it was and is; and ``state`` says whether the row is there both times (``same``),
    is ``new`` or ``gone``, its figures counted from 0 or to 0 then.

    Parameters
    ----------
    old, new : Snapshot
        The two.
    """

    def __init__(self, old: Snapshot, new: Snapshot) -> None:
        self.old = old
        self.new = new

    def __repr__(self) -> str:
        names = [snapshot.facts.host.get("hostname") or "a made /proc" for snapshot in (self.old, self.new)]
        where = names[0] if names[0] == names[1] else f"{names[0]} and {names[1]}"
        return f"<Difference of two snapshots of {where}: {self.seconds} s apart>"

    @property
    def is_one_boot(self) -> bool:
        """Whether both are of one machine that was not started again in between: only then processes are the same."""
        # A host's name may be changed while it runs, and two hosts may have one name.
        old, new = (one.facts.host.get("boot_id") for one in (self.old, self.new))
        return bool(old) and old == new

    @property
    def seconds(self) -> float | None:
        """From the old walk to the new one; negative if they were given the wrong way round, None if not known."""
        try:
            old, new = (dt.datetime.fromisoformat(one.facts.host["captured_at"]) for one in (self.old, self.new))
            return (new - old).total_seconds()
        except (KeyError, TypeError, ValueError):
            return None

    def remarks(self, pages: bool = True) -> list[str]:
        """Say what limits the comparison.

        Parameters
        ----------
        pages : bool
            Speak of single pages, which questions of programs, users, cgroups and uses need not.

        Returns
        -------
        list of str
            One line each; none where nothing does.
        """
        lines = []
        if not self.is_one_boot:
            lines.append(f"{self._two_boots()}: programs, users, cgroups and uses are compared by name")
        elif pages and (missing := self._without_mappings()) is not None:
            lines.append(f"what stopped being shared is not known: {missing}")
        elif pages and self._pages.replaced.any():
            number = int(self._pages.replaced.sum())
            whose = "1 process" if number == 1 else f"{number} processes"
            lines.append(f"{whose} called exec in between: pages of another program are not compared")
        if (seconds := self.seconds) is not None and seconds < 0:
            lines.append("the old snapshot was taken after the new one: every change is the wrong way round")
        if any(one.facts.host.get("redacted") in ("paths", "all") for one in (self.old, self.new)):
            lines.append(
                "a snapshot is redacted, which gives names of its own to what it hides: these match nothing else"
            )
        kinds = [one.facts.host.get("mapcount") for one in (self.old, self.new)]
        if kinds[0] != kinds[1]:
            lines.append(f"the kernels count mappings in two ways ({kinds[0]}, {kinds[1]}): hidden owners may differ")
        return lines

    def gaps(self) -> Table:
        """Return what either walk could not see, and why.

        Returns
        -------
        Table
            One row a gap; ``snapshot`` says of which: ``old`` or ``new``.
        """
        both = {"old": self.old.gaps(), "new": self.new.gaps()}
        names = [column.name for column in gap.COLUMNS]
        data = {name: np.concatenate([gaps[name] for gaps in both.values()]) for name in names}
        unknown = {name: np.concatenate([gaps.unknown(name) for gaps in both.values()]) for name in names}
        which = objects([side for side, gaps in both.items() for _ in range(len(gaps))])
        return Table((_OF, *gap.COLUMNS), {"snapshot": which, **data}, unknown)

    def select(
        self,
        pids: Sequence[int] = (),
        programs: Sequence[str] = (),
        users: Sequence[str] = (),
        cgroups: Sequence[str] = (),
        trees: Sequence[int] = (),
    ) -> Chosen:
        """Choose address spaces as `Snapshot.select` does; what meets the conditions at one time is meant at both.

        Parameters
        ----------
        pids : sequence of int
            Process IDs; each must be in one of the snapshots.
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
        Chosen
            To hand to a question.

        Raises
        ------
        PagewalkError
            A pid that neither snapshot has, a bad regular expression, an unknown user.
        """
        pairs = self._spaces if self.is_one_boot else None
        old, new = self.old.facts.spaces, self.new.facts.spaces
        return choose(old, new, pairs, pids, programs, users, cgroups, trees)

    def processes(self, select: Chosen | None = None) -> Table:
        """Return the changes of processes; the same is one with the same process ID and start.

        Parameters
        ----------
        select : Chosen, optional
            Which to show.

        Returns
        -------
        Table
            One row an address space, by pid; beside the changes ``copied``, ``left`` and ``shared_now`` as in
            `unshared`, unknown where its pages could not be compared.

        Raises
        ------
        PagewalkError
            The snapshots are of two boots, or of two machines.
        """
        self._check_one_boot("processes")
        old, new = self._both(select, lambda one, chosen: one.processes(chosen))
        pairs = match(self._ids(self.old, old["pid"]), self._ids(self.new, new["pid"]))
        table = changes(old, new, pairs)
        pages = None if self._without_mappings() is not None else self._pages
        return with_pages(table, pairs, new["pid"], self.new.facts, pages).sort("pid", descending=False)

    def programs(self, select: Chosen | None = None) -> Table:
        """Return the changes of programs, a frame counted once in each.

        Parameters
        ----------
        select : Chosen, optional
            Which address spaces to group.

        Returns
        -------
        Table
            One row a program.
        """
        return self._by_name(*self._both(select, lambda one, chosen: one.programs(chosen)))

    def users(self, select: Chosen | None = None) -> Table:
        """Return the changes of users, a frame counted once in each.

        Parameters
        ----------
        select : Chosen, optional
            Which address spaces to group.

        Returns
        -------
        Table
            One row a user.
        """
        return self._by_name(*self._both(select, lambda one, chosen: one.users(chosen)))

    def cgroups(self, depth: int | None = None) -> Table:
        """Return the changes of cgroups.

        Parameters
        ----------
        depth : int, optional
            Count cgroups deeper than this (the root is 0) with their ancestor at it.

        Returns
        -------
        Table
            One row a cgroup, by path.

        Raises
        ------
        PagewalkError
            A snapshot does not hold all of RAM.
        """
        self._check_whole_ram("cgroups")
        return self._by_name(self.old.cgroups(depth), self.new.cgroups(depth), "path")

    def uses(self) -> Table:
        """Return where RAM went in between: the change of each use and state.

        Returns
        -------
        Table
            One row a use.

        Raises
        ------
        PagewalkError
            A snapshot does not hold all of RAM.
        """
        self._check_whole_ram("uses")
        old, new = self.old.uses(), self.new.uses()
        return changes(old, new, match(old["use"].tolist(), new["use"].tolist()))

    def mappings(self, select: Chosen | None = None) -> Table:
        """Return the changes of mappings; the same is one at the same address of the same process and file.

        Parameters
        ----------
        select : Chosen, optional
            Those of these address spaces only.

        Returns
        -------
        Table
            One row a VMA, by pid and address. One that was split or merged is several rows, or fewer.

        Raises
        ------
        PagewalkError
            A snapshot holds no mappings, or they are of two boots or machines.
        """
        self._check_pages("mappings")
        old, new = self._both(select, lambda one, chosen: one.mappings(select=chosen))
        names = [name for name in old.names if name != "vm_flags"]
        old, new = old.select(names), new.select(names)
        pairs = match(self._mapping_ids(self.old, old), self._mapping_ids(self.new, new))
        return changes(old, new, pairs).sort("start", descending=False).sort("pid", descending=False)

    def unshared(self, select: Chosen | None = None) -> Table:
        """Return what stopped being shared: pages whose frames had several owners, and have one now.

        A page is compared where it is present both times. ``copied`` is what copy-on-write cost; a page moved to
        another frame (compaction, a huge page made) while its other owners left counts as copied too.

        Parameters
        ----------
        select : Chosen, optional
            Those of these address spaces only.

        Returns
        -------
        Table
            One row a mapping of which a page did, or began being shared; by pid and address.

        Raises
        ------
        PagewalkError
            A snapshot holds no mappings, or they are of two boots or machines.
        """
        self._check_pages("pages")
        return unshared(self.new.facts, self._pages, None if select is None else select.new.mask)

    @cached_property
    def _spaces(self) -> Pairs:
        return match(process_ids(self.old.facts.spaces), process_ids(self.new.facts.spaces))

    @cached_property
    def _pages(self) -> PageChanges:
        return compare_pages(self.old.facts, self.new.facts, self._spaces)

    def _both(self, select: Chosen | None, ask: Callable[[Snapshot, Selection | None], Table]) -> tuple[Table, Table]:
        if select is None:
            return ask(self.old, None), ask(self.new, None)
        return ask(self.old, select.old), ask(self.new, select.new)

    def _by_name(self, old: Table, new: Table, name: str = "name") -> Table:
        return changes(old, new, match(old[name].tolist(), new[name].tolist())).sort(name, descending=False)

    def _ids(self, snapshot: Snapshot, pids: NDArray[np.int64]) -> list[tuple[int, int]]:
        start_of = dict(process_ids(snapshot.facts.spaces))
        return [(pid, start_of[pid]) for pid in pids.tolist()]

    def _mapping_ids(self, snapshot: Snapshot, table: Table) -> list[tuple[object, ...]]:
        processes = self._ids(snapshot, table["pid"])
        # The name of a file changes when it is renamed or unlinked, its inode does not.
        return list(zip(processes, table["start"].tolist(), table["inode"].tolist(), strict=True))

    def _two_boots(self) -> str:
        old, new = (one.facts.host.get("hostname") or "?" for one in (self.old, self.new))
        if not all(one.facts.host.get("boot_id") for one in (self.old, self.new)):
            return "a snapshot does not say of which boot of which machine it is, so no process is known to be in both"
        if old != new:
            return f"the snapshots are of two machines ({old} and {new}), so no process is in both"
        return f"the snapshots are of two boots of {new}, so no process is in both"

    def _check_one_boot(self, what: str) -> None:
        if not self.is_one_boot:
            raise PagewalkError(
                f"{what} cannot be compared: {self._two_boots()}; programs, users, cgroups and uses can"
            )

    def _without_mappings(self) -> str | None:
        """Say which snapshot has no pages of mappings, None if both have."""
        for which, snapshot in (("old", self.old), ("new", self.new)):
            kept = snapshot.facts.mappings
            if kept is None or not kept.whole:
                return f"the {which} snapshot holds no mappings (made without walk(mappings=True))"
        return None

    def _check_pages(self, what: str) -> None:
        self._check_one_boot(what)
        if (missing := self._without_mappings()) is not None:
            raise PagewalkError(f"{what} cannot be compared: {missing}")

    def _check_whole_ram(self, what: str) -> None:
        for which, snapshot in (("old", self.old), ("new", self.new)):
            if snapshot.facts.accounts is None or snapshot.facts.places is None:
                raise PagewalkError(
                    f"{what} cannot be compared: the {which} snapshot holds mapped memory only, not all of RAM"
                    " (made without walk(frames='all'))"
                )


def diff(old: Snapshot, new: Snapshot) -> Difference:
    """Compare two snapshots.

    Parameters
    ----------
    old, new : Snapshot
        The earlier and the later one.

    Returns
    -------
    Difference
        One method for each question; `Difference.remarks` says what limits the comparison.

    Raises
    ------
    PagewalkError
        One of the two is no snapshot.
    """
    for which, one in (("old", old), ("new", new)):
        if not isinstance(one, Snapshot):
            raise PagewalkError(f"the {which} one is no snapshot but a {type(one).__name__}: give walk() or load()")
    return Difference(old, new)
