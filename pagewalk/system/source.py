"""The files that the accounts are in, and why one cannot be had."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

from pagewalk.errors import PermissionRequired, Unsupported
from pagewalk.procfs import ProcFS

__all__ = ["integer", "numbered", "text_of"]

INTEGER = re.compile(r"-?[0-9]{1,19}")


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


def integer(word: str) -> int:
    """Return the number that a word is; ValueError where it is none, or one that no column has room for."""
    if INTEGER.fullmatch(word) is None or not -(1 << 63) <= (number := int(word)) < 1 << 63:
        raise ValueError(f"no number: {word!r}")
    return number


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, with their numbers from 1."""
    # str.splitlines would also break at control characters that a name may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line
