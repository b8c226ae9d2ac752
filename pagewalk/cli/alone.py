"""Which processes ``--alone`` walks: the selection, made before there is a snapshot to select from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pagewalk.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from pagewalk.procfs import Process, ProcFS

__all__ = ["pids_alone", "user_id"]


def pids_alone(
    procfs: ProcFS, pids: Sequence[int], programs: Sequence[str], users: Sequence[str], cgroups: Sequence[str]
) -> list[int]:
    """Return the processes that are selected now, ascending.

    Parameters
    ----------
    procfs : ProcFS
        Where they are listed.
    pids, programs, users, cgroups : sequence
        As for ``Snapshot.select``: of several kinds a process must satisfy each, of one kind any.
    """
    uids = {user_id(user) for user in users}
    patterns = [re.compile(program) for program in programs]
    trees = [cgroup.rstrip("/") for cgroup in cgroups]
    chosen = []
    for pid in procfs.pids():
        if pids and pid not in pids:
            continue
        # A process that ends meanwhile, or is not to be read, is not selected: nothing is known of it.
        with suppress(OSError), procfs.open_process(pid) as process:
            if matches(procfs, process, patterns, uids, trees):
                chosen.append(pid)
    return chosen


def matches(
    procfs: ProcFS, process: Process, patterns: Sequence[re.Pattern[str]], uids: set[int], trees: Sequence[str]
) -> bool:
    """Whether one process satisfies each kind of wish."""
    if patterns and not any(pattern.search(procfs.stat(process).comm) for pattern in patterns):
        return False
    if uids and procfs.uid(process) not in uids:
        return False
    if not trees:
        return True
    path = procfs.cgroup_of(process)
    return any(path == tree or path.startswith(tree + "/") for tree in trees)


def user_id(user: str) -> int:
    """Return the number of a user given by name or number."""
    import pwd

    if user.isascii() and user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise Stop(Exit.USAGE, f"-u {user}: no such user; give a name of the system's user database or a uid") from None
