"""Where the answer goes: a terminal, a pipe, or a new file, and what each can take."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TextIO, cast

from pagewalk.cli.exits import Exit, Stop
from pagewalk.errors import PagewalkError
from pagewalk.render.screen import Screen, Style
from pagewalk.storage import newfile

__all__ = ["FORMATS", "MACHINE", "check_new_file", "colors_of", "destination", "renderer", "screen_size"]

# Each format with the module of pagewalk.render that writes it.
FORMATS = {"text": "text", "plain": "plain", "json": "jsontext", "ndjson": "ndjson", "csv": "csvtext"}
MACHINE = frozenset({"json", "ndjson", "csv"})


def renderer(name: str) -> Callable[[Screen, Style, TextIO], None]:
    """Return the function that writes a format; its module, and rich with it, is imported only now."""
    module = import_module(f"pagewalk.render.{FORMATS.get(name, name)}")
    render: Callable[[Screen, Style, TextIO], None] = module.render
    return render


def screen_size(out: TextIO) -> tuple[int, int]:
    """Return columns and lines of a terminal: what COLUMNS and LINES say, else what it says itself, else 80 by 24."""
    try:
        size = os.get_terminal_size(out.fileno())
        columns, lines = size.columns, size.lines
    except (OSError, ValueError, AttributeError):
        columns, lines = 0, 0
    return _number("COLUMNS") or columns or 80, _number("LINES") or lines or 24


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def colors_of(out: TextIO, wish: str) -> int:
    """Return how many colours to use.

    Parameters
    ----------
    out : TextIO
        Where to.
    wish : str
        ``always``, ``never``, or ``auto``: NO_COLOR turns colour off, FORCE_COLOR on, else a terminal that is not
        dumb has it.
    """
    environ = os.environ.get
    if wish == "auto":
        is_smart = out.isatty() and environ("TERM") not in (None, "", "dumb")
        wish = "never" if environ("NO_COLOR") else "always" if environ("FORCE_COLOR") or is_smart else "never"
    if wish == "never":
        return 0
    if environ("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return 1 << 24
    return 256 if "256" in environ("TERM", "") else 16


def check_new_file(path: str, force: bool) -> None:
    """Stop before a long walk if its answer could not be written to `path`."""
    try:
        newfile.check_new_file(path, force, "--force")
    except PagewalkError as error:
        raise Stop(Exit.FAILURE, f"-o {error}") from error


@contextmanager
def destination(path: str | None, force: bool, is_machine: bool) -> Iterator[TextIO]:
    """Open what the answer is written to.

    Parameters
    ----------
    path : str or None
        A file to make: written aside, and given its name when it is whole. None is stdout.
    force : bool
        Replace a file of that name.
    is_machine : bool
        The text is for a program: UTF-8 whatever the locale.

    Yields
    ------
    TextIO
        A stream that cannot fail on a character.
    """
    if path is None:
        yield standard_output(is_machine)
        return
    try:
        with newfile.new_file(path, force, "--force", text_file) as out:
            yield cast(TextIO, out)
    except PagewalkError as error:
        raise Stop(Exit.FAILURE, f"-o {error}") from error


def text_file(fd: int) -> TextIO:
    """Return a file descriptor as a stream of UTF-8 that cannot fail on a character."""
    return open(fd, "w", encoding="utf-8", errors="backslashreplace", newline="")


def standard_output(is_machine: bool) -> TextIO:
    """Return stdout, made unable to fail on a character."""
    out = sys.stdout
    if out is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    if hasattr(out, "reconfigure"):
        out.reconfigure(encoding="utf-8" if is_machine else None, errors="backslashreplace")
    return out
