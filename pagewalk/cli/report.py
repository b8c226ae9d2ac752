"""``pagewalk report``: who owns the memory of this machine."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pagewalk.cli.arrange import check_columns, column_list, section_of, summary_sections
from pagewalk.cli.exits import Exit, Stop, say
from pagewalk.cli.output import MACHINE, check_new_file, colors_of, destination, renderer, screen_size
from pagewalk.cli.progress import ProgressBar
from pagewalk.cli.remarks import coverage_line, gap_lines, heading
from pagewalk.cli.report_options import options
from pagewalk.cli.views import VIEWS
from pagewalk.errors import PagewalkError
from pagewalk.render.screen import Screen, Section, Style

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
    check(args)
    if args.kernel_pss:
        from pagewalk.cli.kernel import kernel_answer

        screen, gaps = kernel_answer(args)
    else:
        screen, gaps = walked_answer(args)
    write(screen, args)
    if not args.quiet and args.format != "text":
        for remark in screen.remarks:
            say(remark)
    if args.verbose:
        for line in gap_lines(gaps):
            say(line)
    if args.strict and len(gaps):
        say(f"{len(gaps)} gaps, so exit {Exit.GAPS:d} (--strict); -v names them")
        return Exit.GAPS
    return Exit.OK


def settle(args: Namespace) -> None:
    """Fill in what depends on other options."""
    is_terminal = args.output is None and sys.stdout is not None and sys.stdout.isatty()
    args.format = args.format or ("text" if is_terminal else "plain")
    is_selected = bool(args.pid or args.program or args.user or args.cgroup)
    # A selection asks about processes: the whole machine by kinds is no answer to it.
    args.by = args.by or ("process" if args.kernel_pss or is_selected else "summary")
    args.is_selected = is_selected


def column_help(args: Namespace) -> str | None:
    """Return the list of columns if that is what was asked for."""
    if args.sort != "help" and args.columns != ["help"]:
        return None
    names = VIEWS if args.by == "summary" else (args.by,)
    return "\n".join(column_list(VIEWS[name].columns(), name) for name in names)


def check(args: Namespace) -> None:
    """Stop, before a walk that may last, if the question makes no sense."""
    for regex in args.program:
        try:
            re.compile(regex)
        except re.error as error:
            raise Stop(Exit.USAGE, f"-P {regex}: not a regular expression: {error}") from error
    wishes = [("-s", args.sort), ("--columns", args.columns), ("-r", args.reverse)]
    if args.by == "summary":
        for option, wish in wishes:
            if wish:
                raise Stop(Exit.USAGE, f"{option} needs one view: add --by {', '.join(VIEWS)}")
        if args.format == "csv":
            raise Stop(Exit.USAGE, f"-f csv holds one table, the summary has several: add --by {', '.join(VIEWS)}")
    else:
        columns = VIEWS[args.by].columns()
        check_columns(columns, [args.sort] if args.sort else [], "-s", args.by)
        check_columns(columns, args.columns or [], "--columns", args.by)
    if args.totals and args.format in MACHINE:
        raise Stop(
            Exit.USAGE, f"-t is for people; a row of totals among the rows of {args.format} would be counted twice"
        )
    if args.alone and not args.is_selected:
        raise Stop(Exit.USAGE, "--alone needs a selection: -p, -P, -u or -c")
    if args.kernel_pss and args.by != "process":
        raise Stop(Exit.USAGE, f"--kernel-pss knows processes only, not {args.by}: leave --by out")
    if args.output is not None:
        check_new_file(args.output, args.force)


def walked_answer(args: Namespace) -> tuple[Screen, Table]:
    """Walk the machine; return what to show and the gaps."""
    snapshot = take_walk(args)
    try:
        selection = select(snapshot, args)
    except PagewalkError as error:
        raise Stop(Exit.NOTHING, str(error)) from error
    if args.by == "summary":
        sections = summary_sections(snapshot.kinds(), snapshot.programs(selection), snapshot.sharing(selection), args)
    else:
        view = VIEWS[args.by]
        sections = [section_of(args.by, view.ask(snapshot, selection), view, args)]
    need_rows(sections, args)
    host, coverage, gaps = snapshot.host, snapshot.coverage(), snapshot.gaps()
    screen = Screen(
        sections=tuple(sections),
        heading=heading(host, coverage),
        remarks=(coverage_line(host, coverage),),
        facts={"host": host, "coverage": coverage, "gaps": gaps},
    )
    return screen, gaps


def take_walk(args: Namespace) -> Snapshot:
    """Walk all processes, or with --alone those selected."""
    from pagewalk.snapshot import walk

    wishes: dict[str, Any] = {}
    if args.threads:
        wishes["threads"] = args.threads
    if args.by != "summary" and VIEWS[args.by].mappings:
        wishes["mappings"] = True
    if args.alone:
        from pagewalk.cli.alone import pids_alone
        from pagewalk.procfs import ProcFS

        wishes["pids"] = pids_alone(ProcFS(), args.pid, args.program, args.user, args.cgroup)
        if not wishes["pids"]:
            raise Stop(Exit.NOTHING, f"no process matches {wish_text(args)}")
    with ProgressBar(not args.quiet) as progress:
        return walk(progress=progress, **wishes)


def select(snapshot: Snapshot, args: Namespace) -> Any:
    """Return the selection of a snapshot's address spaces, None for all."""
    if not args.is_selected:
        return None
    return snapshot.select(pids=args.pid, programs=args.program, users=args.user, cgroups=args.cgroup)


def need_rows(sections: Sequence[Section], args: Namespace) -> None:
    """Stop where nothing matched: an empty table is no answer."""
    if not any(len(section.table) for section in sections):
        what = f"no process matches {wish_text(args)}" if args.is_selected else f"nothing to show by {args.by}"
        raise Stop(Exit.NOTHING, what)


def wish_text(args: Namespace) -> str:
    """Return the selection as it was given."""
    wishes = [("-p", ",".join(map(str, args.pid)))] if args.pid else []
    for option, given in (("-P", args.program), ("-u", args.user), ("-c", args.cgroup)):
        wishes += [(option, wish) for wish in given]
    return " ".join(f"{option} {wish}" for option, wish in wishes)


def write(screen: Screen, args: Namespace) -> None:
    """Write the answer where it is to go."""
    with destination(args.output, args.force, args.format in MACHINE) as out:
        columns, lines = screen_size(out)
        style = Style(
            width=columns,
            height=lines if out.isatty() else None,
            colors=colors_of(out, args.color),
            exact=args.bytes,
            header=not args.no_header,
        )
        renderer(args.format)(screen, style, out)
        out.flush()
