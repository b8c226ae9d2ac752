"""``pagewalk run``: run a command, and say what memory it and all that descends from it had."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pagewalk.cli.command import Command, Ending, Signals, promptly, signal_name
from pagewalk.cli.exits import Exit, Stop, say
from pagewalk.cli.footprint_options import add_sampling
from pagewalk.cli.options import Parser
from pagewalk.cli.output import MACHINE, check_new_file

if TYPE_CHECKING:
    from pagewalk.cli.series import Report
    from pagewalk.sampling import Sampler
    from pagewalk.tree import Tree

__all__ = ["help", "run"]

EXAMPLES = """\
pagewalk run: run a command, and say what memory its tree of processes had

examples:
  sudo pagewalk run -- make -j8            peak and last footprint, on stderr
  sudo pagewalk run make -j8               without options -- may be left out
  sudo pagewalk run -o memory.txt -- python train.py
                                           the report into a file
  sudo pagewalk run -f json -o run.json -- ./benchmark
  sudo pagewalk run -f csv -o run.csv --interval 1 -- ./server
                                           a row every second
  sudo pagewalk run -- runuser -u ann -- ./server
                                           the command as another user

The command has its own stdin, stdout and stderr, and its exit status is passed
on. Each frame of the tree counts once: rss is its distinct frames, uss those
that nobody else maps. Orphans of the tree stay in it. It ends with the command;
what outlives that is named.

The kernel's counters are read every 10 to 20 ms, and a walk is taken when they
tell of a new peak, and every 0.1 to 10 s. What lasts for less than a walk takes
(0.1 s of CPU time a GiB) may be missed; the report says when that may be so.
"""

ENVIRONMENT = """\
exit codes: that of the command; 128 and the signal's number if one killed it;
126 it cannot be run, 127 there is none; before it is started 1 failure, 2 wrong
usage, 69 the kernel lacks the interface, 77 no privilege. 1 too if the command
ended with 0 and the report could not be written.

SIGINT and SIGQUIT of the terminal reach the command by themselves; these,
SIGTERM and SIGHUP are passed on to it if they were sent to pagewalk alone.
"""


def options() -> Parser:
    """Return the parser of run's options."""
    parser = Parser("run", EXAMPLES)
    parser.usage = "pagewalk run [OPTIONS] -- COMMAND [ARG...]"
    parser.epilog = ENVIRONMENT
    add_sampling(parser, "stderr")
    return parser


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of run."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Run the command, and report."""
    own, words = divided(arguments)
    args = options().parse(own)
    if not words:
        raise Stop(Exit.USAGE, "no command: give one, such as `pagewalk run -- make -j8` (see `pagewalk help run`)")
    is_terminal = args.output is None and sys.stderr is not None and sys.stderr.isatty()
    args.format = args.format or ("text" if is_terminal else "plain")
    if args.output is not None:
        check_new_file(args.output, args.force)
    # Before numpy, which starts threads.
    with Signals() as signals:
        return sampled(args, Command(words), signals)


def divided(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return our options, and the words of the command."""
    if "--" in arguments:
        at = arguments.index("--")
        return arguments[:at], arguments[at + 1 :]
    if not arguments or arguments[0].startswith("-"):
        if not {"-h", "--help"} & set(arguments):
            raise Stop(Exit.USAGE, "put -- before the command: pagewalk run [OPTIONS] -- COMMAND [ARG...]")
        return arguments, []
    return [], arguments


def sampled(args: Namespace, command: Command, signals: Signals) -> int:
    """Run the command and sample it; return its exit code."""
    from pagewalk.cli.series import Report
    from pagewalk.procfs import ProcFS
    from pagewalk.sampling import Sampler, rehearse
    from pagewalk.tree import Tree, adopting

    procfs = ProcFS()
    host = rehearse(procfs).host
    if (early := signals.early()) is not None:
        return 128 + early
    adopted_before = adopting(True)
    try:
        with Tree(procfs, adopter=os.getpid()) as tree, Report(args, sys.stderr) as report:
            sampler = Sampler(tree, args.budget, args.interval, report.sample, command.has_ended)
            own = peak_of_ours()
            command.start(signals.mask)
            sampler.start()
            with promptly():
                follow(command, sampler, signals)
            seconds = sampler.seconds
            ending = command.collect()
            signals.release()
            finish(sampler, host, report, command, ending, seconds, own)
    finally:
        adopting(adopted_before)
    return exit_code(report, ending, args)


def peak_of_ours() -> int:
    """Return the most memory that we had so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def follow(command: Command, sampler: Sampler, signals: Signals) -> None:
    """Sample until the command has ended; pass on what signals are for it, and bury its orphans."""
    is_sound = True
    while not command.has_ended():
        pause = 1.0
        if is_sound:
            try:
                pause = sampler.step()
            except Exception as error:  # noqa: BLE001 - the command goes on, whatever becomes of its sampling
                is_sound = False
                sampler.trouble = f"{type(error).__name__}: {error}; nothing was sampled from then on"
            command.bury(sampler.tree.zombies())
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not command.has_ended():
            came = signals.wait(left)
            if came is not None and came.si_signo != signal.SIGCHLD:
                command.send(came)


def finish(
    sampler: Sampler,
    host: Mapping[str, Any],
    report: Report,
    command: Command,
    ending: Ending,
    seconds: float,
    own: int,
) -> None:
    """Write the report."""
    from pagewalk.cli.footprint import footprint_screen, sampling_remarks
    from pagewalk.cli.remarks import size
    from pagewalk.render.units import duration

    args = report.args
    outlived = survivors(sampler.tree, command)
    remarks = sampling_remarks(sampler, seconds, True)
    maxrss = kernel_maxrss(ending, own)
    if maxrss is not None:
        remarks.append(f"the kernel's maxrss, of the largest single process: {size(maxrss)}")
    if outlived:
        remarks.append(f"outlived the command: {', '.join(outlived.values())}")
    title = (f"pagewalk run: {shlex.join(command.words)}", f"{ending} after {duration(seconds)}")
    if args.format != "text":
        remarks.insert(0, f"{title[0].removeprefix('pagewalk ')}: {title[1]}")
    facts: dict[str, Any] = {
        "command": command.words,
        "pid": command.pid,
        "seconds": round(seconds, 6),
        "exit_code": None if ending.status < 0 else ending.status,
        "signal": signal_name(-ending.status) if ending.status < 0 else None,
        "user_seconds": ending.usage.ru_utime,
        "system_seconds": ending.usage.ru_stime,
        "kernel_maxrss": maxrss,
        "outlived": list(outlived),
    }
    report.finish(footprint_screen(sampler, host, "run", title, remarks, facts, args.format in MACHINE))
    # On stderr they would stand among the records of a machine's format.
    if not args.quiet and (args.format == "plain" or (args.format in ("csv", "ndjson") and args.output)):
        for remark in remarks:
            say(remark)


def kernel_maxrss(ending: Ending, own: int) -> int | None:
    """Return the kernel's maxrss of the largest process, in bytes; None if it may be ours.

    A command is started in our memory, and what that had is the least that its maxrss is from then on
    (fs/exec.c:exec_mmap, setmax_mm_hiwater_rss).
    """
    maxrss = ending.usage.ru_maxrss << 10
    return maxrss if maxrss > own else None


def survivors(tree: Tree, command: Command) -> dict[int, str]:
    """Return the processes of the tree that are still there, by pid, each with its name."""
    found: dict[int, str] = {}
    with suppress(OSError):
        tree.poll()
        for pid in sorted(tree.members):
            member = tree.members[pid]
            if pid == command.pid or member.is_zombie:
                continue
            with suppress(OSError), tree.procfs.open_process(pid) as process:
                found[pid] = f"{pid} ({tree.procfs.stat(process).comm})"
    command.bury(tree.zombies())
    return found


def exit_code(report: Report, ending: Ending, args: Namespace) -> int:
    """Return the command's exit code; that of a failure where only the report has failed."""
    error = report.error
    if error is None:
        return ending.code
    where = f"-o {args.output}: " if args.output else "standard error: "
    say(f"{where}{error.strerror or error}" if isinstance(error, OSError) else str(error))
    return ending.code or Exit.FAILURE
