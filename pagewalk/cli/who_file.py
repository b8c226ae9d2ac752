"""``pagewalk who --file``: what of a file is in memory, who maps it, and which cgroups are charged."""

from __future__ import annotations

import errno
import os
import stat
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.output import MACHINE
from pagewalk.cli.people import changed
from pagewalk.cli.progress import ProgressBar
from pagewalk.cli.remarks import coverage_line, heading, size, snapshot_line
from pagewalk.cli.source import snapshot_of
from pagewalk.errors import PermissionRequired
from pagewalk.render.screen import Screen, Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pagewalk.residence import Residence
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Table

__all__ = ["file_answer"]

# What stands beside the states of the frames that were read: figures of the file, None where not known.
FIGURES = {
    "size": "size of the file",
    "resident": "its pages that are in memory, mapped or not",
    "moved": "those that came, went or changed their frame meanwhile: no other figure counts them",
}
FILE = ("size", "resident", "mapped", "unmapped", "shared", "dirty", "active", "inactive", "unevictable", "large")
KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def file_answer(args: Namespace) -> tuple[Screen, Table]:
    """Look at the file; return what to show, and the gaps."""
    if args.file is not None:
        snapshot, pfns, figures = saved(args)
    else:
        fd = opened(args.path)
        try:
            snapshot, pfns, figures = live(args, fd)
        finally:
            os.close(fd)
    file = file_table(snapshot.frame_states(pfns), args.path, figures)
    owners, charged = snapshot.frame_owners(pfns), snapshot.frame_charges(pfns)
    host, coverage, gaps = snapshot.host, snapshot.coverage(), snapshot.gaps()
    screen = Screen(
        sections=tuple(sections(file, owners, charged, args)),
        heading=heading(host, coverage, file=args.file),
        remarks=(*remarks(next(iter(file)), args, snapshot), coverage_line(host, coverage)),
        facts={"host": host, "coverage": coverage, "gaps": gaps},
    )
    return screen, gaps


def opened(path: str) -> int:
    """Open a regular file without waiting for anything, and without a trace of it; the caller closes it.

    Raises
    ------
    Stop
        It is not there, or no regular file.
    PermissionRequired
        The kernel tells what of it is in memory to its owner only.
    """
    if not path:
        raise Stop(Exit.USAGE, "--file '': give the name of a file")
    try:
        need_regular(path, os.stat(path))
        # Without O_NOATIME mapping it would set the time of its last access. Who may not say so is told by mincore that
        # all pages are there (mm/mincore.c:can_do_mincore; inode_owner_or_capable in both).
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOATIME)
    except FileNotFoundError:
        raise Stop(Exit.NOTHING, f"{path}: no such file") from None
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES) and os.geteuid() != 0:
            raise PermissionRequired(f"{path} cannot be looked at by uid {os.geteuid()}") from error
        if error.errno == errno.EPERM:
            raise PermissionRequired(f"{path} is another user's, and this needs CAP_FOWNER") from error
        raise
    try:
        need_regular(path, os.fstat(fd))  # another file may have its name by now
    except BaseException:
        os.close(fd)
        raise
    return fd


def need_regular(path: str, found: os.stat_result) -> None:
    """Stop unless it is a regular file."""
    if not stat.S_ISREG(found.st_mode):
        what = next((name for test, name in KINDS if test(found.st_mode)), "no regular file")
        raise Stop(Exit.FAILURE, f"{path} is {what}: --file takes a regular file, one that has pages in memory")


def live(args: Namespace, fd: int) -> tuple[Snapshot, NDArray[np.int64], dict[str, int | None]]:
    """Find the frames of the file, and walk this machine; return both, and figures of the file."""
    from pagewalk.procfs import ProcFS
    from pagewalk.residence import is_hugetlbfs

    about = os.fstat(fd)
    if is_hugetlbfs(fd):
        # To look at a hole of such a file would make a huge page. What of it is there it counts itself.
        snapshot = snapshot_of(args, mappings=True)
        device = os.major(about.st_dev), os.minor(about.st_dev)
        pfns = snapshot.frames_of_file(device=device, inode=about.st_ino)
        return snapshot, pfns, {"size": about.st_size, "resident": about.st_blocks * 512, "moved": None}
    procfs = ProcFS()

    def look() -> Residence:
        from pagewalk.residence import resident_frames

        with ProgressBar(not args.quiet) as progress:
            return resident_frames(procfs, fd, args.path, progress)

    before = look()
    snapshot = snapshot_of(args, pfns=before.pfn)
    pfns = before.kept(look())
    page = snapshot.facts.page_size
    moved = (before.resident - len(pfns)) * page
    return snapshot, pfns, {"size": about.st_size, "resident": before.resident * page, "moved": moved}


def saved(args: Namespace) -> tuple[Snapshot, NDArray[np.int64], dict[str, int | None]]:
    """Find the frames of the file in a snapshot: those that processes mapped under its name."""
    snapshot = snapshot_of(args)
    if snapshot.facts.frames is None or snapshot.facts.mappings is None:
        raise Stop(Exit.FAILURE, f"{args.file} holds no pages: make it anew with `pagewalk snapshot`")
    pfns = snapshot.frames_of_file(args.path)
    if not len(pfns):
        raise Stop(Exit.NOTHING, f"no page of {args.path} was mapped under this name when {args.file} was taken")
    return snapshot, pfns, dict.fromkeys(FIGURES)


def file_table(states: Table, path: str, figures: Mapping[str, int | None]) -> Table:
    """Return the states of the frames with the file's name and figures before them."""
    import numpy as np

    from pagewalk.table import Table, objects

    added = {name: ("bytes", doc, np.array([figures[name] or 0], np.int64)) for name, doc in FIGURES.items()}
    name = ("text", "the file", objects([path]))
    whole = changed(states, {"path": name, **added}, ("bytes",))
    whole = whole.select(["path", "size", "resident", *(name for name in states.names if name != "bytes"), "moved"])
    data = {name: whole[name] for name in whole.names}
    unknown = {name: np.array([figures[name] is None]) for name in FIGURES}
    if figures["moved"] is None:
        # Of these files only what processes map was met.
        resident = figures["resident"]
        data["unmapped"] = np.array([max((resident or 0) - int(whole["mapped"][0]), 0)], np.int64)
        unknown["unmapped"] = np.array([resident is None])
    return Table(whole.columns, data, unknown)


def remarks(row: Mapping[str, int | str | None], args: Namespace, snapshot: Snapshot) -> list[str]:
    """Return what is to be said beside the tables."""
    lines = []
    if row["resident"] is not None:
        lines.append(f"{args.path}: {bytes_of(row, 'resident')} of {bytes_of(row, 'size')} are in memory")
    elif args.file is not None:
        lines.append(f"{args.path}: a snapshot knows only the pages that processes mapped, not what else was in memory")
    if row["hidden"]:
        lines.append(
            f"{bytes_of(row, 'hidden')} of it are mapped by processes that could not be read, or came meanwhile"
        )
    if row["moved"]:
        lines.append(f"{bytes_of(row, 'moved')} came, went or changed frame during the walk: nothing is said of them")
    if args.file is not None and args.format != "text":
        lines.append(snapshot_line(snapshot.host, args.file))
    if args.format == "csv":
        lines.append("csv holds one table: the file's states and who is charged are in the other formats")
    return lines


def bytes_of(row: Mapping[str, int | str | None], name: str) -> str:
    """Return one figure for a sentence."""
    return size(int(row[name] or 0))


def sections(file: Table, owners: Table, charged: Table, args: Namespace) -> list[Section]:
    """Return the three tables; CSV has room for who maps it."""
    mapped_by = Section(
        "owners",
        owners,
        ("pid", "comm", "user", "bytes", "pss", "uss")
        if args.format == "text"
        else ("pid", "bytes", "pss", "uss", "user", "comm"),
        wanted=("pid", "comm", "bytes", "pss", "uss", "user"),
        measure="pss",
        share=2,
    )
    if args.format == "csv":
        return [mapped_by]
    whole = Section("file", file, (*FILE, "path"), wanted=(*FILE[:4], "path", *FILE[4:]), endings=("path",))
    paid_by = Section(
        "charged",
        charged,
        ("bytes", "mapped", "unmapped", "charged_to"),
        wanted=("bytes", "charged_to", "mapped", "unmapped"),
        measure="bytes",
        endings=("charged_to",),
    )
    if args.format in MACHINE:
        return [whole, mapped_by, paid_by]
    return [whole, *(section for section in (mapped_by, paid_by) if len(section.table))]
