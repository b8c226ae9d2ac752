"""Cgroups of the running kernel, made for a test and removed after it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from knobs import Unavailable
from workloads import PATIENCE

MOUNT = Path("/sys/fs/cgroup")


def memory_root() -> Path:
    """The root of the hierarchy with the memory controller, where version 1 and version 2 usually have it."""
    first = MOUNT / "memory"
    if (first / "memory.usage_in_bytes").exists():
        return first
    try:
        if "memory" in (MOUNT / "cgroup.controllers").read_text().split():
            return MOUNT
    except OSError as error:
        raise Unavailable(f"no memory controller: {error}") from error
    raise Unavailable(f"no memory controller below {MOUNT}")


def hand_on(directory: Path) -> None:
    """Give the cgroups in this one accounts of their own, as version 1 does by itself."""
    control = directory / "cgroup.subtree_control"
    if control.exists() and "memory" not in control.read_text().split():
        try:
            control.write_text("+memory")
        except OSError as error:
            raise Unavailable(f"cannot hand on the memory controller in {directory}: {error.strerror}") from error


@contextmanager
def cgroup(name: str, parent: Path | None = None) -> Iterator[Path]:
    """Make a cgroup, below the root if no parent is given; its processes must be gone at the end."""
    if parent is None:
        parent = memory_root()
        hand_on(parent)
    directory = parent / name
    try:
        directory.mkdir()
    except OSError as error:
        raise Unavailable(f"cannot make {directory}: {error.strerror}") from error
    try:
        yield directory
    finally:
        remove(directory)


def remove(directory: Path) -> None:
    """Remove a cgroup, once the last of its processes, just killed, has left it."""
    deadline = time.monotonic() + PATIENCE
    while directory.exists():
        try:
            directory.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def enter(directory: Path, pid: int) -> None:
    """Put a process into a cgroup; what it has taken before stays charged where it is."""
    (directory / "cgroup.procs").write_text(str(pid))


def inode(directory: Path) -> int:
    return os.stat(directory).st_ino
