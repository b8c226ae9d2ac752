"""``--kernel-pss``: the process view made from the kernel's own smaps_rollup, and marked as the kernel's."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

from pagewalk.cli.arrange import section_of
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.remarks import machine_line, read_line
from pagewalk.cli.views import VIEWS
from pagewalk.cli.wishes import Wishes
from pagewalk.render.screen import Screen

if TYPE_CHECKING:
    from pagewalk.table import Table

__all__ = ["SOURCE", "kernel_answer"]

SOURCE = "kernel"
REMARK = (
    "These are the kernel's own figures (smaps_rollup), not counted by pagewalk;"
    " where the kernel keeps only average mapcounts, estimates."
)


def kernel_answer(args: Namespace, wishes: Wishes) -> tuple[Screen, Table]:
    """Ask the kernel instead of walking; return what to show and the gaps."""
    from pagewalk.kernel import kernel_estimate

    estimate = kernel_estimate()
    host, coverage, gaps = estimate.host, estimate.coverage(), estimate.gaps()
    table = marked(estimate.processes(wishes.select(estimate)))
    if not len(table):
        raise Stop(Exit.NOTHING, f"no process matches {wishes}" if wishes else "no process can be read")
    view = VIEWS["process"]
    if args.format != "text":
        # In every record, whichever columns are asked for; a screen says it above and below the table.
        view = replace(view, plain=f"source {view.plain}")
        args.columns = ["source", *args.columns] if args.columns else None
    why = f" (uid {os.geteuid()} may read its own only)" if coverage["refused"] and os.geteuid() != 0 else ""
    screen = Screen(
        sections=(section_of("process", table, view, args),),
        heading=(machine_line(host), "the kernel's own figures"),
        remarks=(REMARK, read_line(coverage) + why),
        facts={"host": host, "coverage": coverage, "gaps": gaps},
    )
    return screen, gaps


def marked(table: Table) -> Table:
    """Return `table` with a column that says in every format whose figures these are."""
    from pagewalk.table import Column, Table, objects

    source = Column("source", "text", "who counted: not pagewalk")
    data = {**{name: table[name] for name in table.names}, "source": objects([SOURCE] * len(table))}
    return Table([*table.columns, source], data, {name: table.unknown(name) for name in table.names})
