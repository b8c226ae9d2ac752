"""The options of maps."""

from __future__ import annotations

from pagewalk.cli.options import Parser, positive
from pagewalk.cli.report_options import words
from pagewalk.cli.source import add_file
from pagewalk.cli.walking import add_walking
from pagewalk.cli.writing import add_writing

__all__ = ["options"]

EXAMPLES = """\
pagewalk maps: what a process maps, exactly, and who shares it

examples:
  sudo pagewalk maps 1234                  every VMA, by address
  sudo pagewalk maps 1234 --group          by file, heap, anonymous memory
  sudo pagewalk maps 1234 -s uss -n 20     what only it has, the most first
  sudo pagewalk maps 1234 --legend         what its VmFlags mean
  sudo pagewalk maps 1234 --stack          and what its threads wait for
  sudo pagewalk maps 1234 --alone          fast, for one large heap
  sudo pagewalk maps 1234 --no-smaps       without the kernel's own figures
  sudo pagewalk maps 1234 -f json | jq '.mapping[] | {name, partners}'
  pagewalk maps 1234 host.pwz              from a saved snapshot, without root

Owners are looked for on the whole machine. Columns named KERNEL and VmFlags are
the kernel's own words, from smaps: reading it holds up a large process, which
--no-smaps and --gentle avoid; they are ? then, and where a VMA changed
meanwhile.
WITH is the number of other owners, PARTNERS who they are.

Besides the mappings it shows the large folios under them (huge pages of every
size, 16 KiB to 2 MiB and more): whole and aligned, whole at an address that is
no multiple of their size, and mapped in part.
"""

ENVIRONMENT = """\
In JSON: mapping (or object, with --group), folios, totals, process; legend and
stacks where they are asked for.

exit codes: 0 ok, 1 failure, 2 wrong usage, 3 no such process, or one without
memory (a kernel thread, a zombie), 4 gaps under --strict, 69 the kernel lacks
the interface, 77 no privilege
"""


def options() -> Parser:
    """Return the parser of maps' options."""
    parser = Parser("maps", EXAMPLES)
    parser.epilog = ENVIRONMENT
    parser.add_argument("pid", metavar="PID", help="the process")
    add_file(parser)
    show = parser.add_argument_group("what is shown")
    show.add_argument("--group", action="store_true", help="one row an object mapped: file, heap, anonymous memory")
    show.add_argument("-s", "--sort", metavar="COL", help="order by this column; `-s help` lists them")
    show.add_argument("-r", "--reverse", action="store_true", help="the other way round")
    show.add_argument("-n", "--limit", metavar="N", type=positive, help="the first N rows")
    show.add_argument("-t", "--totals", action="store_true", help="a last row: the sum of all (text has it anyway)")
    show.add_argument("--columns", metavar="A,B", type=words, help="these columns; `--columns help` lists them")
    show.add_argument("--legend", action="store_true", help="what the codes of VmFlags mean")
    show.add_argument("--stack", action="store_true", help="the kernel stack of each thread")
    show.add_argument("--no-smaps", action="store_true", help="do not read smaps: no KERNEL columns, no VmFlags")
    show.add_argument(
        "--alone", action="store_true", help="walk only this process, count all others as hidden owners (fast)"
    )
    add_writing(parser)
    add_walking(parser)
    return parser
