"""The files that the accounts are in, and why one cannot be had."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from pagewalk.errors import PermissionRequired, Unsupported
from pagewalk.procfs import ProcFS

__all__ = ["numbered", "text_of"]


def text_of(procfs: ProcFS, path: str) -> str:
    """Return the text of one of the kernel's files.

    Parameters
    ----------
    procfs : ProcFS
        Where it is.
    path : str
        Its path, as `procfs` gave it.

    Returns
    -------
    str
        All of it.

    Raises
    ------
    Unsupported
        It is not there: another kernel, or one built without it.
    PermissionRequired
        This user may not read it.
    """
    try:
        return procfs.read_file(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise Unsupported(f"{path} does not exist on this kernel") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise PermissionRequired(f"{path} cannot be read by uid {os.geteuid()} (needs root)") from error
        raise


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, with their numbers from 1."""
    # str.splitlines would also break at control characters that a name may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line
