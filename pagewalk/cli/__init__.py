"""The command: ``main`` finds the verb, and turns whatever goes wrong into one line and an exit code.

A verb is one module of this package with ``run(arguments) -> int`` and ``help() -> str``, and one line in ``VERBS``.
Nothing here imports numpy or rich before a verb needs them.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TextIO

from pagewalk.cli.blas import one_thread
from pagewalk.cli.exits import Exit, Stop, say
from pagewalk.errors import PagewalkError, PermissionRequired, Unsupported

__all__ = ["main"]

VERBS = {
    "report": "who owns the memory of this machine (the default)",
    "maps": "what one process maps, exactly, and who shares it",
    "who": "every owner of a frame, or of the pages of a file",
    "freed": "what ending a set of processes would free",
    "snapshot": "save all of it, to be asked later, elsewhere, without root",
    "diff": "what changed between two snapshots, and what stopped being shared",
    "demo": "the report of a snapshot that comes with pagewalk, to try it",
    "run": "run a command, and say what memory its tree had",
    "watch": "the same of processes that run already",
    "doctor": "what this machine, kernel and user allow",
}

HELP = """\
pagewalk says exactly who owns every page of a Linux machine's RAM.

examples:
  sudo pagewalk                           where RAM went and who has it
  sudo pagewalk --by use                  all of RAM by use and state
  sudo pagewalk --by process              every process, the biggest first
  sudo pagewalk --by program -P postgres  a program's processes, counted once
  sudo pagewalk maps 1234                 what one process maps and shares
  sudo pagewalk who --file /lib/libc.so.6 who has the pages of a file, who pays
  sudo pagewalk --by charge               which cgroup pays for what others use
  sudo pagewalk -f json -o memory.json    the summary for another program
  sudo pagewalk freed --tree 1234         what the end of a service would free
  sudo pagewalk run -- make -j8           what a command's whole tree needed
  sudo pagewalk snapshot -o host.pwz      all of it into a file, for later
  pagewalk report host.pwz --by process   any view of a file, without root
  pagewalk demo                           a snapshot to try all that with
  pagewalk doctor                         what this machine allows

commands:
{verbs}
  help VERB  the options of a verb

Options without a verb are those of report: see `pagewalk help report`.
  -h, --help     this text
  -V, --version  versions of pagewalk, Python, numpy and kernel; the page size
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the command's name; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 ok, 1 failure, 2 usage, 3 nothing matched, 4 gaps under ``--strict``, 69 the kernel lacks
        the interface, 77 no privilege, 130 interrupted, 141 the reader of stdout went away.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with one_thread():
            code = dispatch(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except SystemExit as end:  # argparse, having shown the help
        code = end.code if isinstance(end.code, int) else Exit.OK
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        code = Exit.PIPE
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        code = explain(error, arguments)
    if code != Exit.OK:
        drop(sys.stdout)
    # What could not be said must not change the exit code: Python ends with 120 where a flush fails at its end.
    drop(sys.stderr)
    return int(code)


def dispatch(arguments: list[str]) -> int:
    """Run the verb that the first word names, or report."""
    first = arguments[0] if arguments else "report"
    if first in ("-h", "--help"):
        first, arguments = "help", ["help"]
    if first == "help":
        return show_help(arguments[1:])
    if first in ("-V", "--version"):
        from pagewalk.cli.version import version_line

        return show(version_line() + "\n")
    if first.startswith("-") or not arguments or (first not in VERBS and first.endswith(".pwz")):
        return verb("report").run(arguments)
    return verb(first).run(arguments[1:])


class Verb:
    """A verb's module, imported when asked for."""

    def __init__(self, name: str) -> None:
        self.module = import_module(f"pagewalk.cli.{name}")

    def run(self, arguments: list[str]) -> int:
        """Do it."""
        return int(self.module.run(arguments))

    def help(self) -> str:
        """Return its examples and options."""
        return str(self.module.help())


def verb(name: str) -> Verb:
    """Return the verb of this name."""
    if name not in VERBS:
        raise Stop(Exit.USAGE, f"no command {name!r}; there are {', '.join(VERBS)} and help")
    return Verb(name)


def show_help(names: list[str]) -> int:
    """Show the help of one verb, or of all."""
    if len(names) > 1:
        raise Stop(Exit.USAGE, f"help takes one verb; there are {', '.join(VERBS)}")
    if names and names[0] != "help":
        return show(verb(names[0]).help())
    return show(HELP.format(verbs="\n".join(f"  {name:<9}  {what}" for name, what in VERBS.items())))


def show(text: str) -> int:
    """Write `text` to stdout."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    sys.stdout.write(text)
    return Exit.OK


def explain(error: Exception, arguments: list[str]) -> Exit:
    """Say in one line what went wrong; return the exit code for it."""
    match error:
        case Stop():
            say(str(error))
            return error.code
        case PermissionRequired():
            from pagewalk.cli.privilege import refusal

            say(refusal(str(error), arguments))
            return Exit.PRIVILEGE
        case Unsupported():
            say(f"{error} (`pagewalk doctor` says what this kernel has)")
            return Exit.UNSUPPORTED
        case PagewalkError():
            say(str(error))
        case OSError():
            # Without a file name it is the stream that was written to: /dev/full, a disk that is full.
            where = error.filename if error.filename is not None else "standard output"
            say(f"{os.fsdecode(where)}: {error.strerror or error}")
        case MemoryError():
            say("not enough memory for this walk; --alone walks the selected processes only")
        case _ if os.environ.get("PAGEWALK_TRACEBACK"):
            raise error
        case _:
            what = " ".join(str(error).split()) or "no details"
            say(
                f"internal error: {type(error).__name__}: {what}; please report it with the output of"
                " `pagewalk --version` (PAGEWALK_TRACEBACK=1 shows where)"
            )
    return Exit.FAILURE


def drop(stream: TextIO | None) -> None:
    """Let go of what is still buffered for a stream that cannot take it, or Python complains of it at its end."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # a stream without a descriptor, or closed
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    except AttributeError:
        pass
