"""``maps --stack``: what each thread of a process does in the kernel."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pagewalk.cli.exits import Exit, Stop
from pagewalk.render.screen import Section

if TYPE_CHECKING:
    from pagewalk.procfs import ProcFS
    from pagewalk.table import Table

__all__ = ["read_stacks", "stack_section"]

COLUMNS = (
    ("tid", "id", "thread ID"),
    ("comm", "text", "name of the thread"),
    ("state", "text", "R running, S asleep, D asleep until a device answers, T stopped, Z ended"),
    ("stack", "list", "functions of the kernel, the innermost first; none while it runs in user space"),
)


def read_stacks(procfs: ProcFS, pid: int) -> Table:
    """Read the kernel stack of each thread.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    pid : int
        The process.

    Returns
    -------
    Table
        A row a thread.

    Raises
    ------
    Stop
        The process is gone, its stacks may not be read, or the kernel does not tell them.
    """
    from pagewalk.raw import read_stack

    rows = []
    try:
        stacks = read_stack(pid, procfs.root)
        with procfs.open_process(pid) as process:
            for tid in sorted(set(procfs.threads(process)) & stacks.keys()):
                # One that ended since is none of its threads any more.
                with suppress(FileNotFoundError, ProcessLookupError), procfs.open_thread(process, tid) as thread:
                    stat = procfs.stat(thread)
                    rows.append((tid, stat.comm, stat.state, tuple(stacks[tid])))
    except (FileNotFoundError, ProcessLookupError):
        raise Stop(Exit.NOTHING, f"process {pid} ended before its stacks were read") from None
    except PermissionError as error:
        why = f"process {pid}: stack: {error.strerror}: it needs CAP_SYS_ADMIN"
        raise Stop(Exit.PRIVILEGE, f"{why}; leave --stack out") from None
    if not any(row[-1] for row in rows) and not procfs.has("self/stack"):
        why = "this kernel does not tell the stacks of threads (CONFIG_STACKTRACE)"
        raise Stop(Exit.UNSUPPORTED, f"{why}: leave --stack out")
    return table_of(COLUMNS, rows)


def table_of(columns: tuple[tuple[str, str, str], ...], rows: list[Any]) -> Table:
    """Return a table of rows."""
    from pagewalk.table import Column, Table, objects

    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    heads = [Column(*column) for column in columns]
    return Table(heads, {head.name: objects(some) for head, some in zip(heads, cells, strict=True)})


def stack_section(table: Table, is_text: bool) -> Section:
    """Return the stacks as a table: for people one line a function, as they are used to read them."""
    names = tuple(name for name, _, _ in COLUMNS)
    if is_text:
        table = line_by_line(table)
    return Section("stacks", table, names, wanted=("tid", "stack", "comm", "state"), labels={"stack": "kernel stack"})


def line_by_line(table: Table) -> Table:
    """Return a row a function, with the thread before the first."""
    rows: list[tuple[str, ...]] = []
    for thread in table:
        first = (str(thread["tid"]), thread["comm"], thread["state"])
        for function in thread["stack"] or ["(in user space)"]:
            rows.append((*first, function))
            first = ("", "", "")
    return table_of(tuple((name, "text", doc) for name, _, doc in COLUMNS), rows)
