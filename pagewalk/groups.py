"""Address spaces as columns: selecting them, and grouping them."""

from __future__ import annotations

import pwd
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import PagewalkError

__all__ = ["Grouping", "Selection", "Spaces", "group_by", "select", "user_names"]


@dataclass(frozen=True, eq=False)
class Spaces:
    """The address spaces of a walk, one a row, in the order in which they were folded.

    Attributes
    ----------
    pids : sequence of tuple of int
        All process IDs that have this address space, ascending.
    comm, cmdline, cgroup : sequence of str
        Of the lowest of them; cgroup is the path in the memory controller's hierarchy.
    uid : ndarray of int64
        Effective user ID, -1 where it could not be read.
    ppid, start_time : ndarray of int64
        Parent, and start in clock ticks after boot, as ``/proc/PID/stat`` has them.
    vss : ndarray of int64
        Size of its VMAs in bytes.
    pgtable : ndarray of int64
        Its page tables in bytes, the kernel's own figure (VmPTE); -1 where it could not be read.
    names : mapping of int to str
        The name of each user ID when the walk was made; those without a name are missing.
    """

    pids: Sequence[tuple[int, ...]]
    comm: Sequence[str]
    cmdline: Sequence[str]
    cgroup: Sequence[str]
    uid: NDArray[np.int64]
    ppid: NDArray[np.int64]
    start_time: NDArray[np.int64]
    vss: NDArray[np.int64]
    pgtable: NDArray[np.int64]
    names: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.pids)

    @cached_property
    def pid(self) -> NDArray[np.int64]:
        """The lowest process ID of each."""
        return np.array([pids[0] for pids in self.pids], np.int64)

    @cached_property
    def user(self) -> list[str]:
        """The user name of each, its number where it has no name, ``?`` where it could not be read."""
        return [self.names.get(uid, str(uid)) if uid >= 0 else "?" for uid in self.uid.tolist()]

    def descendants(self, pids: Sequence[int]) -> NDArray[np.bool_]:
        """Say which have one of these processes, or one that descends from these by its parent's ID.

        Parameters
        ----------
        pids : sequence of int
            Process IDs.

        Returns
        -------
        ndarray of bool, shape (len(self),)
            A process whose parent ended belongs to whoever took it in. Those that a process has started are found
            even if itself could not be read.
        """
        row_of = {pid: row for row, all_pids in enumerate(self.pids) for pid in all_pids}
        children: dict[int, list[int]] = {}
        for row, ppid in enumerate(self.ppid.tolist()):
            children.setdefault(ppid, []).append(row)
        mask = np.zeros(len(self), bool)
        todo = list(pids)
        while todo:
            pid = todo.pop()
            rows = [*([row_of[pid]] if pid in row_of else []), *children.get(pid, [])]
            fresh = [row for row in rows if not mask[row]]
            mask[fresh] = True
            todo += [its for row in fresh for its in self.pids[row]]
        return mask


def user_names(uids: NDArray[np.int64]) -> dict[int, str]:
    """Return the names that this machine has for user IDs; those without one are missing.

    Parameters
    ----------
    uids : ndarray of int64
        User IDs, -1 among them or not.
    """
    names = {}
    for uid in np.unique(uids[uids >= 0]).tolist():
        with suppress(KeyError, OverflowError):
            names[uid] = pwd.getpwuid(uid).pw_name
    return names


@dataclass(frozen=True, eq=False, slots=True)
class Selection:
    """Which address spaces are meant.

    Attributes
    ----------
    mask : ndarray of bool, shape (address spaces,)
        True for those selected.
    """

    mask: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.mask.sum())


def select(
    spaces: Spaces,
    pids: Sequence[int] = (),
    programs: Sequence[str] = (),
    users: Sequence[str] = (),
    cgroups: Sequence[str] = (),
    trees: Sequence[int] = (),
) -> Selection:
    """Choose address spaces: those that meet every kind of condition given, any one of each kind.

    Parameters
    ----------
    spaces : Spaces
        To choose from.
    pids : sequence of int
        Process IDs.
    programs : sequence of str
        Regular expressions, searched for in the program's name (comm).
    users : sequence of str
        User names or numbers.
    cgroups : sequence of str
        Paths of cgroups; the cgroups below them are meant too.
    trees : sequence of int
        Process IDs: these and all that descend from them, beside those of ``pids``.

    Raises
    ------
    PagewalkError
        A pid that has no address space here, a bad regular expression, an unknown user.
    """
    mask = np.ones(len(spaces), bool)
    if pids or trees:
        parents = set(spaces.ppid.tolist())
        mask &= _with_pids(spaces, [*pids, *(pid for pid in trees if pid not in parents)]) | spaces.descendants(trees)
    if programs:
        patterns = [_compiled(program) for program in programs]
        mask &= np.array([any(p.search(comm) for p in patterns) for comm in spaces.comm], bool)
    if users:
        mask &= np.isin(spaces.uid, [_uid_of(user, spaces.names) for user in users])
    if cgroups:
        roots = ["/" + path.strip("/") for path in cgroups]
        mask &= np.array([any(_is_below(cgroup, root) for root in roots) for cgroup in spaces.cgroup], bool)
    return Selection(mask)


def _with_pids(spaces: Spaces, pids: Sequence[int]) -> NDArray[np.bool_]:
    row_of = {pid: row for row, all_pids in enumerate(spaces.pids) for pid in all_pids}
    missing = [str(pid) for pid in pids if pid not in row_of]
    if missing:
        known = ", ".join(map(str, sorted(row_of)[:8])) + (", ..." if len(row_of) > 8 else "")
        raise PagewalkError(f"no address space was read for pid {', '.join(missing)} (there are {known or 'none'})")
    mask = np.zeros(len(spaces), bool)
    mask[[row_of[pid] for pid in pids]] = True
    return mask


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise PagewalkError(f"bad regular expression {pattern!r}: {error}") from error


def _uid_of(user: str, names: Mapping[int, str]) -> int:
    if user.isdecimal():
        return int(user)
    # The names of the machine that was walked come first: a saved walk may be of another one.
    known = {name: uid for uid, name in names.items()}
    if user in known:
        return known[user]
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise PagewalkError(f"no such user: {user!r} (a name of that machine, or a number)") from None


def _is_below(path: str, root: str) -> bool:
    return path == root or root == "/" or path.startswith(root + "/")


@dataclass(frozen=True, eq=False, slots=True)
class Grouping:
    """Address spaces put into groups.

    Attributes
    ----------
    names : list of str
        Of the groups, in order of first appearance.
    of_space : ndarray of int64
        Each address space's group; ``len(names)`` is the group of all that were not selected.
    processes : ndarray of int64
        Processes in each group.
    """

    names: list[str]
    of_space: NDArray[np.int64]
    processes: NDArray[np.int64]


def group_by(spaces: Spaces, keys: Sequence[str], selection: Selection | None = None) -> Grouping:
    """Group the selected address spaces by a key each.

    Parameters
    ----------
    spaces : Spaces
        The address spaces.
    keys : sequence of str
        One for each.
    selection : Selection, optional
        Those to group; the others go into one nameless group, since they are owners all the same.
    """
    chosen = np.ones(len(spaces), bool) if selection is None else selection.mask
    number: dict[str, int] = {}
    of_space = np.full(len(spaces), -1, np.int64)
    for row in np.flatnonzero(chosen).tolist():
        of_space[row] = number.setdefault(keys[row], len(number))
    of_space[~chosen] = len(number)
    per_space = np.array([len(pids) for pids in spaces.pids], np.int64)
    processes = np.bincount(of_space, weights=per_space, minlength=len(number) + 1).astype(np.int64)
    return Grouping(list(number), of_space, processes[: len(number)])
