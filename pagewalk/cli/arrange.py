"""From tables to a screen: which columns, in what order, and the wishes checked before any walk."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.views import VIEWS, View
from pagewalk.render.screen import Section

if TYPE_CHECKING:
    from pagewalk.table import Column, Table

__all__ = ["check_columns", "column_list", "section_of", "summary_sections"]

# Units that people look things up in, and so begin with the least.
ASCENDING = frozenset({"text", "list", "id", "hex"})


def check_columns(columns: Sequence[Column], names: Sequence[str], option: str, view: str) -> None:
    """Stop unless the view has all of these columns."""
    known = [column.name for column in columns]
    for name in names:
        if name not in known:
            raise Stop(Exit.USAGE, f"{option} {name}: {view} has no such column; it has {', '.join(known)}")


def column_list(columns: Sequence[Column], view: str) -> str:
    """Return the columns of a view for reading: name, unit, what it says."""
    name_width = max(len(column.name) for column in columns)
    unit_width = max(len(column.unit) for column in columns)
    lines = [f"{column.name:<{name_width}}  {column.unit:<{unit_width}}  {column.doc}" for column in columns]
    return f"columns of --by {view}:\n" + "".join(f"  {line}\n" for line in lines)


def section_of(key: str, table: Table, view: View, args: Namespace) -> Section:
    """Return the table of a view as the options want it: its order, its columns, its number of rows."""
    by = args.sort or view.measure
    descending = (table.column(by).unit not in ASCENDING) != args.reverse
    table = table.sort(by, descending)
    measure = view.measure
    if args.columns:
        # The measure stays known to the footer only where it is shown.
        table = table.select(args.columns)
        measure = measure if measure in table else ""
    is_text = args.format == "text"
    if is_text and view.derive is not None and not args.columns:
        table = view.derive(table)
    choice = args.columns or (view.shown if is_text else view.plain).split()
    return Section(
        key=key,
        table=table,
        shown=tuple(name for name in choice if name in table),
        wanted=() if args.columns else tuple(dict.fromkeys(name for name in view.wanted.split() if name in table)),
        measure=measure or None,
        limit=args.limit,
        sorted_by=by,
        descending=descending,
        totals=args.totals,
        endings=view.endings,
        labels=view.labels,
    )


def summary_sections(kinds: Table | None, programs: Table, sharing: Table, args: Namespace) -> list[Section]:
    """Return what bare ``pagewalk`` shows: memory by kind (of the whole machine), top programs, top shared sets."""
    sections = []
    if kinds is not None:
        if args.format in ("text", "plain"):
            kinds = kinds.where(kinds["bytes"] > 0)
        sections = [Section("kinds", kinds, kinds.names, wanted=kinds.names, share=0, labels={"kind": "mapped"})]
    return [
        *sections,
        section_of("program", programs, VIEWS["program"], args),
        section_of("sharing", sharing, VIEWS["sharing"], args),
    ]
