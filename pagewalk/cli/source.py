"""Where a verb's snapshot comes from: a file that is named, or a walk of this machine.

A verb that can be asked of a file adds the argument with `add_file`, refuses with `need_live` the options that only a
walk has, and takes its snapshot from `snapshot_of`; `remarks.heading` says of which it is (``args.file``).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.options import Parser
from pagewalk.cli.walking import refuse_for_file, walked

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
        if args.file is not None and value:
            raise Stop(Exit.USAGE, f"{option} is of a walk of this machine, {args.file} is a snapshot: leave one out")


def snapshot_of(args: Namespace, **how: Any) -> Snapshot:
    """Return the snapshot that is asked: of the file if there is one, else of a walk.

    Parameters
    ----------
    args : Namespace
        With ``file`` (None walks), ``quiet`` and, as far as the verb has them, the options of `walking.add_walking`.
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
    if args.file is not None:
        refuse_for_file(args, args.file)
        from pagewalk.snapshot import load

        try:
            return load(args.file)
        except MemoryError as error:
            raise Stop(Exit.FAILURE, f"{args.file}: not enough memory for it; read it on a larger machine") from error
    return walked(args, **how)
