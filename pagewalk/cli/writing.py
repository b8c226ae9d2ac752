"""How an answer is written: the options for it, the same for every verb, and the end of each."""

from __future__ import annotations

import sys
from argparse import Namespace, _ArgumentGroup
from dataclasses import replace
from typing import TYPE_CHECKING

from pagewalk.cli.exits import Exit, say
from pagewalk.cli.options import Parser
from pagewalk.cli.output import FORMATS, MACHINE, check_new_file, colors_of, destination, renderer, screen_size
from pagewalk.cli.remarks import count, gap_lines
from pagewalk.render.screen import Screen, Style

if TYPE_CHECKING:
    from pagewalk.table import Table

__all__ = ["add_writing", "finish", "settle_format", "write"]


def add_writing(parser: Parser) -> _ArgumentGroup:
    """Add the options that say how an answer is written.

    Parameters
    ----------
    parser : Parser
        Of the verb.

    Returns
    -------
    _ArgumentGroup
        Theirs, for options of the verb that belong to them.
    """
    how = parser.add_argument_group("how it is written")
    mirrored = [
        how.add_argument(
            "-f",
            "--format",
            choices=tuple(FORMATS),
            metavar="FORMAT",
            help="text (the default on a terminal), plain (the default elsewhere), json, ndjson, csv",
        ),
        how.add_argument("-b", "--bytes", action="store_true", help="bytes as integers, not KiB, MiB, GiB"),
        how.add_argument("-H", "--no-header", action="store_true", help="no header"),
    ]
    how.add_argument("-o", "--output", metavar="FILE", help="write a new file instead of stdout")
    how.add_argument("--force", action="store_true", help="let -o replace a file")
    mirrored += [
        how.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colours of text"),
        how.add_argument("-q", "--quiet", action="store_true", help="no remarks and no progress on stderr"),
        how.add_argument("-v", "--verbose", action="store_true", help="say on stderr what could not be read, and why"),
        how.add_argument("--strict", action="store_true", help="exit 4 if anything could not be read"),
    ]
    how.add_argument("-h", "--help", action="help", help="this text")
    for action in mirrored:
        parser.mirror(action)
    return how


def settle_format(args: Namespace) -> None:
    """Choose the format where none is asked for, and stop before a walk if the answer could not be written."""
    is_terminal = args.output is None and sys.stdout is not None and sys.stdout.isatty()
    args.format = args.format or ("text" if is_terminal else "plain")
    if args.output is not None:
        check_new_file(args.output, args.force)


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


def finish(screen: Screen, gaps: Table, args: Namespace) -> int:
    """Write the answer, and on stderr what belongs beside it; return the exit code.

    Parameters
    ----------
    screen : Screen
        The answer.
    gaps : Table
        What could not be seen.
    args : Namespace
        With the options of `add_writing`, and the ``explanation`` of a walk if one was asked for.
    """
    explanation = getattr(args, "explanation", None)
    if explanation is not None:
        screen = replace(screen, facts={**screen.facts, "explain": explanation.facts()})
    write(screen, args)
    # A screen has them at its foot, JSON in itself.
    if not args.quiet and args.format not in ("text", "json"):
        for remark in screen.remarks:
            say(remark)
    if args.verbose:
        for line in gap_lines(gaps):
            say(line)
    if explanation is not None:
        explanation.end()
    if args.strict and len(gaps):
        say(f"{count(len(gaps), 'gap')} under --strict, so exit {Exit.GAPS:d}; -v says what could not be seen")
        return Exit.GAPS
    return Exit.OK
