"""``--pairs``: how much every two share, as a matrix on a screen and pair by pair elsewhere."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pagewalk.cli.arrange import section_of
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.views import VIEWS, Question, View
from pagewalk.render.screen import Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Column, Table

__all__ = ["PAIRS", "asked_view", "pairs_section", "settle_pairs"]

# More than a screen is wide for.
COLUMNS = 40
REMARK = "What row and column both own; * what one has alone (USS). All pairs: -f plain"


@dataclass(frozen=True)
class PairsView(View):
    """A view of pairs.

    Parameters
    ----------
    by : str
        What is paired: ``"process"`` or ``"program"``.
    names : tuple of str
        The columns that name the one of a pair, the first of which is nobody else's.
    """

    by: str = "process"
    names: tuple[str, ...] = ("pid", "comm")

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of its table, without asking any snapshot."""
        from pagewalk.views import pairs

        return pairs.COLUMNS if self.by == "process" else pairs.PROGRAM_COLUMNS


SHARED = "bytes anon file shmem"
# By the view that has pairs of its rows.
PAIRS = {
    "sharing": PairsView(
        what="every two processes, and what they share",
        module="pairs",
        ask=lambda snapshot, asked: snapshot.pairs("process", asked.select),
        shown=f"{SHARED} pid comm with_pid with_comm",
        wanted=f"bytes pid comm with_pid with_comm {SHARED}",
        plain=f"{SHARED} pid with_pid comm with_comm",
        # They come in this order, and have frames in common: of those left out no sum means anything.
        measure="",
        is_ordered=True,
    ),
    "program": PairsView(
        what="every two programs, and what they share",
        module="pairs",
        ask=lambda snapshot, asked: snapshot.pairs("program", asked.select),
        shown=f"{SHARED} program with_program",
        wanted=f"bytes program with_program {SHARED}",
        plain=f"{SHARED} program with_program",
        measure="",
        is_ordered=True,
        by="program",
        names=("program",),
    ),
}


def settle_pairs(args: Namespace) -> None:
    """Choose whose pairs are meant where ``--by`` leaves it open; stop where there are none."""
    if args.kernel_pss:
        raise Stop(Exit.USAGE, "--kernel-pss knows no owners: leave --pairs out")
    args.by = "sharing" if args.by in (None, "process") else args.by
    if args.by not in PAIRS:
        raise Stop(
            Exit.USAGE, f"--pairs is of processes or programs, not {args.by}: use --by sharing or --by program with it"
        )
    if args.totals:
        raise Stop(Exit.USAGE, "-t would add up pairs, which have frames in common: leave -t out")


def asked_view(args: Namespace) -> tuple[View, str]:
    """Return the view that is asked for, and the words for it."""
    return (PAIRS[args.by], f"{args.by} --pairs") if args.pairs else (VIEWS[args.by], args.by)


def pairs_section(snapshot: Snapshot, question: Question, args: Namespace) -> tuple[Section, list[str]]:
    """Return the pairs as the options want them, and what is to be said of them.

    Parameters
    ----------
    snapshot : Snapshot
        The walk.
    question : Question
        Whose memory.
    args : Namespace
        The options. An order or columns asked for are of rows that are pairs: no matrix has them.
    """
    view = PAIRS[args.by]
    table = view.ask(snapshot, question)
    if args.format != "text" or args.sort or args.reverse or args.columns:
        section = section_of("pairs", table, view, args)
        return section if args.sort else replace(section, sorted_by="bytes", descending=not args.reverse), []
    return matrix_section(table, view.names, args.limit), [REMARK] if len(table) else []


def matrix_section(table: Table, names: tuple[str, ...], limit: int | None) -> Section:
    """Return a row and a column for each of those paired; those who share most with another one come first.

    Parameters
    ----------
    table : Table
        The pairs.
    names : tuple of str
        The columns of `table` that name the one of a pair.
    limit : int or None
        How many rows and columns.
    """
    import numpy as np

    from pagewalk.table import Column, Table

    head = table.where(table[names[0]] == table[f"with_{names[0]}"])
    number = {label: at for at, label in enumerate(head[names[0]].tolist())}
    one, other = (
        np.fromiter(map(number.__getitem__, table[name].tolist()), np.int64, len(table))
        for name in (names[0], f"with_{names[0]}")
    )
    order = ranking(table["bytes"], one, other, head["bytes"])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    across = min(len(order), COLUMNS if limit is None else limit)
    cells = np.zeros((len(order), across), np.int64)
    for row, column in ((place[one], place[other]), (place[other], place[one])):
        there = column < across
        cells[row[there], column[there]] = table["bytes"][there]
    crossing = {f"with{at}": at for at in range(across)}
    columns = [*(head.column(name) for name in names), Column("uss", "bytes", "what it has alone")]
    columns += [Column(name, "bytes", "what it shares with the one in that row") for name in crossing]
    data: dict[str, NDArray[Any]] = {name: head[name][order] for name in names}
    data |= {"uss": head["bytes"][order], **{name: cells[:, at] for name, at in crossing.items()}}
    first = data[names[0]][:across].tolist()
    return Section(
        key="pairs",
        table=Table(columns, data),
        shown=(*names, *crossing),
        wanted=(*names, *crossing),
        measure="uss",
        limit=limit,
        labels={name: str(label) for name, label in zip(crossing, first, strict=True)},
        crossing=crossing,
    )


def ranking(
    shared: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64], alone: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return who shares most with any one other, then who has most alone."""
    import numpy as np

    most = np.zeros(len(alone), np.int64)
    two = one != other
    for side in (one, other):
        np.maximum.at(most, side[two], shared[two])
    order: NDArray[np.int64] = np.lexsort((-alone, -most)).astype(np.int64)
    return order
