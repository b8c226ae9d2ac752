"""``pagewalk report``: who owns the memory of this machine."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pagewalk.cli.arrange import balance_section, check_columns, column_list, section_of
from pagewalk.cli.choosing import OPTIONS, is_chosen
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.output import MACHINE
from pagewalk.cli.pairing import asked_view, pairs_section, settle_pairs
from pagewalk.cli.remarks import coverage_line, heading, snapshot_line, with_gap
from pagewalk.cli.report_options import options
from pagewalk.cli.source import need_live, snapshot_of
from pagewalk.cli.summary import summary_sections
from pagewalk.cli.views import DEEP, VIEWS, Question
from pagewalk.cli.walking import given
from pagewalk.cli.walks import take_walk
from pagewalk.cli.wishes import Wishes
from pagewalk.cli.writing import finish, settle_format
from pagewalk.render.screen import Screen, Section

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Table

__all__ = ["help", "run"]


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of report."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Walk, and show what was asked for."""
    args = options().parse(arguments)
    if args.version:
        from pagewalk.cli.version import version_line

        print(version_line())
        return Exit.OK
    settle(args)
    if (listing := column_help(args)) is not None:
        sys.stdout.write(listing)
        return Exit.OK
    wishes = Wishes(args)
    check(args, wishes)
    if args.kernel_pss:
        from pagewalk.cli.kernel import kernel_answer

        screen, gaps = kernel_answer(args, wishes)
    else:
        screen, gaps = walked_answer(args, wishes)
    return finish(screen, gaps, args)


def settle(args: Namespace) -> None:
    """Fill in what depends on other options."""
    settle_format(args)
    if args.pairs:
        settle_pairs(args)
    # A selection asks about processes: the whole machine by kinds is no answer to it.
    args.by = args.by or ("process" if args.kernel_pss or is_chosen(args) else "summary")
    named = [*([args.sort] if args.sort else []), *(args.columns or [])]
    args.nodes = args.nodes or (args.by == "process" and any(map(VIEWS["process"].is_numbered, named)))


def column_help(args: Namespace) -> str | None:
    """Return the list of columns if that is what was asked for."""
    if args.sort != "help" and args.columns != ["help"]:
        return None
    asked = [(view, name) for name, view in VIEWS.items()] if args.by == "summary" else [asked_view(args)]
    return "\n".join(column_list(view, name) for view, name in asked)


def check(args: Namespace, selection: Wishes) -> None:
    """Stop, before a walk that may last, if the question makes no sense."""
    wishes = [("-s", args.sort), ("--columns", args.columns), ("-r", args.reverse)]
    if args.by == "summary":
        for option, wish in wishes:
            if wish:
                raise Stop(Exit.USAGE, f"{option} needs one view: add --by {', '.join(VIEWS)}")
        if args.format == "csv":
            raise Stop(Exit.USAGE, f"-f csv holds one table, the summary has several: add --by {', '.join(VIEWS)}")
    else:
        view, key = asked_view(args)
        check_columns(view, [args.sort] if args.sort else [], "-s", key)
        check_columns(view, args.columns or [], "--columns", key)
    if args.totals and args.format in MACHINE:
        raise Stop(
            Exit.USAGE, f"-t is for people; a row of totals among the rows of {args.format} would be counted twice"
        )
    check_scope(args, selection)


def check_scope(args: Namespace, selection: Wishes) -> None:
    """Stop if the view cannot be had of what is selected, or not in that detail."""
    need_live(args, {"--alone": args.alone, "--kernel-pss": args.kernel_pss, **given(args)})
    for option in given(args) if args.kernel_pss else ():
        raise Stop(Exit.USAGE, f"--kernel-pss takes no walk, {option} is of one: leave one out")
    if args.gentle and "vm_flags" in (args.columns or ()):
        raise Stop(Exit.USAGE, "vm_flags is in smaps only, which holds processes up: leave it out, or --gentle")
    if args.alone and not selection:
        raise Stop(Exit.USAGE, f"--alone needs a selection: {OPTIONS}")
    if args.by in VIEWS and VIEWS[args.by].whole_ram:
        if args.alone:
            raise Stop(Exit.USAGE, f"--alone walks the selected only, --by {args.by} needs all: leave --alone out")
        if args.by == "cgroup" and (args.pid or args.tree or args.program or args.user):
            raise Stop(Exit.USAGE, f"--by cgroup takes -c only, not {selection}: cgroups are charged, not processes")
        if args.by != "cgroup" and selection:
            raise Stop(Exit.USAGE, f"--by {args.by} is of the whole machine: leave {selection} out")
    if args.depth is not None and args.by not in ("summary", *DEEP):
        raise Stop(Exit.USAGE, f"--depth is of cgroups: add --by {' or '.join(DEEP)}")
    if args.nodes and (args.by != "process" or args.kernel_pss):
        why = "the kernel's estimate knows no nodes" if args.kernel_pss else "add --by process, or see --by node"
        raise Stop(Exit.USAGE, f"--nodes is of processes: {why}")
    if args.kernel_pss and args.by != "process":
        raise Stop(Exit.USAGE, f"--kernel-pss knows processes only, not {args.by}: leave --by out")


def walked_answer(args: Namespace, wishes: Wishes) -> tuple[Screen, Table]:
    """Walk the machine, or read a file; return what to show and the gaps."""
    snapshot, reason = take_walk(args, wishes) if args.file is None else opened(args)
    host, coverage, gaps = snapshot.host, snapshot.coverage(), snapshot.gaps()
    remarks = [coverage_line(host, coverage)]
    if args.file is not None and args.format != "text":
        remarks.insert(0, snapshot_line(host, args.file))
    # Of cgroups it is rows that are chosen, not processes.
    selection = None if args.by == "cgroup" else wishes.select(snapshot)
    question = Question(selection, args.depth, args.nodes)
    if args.by == "summary":
        sections = summary_sections(snapshot, question, args, bool(wishes), not reason)
    elif args.pairs:
        section, said = pairs_section(snapshot, question, args)
        sections, remarks = [section], [*said, *remarks]
    else:
        sections = view_sections(snapshot, question, args, wishes)
    need_rows(sections, args.by, wishes)
    if reason:
        gaps = with_gap(gaps, "all of RAM", reason)
        remarks.insert(0, f"Only mapped memory is shown, all of RAM could not be read: {reason}")
    if args.by == "use" and args.format == "csv":
        remarks.append("csv holds one table: the balance is in the other formats")
    screen = Screen(
        sections=tuple(sections),
        heading=heading(host, coverage, args.alone, args.file),
        remarks=tuple(remarks),
        facts={"host": host, "coverage": coverage, "gaps": gaps},
    )
    return screen, gaps


def opened(args: Namespace) -> tuple[Snapshot, str]:
    """Return the snapshot of a file, and what the summary lacks there: a walk may have left most of RAM out."""
    snapshot = snapshot_of(args)
    has_books = args.by != "summary" or snapshot.facts.accounts is not None
    return snapshot, "" if has_books else "the snapshot was taken without"


def view_sections(snapshot: Snapshot, question: Question, args: Namespace, wishes: Wishes) -> list[Section]:
    """Return the table of one view; beside the uses what lies between them and the kernel's figures."""
    view = VIEWS[args.by]
    table = view.ask(snapshot, question)
    if args.by == "cgroup" and wishes:
        table = table.where(wishes.within(table["path"]))
    section = section_of(args.by, table, view, args)
    if args.by != "use":
        return [section]
    section = replace(section, totals=args.totals or args.format == "text", share=2)
    # Columns asked for by name are all that a person, or awk, wants to see.
    has_balance = args.format != "csv" and (args.format in MACHINE or not args.columns)
    return [section, balance_section(snapshot.balance(), args)] if has_balance else [section]


def need_rows(sections: Sequence[Section], by: str, wishes: Wishes) -> None:
    """Stop where nothing matched: an empty table is no answer."""
    if any(len(section.table) for section in sections):
        return
    if wishes:
        raise Stop(Exit.NOTHING, f"no {'cgroup' if by == 'cgroup' else 'process'} matches {wishes}")
    raise Stop(Exit.NOTHING, "no memory is charged to any cgroup here" if by in DEEP else f"nothing to show by {by}")
