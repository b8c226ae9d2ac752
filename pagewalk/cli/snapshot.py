"""``pagewalk snapshot``: all that a walk finds out, into a file that every view can be asked of without root."""

from __future__ import annotations

import shlex
import time
from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pagewalk.cli.exits import Exit, Stop, say
from pagewalk.cli.options import Parser
from pagewalk.cli.output import check_new_file
from pagewalk.cli.privilege import as_typed
from pagewalk.cli.remarks import count, hold, size
from pagewalk.cli.walking import add_walking, walked
from pagewalk.errors import PagewalkError, ParseError, PermissionRequired, Unsupported
from pagewalk.render.units import duration

if TYPE_CHECKING:
    from pagewalk.facts import Facts

__all__ = ["help", "run"]

EXAMPLES = """\
pagewalk snapshot: save all that a walk finds out, to be asked later

examples:
  sudo pagewalk snapshot -o host.pwz       everything
  sudo pagewalk snapshot -o host.pwz --redact all
                                           no name of this machine in it
  pagewalk report host.pwz --by process    any view of it, without root
  pagewalk diff before.pwz after.pwz       what changed between two

The file holds process IDs, command lines, names of files and frame numbers:
only its owner may read it (under sudo the calling user). It is there whole or
not at all. It is a zip that numpy.load opens.
"""

REDACTIONS = """\
--redact:
  cmdline  command lines: the program's name stands in their place
  paths    names of files and of cgroups, those in command lines too
  all      both, and names of programs, users, the host and the kernel's build
  The same name gets the same token all through one file, and no two files have
  the same tokens. Process IDs, user IDs, addresses and inode numbers stay.

exit codes: 0 ok, 1 failure, 2 wrong usage, 69 the kernel lacks the interface,
77 no privilege, 130 interrupted
"""


def options() -> Parser:
    """Return the parser of snapshot's options."""
    parser = Parser("snapshot", EXAMPLES)
    parser.epilog = REDACTIONS
    group = parser.add_argument_group("options")
    group.add_argument("-o", "--output", metavar="FILE", help="the file to make, by custom NAME.pwz")
    group.add_argument("--force", action="store_true", help="let -o replace a file")
    mirrored = [
        group.add_argument("--redact", choices=("cmdline", "paths", "all"), metavar="WHAT", help="leave out names"),
        group.add_argument(
            "--smaps",
            action="store_true",
            help="the kernel's own figures and VmFlags of each mapping too (slow: it holds up the processes)",
        ),
        group.add_argument("-q", "--quiet", action="store_true", help="no remarks and no progress on stderr"),
    ]
    group.add_argument("-h", "--help", action="help", help="this text")
    add_walking(parser)
    for action in mirrored:
        parser.mirror(action)
    return parser


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of snapshot."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Walk, and save."""
    args = options().parse(arguments)
    if args.output is None:
        raise Stop(Exit.USAGE, "into which file? Say it by -o FILE (see `pagewalk help snapshot`)")
    if args.smaps and args.gentle:
        raise Stop(Exit.USAGE, "--smaps holds processes up, --gentle is not to: leave one out")
    check_new_file(args.output, args.force)
    began = time.monotonic()
    facts, reason = walk_all(args)
    from pagewalk.storage.codec import save_facts

    if args.explain:
        args.explanation.facts()
    try:
        written = save_facts(args.output, facts, args.force, args.redact, "--force")
    except PagewalkError as error:
        raise Stop(Exit.FAILURE, f"-o {error}") from error
    if not args.quiet:
        say(saved(args, facts, written, time.monotonic() - began))
        if reason:
            say(f"only mapped memory was saved, all of RAM could not be read: {reason}")
    if args.explain:
        args.explanation.end()
    return Exit.OK


def walk_all(args: Namespace) -> tuple[Facts, str]:
    """Walk for every question there is; return the facts, and why all of RAM could not be read."""
    from pagewalk.facts import Gap

    how: dict[str, Any] = {"mappings": True, "freed": True, "vm_flags": args.smaps}
    try:
        return walked(args, frames="all", nodes=True, **how).facts, ""
    except (PermissionRequired, Unsupported, ParseError) as error:
        # What hides iomem may leave the rest to be seen; what does not is met again.
        facts = walked(args, **how).facts
        gap = Gap(None, "all of RAM", str(error))
        return replace(facts, gaps=(*facts.gaps, gap)), str(error)


def saved(args: Namespace, facts: Facts, written: int, seconds: float) -> str:
    """Return what was saved, and what to do with it."""
    file, pagewalk = shlex.quote(args.output), as_typed()
    processes = count(facts.processes, "process")
    lines = [
        f"saved {args.output}: {size(written)}, {processes}, {duration(seconds)}, {hold(facts.host)}",
        f"  look:     {pagewalk} report {file}                 the summary, without root",
        f"            {pagewalk} report {file} --by process    or any other view",
        f"  compare:  {pagewalk} diff {file} LATER.pwz         what changed since",
    ]
    return "\n".join(lines)
