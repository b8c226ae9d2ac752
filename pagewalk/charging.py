"""Which cgroup each frame is charged to, and which one each process is in, under the same names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pagewalk.accounts import Cgroups
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.groups import Grouping
from pagewalk.labels import label
from pagewalk.memcg import own_figures

__all__ = ["Charging", "charging"]


@dataclass(frozen=True, eq=False)
class Charging:
    """Frames and processes by cgroup.

    Attributes
    ----------
    paths : list of str
        The cgroups; one that the kernel names by an inode that nothing has is ``(inode N)``.
    of_row : ndarray of int64
        For each row of the fact table the index of the cgroup its frames are charged to, -1 for none.
    grouping : Grouping
        The address spaces by the cgroup that their memory is charged to; its groups are ``paths``.
    cgroups : Cgroups or None
        The tree, and what the kernel says.
    depth : int or None
        Cgroups whose paths are deeper than this are counted with their ancestor.
    """

    paths: list[str]
    of_row: NDArray[np.int64]
    grouping: Grouping
    cgroups: Cgroups | None
    depth: int | None

    def inode(self, path: str) -> int | None:
        """Return the inode of a cgroup; None if it is not in the tree."""
        cgroup = None if self.cgroups is None else self.cgroups.tree.by_path.get(path)
        return None if cgroup is None else cgroup.inode

    def label(self, path: str) -> str:
        """Return what people call a cgroup."""
        return label(path)

    def kernel(self, path: str, figure: str) -> int | None:
        """Return the kernel's own figure for the frames of a row, in bytes: without what has rows of its own."""
        figures = {} if self.cgroups is None else self.cgroups.figures
        if path not in figures:
            return None
        if self.depth is not None and _depth(path) >= self.depth:
            return figures[path].get(figure)
        # One that could not be read says nothing: then nothing can be taken away either.
        children = [figures.get(child, {}) for child in self._children.get(path, ())]
        return own_figures({figure: figures[path].get(figure)}, children)[figure]

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        """The cgroups right below each one, of those that have accounts."""
        children: dict[str, list[str]] = {}
        if self.cgroups is not None:
            for path in dict.fromkeys((*self.cgroups.figures, *(path for path, _ in self.cgroups.gaps))):
                if path != "/":
                    children.setdefault(path.rpartition("/")[0] or "/", []).append(path)
        return children


def _depth(path: str) -> int:
    return len([part for part in path.split("/") if part])


def _folded(path: str, depth: int | None) -> str:
    """Return the ancestor at this depth of a path that is deeper."""
    if depth is None or not path.startswith("/"):
        return path
    return "/" + "/".join([part for part in path.split("/") if part][:depth])


def charging(facts: Facts, depth: int | None = None) -> Charging:
    """Bring frames and processes under the names of cgroups.

    Parameters
    ----------
    facts : Facts
        Of a walk of all of RAM.
    depth : int, optional
        Count cgroups deeper than this (the root of the tree is 0) with their ancestor at it.

    Returns
    -------
    Charging
        All cgroups of the tree, those that frames are charged to, and those that processes are in.

    Raises
    ------
    PagewalkError
        The walk read the frames that have owners only.
    """
    if facts.accounts is None:
        raise PagewalkError("this walk read only frames with owners; ask for all of RAM: walk(frames='all')")
    if depth is not None and depth < 0:
        raise PagewalkError(f"a depth of {depth}: the root is 0")
    cgroups = facts.accounts.cgroups
    if depth is not None and cgroups is not None:
        depth += _depth(cgroups.tree.hierarchy.root)  # where a part of the tree is mounted, its top is the root
    by_inode = {} if cgroups is None else cgroups.tree.by_inode
    number: dict[str, int] = {}
    for cgroup in () if cgroups is None else cgroups.tree.cgroups:
        number.setdefault(_folded(cgroup.path, depth), len(number))
    inodes, which = np.unique(facts.table.memcg, return_inverse=True)
    of_inode = []
    for inode in inodes.tolist():
        path = by_inode[inode].path if inode in by_inode else f"(inode {inode})"
        of_inode.append(number.setdefault(_folded(path, depth), len(number)) if inode else -1)
    of_space = []
    for path in facts.spaces.cgroup:
        charged = path if cgroups is None else cgroups.tree.charged_path(path)
        of_space.append(number.setdefault(_folded(charged or "(unknown)", depth), len(number)))
    per_space = np.array([len(pids) for pids in facts.spaces.pids], np.int64)
    processes = np.zeros(len(number), np.int64)
    np.add.at(processes, np.array(of_space, np.int64), per_space)
    grouping = Grouping(list(number), np.array(of_space, np.int64), processes)
    of_row = np.array(of_inode, np.int64)[which.reshape(-1)]
    return Charging(list(number), of_row, grouping, cgroups, depth)
