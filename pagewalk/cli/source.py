"""Where a verb's snapshot comes from: a file that is named, or a walk of this machine.

A verb that can be asked of a file adds the argument with `add_file`, refuses with `need_live` the options that only a
walk has, and takes its snapshot from `snapshot_of`; `remarks.heading` says of which it is (``args.file``).
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.options import Parser
from pagewalk.cli.progress import ProgressBar

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot

__all__ = ["add_file", "need_live", "snapshot_of"]


def add_file(parser: Parser) -> None:
    """Add the argument ``file``: a snapshot instead of this machine.

    Parameters
    ----------
    parser : Parser
        Of the verb.
    """
    parser.add_argument("file", metavar="FILE", nargs="?", help="a snapshot (host.pwz) instead of this machine")


def need_live(args: Namespace, options: Mapping[str, object]) -> None:
    """Stop if an option makes no sense with a file.

    Parameters
    ----------
    args : Namespace
        With ``file``.
    options : mapping of str to object
        What only a walk has, each with its value: what is not given is false.
    """
    for option, value in options.items():
        # Threads that the environment asks for are for walks, and no reason to refuse a file.
        is_asked = value and not (option == "--threads" and os.environ.get("PAGEWALK_THREADS"))
        if args.file is not None and is_asked:
            raise Stop(Exit.USAGE, f"{option} is of a walk of this machine, {args.file} is a snapshot: leave one out")


def snapshot_of(args: Namespace, **how: Any) -> Snapshot:
    """Return the snapshot that is asked: of the file if there is one, else of a walk.

    Parameters
    ----------
    args : Namespace
        With ``file`` (None walks), ``quiet`` and, if the verb has it, ``threads``.
    **how
        What `pagewalk.walk` is to do. A file made by ``pagewalk snapshot`` holds all that any question needs.

    Returns
    -------
    Snapshot
        To ask.

    Raises
    ------
    SnapshotError
        The file is no snapshot, or damaged.
    """
    threads = getattr(args, "threads", None)
    need_live(args, {"--threads": threads})
    if args.file is not None:
        from pagewalk.snapshot import load

        try:
            return load(args.file)
        except MemoryError as error:
            raise Stop(Exit.FAILURE, f"{args.file}: not enough memory for it; read it on a larger machine") from error
    from pagewalk.snapshot import walk

    with ProgressBar(not args.quiet) as progress:
        return walk(progress=progress, **({"threads": threads} if threads else {}), **how)
