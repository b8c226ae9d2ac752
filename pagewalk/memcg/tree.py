"""The cgroups of a hierarchy, by path and by the inode that the kernel names them with."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from functools import cached_property

from pagewalk.memcg.hierarchy import GONE, STAT, Hierarchy
from pagewalk.procfs import Listing, ProcFS

__all__ = ["Cgroup", "CgroupTree", "cgroup_tree", "changed"]

# Far beyond what any machine has; a directory that is no cgroup tree may hold anything.
MAX_CGROUPS = 1 << 20
MAX_DEPTH = 1 << 10


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One cgroup.

    Attributes
    ----------
    path : str
        Its path in the hierarchy, as ``/proc/PID/cgroup`` writes it.
    inode : int
        The inode of its directory: what kpagecgroup says of frames charged to it (mm/memcontrol.c:page_cgroup_ino).
    depth : int
        0 for the root of the tree that was walked.
    charged : bool
        Whether it has accounts of its own (``memory.stat``). Under version 2 a cgroup whose parent does not hand on
        the memory controller has none: what its processes take is charged to the nearest ancestor that has.
    """

    path: str
    inode: int
    depth: int
    charged: bool = True


@dataclass(frozen=True)
class CgroupTree:
    """All cgroups at one time.

    Attributes
    ----------
    hierarchy : Hierarchy
        Where they are.
    cgroups : tuple of Cgroup
        Parents before their children, siblings by name.
    gaps : tuple of (str, str)
        Paths of cgroups whose children could not be listed, each with the reason.
    """

    hierarchy: Hierarchy
    cgroups: tuple[Cgroup, ...]
    gaps: tuple[tuple[str, str], ...] = ()

    @cached_property
    def by_inode(self) -> dict[int, Cgroup]:
        """The cgroups by the inode that kpagecgroup gives."""
        return {cgroup.inode: cgroup for cgroup in self.cgroups}

    @cached_property
    def by_path(self) -> dict[str, Cgroup]:
        """The cgroups by path."""
        return {cgroup.path: cgroup for cgroup in self.cgroups}

    def charged_path(self, path: str) -> str:
        """Return the path of the cgroup that the memory of a process in cgroup `path` is charged to.

        The nearest one with accounts of its own, from `path` upwards; the root of the tree at last. A path outside
        of the tree, as of a cgroup removed with a process in it, is returned as it is.
        """
        cgroup = self.by_path.get(path)
        while cgroup is not None and not cgroup.charged and cgroup.depth:
            cgroup = self.by_path.get(_parent(cgroup.path))
        return path if cgroup is None else cgroup.path


def cgroup_tree(procfs: ProcFS, hierarchy: Hierarchy, limit: int = MAX_CGROUPS) -> CgroupTree:
    """List all cgroups of a hierarchy.

    Cgroups may come and go meanwhile: one that is gone is left out, `changed` tells from a second list what became
    of which.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    hierarchy : Hierarchy
        As `find_hierarchy` found it.
    limit : int
        How many to list at most; that there are more is a gap.

    Returns
    -------
    CgroupTree
        The cgroups, and the gaps.
    """
    cgroups: list[Cgroup] = []
    gaps: list[tuple[str, str]] = []
    waiting = [(hierarchy.directory, hierarchy.root, 0)]
    while waiting:
        directory, path, depth = waiting.pop()
        if len(cgroups) >= limit:
            gaps.append((path, f"more than {limit} cgroups"))
            break
        if depth > MAX_DEPTH:
            gaps.append((path, f"more than {MAX_DEPTH} cgroups, one in another"))
            continue
        try:
            listing = procfs.list_directory(directory)
        except OSError as error:
            if error.errno in GONE:
                continue
            unlisted = _unlisted(procfs, directory)
            if unlisted is None:
                continue
            listing = unlisted
            gaps.append((path, os.strerror(error.errno or errno.EIO)))
        charged = hierarchy.version == 1 or STAT in listing.others
        cgroups.append(Cgroup(path, listing.inode, depth, charged))
        waiting += [(f"{directory}/{name}", _child(path, name), depth + 1) for name in reversed(listing.directories)]
    return CgroupTree(hierarchy, tuple(cgroups), tuple(gaps))


def _unlisted(procfs: ProcFS, directory: str) -> Listing | None:
    """Return what is known of a directory that may not be read: its inode, and nothing where it is gone."""
    try:
        return Listing(procfs.inode(directory), (), frozenset({STAT}))
    except OSError:
        return None


def _child(path: str, name: str) -> str:
    return f"{path.rstrip('/')}/{name}"


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def changed(before: CgroupTree, after: CgroupTree) -> frozenset[int]:
    """Return the inodes that did not mean the same cgroup all the time between two lists.

    Those made or removed meanwhile, renamed (version 1), or used again for another cgroup: what the kernel said of
    frames charged to them is not to be trusted.
    """
    was = {cgroup.inode: cgroup.path for cgroup in before.cgroups}
    now = {cgroup.inode: cgroup.path for cgroup in after.cgroups}
    return frozenset(inode for inode in was.keys() | now.keys() if was.get(inode) != now.get(inode))
