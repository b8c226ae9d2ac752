"""A new file that appears under its name whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from pagewalk.errors import PagewalkError

__all__ = ["check_new_file", "new_file"]

# What writing fails with, without a file name: a disk, a quota or a limit that is full, a device that is broken.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
# How a caller of the library replaces a file; the command has an option for it.
FORCE = "force=True"


def check_new_file(path: str, force: bool = False, how: str = FORCE) -> None:
    """Raise before long work if its result could not be written to a file.

    Parameters
    ----------
    path : str
        The file to make.
    force : bool
        A regular file of that name may be replaced.
    how : str
        What the caller is to give to have it replaced, for the message.

    Raises
    ------
    PagewalkError
        There is no such directory, this user may not write there, or something has that name.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise PagewalkError(f"{path}: no directory {folder!r}") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PagewalkError(f"{path}: uid {os.geteuid()} may not write into {folder!r}") from None
        return
    if not stat.S_ISREG(found.st_mode):
        # Renaming a file over /dev/stdout or /dev/null would take it away from everyone else.
        raise PagewalkError(f"{path}: not a regular file; give the name of a file to make")
    if not force:
        raise PagewalkError(f"{path}: exists already; {how} replaces it")


def _binary(fd: int) -> IO[Any]:
    return open(fd, "w+b")


@contextmanager
def new_file(
    path: str, force: bool = False, how: str = FORCE, opened: Callable[[int], IO[Any]] = _binary
) -> Iterator[IO[Any]]:
    """Write a file aside, and give it its name when it is whole; if anything goes wrong nothing is left of it.

    Parameters
    ----------
    path : str
        The file to make: mode 0600, under sudo owned by the user who called it.
    force : bool
        Replace a regular file of that name.
    how : str
        What the caller is to give to have it replaced, for the message.
    opened : callable
        Makes of a file descriptor the file that is written to.

    Yields
    ------
    file
        To write to.

    Raises
    ------
    PagewalkError
        As `check_new_file`; also if the name was taken meanwhile.
    OSError
        It could not be written, with the file's name: the disk is full.
    """
    import tempfile

    check_new_file(path, force, how)
    folder, name = os.path.split(path)
    # mkstemp makes it 0600: command lines, frame numbers and addresses are nobody else's business.
    fd, aside = tempfile.mkstemp(prefix=f".{name[:100]}.", dir=folder or ".")
    try:
        with opened(fd) as out:
            _give_to_caller(fd)
            yield out
            out.flush()
            os.fsync(fd)
        _give_name(aside, path, force, how)
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), path) from error
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)


def _give_to_caller(fd: int) -> None:
    """Under sudo, let the file belong to the user who called it."""
    owner, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and owner.isdecimal() and group.isdecimal():
        os.fchown(fd, int(owner), int(group))


def _give_name(aside: str, path: str, force: bool, how: str) -> None:
    """Let the finished file appear under its name, whole."""
    if not force:
        try:
            os.link(aside, path)  # unlike rename, fails if someone made the file meanwhile
            return
        except FileExistsError as error:
            raise PagewalkError(f"{path}: exists already; {how} replaces it") from error
        except OSError:
            check_new_file(path, force, how)  # a file system without links
    os.replace(aside, path)
