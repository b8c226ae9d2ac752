"""How the command ends: exit codes, and messages of one line to stderr."""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import IntEnum

__all__ = ["Exit", "Stop", "say"]


class Exit(IntEnum):
    """The exit codes; those from 69 up are sysexits.h's and the shell's (128 and a signal)."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOTHING = 3
    GAPS = 4
    UNSUPPORTED = 69
    PRIVILEGE = 77
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    INTERRUPTED = 130
    PIPE = 141


class Stop(Exception):
    """The command can go no further: a code, and one line that says what, where and what to do."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Write a message to stderr, safe to show; a stderr that is gone is no reason to fail."""
    from pagewalk.render.safe import visible

    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    first, *rest = message.split("\n")
    lines = [f"pagewalk: {first}", *rest]
    # What was written so far comes first, on a terminal that shows both.
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write("".join(visible(line, encoding) + "\n" for line in lines))
        sys.stderr.flush()
