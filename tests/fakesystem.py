"""A made machine's own accounts: files written where the kernel has them, read through a ProcFS."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pagewalk.procfs import Listing, ProcFS

PAGE = os.sysconf("SC_PAGESIZE")


class FakeSystem(ProcFS):
    """A directory with ``proc``, ``sys`` and ``cgroup`` in it, all of them empty at first.

    Root reads what it likes: what is not to be readable is put into `refused`, what goes away while it is read into
    `vanishing`, by its path below the directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.refused: set[str] = set()
        self.vanishing: set[str] = set()
        for name in ("proc", "sys", "cgroup"):
            (directory / name).mkdir()
        super().__init__(str(directory / "proc"), str(directory / "cgroup"), sys=str(directory / "sys"))

    def write(self, name: str, text: str = "") -> Path:
        """Write a file, the directories above it too."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(text))
        return path

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link as sysfs has them between its directories; to nowhere, they are never followed."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def read_file(self, path: str) -> str:
        self.check(path)
        return super().read_file(path)

    def list_directory(self, path: str) -> Listing:
        self.check(path)
        return super().list_directory(path)

    def check(self, path: str) -> None:
        """Refuse what is to be refused; take away what vanishes, just before it is read."""
        name = os.path.relpath(path, self.directory)
        if name in self.refused:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        if name in self.vanishing:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), path)


@pytest.fixture
def made(tmp_path: Path) -> FakeSystem:
    """A made machine without any file yet."""
    return FakeSystem(tmp_path)
