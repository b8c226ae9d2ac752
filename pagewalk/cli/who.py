"""``pagewalk who``: every owner of a frame, or of the pages of a file."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pagewalk.cli.addressing import Asked, frame_now, frame_then, is_still_there, read_words
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.remarks import count, coverage_line, heading, snapshot_line
from pagewalk.cli.source import snapshot_of
from pagewalk.cli.who_options import options
from pagewalk.cli.writing import finish, settle_format
from pagewalk.render.screen import Screen, Section

if TYPE_CHECKING:
    from pagewalk.procfs import ProcFS
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Column, Table

__all__ = ["help", "run"]

# A page may be moved (compaction, khugepaged, NUMA balancing) while the walk goes on: it is looked for again so often.
TRIES = 3

# Columns for people, from left to right, and in the order in which a screen takes them in.
FRAME = ("pfn", "use", "mapcount", "seen", "hidden", "order", "node", "zone", "flags", "memcg")
FRAME_WANTED = ("pfn", "use", "mapcount", "hidden", "order", "node", "memcg", "zone", "seen")
PAGE = ("pfn", "pid", "comm", "user", "address", "perms", "offset", "mapping")
PAGE_WANTED = ("pid", "comm", "address", "mapping", "pfn", "perms", "user", "offset")

Found = TypeVar("Found")
Frames = dict[Asked, int]
Reasons = dict[Asked, str]


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of who."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Find the frames, and show who owns them."""
    args = options().parse(arguments, mixed=True)
    asked, args.file = read_words(args.words, args.path is not None)
    settle_format(args)
    if args.path is not None:
        from pagewalk.cli.who_file import file_answer

        screen, gaps = file_answer(args)
        return finish(screen, gaps, args)
    snapshot, frames, reasons = saved(args, asked) if args.file is not None else live(args, asked)
    return finish(answer(snapshot, frames, reasons, args), snapshot.gaps(), args)


def saved(args: Namespace, asked: Sequence[Asked]) -> tuple[Snapshot, Frames, Reasons]:
    """Find the frames in a snapshot; return it, them, and why some have none."""
    snapshot = snapshot_of(args)
    if snapshot.facts.frames is None or snapshot.facts.mappings is None:
        raise Stop(Exit.FAILURE, f"{args.file} holds no pages: make it anew with `pagewalk snapshot`")
    frames, reasons = found(asked, lambda one: frame_then(snapshot, one, args.file))
    return snapshot, frames, reasons


def live(args: Namespace, asked: Sequence[Asked]) -> tuple[Snapshot, Frames, Reasons]:
    """Find the frames on this machine, and walk it; again if a page was moved meanwhile."""
    from pagewalk.procfs import ProcFS

    procfs = ProcFS()
    for tries_left in reversed(range(TRIES)):
        frames, reasons = found(asked, lambda one: frame_now(procfs, one))
        snapshot = snapshot_of(args, pfns=walked_frames(procfs, list(frames.values())))
        met, gone = found(list(frames), partial(was_met, snapshot, frames))
        moved = [one for one, stayed in met.items() if not stayed]
        if not moved or not tries_left:
            break
    else:
        raise AssertionError("TRIES is at least 1")
    reasons |= gone | {one: f"{one.text} was moved in each of {TRIES} walks" for one in moved}
    return snapshot, {one: frames[one] for one in met}, reasons


def was_met(snapshot: Snapshot, frames: Frames, one: Asked) -> bool:
    """Whether the walk met the frame where it was looked up before."""
    return is_still_there(snapshot, one, frames[one])


def walked_frames(procfs: ProcFS, pfns: list[int]) -> list[int]:
    """Return the frames to look for: all but the zero pages, which every process may map by the million."""
    from pagewalk.abi import KPF
    from pagewalk.framefiles import words_of

    flags = words_of(procfs, "kpageflags", pfns).tolist()
    return [pfn for pfn, word in zip(pfns, flags, strict=True) if not word & KPF.ZERO_PAGE]


def found(asked: Sequence[Asked], find: Callable[[Asked], Found]) -> tuple[dict[Asked, Found], Reasons]:
    """Find what is asked about; return what was found of each, and why of some nothing was.

    Raises
    ------
    Stop
        Nothing was found of any.
    """
    answers, stops = dict[Asked, Found](), dict[Asked, Stop]()
    for one in asked:
        try:
            answers[one] = find(one)
        except Stop as stop:
            stops[one] = stop
    reasons = {one: str(stop) for one, stop in stops.items()}
    if not answers:
        raise Stop(next(iter(stops.values())).code, "; ".join(reasons.values()))
    return answers, reasons


def answer(snapshot: Snapshot, frames: Frames, reasons: Reasons, args: Namespace) -> Screen:
    """Return what to show.

    Raises
    ------
    Stop
        Nothing is known of any of the frames.
    """
    pfns = list(frames.values())
    table, places = snapshot.who(pfns), snapshot.places(pfns)
    # What a walk of all of RAM has no word on is no RAM, be it this one or a saved one.
    partly = args.file if snapshot.facts.accounts is None else None
    nothing = [no_frame(pfn, partly) for pfn in table["pfn"][table.unknown("use")].tolist()]
    if len(nothing) == len(table):
        raise Stop(Exit.NOTHING, "; ".join([*nothing, *reasons.values()]))
    host, coverage, gaps = snapshot.host, snapshot.coverage(), snapshot.gaps()
    return Screen(
        sections=tuple(sections(table, places, args)),
        heading=heading(host, coverage, file=args.file),
        remarks=(
            *(f"{one.text} is in frame {pfn}" for one, pfn in frames.items() if one.pid is not None),
            *(flag_lines(table) if args.format == "text" else []),
            *reasons.values(),
            *nothing,
            *hidden(table),
            *([snapshot_line(host, args.file)] if args.file is not None and args.format != "text" else []),
            coverage_line(host, coverage),
        ),
        facts={
            "host": host,
            "coverage": coverage,
            "gaps": gaps,
            "asked": [
                {"asked": one.text, "pfn": frames.get(one), "why": reasons.get(one)} for one in {**frames, **reasons}
            ],
        },
    )


def no_frame(pfn: int, file: str | None) -> str:
    """Return why nothing is known of a frame."""
    if file is not None:
        return f"frame {pfn}: {file} says nothing of it, since no process that was read mapped it"
    return f"frame {pfn} is no frame of System RAM: a hole, beyond its end, or memory of a device"


def flag_lines(table: Table) -> list[str]:
    """Return a line for each frame that has flags."""
    return [f"frame {row['pfn']}: {' '.join(row['flags'])}" for row in table if row["flags"]]


def hidden(table: Table) -> list[str]:
    """Return a line for each frame that somebody maps who was not seen."""
    return [
        f"frame {row['pfn']}: {count(row['hidden'], 'mapping')} of it {'is' if row['hidden'] == 1 else 'are'} by a"
        " process that could not be read, or that came or went meanwhile"
        for row in table
        if row["hidden"]
    ]


def sections(table: Table, places: Table, args: Namespace) -> list[Section]:
    """Return the tables: one that nests the owners for programs, a flat one for spreadsheets, both parts for people."""
    if args.format == "csv":
        flat = joined(table, places)
        return [Section("who", flat, flat.names)]
    if args.format in ("json", "ndjson"):
        return [Section("who", table, table.names)]
    is_screen = args.format == "text"
    # The flags are longer than a line: a screen has them below.
    of_frame = tuple(name for name in FRAME if name in FRAME_WANTED or not is_screen)
    frames = Section("who", table, of_frame, wanted=FRAME_WANTED, endings=("memcg",))
    # The one frame need not be said again.
    shown = PAGE[1:] if is_screen and len(table) == 1 else PAGE
    wanted = tuple(name for name in PAGE_WANTED if name in shown)
    pages = Section("owners", places, shown, wanted=wanted, share=3, endings=("mapping",))
    return [frames, pages] if len(places) else [frames]


def joined(table: Table, places: Table) -> Table:
    """Return frames and the pages that map them in one table: a row a page, and one for a frame that has none."""
    columns = [column for column in table.columns if column.name != "owners"]
    columns += [column for column in places.columns if column.name != "pfn"]
    pages_of: dict[int, list[dict[str, object]]] = {}
    for page in places:
        pages_of.setdefault(page["pfn"], []).append(page)
    nobody: dict[str, object] = dict.fromkeys(places.names)
    rows = [{**nobody, **page, **frame} for frame in table for page in pages_of.get(frame["pfn"], [nobody])]
    return table_of(columns, rows)


def table_of(columns: Sequence[Column], rows: Sequence[dict[str, object]]) -> Table:
    """Return rows as a table; None is unknown."""
    import numpy as np

    from pagewalk.table import Table, objects

    empty: dict[str, object] = {"text": "", "list": ()}
    data, unknown = {}, {}
    for column in columns:
        cells = [row[column.name] for row in rows]
        unknown[column.name] = np.array([cell is None for cell in cells], bool)
        known = [empty.get(column.unit, 0) if cell is None else cell for cell in cells]
        data[column.name] = objects([tuple(cell) if isinstance(cell, list) else cell for cell in known])
    return Table(columns, data, unknown)
