"""The options of report."""

from __future__ import annotations

from argparse import Action, ArgumentTypeError, _ArgumentGroup

from pagewalk.cli.choosing import add_choice
from pagewalk.cli.options import Parser, number, positive
from pagewalk.cli.source import add_file
from pagewalk.cli.views import VIEWS
from pagewalk.cli.walking import add_walking
from pagewalk.cli.writing import add_writing

__all__ = ["options"]

EXAMPLES = """\
pagewalk report: who owns the memory of this machine, exactly

examples:
  sudo pagewalk                            the summary
  sudo pagewalk --by use                   where all of RAM went
  sudo pagewalk --by process -s uss -n 20  the most memory of their own
  sudo pagewalk --by program -P 'postgres|pgbouncer'
                                           programs, each frame counted once
  sudo pagewalk --by cgroup --depth 2      what services are charged for
  sudo pagewalk --by charge -s foreign     who pays for what only others use
  sudo pagewalk --by mapping -p 1234 -s start
                                           the address space of one process
  sudo pagewalk --by sharing -u www-data   who shares with this user's processes
  sudo pagewalk --by sharing --pairs       how much every two processes share
  sudo pagewalk --by program --tree 1234   a process and its descendants
  sudo pagewalk --by process --nodes       NUMA nodes of each process's pages
  sudo pagewalk --alone -p 1234            one large process and no other
  sudo pagewalk --explain                  what is read and why, what it cost
  sudo pagewalk --by process --gentle      hold up no process for long (slower)
  sudo pagewalk --by process -b | awk '{ sum += $3 } END { print sum }'
                                           the sum of PSS, in bytes
  sudo pagewalk -f json | jq '.program[0]'
  pagewalk report host.pwz --by process    a saved snapshot, without root
  pagewalk report --kernel-pss             without root: the kernel's estimate

The summary and --by cgroup, charge, use and node read what the kernel says of
every frame of RAM: 0.2 to 0.3 s of one core for each 4 GiB. All other views,
and a selection, read that of mapped frames only, which takes far less.
"""

ENVIRONMENT = """\
PAGEWALK_NAME in the environment sets the default of --name
(PAGEWALK_FORMAT=json, PAGEWALK_BYTES=1). NO_COLOR, FORCE_COLOR, COLUMNS and
LINES are followed.

exit codes: 0 ok, 1 failure, 2 wrong usage, 3 nothing matched, 4 gaps under
--strict, 69 the kernel lacks the interface, 77 no privilege, 130 interrupted,
141 the reader of the output went away
"""


def options() -> Parser:
    """Return the parser of report's options."""
    views = "".join(f"  {name:<8}  {view.what}\n" for name, view in VIEWS.items())
    parser = Parser("report", f"{EXAMPLES}\nviews:\n{views}")
    parser.epilog = ENVIRONMENT
    add_file(parser)
    mirrored = shown(parser.add_argument_group("what is shown"))
    select = add_choice(parser, "Owners are looked for on the whole machine all the same.")
    mirrored += [
        select.add_argument(
            "--alone", action="store_true", help="walk only these, count all others as hidden owners (fast)"
        ),
        select.add_argument(
            "--kernel-pss", action="store_true", help="no walk, no root: the kernel's estimate (smaps_rollup)"
        ),
    ]
    how = add_writing(parser)
    add_walking(parser)
    how.add_argument("-V", "--version", action="store_true", help="versions, and no report")
    for action in mirrored:
        parser.mirror(action)
    return parser


def shown(show: _ArgumentGroup) -> list[Action]:
    """Add what is shown; return the options that the environment mirrors."""
    return [
        show.add_argument(
            "--by", choices=("summary", *VIEWS), metavar="VIEW", help="summary (default), or one of the views above"
        ),
        show.add_argument(
            "--pairs",
            action="store_true",
            help="how much every two processes share; with --by program, every two programs",
        ),
        show.add_argument("-s", "--sort", metavar="COL", help="order by this column; `-s help` lists them"),
        show.add_argument("-r", "--reverse", action="store_true", help="the other way round"),
        show.add_argument("-n", "--limit", metavar="N", type=positive, help="the first N rows"),
        show.add_argument(
            "-t",
            "--totals",
            action="store_true",
            help="a last row: the sum of all (PSS and USS add up, RSS counts a frame again and again)",
        ),
        show.add_argument("--columns", metavar="A,B", type=words, help="these columns; `--columns help` lists them"),
        show.add_argument(
            "--depth",
            metavar="N",
            type=number,
            help="count cgroups deeper than N (the root is 0) with their ancestor there",
        ),
        show.add_argument("--nodes", action="store_true", help="process: columns node0, node1, ... of NUMA nodes"),
    ]


def words(text: str) -> list[str]:
    """Read ``A,B``."""
    names = [word.strip() for word in text.split(",")]
    if not all(names):
        raise ArgumentTypeError(f"{text!r} is no list of columns: give A,B")
    return names
