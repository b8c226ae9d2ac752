"""Made answers for the tests of renderers and of the command: small tables, hostile names."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from pagewalk.render.screen import Screen, Section
from pagewalk.table import Column, Table, objects

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# Names that processes could choose: each would break a careless table.
HOSTILE = (
    "two\nlines",
    "\x1b[2J\x1b]0;owned\x07",
    os.fsdecode(b"caf\xe9\xff"),
    "x" * 300,
    "記憶體" * 30,
    "right\u202eleft",
    "\x9b31mC1",
    "=HYPERLINK(1)",
    'quote " , comma',
    "tab\there",
    "",
    "  spaced  out ",
    "back\\slash",
    "zero\x00byte",
    "\u2028line",
    "e\u0301",
    "👩‍👩‍👧",
)

COLUMNS = (
    Column("pid", "id", "the lowest process ID"),
    Column("pids", "list", "all process IDs"),
    Column("pss", "bytes", "proportional set"),
    Column("uss", "bytes", "unique set"),
    Column("start", "hex", "first address"),
    Column("comm", "text", "name"),
)


def processes(names: Sequence[str], pss: Sequence[int] | None = None, unknown: Sequence[int] = ()) -> Table:
    """One row a name, 4 KiB more each unless `pss` says otherwise; `unknown` lists the rows whose uss is not known."""
    n = len(names)
    figures = [4096 * (n - i) for i in range(n)] if pss is None else list(pss)
    return Table(
        COLUMNS,
        {
            "pid": np.arange(1, n + 1),
            "pids": objects([(i, i + 1000) for i in range(1, n + 1)]),
            "pss": np.array(figures, np.int64),
            "uss": np.array(figures, np.int64) // 2,
            "start": np.arange(n, dtype=np.uint64) + np.uint64(0x7F0000000000),
            "comm": objects(names),
        },
        {"uss": np.isin(np.arange(n), unknown)},
    )


def section(table: Table, **wishes: object) -> Section:
    """A section with all columns of `table`, choosing the narrow ones first."""
    settings: dict[str, object] = {
        "shown": table.names,
        "wanted": ("pid", "comm", "pss", "uss", "start", "pids"),
        "measure": "pss",
    }
    return Section("process", table, **{**settings, **wishes})  # type: ignore[arg-type]


def screen(*sections: Section, coverage: str = "3 processes read") -> Screen:
    """A screen of `sections` between a heading and a coverage line."""
    return Screen(
        sections=sections,
        heading=("pagewalk on db7, Linux 6.18.44, 23.5 GiB", "read 90 of 91 processes in 0.21 s"),
        remarks=(coverage,),
        facts={"host": {"hostname": "db7", "ram": np.int64(GIB)}, "gaps": processes([])},
    )
