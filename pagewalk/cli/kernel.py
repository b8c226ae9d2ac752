"""``--kernel-pss``: the process view made from the kernel's own smaps_rollup, and marked as the kernel's."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pagewalk.cli.arrange import section_of
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.remarks import machine_line
from pagewalk.cli.views import VIEWS
from pagewalk.cli.wishes import Wishes
from pagewalk.render.screen import Screen

if TYPE_CHECKING:
    from pagewalk.table import Table

__all__ = ["SOURCE", "kernel_answer"]

SOURCE = "kernel"
REMARK = (
    "the kernel's own figures (smaps_rollup), not counted by pagewalk: where it keeps only average mapcounts, estimates"
)


def kernel_answer(args: Namespace, wishes: Wishes) -> tuple[Screen, Table]:
    """Ask the kernel instead of walking; return what to show, and the processes it told this user nothing of."""
    from pagewalk.procfs import ProcFS
    from pagewalk.snapshot import kernel_processes

    table = marked(selected(kernel_processes(), wishes))
    if not len(table):
        raise Stop(Exit.NOTHING, f"no process matches {wishes}" if wishes else "no process can be read")
    view = VIEWS["process"]
    if args.format != "text":
        # In every record, whichever columns are asked for; a screen says it above and below the table.
        view = replace(view, plain=f"source {view.plain}")
        args.columns = ["source", *args.columns] if args.columns else None
    host = {**ProcFS().host(), "page_size": os.sysconf("SC_PAGESIZE")}
    gaps = unread(table)
    remarks = [REMARK]
    if len(gaps):
        remarks.append(f"? of {len(gaps)} processes: uid {os.geteuid()} may not read theirs")
    screen = Screen(
        sections=(section_of("process", table, view, args),),
        heading=(machine_line(host), "the kernel's own figures"),
        remarks=tuple(remarks),
        facts={"figures": SOURCE, "host": host, "gaps": gaps},
    )
    return screen, gaps


def selected(table: Table, wishes: Wishes) -> Table:
    """Return the rows that are meant."""
    import numpy as np

    def is_meant(row: dict[str, Any]) -> bool:
        return wishes.meets(row["pids"] or [row["pid"]], lambda: row["comm"], lambda: row["uid"], lambda: row["cgroup"])

    return table.where(np.array([is_meant(row) for row in table], np.bool_))


def unread(table: Table) -> Table:
    """Return the processes without figures as gaps."""
    from pagewalk.table import Column, Table, objects

    pids = table["pid"][table.unknown("rss")]
    columns = (Column("pid", "id", "process"), Column("what", "text", "missing"), Column("reason", "text", "why"))
    reason = f"not readable by uid {os.geteuid()}"
    return Table(
        columns,
        {"pid": pids, "what": objects(["smaps_rollup"] * len(pids)), "reason": objects([reason] * len(pids))},
    )


def marked(table: Table) -> Table:
    """Return `table` with a column that says in every format whose figures these are."""
    from pagewalk.table import Column, Table, objects

    source = Column("source", "text", "who counted: not pagewalk")
    data = {**{name: table[name] for name in table.names}, "source": objects([SOURCE] * len(table))}
    return Table([*table.columns, source], data, {name: table.unknown(name) for name in table.names})
