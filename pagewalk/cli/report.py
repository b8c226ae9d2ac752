"""``pagewalk report``: who owns the memory of this machine."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pagewalk.cli.arrange import check_columns, column_list, section_of, summary_sections
from pagewalk.cli.exits import Exit, Stop, say
from pagewalk.cli.output import MACHINE, check_new_file, colors_of, destination, renderer, screen_size
from pagewalk.cli.progress import ProgressBar
from pagewalk.cli.remarks import count, coverage_line, gap_lines, heading
from pagewalk.cli.report_options import options
from pagewalk.cli.views import VIEWS
from pagewalk.cli.wishes import Wishes
from pagewalk.errors import PagewalkError, PermissionRequired, Unsupported
from pagewalk.render.screen import Screen, Section, Style

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Table

__all__ = ["help", "run"]

# How often the processes for --alone are listed anew, when some end before they are walked.
ATTEMPTS = 3


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
    write(screen, args)
    # A screen has them at its foot, JSON in itself.
    if not args.quiet and args.format not in ("text", "json"):
        for remark in screen.remarks:
            say(remark)
    if args.verbose:
        for line in gap_lines(gaps):
            say(line)
    if args.strict and len(gaps):
        say(f"{count(len(gaps), 'gap')} under --strict, so exit {Exit.GAPS:d}; -v says what could not be seen")
        return Exit.GAPS
    return Exit.OK


def settle(args: Namespace) -> None:
    """Fill in what depends on other options."""
    is_terminal = args.output is None and sys.stdout is not None and sys.stdout.isatty()
    args.format = args.format or ("text" if is_terminal else "plain")
    is_selected = bool(args.pid or args.program or args.user or args.cgroup)
    # A selection asks about processes: the whole machine by kinds is no answer to it.
    args.by = args.by or ("process" if args.kernel_pss or is_selected else "summary")


def column_help(args: Namespace) -> str | None:
    """Return the list of columns if that is what was asked for."""
    if args.sort != "help" and args.columns != ["help"]:
        return None
    names = VIEWS if args.by == "summary" else (args.by,)
    return "\n".join(column_list(VIEWS[name].columns(), name) for name in names)


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
        columns = VIEWS[args.by].columns()
        check_columns(columns, [args.sort] if args.sort else [], "-s", args.by)
        check_columns(columns, args.columns or [], "--columns", args.by)
    if args.totals and args.format in MACHINE:
        raise Stop(
            Exit.USAGE, f"-t is for people; a row of totals among the rows of {args.format} would be counted twice"
        )
    if args.alone and not selection:
        raise Stop(Exit.USAGE, "--alone needs a selection: -p, -P, -u or -c")
    if args.kernel_pss and args.by != "process":
        raise Stop(Exit.USAGE, f"--kernel-pss knows processes only, not {args.by}: leave --by out")
    if args.output is not None:
        check_new_file(args.output, args.force)


def walked_answer(args: Namespace, wishes: Wishes) -> tuple[Screen, Table]:
    """Walk the machine; return what to show and the gaps."""
    snapshot = take_walk(args, wishes)
    selection = wishes.select(snapshot)
    if args.by == "summary":
        kinds = None if wishes else snapshot.kinds()
        sections = summary_sections(kinds, snapshot.programs(selection), snapshot.sharing(selection), args)
    else:
        view = VIEWS[args.by]
        sections = [section_of(args.by, view.ask(snapshot, selection), view, args)]
    need_rows(sections, args.by, wishes)
    host, coverage, gaps = snapshot.host, snapshot.coverage(), snapshot.gaps()
    screen = Screen(
        sections=tuple(sections),
        heading=heading(host, coverage, args.alone),
        remarks=(coverage_line(host, coverage),),
        facts={"host": host, "coverage": coverage, "gaps": gaps},
    )
    return screen, gaps


def take_walk(args: Namespace, wishes: Wishes) -> Snapshot:
    """Walk all processes, or with --alone those selected."""
    from pagewalk.snapshot import walk

    how: dict[str, Any] = {}
    if args.threads:
        how["threads"] = args.threads
    if args.by != "summary" and VIEWS[args.by].mappings:
        how["mappings"] = args.pid or True
    with ProgressBar(not args.quiet) as progress:
        if not args.alone:
            return walk(progress=progress, **how)
        return walk_alone(lambda pids: walk(progress=progress, pids=pids, **how), wishes)


def walk_alone(walk_these: Callable[[list[int]], Snapshot], wishes: Wishes) -> Snapshot:
    """Walk the processes that are meant, and no other."""
    from pagewalk.procfs import ProcFS

    for attempts_left in reversed(range(ATTEMPTS)):
        pids = wishes.pids_now(ProcFS())
        if not pids:
            break
        try:
            return walk_these(pids)
        except (PermissionRequired, Unsupported):
            raise
        except PagewalkError:
            # One of them ended before it was walked; what is meant now may still be there.
            if not attempts_left:
                raise
    raise Stop(Exit.NOTHING, f"no process matches {wishes}")


def need_rows(sections: Sequence[Section], by: str, wishes: Wishes) -> None:
    """Stop where nothing matched: an empty table is no answer."""
    if not any(len(section.table) for section in sections):
        raise Stop(Exit.NOTHING, f"no process matches {wishes}" if wishes else f"nothing to show by {by}")


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
