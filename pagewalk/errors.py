"""What can go wrong, as exceptions that carry what, where and what to do."""

from __future__ import annotations

__all__ = ["PagewalkError", "ParseError", "PermissionRequired", "SnapshotError", "Unsupported"]


class PagewalkError(Exception):
    """Base of every error that pagewalk raises itself."""


class PermissionRequired(PagewalkError):
    """The kernel hides what is needed from this user (no CAP_SYS_ADMIN, or frame numbers read as 0)."""


class Unsupported(PagewalkError):
    """This kernel lacks an interface that the question needs."""


class SnapshotError(PagewalkError):
    """A snapshot file is damaged, of another version, or holds no answer to the question."""


class ParseError(PagewalkError):
    """A file of the kernel is not of the form expected.

    Parameters
    ----------
    path : str
        The file.
    line : int
        Its line, from 1; 0 where the file has no lines.
    item : str
        What could not be read there.
    """

    def __init__(self, path: str, line: int, item: str) -> None:
        super().__init__(path, line, item)
        self.path = path
        self.line = line
        self.item = item

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: cannot read {self.item}"
