"""Which cgroup hierarchy has the memory controller, and where it is."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from pagewalk.errors import ParseError
from pagewalk.procfs import ProcFS, unescaped

__all__ = ["Hierarchy", "Mount", "find_hierarchy", "parse_mountinfo"]

CONTROLLER = "memory"
STAT = "memory.stat"
# The cgroup went away while it was read (kernfs gives ENODEV for files that are still open).
GONE = (errno.ENOENT, errno.ENODEV, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo (proc_pid_mountinfo(5)).

    Attributes
    ----------
    root : str
        The directory of the file system that is mounted: for cgroups, the cgroup.
    point : str
        Where it is mounted.
    kind : str
        The type of the file system.
    options : frozenset of str
        The options of the file system: for cgroup v1, its controllers among them.
    """

    root: str
    point: str
    kind: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The cgroup hierarchy that has the memory controller.

    Attributes
    ----------
    version : int
        Version 1 or 2 of cgroups.
    directory : str
        Where its files are.
    root : str
        The cgroup that this directory is, as ``/proc/PID/cgroup`` writes it: ``/`` but where a part of the tree is
        mounted, as in a container without a cgroup namespace.
    """

    version: int
    directory: str
    root: str = "/"


def parse_mountinfo(text: str, path: str = "mountinfo") -> list[Mount]:
    """Take mountinfo apart (fs/proc_namespace.c:show_mountinfo).

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    list of Mount
        In the kernel's order: what is mounted over something comes after it.

    Raises
    ------
    ParseError
        A line lacks one of the fields.
    """
    mounts = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        # Any number of optional fields, then a single hyphen.
        before, separator, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(rest) < 3:
            raise ParseError(path, number, "a mount")
        options = frozenset(rest[2].split(","))
        mounts.append(Mount(unescaped(fields[3]), unescaped(fields[4]), rest[0], options))
    return mounts


def find_hierarchy(procfs: ProcFS) -> Hierarchy | None:
    """Find the hierarchy that has the memory controller.

    First among the mounts, then by looking below where cgroups should be mounted, as there are no mounts of a made
    ``/proc``: version 2 there, version 1 in a directory ``memory``, version 2 in ``unified``.

    Parameters
    ----------
    procfs : ProcFS
        The machine.

    Returns
    -------
    Hierarchy or None
        None where no hierarchy has it: a kernel without CONFIG_MEMCG, or nothing mounted.
    """
    return _mounted(procfs) or _seen(procfs)


def _mounted(procfs: ProcFS) -> Hierarchy | None:
    path = procfs.path("self/mountinfo")
    try:
        mounts = parse_mountinfo(procfs.read_file(path), path)
    except OSError:
        return None
    top = procfs.cgroup_path("").rstrip("/")
    below = [mount for mount in mounts if mount.point == top or mount.point.startswith(f"{top}/")]
    below.reverse()  # of two alike, the one mounted last is on top
    below.sort(key=lambda mount: (mount.root != "/", len(mount.point)))  # the whole tree before a part of it
    for mount in below:
        if mount.kind == "cgroup" and CONTROLLER in mount.options:
            return Hierarchy(1, mount.point, mount.root)
        if mount.kind == "cgroup2" and _controls(procfs, mount.point):
            return Hierarchy(2, mount.point, mount.root)
    return None


def _seen(procfs: ProcFS) -> Hierarchy | None:
    top = procfs.cgroup_path("").rstrip("/")
    try:
        directories = procfs.list_directory(top).directories
    except OSError:
        return None
    if _controls(procfs, top):
        return Hierarchy(2, top)
    for name in directories:
        if CONTROLLER in name.split(","):
            return Hierarchy(1, procfs.cgroup_path(name))
    unified = procfs.cgroup_path("unified")
    return Hierarchy(2, unified) if _controls(procfs, unified) else None


def _controls(procfs: ProcFS, directory: str) -> bool:
    """Whether a directory is of version 2 and has the memory controller: version 1 may have taken it."""
    try:
        return CONTROLLER in procfs.read_file(f"{directory}/cgroup.controllers").split()
    except OSError:
        return False
