"""``pagewalk demo``: report on a real snapshot that comes with pagewalk."""

from __future__ import annotations

import os
import shlex
import textwrap

from pagewalk.cli import report
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.options import Parser
from pagewalk.cli.views import VIEWS

__all__ = ["DEMO", "help", "run"]

# Made by benchmarks/demo.py, shipped with the package.
DEMO = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo.pwz")

EXAMPLES = f"""\
pagewalk demo: the report of a real snapshot that comes with pagewalk

examples:
  pagewalk demo                    where RAM went and who has it
  pagewalk demo process            every process, the biggest first
  pagewalk demo sharing            who shares what with whom
  pagewalk demo charge             which cgroup pays for what others use
  pagewalk demo cgroup -f json     any option of report (`pagewalk help report`)

It was taken of a small machine on which ran a web service that forks its
workers, which share what it has loaded but for what they wrote since; workers
that map one file of weights; a search and a backup in cgroups of their own,
each charged for page cache that the other uses.

views:
{textwrap.fill(", ".join(("summary", *VIEWS)), 78, initial_indent="  ", subsequent_indent="  ")}
"""


OTHERS = f"""\
Any other question can be asked of the file itself:
  FILE={shlex.quote(DEMO)}
  pagewalk maps 159 $FILE                  what one of the web's workers maps
  pagewalk who --file /srv/infer/weights.bin $FILE
                                           who has the weights in memory
  pagewalk freed -P web $FILE              what ending the service would free
"""


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples of demo."""
    parser = Parser("demo", EXAMPLES)
    parser.epilog = OTHERS
    parser.add_argument("view", metavar="VIEW", nargs="?", help="one of the views above")
    parser.add_argument("-h", "--help", action="help", help="this text")
    return parser.format_help()


def run(arguments: list[str]) -> int:
    """Report on the snapshot."""
    if not {"-h", "--help"}.isdisjoint(arguments):
        print(help(), end="")
        return Exit.OK
    if "-h" in arguments or "--help" in arguments:
        print(help(), end="")
        return Exit.OK
    view: list[str] = []
    if arguments and not arguments[0].startswith("-"):
        if arguments[0] not in ("summary", *VIEWS):
            raise Stop(Exit.USAGE, f"demo knows no view {arguments[0]!r}; there are summary, {', '.join(VIEWS)}")
        view, arguments = ["--by", arguments[0]], arguments[1:]
    return report.run([*view, *arguments, DEMO])
