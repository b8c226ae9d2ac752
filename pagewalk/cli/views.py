"""The views that report knows: one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Column, Table

__all__ = ["VIEWS", "View"]


@dataclass(frozen=True)
class View:
    """How a question is asked of a snapshot and shown.

    Parameters
    ----------
    what : str
        What its rows are, for the help.
    module : str
        The module of pagewalk.views whose ``COLUMNS`` it has.
    ask : callable
        ``ask(snapshot, selection) -> Table``.
    shown : str
        Its columns for people, from left to right.
    wanted : str
        Those columns in the order in which a screen takes them in, the most telling first.
    plain : str
        Those that plain records have, a name with spaces last.
    measure : str
        The column that orders it where none is asked for, and that the footer adds up over the rows left out.
    endings : tuple of str
        Columns whose end says most, when they must be cut.
    derive : callable
        Makes of the table the one that a screen shows, where it can say more in less room.
    labels : mapping
        Headers on a screen where a column's name says too little.
    mappings : bool
        The walk must keep mappings for it.
    """

    what: str
    module: str
    ask: Callable[[Snapshot, Any], Table]
    shown: str
    wanted: str
    plain: str
    measure: str = "pss"
    endings: tuple[str, ...] = ()
    derive: Callable[[Table], Table] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    mappings: bool = False

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of its table, without asking any snapshot."""
        columns: tuple[Column, ...] = import_module(f"pagewalk.views.{self.module}").COLUMNS
        return columns


def with_sharers(table: Table) -> Table:
    """Return the sharing table with the number of owners, which a list that is cut off does not show."""
    import numpy as np

    from pagewalk.table import Column, Table

    sharers = np.fromiter((len(owners) for owners in table["owners"]), np.int64, len(table))
    columns = (*table.columns, Column("sharers", "count", "number of owners"))
    return Table(columns, {**{name: table[name] for name in table.names}, "sharers": sharers})


FIGURES = "pss uss rss shared anon file shmem swap swap_pss swap_uss thp hugetlb ksm private"
SPLIT = "private_clean private_dirty shared_clean shared_dirty"

VIEWS = {
    "process": View(
        what="address spaces, each with its process",
        module="process",
        ask=lambda snapshot, selection: snapshot.processes(selection),
        shown=f"pid user {FIGURES} vss {SPLIT} cgroup comm cmdline",
        wanted=f"pid comm pss uss rss user swap shared anon file shmem cmdline vss {FIGURES} cgroup {SPLIT}",
        plain=f"pid user {FIGURES} vss comm cmdline",
    ),
    "program": View(
        what="processes of one name, a frame counted once",
        module="group",
        ask=lambda snapshot, selection: snapshot.programs(selection),
        shown=f"name processes {FIGURES} {SPLIT}",
        wanted=f"name processes pss uss rss swap {FIGURES} {SPLIT}",
        plain=f"processes {FIGURES} name",
        labels={"name": "program", "processes": "procs"},
    ),
    "user": View(
        what="processes of one user, a frame counted once",
        module="group",
        ask=lambda snapshot, selection: snapshot.users(selection),
        shown=f"name processes {FIGURES} {SPLIT}",
        wanted=f"name processes pss uss rss swap {FIGURES} {SPLIT}",
        plain=f"processes {FIGURES} name",
        labels={"name": "user", "processes": "procs"},
    ),
    "mapping": View(
        what="the parts of each address space (VMAs)",
        module="mapping",
        ask=lambda snapshot, selection: snapshot.mappings(select=selection),
        shown=f"pid start end perms {FIGURES} vss offset inode name",
        wanted=f"pid start name pss uss rss perms swap {FIGURES} vss end offset inode",
        plain=f"pid start end perms {FIGURES} vss name",
        endings=("name",),
        mappings=True,
    ),
    "sharing": View(
        what="sets of owners, and the memory that exactly they share",
        module="sharing",
        ask=lambda snapshot, selection: snapshot.sharing(selection),
        shown="bytes anon file shmem hidden sharers comms owners",
        wanted="bytes sharers comms anon file shmem owners hidden",
        plain="bytes anon file shmem hidden comms owners",
        measure="bytes",
        derive=with_sharers,
        labels={"bytes": "shared", "sharers": "owners", "comms": "programs", "owners": "processes"},
    ),
}
