"""The options of diff."""

from __future__ import annotations

from argparse import _ArgumentGroup

from pagewalk.cli.changes import CHANGES
from pagewalk.cli.choosing import add_choice
from pagewalk.cli.options import Parser, number, positive
from pagewalk.cli.report_options import words
from pagewalk.cli.walking import add_walking
from pagewalk.cli.writing import add_writing

__all__ = ["options"]

EXAMPLES = """\
pagewalk diff: what changed between two snapshots, and what stopped being shared

examples:
  pagewalk diff before.pwz after.pwz       the summary
  sudo pagewalk diff before.pwz            since then: against this machine now
  pagewalk diff before.pwz after.pwz --by process
                                           every process that changed
  pagewalk diff before.pwz after.pwz --by unshared
                                           what copy-on-write cost, by mapping
  pagewalk diff before.pwz after.pwz --by mapping -p 1234
                                           which parts of a process grew
  pagewalk diff before.pwz after.pwz --by program -s uss -n 5
                                           who grew most in memory of its own
  pagewalk diff before.pwz after.pwz --by use
                                           where RAM went in between
  pagewalk diff db1.pwz db2.pwz --by program
                                           two machines: programs by name
  pagewalk diff before.pwz after.pwz --by process -f json | jq '.process[0]'
"""

ENDING = """\
Each figure is a change, new less old: PSS is how much PSS grew; pss_old and
pss_new (for --columns and machine formats) are what it was and is. What is new
or gone counts from 0, or to 0, and is marked. The greatest change comes first,
whichever way it went; -s COL puts the greatest growth first, -s COL -r the
greatest decrease.

UNSHARED are pages whose frames several processes owned and one owns now: COPIED
to another frame when it wrote to them, or LEFT ALONE on the same frame because
all others wrote, let go or ended. Pages in swap are not looked at.

Processes are the same by process ID and start, within one boot of one machine;
programs, users, cgroups and uses are compared by name on any two.

exit codes: 0 ok, changed or not, 1 failure, 2 wrong usage, 3 no such process,
4 gaps under --strict, 69 the kernel lacks the interface, 77 no privilege
"""


def options() -> Parser:
    """Return the parser of diff's options."""
    views = "".join(f"  {name:<9}  {view.what}\n" for name, view in CHANGES.items())
    parser = Parser("diff", f"{EXAMPLES}\nviews:\n{views}")
    parser.epilog = ENDING
    parser.add_argument("old", metavar="OLD", nargs="?", help="the earlier snapshot")
    parser.add_argument("new", metavar="NEW", nargs="?", help="the later one; this machine as it is now if left out")
    shown(parser.add_argument_group("what is shown"))
    add_choice(parser, "A process that is meant at one time is meant at both.")
    add_writing(parser)
    add_walking(parser)
    return parser


def shown(show: _ArgumentGroup) -> None:
    """Add the options that say what is shown."""
    show.add_argument(
        "--by", choices=("summary", *CHANGES), metavar="VIEW", help="summary (default), or one of the views above"
    )
    show.add_argument("-s", "--sort", metavar="COL", help="order by this column; `-s help` lists them")
    show.add_argument("-r", "--reverse", action="store_true", help="the other way round")
    show.add_argument("-n", "--limit", metavar="N", type=positive, help="the first N rows")
    show.add_argument("-t", "--totals", action="store_true", help="a last row: the sum of all")
    show.add_argument("--columns", metavar="A,B", type=words, help="these columns; `--columns help` lists them")
    show.add_argument("-a", "--all", action="store_true", help="rows that did not change, too")
    show.add_argument(
        "--depth",
        metavar="N",
        type=number,
        help="count cgroups deeper than N (the root is 0) with their ancestor there",
    )
