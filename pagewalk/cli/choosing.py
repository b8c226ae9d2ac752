"""The options that say whose memory is meant, the same for every verb that can be asked for some processes."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup

from pagewalk.cli.options import Parser, pids

__all__ = ["OPTIONS", "add_choice", "is_chosen"]

# For messages that tell which there are.
OPTIONS = "-p, -P, -u, -c or --tree"


def add_choice(parser: Parser, note: str | None = None) -> _ArgumentGroup:
    """Add the options that choose processes; `Wishes` takes them from there.

    Parameters
    ----------
    parser : Parser
        Of the verb.
    note : str, optional
        What the help says of them.

    Returns
    -------
    _ArgumentGroup
        Theirs, for options of the verb that belong to them.
    """
    group = parser.add_argument_group("whose memory", note)
    group.add_argument("-p", "--pid", metavar="PID,PID", type=pids, action="extend", default=[], help="processes")
    group.add_argument(
        "--tree",
        metavar="PID,PID",
        type=pids,
        action="extend",
        default=[],
        help="processes with all that descend from them",
    )
    group.add_argument("-P", "--program", metavar="REGEX", action="append", default=[], help="programs")
    group.add_argument("-u", "--user", metavar="USER", action="append", default=[], help="users, by name or number")
    group.add_argument("-c", "--cgroup", metavar="PATH", action="append", default=[], help="cgroups and all below")
    return group


def is_chosen(args: Namespace) -> bool:
    """Whether some processes are meant, and not all."""
    return bool(args.pid or args.tree or args.program or args.user or args.cgroup)
