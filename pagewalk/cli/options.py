"""Options: parsing that speaks as the rest of the command does, and defaults from the environment."""

from __future__ import annotations

import argparse
import os
from typing import Any, NoReturn

from pagewalk.cli.exits import Exit, Stop

__all__ = ["Parser", "number", "pids", "positive"]

ON = ("1", "yes", "true", "on")
OFF = ("0", "no", "false", "off")


class Parser(argparse.ArgumentParser):
    """A parser whose help leads with examples and whose errors are one line.

    Parameters
    ----------
    verb : str
        The verb whose options these are.
    examples : str
        The first part of the help.
    """

    def __init__(self, verb: str, examples: str) -> None:
        super().__init__(
            prog=f"pagewalk {verb}",
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                prog, max_help_position=26, width=help_width()
            ),
            allow_abbrev=False,
            add_help=False,
        )
        self.verb = verb
        self.examples = examples
        self.mirrored: list[argparse.Action] = []

    def mirror(self, action: argparse.Action) -> None:
        """Let ``PAGEWALK_NAME`` set the default of ``--name``."""
        self.mirrored.append(action)

    def format_help(self) -> str:
        """Return the examples, then the options."""
        return f"{self.examples}\n{super().format_help()}"

    def error(self, message: str) -> NoReturn:
        """Stop with one line and the code for wrong usage."""
        raise Stop(Exit.USAGE, f"{message} (see `pagewalk help {self.verb}`)")

    def parse(self, arguments: list[str], mixed: bool = False) -> argparse.Namespace:
        """Parse `arguments`, on top of what the environment sets.

        Parameters
        ----------
        arguments : list of str
            Options and words.
        mixed : bool
            Let options stand between two words: argparse alone takes the first words for all there are.
        """
        for action in self.mirrored:
            name = variable(action)
            if (text := os.environ.get(name, "")) != "":
                self.set_defaults(**{action.dest: self.from_environment(action, name, text)})
        return self.parse_intermixed_args(arguments) if mixed else self.parse_args(arguments)

    def from_environment(self, action: argparse.Action, name: str, text: str) -> Any:
        """Return what the variable `name` sets `action` to."""
        if action.nargs == 0:
            if text.lower() in (*ON, *OFF):
                return action.const if text.lower() in ON else action.default
            raise Stop(Exit.USAGE, f"{name}={text}: choose from {', '.join((*ON, *OFF))}")
        if action.choices is not None and text not in action.choices:
            raise Stop(Exit.USAGE, f"{name}={text}: choose from {', '.join(map(str, action.choices))}")
        try:
            return action.type(text) if callable(action.type) else text
        except (ValueError, argparse.ArgumentTypeError) as error:
            raise Stop(Exit.USAGE, f"{name}={text}: {error}") from error


def variable(action: argparse.Action) -> str:
    """Return the environment variable that mirrors an option."""
    long = next(option for option in action.option_strings if option.startswith("--"))
    return "PAGEWALK_" + long.removeprefix("--").replace("-", "_").upper()


def help_width() -> int:
    """Return the width to write help in; argparse would import shutil, and with it the compressors, to ask."""
    text = os.environ.get("COLUMNS", "")
    columns = int(text) if text.isascii() and text.isdigit() else 0
    if not columns:
        try:
            columns = os.get_terminal_size().columns or 80
        except OSError:
            columns = 80
    return max(min(columns, 100), 40) - 2


def pids(text: str) -> list[int]:
    """Read ``PID[,PID]``."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not (word.isascii() and word.isdigit() and 0 < int(word) < 1 << 31):
            raise argparse.ArgumentTypeError(f"{word!r} is no process ID: give PID or PID,PID")
    return [int(word) for word in words]


def number(text: str) -> int:
    """Read a number from 0 up."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 up")
    return int(text)


def positive(text: str) -> int:
    """Read a number from 1 up."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)
