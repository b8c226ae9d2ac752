"""``pagewalk diff``: what changed between two snapshots, and what stopped being shared."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pagewalk.cli.arrange import check_columns, column_list
from pagewalk.cli.changes import CHANGES, change_section
from pagewalk.cli.choosing import is_chosen
from pagewalk.cli.diff_options import options
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.output import MACHINE
from pagewalk.cli.people import changed
from pagewalk.cli.remarks import hold, machine_line, moment, read_line
from pagewalk.cli.views import Question
from pagewalk.cli.walking import refuse_for_file, walked
from pagewalk.cli.wishes import Wishes
from pagewalk.cli.writing import finish, settle_format
from pagewalk.errors import PagewalkError
from pagewalk.render.screen import Screen, Section
from pagewalk.render.units import duration

if TYPE_CHECKING:
    from pagewalk.compared import Chosen, Difference
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Table

__all__ = ["help", "run"]


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of diff."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Compare, and show what changed."""
    args = options().parse(arguments)
    args.file = args.old  # whose users are meant: those of that machine
    wishes = Wishes(args)
    args.by = args.by or ("process" if wishes else "summary")
    if args.sort == "help" or args.columns == ["help"]:
        names = CHANGES if args.by == "summary" else (args.by,)
        sys.stdout.write("\n".join(column_list(CHANGES[name], name) for name in names))
        return Exit.OK
    settle_format(args)
    check(args, wishes)
    difference = difference_of(args)
    sections = sections_of(difference, chosen(difference, wishes), args, wishes)
    limits = difference.remarks(pages=args.by == "summary" or CHANGES[args.by].one_boot)
    remarks = [*limits, side_line("old", difference.old), side_line("new", difference.new)]
    if args.new is None:
        host = difference.new.host
        remarks.append(f"new: walked in {duration(host['seconds'])}, {hold(host)}")
    if not any(len(section.table) for section in sections):
        remarks.insert(0, "Nothing changed between the two.")
    elif args.format == "text":
        sections = [section for section in sections if len(section.table)]
    gaps = difference.gaps()
    facts = {which: side_facts(one) for which, one in (("old", difference.old), ("new", difference.new))}
    screen = Screen(
        sections=tuple(sections),
        heading=heading_of(difference),
        remarks=tuple(remarks),
        facts={**facts, "seconds": difference.seconds, "remarks": limits, "gaps": gaps},
    )
    return finish(screen, with_side(gaps), args)


def check(args: Namespace, wishes: Wishes) -> None:
    """Stop, before files are read or a walk is made, if the question makes no sense."""
    if args.old is None:
        raise Stop(Exit.USAGE, "diff needs a snapshot: pagewalk diff OLD [NEW] (`pagewalk snapshot -o OLD` makes one)")
    if args.new is not None:
        refuse_for_file(args, args.new)
    if args.totals and args.format in MACHINE:
        raise Stop(
            Exit.USAGE, f"-t is for people; a row of totals among the rows of {args.format} would be counted twice"
        )
    if args.depth is not None and args.by not in ("summary", "cgroup"):
        raise Stop(Exit.USAGE, "--depth is of cgroups: add --by cgroup")
    if args.by == "summary":
        for option, wish in (("-s", args.sort), ("--columns", args.columns), ("-r", args.reverse), ("-a", args.all)):
            if wish:
                raise Stop(Exit.USAGE, f"{option} needs one view: add --by {', '.join(CHANGES)}")
        if args.format == "csv":
            raise Stop(Exit.USAGE, f"-f csv holds one table, the summary has several: add --by {', '.join(CHANGES)}")
        return
    check_columns(CHANGES[args.by], [args.sort] if args.sort else [], "-s", args.by)
    check_columns(CHANGES[args.by], args.columns or [], "--columns", args.by)
    if args.by == "cgroup" and (args.pid or args.tree or args.program or args.user):
        raise Stop(Exit.USAGE, f"--by cgroup takes -c only, not {wishes}: cgroups are charged, not processes")
    if args.by == "use" and wishes:
        raise Stop(Exit.USAGE, f"--by use is of the whole machine: leave {wishes} out")


def difference_of(args: Namespace) -> Difference:
    """Load the snapshots, or walk for the second one, and compare."""
    from pagewalk.compared import diff
    from pagewalk.snapshot import load

    old = load(args.old)
    if args.new is not None:
        return diff(old, load(args.new))
    return diff(old, walked(args, **walk_options(old, args)))


def walk_options(old: Snapshot, args: Namespace) -> dict[str, Any]:
    """Return what is asked of the walk: what the question needs, as far as the old snapshot has it too."""
    has_mappings = old.facts.mappings is not None and old.facts.mappings.whole
    has_books = old.facts.accounts is not None and old.facts.places is not None
    view = CHANGES.get(args.by)
    if view is not None and view.mappings and not has_mappings:
        raise Stop(Exit.FAILURE, f"{args.old}: holds no mappings, which --by {args.by} compares: take another snapshot")
    if view is not None and view.whole_ram and not has_books:
        raise Stop(Exit.FAILURE, f"{args.old}: holds mapped memory only, --by {args.by} compares all of RAM")
    how: dict[str, Any] = {}
    if has_mappings and (view is None or view.one_boot):
        how["mappings"] = True
    if has_books and (view.whole_ram if view is not None else not is_chosen(args)):
        how["frames"] = "all"
    return how


def chosen(difference: Difference, wishes: Wishes) -> Chosen | None:
    """Return whose memory is meant, None for all."""
    args = wishes.args
    if not wishes or args.by == "cgroup":
        return None
    try:
        found = difference.select(args.pid, args.program, args.user, args.cgroup, args.tree)
    except PagewalkError as error:
        raise Stop(Exit.NOTHING, str(error)) from error
    if not len(found):
        raise Stop(Exit.NOTHING, f"no process matches {wishes}")
    return found


def sections_of(difference: Difference, select: Chosen | None, args: Namespace, wishes: Wishes) -> list[Section]:
    """Return the tables: that of the view, or those of the summary."""
    question = Question(select, args.depth)
    if args.by == "summary":
        return summary(difference, question, args)
    view = CHANGES[args.by]
    table = view.ask(difference, question)
    if args.by == "cgroup" and wishes:
        table = table.where(wishes.within(table["path"]))
        if not len(table):
            raise Stop(Exit.NOTHING, f"no cgroup matches {wishes}")
    return [change_section(args.by, table, view, args, args.all)]


def summary(difference: Difference, question: Question, args: Namespace) -> list[Section]:
    """Return where RAM went, the programs and cgroups that changed, what stopped being shared, and the processes."""
    sections = []

    def add(key: str, **place: Any) -> None:
        table = CHANGES[key].ask(difference, question)
        if key == "unshared" and args.format not in MACHINE:
            table = table.where(table["bytes"] > 0)
        view = HALF.get(key, CHANGES[key])
        sections.append(replace(change_section(key, table, view, args), **place))

    has_books = all(one.facts.accounts is not None for one in (difference.old, difference.new))
    has_pages = all(
        one.facts.mappings is not None and one.facts.mappings.whole for one in (difference.old, difference.new)
    )
    if has_books and question.select is None:
        add("use", share=2)
    add("program", side="left", share=3)
    if difference.is_one_boot and has_pages:
        add("unshared", side="right", share=2)
    if has_books and question.select is None:
        add("cgroup", side="right")
    if difference.is_one_boot:
        add("process", share=2)
    return sections


# What the half of a screen has room for.
HALF = {
    "unshared": replace(
        CHANGES["unshared"], shown="bytes copied left pid comm name", wanted="bytes comm pid copied left name"
    ),
}


def heading_of(difference: Difference) -> tuple[str, str]:
    """Return the first line: which machine, and over which time."""
    old, new = difference.old.host, difference.new.host
    if difference.is_one_boot:
        return machine_line(new), f"changes in {span(difference.seconds)}"
    return f"from {old.get('hostname') or '?'} to {new.get('hostname') or '?'}", "changes"


def span(seconds: float | None) -> str:
    """Return a time as people say it: the two largest units."""
    if seconds is None:
        return "an unknown time"
    rest = int(abs(seconds))
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= size or (name == "s" and not parts):
            parts.append(f"{rest // size} {name}")
            rest %= size
    return ("-" if seconds < 0 else "") + " ".join(parts[:2])


def side_line(which: str, snapshot: Snapshot) -> str:
    """Return when one of the two was taken, and how much it has seen."""
    return f"{which}: {moment(snapshot.host)}, {read_line(snapshot.coverage())}"


def side_facts(snapshot: Snapshot) -> dict[str, object]:
    """Return what JSON says of one of the two."""
    return {"host": snapshot.host, "coverage": snapshot.coverage()}


def with_side(gaps: Table) -> Table:
    """Return the gaps, each with the snapshot that it is in."""
    from pagewalk.table import objects

    said = objects([f"{row['what']} (in the {row['snapshot']} snapshot)" for row in gaps])
    return changed(gaps, {"what": ("text", "what is missing", said)})
