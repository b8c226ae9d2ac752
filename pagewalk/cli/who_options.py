"""The options of who."""

from __future__ import annotations

from pagewalk.cli.options import Parser
from pagewalk.cli.walking import add_walking
from pagewalk.cli.writing import add_writing

__all__ = ["options"]

EXAMPLES = """\
pagewalk who: every owner of a frame, or of the pages of a file

examples:
  sudo pagewalk who 1234:7f5c3a200000      who has the page at this address
  sudo pagewalk who 1234:0x7f5c3a200000 1234:0x7f5c3a201000
                                           of several addresses
  sudo pagewalk who 1542166                who has this frame (0x188816 too)
  sudo pagewalk who --file /usr/lib/libc.so.6
                                           what of a file is in memory, who
                                           maps it, which cgroup pays
  sudo pagewalk who --file /proc/1234/fd/7 of a memfd, or a deleted file
  sudo pagewalk who 1542166 -f json | jq '.who[0].owners[].pid'
  pagewalk who 1234:7f5c3a200000 host.pwz  from a saved snapshot, without root

The last word may be a snapshot: a name that is neither PID:ADDRESS nor a
number (./1234 if the file is called so).

--file finds the pages of a file that are in memory, mapped or not, by mapping
the file into pagewalk itself for a moment, a GiB at a time. It reads nothing
from disk, leaves the time of last access alone, and no page looks used for it:
the accessed bits that are set are those of pagewalk's own page tables. It needs
to own the file, or CAP_FOWNER. Of a snapshot --file knows only what processes
mapped, under the name they mapped it by.
"""

ENVIRONMENT = """\
In JSON: who, with the owners of each frame; asked, which frame each word meant.
With --file: file, owners, charged.

exit codes: 0 ok, 1 failure, 2 wrong usage, 3 nothing there: no such process or
frame, an address without a frame, 4 gaps under --strict, 69 the kernel lacks
the interface, 77 no privilege
"""


def options() -> Parser:
    """Return the parser of who's options."""
    parser = Parser("who", EXAMPLES)
    parser.epilog = ENVIRONMENT
    parser.add_argument("words", metavar="PID:ADDRESS|PFN", nargs="*", help="an address or a frame; last a snapshot")
    parser.add_argument("--file", dest="path", metavar="PATH", help="the pages of this file that are in memory")
    add_writing(parser)
    add_walking(parser)
    return parser
