"""``pagewalk freed``: what ending a set of processes would free, what would stay, and why."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pagewalk.cli.arrange import section_of
from pagewalk.cli.choosing import OPTIONS, add_choice
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.options import Parser
from pagewalk.cli.people import changed
from pagewalk.cli.remarks import count, coverage_line, heading, size
from pagewalk.cli.source import add_file, snapshot_of
from pagewalk.cli.views import View
from pagewalk.cli.walking import add_walking
from pagewalk.cli.wishes import Wishes
from pagewalk.cli.writing import add_writing, finish, settle_format
from pagewalk.render.screen import Screen, Section

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Table

__all__ = ["help", "run"]

EXAMPLES = """\
pagewalk freed: what ending these processes would free, what would stay, and why

examples:
  sudo pagewalk freed -p 1234              one process
  sudo pagewalk freed --tree 1234          with all that descend from it
  sudo pagewalk freed -P '^postgres$'      every process of a program
  sudo pagewalk freed -c /system.slice/web.service
                                           a service, and all cgroups below
  sudo pagewalk freed -u www-data -f json | jq '.freed[0].bytes'
  pagewalk freed -P postgres host.pwz      from a saved snapshot, without root

Anonymous memory, swap and page tables go back, and files without a name that
nobody else holds, mapped or open: memfds, shared anonymous memory, unlinked
files. Pages of named files stay in the page cache, shared memory lives on while
its file or segment does. Kernel stacks, sockets and pipes are not counted.
"""

ENVIRONMENT = """\
exit codes: 0 ok, 1 failure, 2 wrong usage, 3 no such process, 4 gaps under
--strict, 69 the kernel lacks the interface, 77 no privilege
"""

# What people are told of why.
WORDS = {
    "sole": "only these own it",
    "nameless": "only these hold it, and it has no name",
    "pool": "goes back to the pool of huge pages",
    "shared": "others own it too",
    "hidden": "so have processes that could not be read",
    "held": "others hold it",
    "cache": "stays in the page cache until it is reclaimed",
    "named": "lives on while its file does",
    "segment": "a segment lives on until it is removed (ipcrm)",
}

FATES = View(
    what="what becomes of each part",
    module="freed",
    ask=lambda snapshot, asked: snapshot.fates(asked.select),
    shown="fate kind bytes why",
    wanted="fate kind bytes why",
    plain="fate kind bytes why others name",
    measure="",
    is_ordered=True,
)
TOTAL = View(
    what="what would be freed",
    module="freed",
    ask=lambda snapshot, asked: snapshot.freed(asked.select),
    shown="processes bytes anon shmem file pgtable swap unmapped hugetlb",
    wanted="processes bytes anon swap shmem pgtable file unmapped hugetlb",
    plain="processes bytes anon file shmem pgtable hugetlb unmapped swap",
    measure="",
    labels={"processes": "procs", "bytes": "freed"},
)


def options() -> Parser:
    """Return the parser of freed's options."""
    parser = Parser("freed", EXAMPLES)
    parser.epilog = ENVIRONMENT
    add_file(parser)
    add_choice(parser, "Of several kinds a process must meet each, of one kind any.")
    add_writing(parser)
    add_walking(parser)
    return parser


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of freed."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Walk, and say what would be freed."""
    args = options().parse(arguments, mixed=True)
    wishes = Wishes(args)
    if not wishes:
        raise Stop(Exit.USAGE, f"whose end? Say it by {OPTIONS} (see `pagewalk help freed`)")
    settle_format(args)
    # Of all processes: others may hold what the chosen ones do.
    snapshot = snapshot_of(args, freed=True)
    selection = wishes.select(snapshot)
    assert selection is not None  # there are wishes
    if not len(selection):
        raise Stop(Exit.NOTHING, f"no process matches {wishes}")
    total, parts = snapshot.freed(selection), snapshot.fates(selection)
    host, coverage, gaps = snapshot.host, snapshot.coverage(), snapshot.gaps()
    screen = Screen(
        sections=tuple(sections(total, parts, snapshot, args)),
        heading=heading(host, coverage, file=args.file),
        remarks=(sentence(total), coverage_line(host, coverage)),
        facts={"host": host, "coverage": coverage, "gaps": gaps},
    )
    return finish(screen, gaps, args)


def sections(total: Table, parts: Table, snapshot: Snapshot, args: Namespace) -> list[Section]:
    """Return the tables: what is freed in all, and what becomes of each part."""
    as_it_is = Namespace(format=args.format, sort=None, reverse=False, columns=None, limit=None, totals=False)
    if args.format == "text":
        parts = with_names(parts, snapshot)
    both = [section_of("freed", total, TOTAL, as_it_is), section_of("fates", parts, FATES, as_it_is)]
    return both[:1] if args.format == "csv" else both


def with_names(parts: Table, snapshot: Snapshot) -> Table:
    """Return the parts with the reason in words, and in it the file and the others that are meant."""
    from pagewalk.table import objects

    spaces = snapshot.facts.spaces
    comm = dict(zip(spaces.pid.tolist(), spaces.comm, strict=True))
    why = []
    for row in parts:
        said = ": ".join(filter(None, (WORDS[row["why"]], in_words(row["others"], comm))))
        why.append(f"{row['name']}: {said}" if row["name"] else said)
    return changed(parts, {"why": ("text", "why it is freed, or stays", objects(why))})


def in_words(others: Sequence[int], comm: Mapping[int, str]) -> str:
    """Return who others are, as far as a line has room for it."""
    names = [f"{pid} {comm[pid]}" for pid in others[:2]]
    more = len(others) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def sentence(total: Table) -> str:
    """Return what would be freed, in one line."""
    row = next(iter(total))
    these = "this process" if row["processes"] == 1 else f"these {count(row['processes'], 'process')}"
    ram = "an unknown amount" if row["bytes"] is None else size(row["bytes"])
    swap = f" and {size(row['swap'])} of swap" if row["swap"] else ""
    also = f", and {size(row['hugetlb'])} to the pool of huge pages" if row["hugetlb"] else ""
    return f"Ending {these} would free {ram} of RAM{swap}{also}."
