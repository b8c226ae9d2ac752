"""The views of changes: how each question to a difference is asked and shown."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pagewalk.cli import people
from pagewalk.cli.arrange import section_of
from pagewalk.cli.views import FIGURES, SPLIT, Question, View
from pagewalk.render.screen import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pagewalk.table import Column, Table

__all__ = ["CHANGES", "ChangeView", "change_section", "changed_rows"]


@dataclass(frozen=True)
class ChangeView(View):
    """How a question is asked of a difference, not of one snapshot.

    Parameters
    ----------
    ask : callable
        ``ask(difference, question) -> Table``.
    one_boot : bool
        Its rows are of processes, which only one boot of one machine has both times.
    """

    ask: Callable[[Any, Question], Table]
    one_boot: bool = False

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of its table, without asking any difference."""
        from pagewalk.compared import COLUMNS

        return COLUMNS[self.module]


def with_marks(table: Table) -> Table:
    """Return changes with a word only for rows that are new or gone, and no such column where none is."""
    from pagewalk.table import objects

    states = ["" if state == "same" else state for state in table["state"].tolist()]
    doc = table.column("state").doc
    return people.changed(table, {"state": ("text", doc, objects(states))} if any(states) else {}, ["state"])


def uses_that_changed(table: Table) -> Table:
    """Return the changes of uses without states that nothing went to or from."""
    kept = {"use", "bytes", "kernel_bytes", "difference"}
    still = [
        name
        for name in table.names
        if name not in kept and f"{name}_old" in table and not table[name].any() and not table.unknown(name).any()
    ]
    return people.changed(with_marks(table), {}, still)


STATES = "mapped_one mapped_several mapped_hidden dirty unevictable active inactive none"
CHARGED = "charged_anon charged_file charged_shmem charged_kernel"
APART = "charged_not_used used_not_charged"
PAGES = "copied left shared_now"
GROUP = f"state name processes pss pss_new {FIGURES} {SPLIT}"

CHANGES = {
    "process": ChangeView(
        what="address spaces, the same by process ID and start",
        module="process",
        ask=lambda difference, asked: difference.processes(asked.select),
        shown=f"state pid user pss pss_new uss rss {PAGES} {FIGURES} vss {SPLIT} cgroup comm cmdline",
        wanted=f"pid comm state pss uss rss pss_new copied swap left {FIGURES} user cmdline {PAGES} vss {SPLIT} cgroup",
        plain=f"state pid user pss pss_old pss_new uss uss_old uss_new rss rss_old rss_new {PAGES} swap comm cmdline",
        labels={"pss_new": "pss now", "left": "left alone", "shared_now": "now shared"},
        derive={"text": with_marks},
        one_boot=True,
    ),
    "program": ChangeView(
        what="processes of one name, a frame counted once",
        module="program",
        ask=lambda difference, asked: difference.programs(asked.select),
        shown=GROUP,
        wanted=f"name state pss uss rss pss_new processes swap {FIGURES} {SPLIT}",
        plain="state processes processes_new pss pss_old pss_new uss uss_old uss_new rss rss_old rss_new swap name",
        labels={"name": "program", "processes": "procs", "pss_new": "pss now"},
        derive={"text": with_marks},
    ),
    "user": ChangeView(
        what="processes of one user, a frame counted once",
        module="user",
        ask=lambda difference, asked: difference.users(asked.select),
        shown=GROUP,
        wanted=f"name state pss uss rss pss_new processes swap {FIGURES} {SPLIT}",
        plain="state processes processes_new pss pss_old pss_new uss uss_old uss_new rss rss_old rss_new swap name",
        labels={"name": "user", "processes": "procs", "pss_new": "pss now"},
        derive={"text": with_marks},
    ),
    "cgroup": ChangeView(
        what="what each cgroup is charged for, and what its processes use",
        module="cgroup",
        ask=lambda difference, asked: difference.cgroups(depth=asked.depth),
        shown=f"state name processes charged charged_new {CHARGED} used {APART} rss uss path",
        wanted=f"name state charged used charged_new {CHARGED} processes {APART} rss uss path",
        plain=f"state charged charged_old charged_new {CHARGED} used used_old used_new rss uss processes name path",
        measure="charged",
        endings=("name", "path"),
        labels={
            "name": "cgroup",
            "processes": "procs",
            "charged_new": "charged now",
            "charged_not_used": "for others",
            "used_not_charged": "others pay",
        },
        derive={"text": lambda table: people.cgroups_by_name(with_marks(table))},
        whole_ram=True,
    ),
    "mapping": ChangeView(
        what="parts of address spaces, by process, address and file",
        module="mapping",
        ask=lambda difference, asked: difference.mappings(asked.select),
        shown=f"state pid start end perms pss pss_new {FIGURES} vss name",
        wanted=f"pid start name state pss uss rss pss_new perms swap {FIGURES} vss end",
        plain="state pid start end perms pss pss_old pss_new uss uss_old uss_new rss rss_old rss_new swap vss name",
        endings=("name",),
        labels={"pss_new": "pss now"},
        derive={"text": with_marks},
        mappings=True,
        one_boot=True,
    ),
    "use": ChangeView(
        what="all of RAM: what each frame is used for, in which state",
        module="use",
        ask=lambda difference, asked: difference.uses(),
        shown=f"use bytes bytes_old bytes_new {STATES} kernel_bytes",
        wanted=f"use bytes bytes_new {STATES} bytes_old kernel_bytes",
        plain=f"use bytes bytes_old bytes_new {STATES} kernel_bytes",
        measure="bytes",
        labels={
            "bytes": "change",
            "bytes_old": "before",
            "bytes_new": "now",
            "mapped_one": "one owner",
            "mapped_several": "several",
            "mapped_hidden": "hidden",
            "kernel_bytes": "kernel's",
        },
        derive={"text": uses_that_changed},
        whole_ram=True,
    ),
    "unshared": ChangeView(
        what="mappings with pages that one owns now, where several did",
        module="unshared",
        ask=lambda difference, asked: difference.unshared(asked.select),
        shown=f"pid comm bytes {PAGES} perms start end name",
        wanted="pid comm bytes copied shared_now name left start perms end",
        plain=f"bytes {PAGES} pid start end perms comm name",
        measure="bytes",
        endings=("name",),
        labels={"bytes": "unshared", "left": "left alone", "shared_now": "shared"},
        mappings=True,
        one_boot=True,
    ),
}


def changed_rows(table: Table) -> NDArray[Any]:
    """Say which rows are new or gone, or have a figure that changed."""
    import numpy as np

    if "state" not in table:
        return np.ones(len(table), np.bool_)
    rows = np.array([state != "same" for state in table["state"].tolist()], np.bool_)
    for name in figures(table):
        rows |= (table[name] != 0) & ~table.unknown(name)
    return rows


def figures(table: Table) -> list[str]:
    """Return the columns that are changes."""
    return [name for name in table.names if f"{name}_old" in table]


def change_section(key: str, table: Table, view: ChangeView, args: Namespace, keep_all: bool = False) -> Section:
    """Return the table of a view as the options want it: what changed most first, whichever way it went.

    Parameters
    ----------
    key : str
        Its name.
    table : Table
        The answer.
    view : ChangeView
        The question.
    args : Namespace
        The options.
    keep_all : bool
        Rows that did not change are wanted too.
    """
    signed = frozenset(figures(table))
    if not keep_all:
        table = table.where(changed_rows(table))
    if not args.sort:
        table = by_size(table, view.measure)
        view = replace(view, is_ordered=True)
    return replace(section_of(key, table, view, args), signed=signed)


def by_size(table: Table, name: str) -> Table:
    """Return the rows with the greatest change first; unknown ones last."""
    import numpy as np

    size = np.where(table.unknown(name), -1, np.abs(table[name]))
    return people.changed(table, {"by size": ("bytes", "how much", size)}).sort("by size").select(table.names)
