"""Whose memory was asked about: ``-p``, ``--tree``, ``-P``, ``-u`` and ``-c``, checked before a walk that may last."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pagewalk.cli.choosing import is_chosen
from pagewalk.cli.exits import Exit, Stop
from pagewalk.errors import PagewalkError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pagewalk.groups import Selection
    from pagewalk.kernel import KernelEstimate
    from pagewalk.procfs import Process, ProcFS
    from pagewalk.snapshot import Snapshot

__all__ = ["Wishes"]


class Wishes:
    """The selection options, checked: of several kinds a process must meet each, of one kind any.

    ``-p`` and ``--tree`` are of one kind: both name processes.

    Parameters
    ----------
    args : Namespace
        With ``pid``, ``tree``, ``program``, ``user`` and ``cgroup``, a list each.

    Raises
    ------
    Stop
        A regular expression is none, or a user is not known.
    """

    def __init__(self, args: Namespace) -> None:
        self.args = args
        self.programs = [pattern(program) for program in args.program]
        # A snapshot knows the users of its own machine.
        is_live = getattr(args, "file", None) is None
        self.uids = {user_id(user) for user in args.user} if is_live else set()
        self.cgroups = ["/" + path.strip("/") for path in args.cgroup]

    def __bool__(self) -> bool:
        return is_chosen(self.args)

    def __str__(self) -> str:
        numbered = [("-p", self.args.pid), ("--tree", self.args.tree)]
        given = [f"{option} {','.join(map(str, some))}" for option, some in numbered if some]
        for option, values in (("-P", self.args.program), ("-u", self.args.user), ("-c", self.args.cgroup)):
            given += [f"{option} {value}" for value in values]
        return " ".join(given)

    def select(self, answer: Snapshot | KernelEstimate) -> Selection | None:
        """Return the address spaces of `answer` that are meant, None for all.

        Raises
        ------
        Stop
            A process that was asked for is not among them.
        """
        if not self:
            return None
        args = self.args
        try:
            return answer.select(
                pids=args.pid, programs=args.program, users=args.user, cgroups=args.cgroup, trees=args.tree
            )
        except PagewalkError as error:
            named = {*args.pid, *args.tree}
            reasons = [line for line, pid in zip(*refusals(answer), strict=True) if pid in named]
            raise Stop(Exit.NOTHING, "; ".join(reasons) or str(error)) from error

    def within(self, paths: Iterable[str]) -> NDArray[np.bool_]:
        """Say which cgroups are among those asked for with ``-c``, or below them."""
        import numpy as np

        return np.array([below(self.cgroups, path) for path in paths], np.bool_)

    def pids_now(self, procfs: ProcFS) -> list[int]:
        """Return the processes that are meant now and have memory of their own, ascending."""
        # Not only those of the tree are asked for their parent: which these are is told by the parents of all.
        family = descendants(self.args.tree, parents_now(procfs)) if self.args.tree else set()
        named = family.union(self.args.pid) if self.args.pid or self.args.tree else None
        chosen = []
        for pid in procfs.pids():
            if named is not None and pid not in named:
                continue
            # A process that ends meanwhile, or is not to be read, is not selected: nothing is known of it.
            with suppress(OSError), procfs.open_process(pid) as process:
                if self.meets(procfs, process) and has_memory(procfs, process):
                    chosen.append(pid)
        return chosen

    def meets(self, procfs: ProcFS, process: Process) -> bool:
        """Whether a process of those named is meant; what is not asked about is not read."""
        return (
            (not self.programs or search(self.programs, procfs.stat(process).comm))
            and (not self.uids or procfs.uid(process) in self.uids)
            and (not self.cgroups or below(self.cgroups, procfs.cgroup_of(process)))
        )


def parents_now(procfs: ProcFS) -> dict[int, int]:
    """Return the parent of every process that is there."""
    parent_of = {}
    for pid in procfs.pids():
        with suppress(OSError), procfs.open_process(pid) as process:
            parent_of[pid] = procfs.stat(process).ppid
    return parent_of


def descendants(roots: Iterable[int], parent_of: Mapping[int, int]) -> set[int]:
    """Return those of `roots` that are there, and all that descend from them."""
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    todo = [root for root in roots if root in parent_of]
    while todo:
        if (pid := todo.pop()) not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return found


def has_memory(procfs: ProcFS, process: Process) -> bool:
    """Whether a process is neither a kernel thread nor a zombie, all of whose threads have ended."""
    stat = procfs.stat(process)
    return not stat.is_kernel_thread and (not stat.is_zombie or procfs.threads(process) != [process.pid])


def refusals(answer: Snapshot | KernelEstimate) -> tuple[list[str], list[int]]:
    """Return what could not be read of processes, in words, and which."""
    gaps = answer.gaps()
    whole = gaps.where(~gaps.unknown("pid"))
    return [f"process {row['pid']} could not be read: {row['reason']}" for row in whole], whole["pid"].tolist()


def pattern(program: str) -> re.Pattern[str]:
    """Compile ``-P REGEX``."""
    try:
        return re.compile(program)
    except re.error as error:
        raise Stop(Exit.USAGE, f"-P {program}: not a regular expression: {error}") from error


def user_id(user: str) -> int:
    """Return the number of a user given by name or number."""
    import pwd

    if user.isascii() and user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise Stop(Exit.USAGE, f"-u {user}: no such user; give a name this machine knows, or a uid") from None


def search(patterns: list[re.Pattern[str]], comm: str) -> bool:
    """Whether any pattern is found in a program's name."""
    return any(one.search(comm) for one in patterns)


def below(roots: list[str], path: str) -> bool:
    """Whether a cgroup is one of `roots` or below it."""
    return any(root == "/" or path == root or path.startswith(root + "/") for root in roots)
