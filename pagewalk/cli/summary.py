"""What bare ``pagewalk`` shows: where RAM went, the top programs, cgroups that pay for others, top shared sets."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

from pagewalk.cli.arrange import section_of
from pagewalk.cli.output import MACHINE
from pagewalk.cli.views import VIEWS, Question
from pagewalk.render.screen import Section

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Table

__all__ = ["summary_sections"]

# Parts of a screen's lines: of the uses, and of the band below them.
USES, BAND = 3, 1
# Those who pay for others, the largest bill first.
PAYERS = replace(
    VIEWS["cgroup"],
    shown="name charged_not_used charged used used_not_charged",
    wanted="name charged_not_used charged used used_not_charged",
    plain="charged_not_used charged used used_not_charged name path",
    measure="charged_not_used",
)
# Who shares is what the half of a screen has room for.
SHARERS = replace(VIEWS["sharing"], shown="bytes sharers comms", wanted="bytes sharers comms")


def summary_sections(
    snapshot: Snapshot, question: Question, args: Namespace, is_selected: bool, has_books: bool
) -> list[Section]:
    """Return the tables of the summary.

    Parameters
    ----------
    snapshot : Snapshot
        The walk.
    question : Question
        Whose memory.
    args : Namespace
        The options.
    is_selected : bool
        Only some processes are meant: nothing is said of the whole machine.
    has_books : bool
        All of RAM was read.
    """
    sections = []
    if not is_selected and has_books:
        sections.append(use_section(snapshot.uses(), args))
    if not is_selected and (args.format in MACHINE or not has_books):
        sections.append(kind_section(snapshot.kinds(), args))
    program = section_of("program", snapshot.programs(question.select), VIEWS["program"], args)
    sections.append(replace(program, side="left", share=2 * BAND))
    if not is_selected and has_books:
        sections += payer_sections(snapshot.cgroups(depth=question.depth), args)
    sharing = section_of("sharing", snapshot.sharing(question.select), SHARERS, args)
    return [*sections, replace(sharing, side="right", share=BAND)]


def use_section(table: Table, args: Namespace) -> Section:
    """Return where RAM went, with its total: all of it, whatever number of rows is asked for."""
    section = section_of("use", table, VIEWS["use"], args)
    return replace(section, share=USES, limit=None, totals=args.totals or args.format == "text")


def kind_section(kinds: Table, args: Namespace) -> Section:
    """Return mapped memory by kind, which is known without the rest of RAM."""
    if args.format in ("text", "plain"):
        kinds = kinds.where(kinds["bytes"] > 0)
    return Section("kinds", kinds, kinds.names, wanted=kinds.names, share=USES, labels={"kind": "mapped"})


def payer_sections(cgroups: Table, args: Namespace) -> list[Section]:
    """Return the cgroups charged for what only others map; for people, none where nobody could be the other."""
    if args.format not in MACHINE:
        alone = len(cgroups) < 2
        cgroups = cgroups.where(cgroups["charged_not_used"] > 0)
        if alone or not len(cgroups):
            return []
    return [replace(section_of("cgroup", cgroups, PAYERS, args), side="right", share=BAND)]
