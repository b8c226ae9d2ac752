"""``pagewalk watch``: sample processes that run already, until they end or someone has seen enough."""

from __future__ import annotations

import errno
import os
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pagewalk.cli.choosing import OPTIONS, add_choice
from pagewalk.cli.command import ENDING, Signals, promptly, signal_name
from pagewalk.cli.exits import Exit, Stop, say
from pagewalk.cli.footprint_options import add_sampling, seconds
from pagewalk.cli.options import Parser, positive
from pagewalk.cli.output import MACHINE, check_new_file
from pagewalk.cli.wishes import Wishes

if TYPE_CHECKING:
    from pagewalk.cli.series import Report
    from pagewalk.procfs import ProcFS
    from pagewalk.sampling import Sampler
    from pagewalk.tree import Tree

__all__ = ["help", "run"]

EXAMPLES = """\
pagewalk watch: what memory a set of running processes has, at its peak and last

examples:
  sudo pagewalk watch --tree 1234          a process and all below it
  sudo pagewalk watch -P '^postgres$' --duration 60
                                           every process of a program, a minute
  sudo pagewalk watch -c /system.slice/web.service -f csv --interval 10
                                           a row every 10 s, until ctrl-C
  sudo pagewalk watch -p 1234 -n 1 -f json
                                           its exact footprint once

It ends when all have ended, after --duration or -n, or by ctrl-C, and reports.
Each frame of the set counts once: rss is its distinct frames, uss those that
nobody else maps. Processes that come later are taken in where they meet the
selection; -P, -u and -c look for them 5 times a second at most.
"""

ENVIRONMENT = """\
exit codes: 0 ok, 1 failure, 2 wrong usage, 3 nothing matched, 69 the kernel
lacks the interface, 77 no privilege, 129, 130, 131, 143 ended by SIGHUP, SIGINT
(ctrl-C), SIGQUIT, SIGTERM (the report is written all the same), 141 the reader
of the output went away
"""

# Seconds between two listings of who meets a selection that is not told by parents.
LISTING = 0.2


def options() -> Parser:
    """Return the parser of watch's options."""
    parser = Parser("watch", EXAMPLES)
    parser.epilog = ENVIRONMENT
    add_choice(parser)
    limits = parser.add_argument_group("how long")
    limits.add_argument("-n", "--samples", metavar="SAMPLES", type=positive, help="end after so many walks")
    limits.add_argument("--duration", metavar="SECONDS", type=seconds, help="end after this time")
    add_sampling(parser, "stdout")
    return parser


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of watch."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Watch, and report."""
    args = options().parse(arguments)
    wishes = Wishes(args)
    if not wishes:
        raise Stop(Exit.USAGE, f"whom? give {OPTIONS} (see `pagewalk help watch`)")
    if args.output is None and sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    args.format = args.format or ("text" if args.output is None and sys.stdout.isatty() else "plain")
    if args.output is not None:
        check_new_file(args.output, args.force)
    # Before numpy, which starts threads.
    with Signals() as signals:
        return watched(args, wishes, signals)


def watched(args: Namespace, wishes: Wishes, signals: Signals) -> int:
    """Sample until the end; return the exit code."""
    from pagewalk.cli.series import Report
    from pagewalk.procfs import ProcFS
    from pagewalk.sampling import Sampler, rehearse

    procfs = ProcFS()
    host = rehearse(procfs).host
    with tree_of(args, wishes, procfs) as tree, Report(args, sys.stdout) as report:
        if not args.quiet and args.format == "text" and sys.stderr is not None and sys.stderr.isatty():
            say(f"watching {wishes}; ctrl-C ends it and reports")
        sampler = Sampler(tree, args.budget, args.interval, report.sample, listing=LISTING)
        with promptly():
            ended, number = follow(args, sampler, report, signals)
        signals.release()
        finish(sampler, host, report, wishes, ended)
    if report.error is not None:
        raise report.error
    if not sampler.samples and not number:
        return Exit.NOTHING
    return 128 + number if number else Exit.OK


def tree_of(args: Namespace, wishes: Wishes, procfs: ProcFS) -> Tree:
    """Return the processes that are meant.

    Raises
    ------
    Stop
        There are none, or one that was named is not there.
    """
    from pagewalk.tree import Tree

    now = wishes.pids_now(procfs)
    missing = sorted({*args.pid, *args.tree} - set(now)) if not (args.program or args.user or args.cgroup) else []
    if missing:
        raise Stop(Exit.NOTHING, f"no process {', '.join(map(str, missing))} with memory of its own")
    if not now:
        raise Stop(Exit.NOTHING, f"no process matches {wishes}")
    if args.program or args.user or args.cgroup:
        return Tree(procfs, now, listed=lambda: wishes.pids_now(procfs))
    return Tree(procfs, [*args.pid, *args.tree], loners=set(args.pid) - set(args.tree))


def follow(args: Namespace, sampler: Sampler, report: Report, signals: Signals) -> tuple[str, int]:
    """Sample until it is to end; return why it ended, and the signal that ended it or 0."""
    while True:
        pause = sampler.step()
        if report.error is not None:
            return "the reader went away", 0
        if not sampler.processes:
            sampler.tree.refresh()
            if not sampler.tree.poll().processes:
                return "all have ended", 0
        if args.samples and sampler.samples >= args.samples:
            return "enough samples", 0
        if args.duration:
            pause = min(pause, args.duration - sampler.seconds)
            if pause <= 0:
                return "the time is up", 0
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0:
            came = signals.wait(left)
            if came is not None and came.si_signo in ENDING:
                return f"ended by {signal_name(came.si_signo)}", came.si_signo


def finish(sampler: Sampler, host: Mapping[str, Any], report: Report, wishes: Wishes, ended: str) -> None:
    """Write the report."""
    from pagewalk.cli.footprint import footprint_screen, sampling_remarks
    from pagewalk.render.units import duration

    args, taken = report.args, sampler.seconds
    remarks = sampling_remarks(sampler, taken, not sampler.processes)
    title = (f"pagewalk watch: {wishes}", f"{ended} after {duration(taken)}")
    if args.format != "text":
        remarks.insert(0, f"watch {wishes}: {title[1]}")
    facts = {"select": str(wishes), "seconds": round(taken, 6), "ended": ended}
    report.finish(footprint_screen(sampler, host, "watch", title, remarks, facts, args.format in MACHINE))
    if not args.quiet and args.format not in ("text", "json"):
        for remark in remarks:
            say(remark)
