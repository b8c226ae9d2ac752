"""How a walk is done: the options for it, the same for every verb that walks, and the walk itself."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.explaining import Explanation
from pagewalk.cli.options import Parser, positive
from pagewalk.cli.progress import ProgressBar

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot

__all__ = ["add_walking", "given", "refuse_for_file", "walked"]

OPTIONS = ("threads", "gentle", "verify", "explain")


def add_walking(parser: Parser) -> None:
    """Add the options that every verb that walks has.

    Parameters
    ----------
    parser : Parser
        Of the verb.
    """
    group = parser.add_argument_group("how the walk is done")
    mirrored = [
        group.add_argument("--threads", metavar="N", type=positive, help="threads that read (default: by the machine)"),
        group.add_argument(
            "--gentle",
            action="store_true",
            help="hold up the processes that are read for less at a time, with pauses (slower)",
        ),
        group.add_argument(
            "--verify",
            metavar="all",
            choices=("all",),
            help="read the kernel's count and flags of every owned frame, needed or not: the same answer, checked",
        ),
        group.add_argument(
            "--explain", action="store_true", help="say on stderr what is read and why, and what each phase cost"
        ),
    ]
    for action in mirrored:
        parser.mirror(action)


def given(args: Namespace) -> dict[str, object]:
    """Return the options of a walk that were given on the command line, not by the environment.

    Parameters
    ----------
    args : Namespace
        With them, or without those that a verb lacks.
    """
    asked = {name: getattr(args, name, None) for name in OPTIONS}
    return {
        f"--{name}": value for name, value in asked.items() if value and not os.environ.get(f"PAGEWALK_{name}".upper())
    }


def refuse_for_file(args: Namespace, file: str) -> None:
    """Stop if an option of a walk was given though there is none.

    Parameters
    ----------
    args : Namespace
        With the options of `add_walking`.
    file : str
        The snapshot that is asked instead.
    """
    for option in given(args):
        raise Stop(Exit.USAGE, f"{option} is of a walk of this machine, {file} is a snapshot: leave one out")


def walked(args: Namespace, **how: Any) -> Snapshot:
    """Walk as the options say.

    Parameters
    ----------
    args : Namespace
        With ``quiet`` and, as far as the verb has them, the options of `add_walking`. Under ``--explain`` its
        ``explanation`` is set, for `writing.finish`.
    **how
        What else `pagewalk.walk` is to do.
    """
    from pagewalk.snapshot import walk

    wishes = {name: value for name in OPTIONS if (value := getattr(args, name, None))}
    if wishes.pop("explain", False):
        args.explanation = Explanation()
        wishes["explain"] = args.explanation.plan
    with ProgressBar(not args.quiet) as progress:
        snapshot = walk(progress=progress, **wishes, **how)
    if "explain" in wishes:
        args.explanation.walked(snapshot.host)
    return snapshot
