"""The walk that a question needs, and no more: all of RAM is read only for what is said of all of RAM."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.output import screen_size
from pagewalk.cli.pairing import asked_view
from pagewalk.cli.walking import walked
from pagewalk.cli.wishes import Wishes
from pagewalk.errors import PagewalkError, ParseError, PermissionRequired, Unsupported

if TYPE_CHECKING:
    from pagewalk.cli.views import View
    from pagewalk.snapshot import Snapshot

__all__ = ["take_walk"]

# Columns of a screen from which on the summary has room for what would be freed.
WIDE = 100
# Views that need no more of a process than their columns say.
OF_PROCESSES = ("process", "program", "user")

# How often the processes for --alone are listed anew, when some end before they are walked.
ATTEMPTS = 3


def take_walk(args: Namespace, wishes: Wishes) -> tuple[Snapshot, str]:
    """Walk all processes, or with --alone those selected.

    Parameters
    ----------
    args : Namespace
        The options.
    wishes : Wishes
        Whose memory.

    Returns
    -------
    snapshot : Snapshot
        The walk.
    reason : str
        Why all of RAM could not be read though the summary wanted it; empty where nothing is missing.
    """
    how = walk_options(args, wishes)
    if args.alone:
        return walk_alone(lambda pids: walked(args, pids=pids, **how), wishes), ""
    if args.by != "summary":
        return walked(args, **how), ""
    try:
        return walked(args, **how), ""
    except (PermissionRequired, Unsupported, ParseError) as error:
        if "frames" not in how:
            raise
        # What hides iomem may leave the rest to be seen; what does not is met again.
        del how["frames"]
        return walked(args, **how), str(error)


def walk_options(args: Namespace, wishes: Wishes) -> dict[str, Any]:
    """Return what is asked of `walk`: what is not needed is not read."""
    how: dict[str, Any] = {}
    view = None if args.by == "summary" else asked_view(args)[0]
    # Of some processes alone it cannot be known: others may hold what they do.
    if not args.alone and (has_room_for_freed(args) if view is None else view.freed):
        how["freed"] = True
    if view is None:
        # Of a selection nothing is said that needs all of RAM.
        return how if wishes else {**how, "frames": "all"}
    if view.mappings:
        how["mappings"] = args.pid if args.pid and not args.tree else True
        # Only smaps has them, which stalls a large process while it is read: for those who name them.
        if "vm_flags" in (args.columns or ()):
            how["vm_flags"] = True
    if view.whole_ram:
        how["frames"] = "all"
    if args.nodes:
        how["nodes"] = True
    if args.columns and args.by in OF_PROCESSES and not (args.nodes or args.pairs):
        how["columns"] = columns_needed(args, wishes, view)
        if "freed" not in how["columns"]:
            how.pop("freed", None)
    return how


def has_room_for_freed(args: Namespace) -> bool:
    """Whether the summary shows what would be freed: all open files of all processes are looked at for it."""
    is_screen = args.format == "text" and args.output is None and sys.stdout is not None
    return not is_screen or screen_size(sys.stdout)[0] >= WIDE


def columns_needed(args: Namespace, wishes: Wishes, view: View) -> frozenset[str]:
    """Return the columns of processes that those asked for follow from."""
    from pagewalk.views.process import COLUMNS

    named = {*args.columns, args.sort or view.measure, *(["user"] if args.by == "user" or wishes.uids else [])}
    if wishes.cgroups:
        named.add("cgroup")
    return frozenset(named & {"freed", *(column.name for column in COLUMNS)})


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
