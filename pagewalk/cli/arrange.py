"""From a table to its place on a screen: which columns, in what order, and the wishes checked before any walk."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.people import changed
from pagewalk.cli.views import BALANCE, View
from pagewalk.render.screen import Section

if TYPE_CHECKING:
    from pagewalk.table import Table

__all__ = ["balance_section", "check_columns", "column_list", "section_of"]

# Units that people look things up in, and so begin with the least.
ASCENDING = frozenset({"text", "list", "id", "inode", "hex"})


def check_columns(view: View, names: Sequence[str], option: str, key: str) -> None:
    """Stop unless the view has all of these columns; ``nodeN`` among them are all with a number."""
    known = [column.name for column in view.columns()]
    for name in names:
        if name not in known and not view.is_numbered(name):
            raise Stop(Exit.USAGE, f"{option} {name}: {key} has no such column; it has {', '.join(known)}")


def column_list(view: View, key: str) -> str:
    """Return the columns of a view for reading: name, unit, what it says, its header where that is another."""
    columns = view.columns()
    name_width = max(len(column.name) for column in columns)
    unit_width = max(len(column.unit) for column in columns)
    headers = {name: f" ({label.upper()} on a screen)" for name, label in view.labels.items()}
    lines = [
        f"{column.name:<{name_width}}  {column.unit:<{unit_width}}  {column.doc}{headers.get(column.name, '')}"
        for column in columns
    ]
    return f"columns of --by {key}:\n" + "".join(f"  {line}\n" for line in lines)


def section_of(key: str, table: Table, view: View, args: Namespace) -> Section:
    """Return the table of a view as the options want it: its order, its columns, its number of rows."""
    by = args.sort or ("" if view.is_ordered else view.measure)
    for option, names in (("-s", [by] if by else []), ("--columns", args.columns or [])):
        for name in names:
            if name not in table:
                raise Stop(
                    Exit.USAGE, f"{option} {name}: {key} has no such column here; it has {', '.join(table.names)}"
                )
    descending = args.reverse
    if by:
        descending = (table.column(by).unit not in ASCENDING) != args.reverse
        table = table.sort(by, descending)
    elif args.reverse:
        table = backwards(table)
    measure = view.measure
    if args.columns:
        # The measure stays known to the footer only where it is shown.
        table = table.select(args.columns)
        measure = measure if measure in table else ""
    is_text = args.format == "text"
    if args.format in view.derive and not args.columns:
        table = view.derive[args.format](table)
    choice = args.columns or expanded(view.shown if is_text else view.plain, table)
    return Section(
        key=key,
        table=table,
        shown=tuple(name for name in choice if name in table),
        wanted=() if args.columns else tuple(name for name in expanded(view.wanted, table) if name in table),
        measure=measure or None,
        limit=args.limit,
        sorted_by=by or None,
        descending=descending,
        totals=args.totals,
        endings=view.endings,
        labels=view.labels,
    )


def backwards(table: Table) -> Table:
    """Return the rows from last to first."""
    import numpy as np

    return changed(table, {"row": ("count", "its place", np.arange(len(table)))}).sort("row").select(table.names)


def expanded(names: str, table: Table) -> list[str]:
    """Return names of columns, each once; ``order*`` stands for all columns of the table that are so numbered."""
    found: dict[str, None] = {}
    for name in names.split():
        if name.endswith("*"):
            found.update(dict.fromkeys(one for one in table.names if re.fullmatch(rf"{name[:-1]}\d+", one)))
        else:
            found[name] = None
    return list(found)


def balance_section(table: Table, args: Namespace) -> Section:
    """Return what stands beside the uses: as it is, whatever is asked of these."""
    as_it_is = Namespace(format=args.format, sort=None, reverse=False, columns=None, limit=None, totals=False)
    return section_of("balance", table, BALANCE, as_it_is)
