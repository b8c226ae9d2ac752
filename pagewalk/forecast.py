"""What a walk is to read, and the memory that it will take: told before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pagewalk.frames import BLOCK
from pagewalk.listing import Candidate
from pagewalk.opening import OF_STATUS
from pagewalk.plan import OF_FLAGS, Plan
from pagewalk.reading import AHEAD

__all__ = ["Extent", "extent", "forecast", "memory_parts", "reads"]

# Bytes, measured: of an owner set with what is counted of it; of a process with its names and numbers; of one whose
# smaps is kept; of a page that is kept, a run of its own at worst, twice while runs are put together.
A_SET = 96
A_PROCESS = 6144
A_SMAPS = 384 << 10
A_PAGE = 100
# Of a frame while the rows of all frames are compared with those beside them, to find where they change.
A_COMPARED = 6
# Modules that are imported when they are needed, what Python and numpy have for a moment.
ALL_ELSE = 8 << 20
# One page in so many is taken to be of a file without a name, if those are to be kept.
NAMELESS = 8
# Owner sets that a process makes when it is folded: 85 in a thousand alike, more where few have much.
SETS = 200
# Entries of an owner table in a page of it.
IDS = 1024


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to walk, as far as it is known before.

    Attributes
    ----------
    frames : int
        Frames that the kpage files report.
    processes, spaces : int
        Processes to be walked, and the address spaces that they have.
    pages : int
        Pages that they have in memory, as the kernel's counters say.
    kept : int
        Those of them that are kept one by one.
    kept_spaces : int
        Address spaces whose pages are.
    """

    frames: int
    processes: int
    spaces: int
    pages: int
    kept: int = 0
    kept_spaces: int = 0


def extent(plan: Plan, candidates: Sequence[Candidate], frames: int) -> Extent:
    """Return how much there is to walk.

    Parameters
    ----------
    plan : Plan
        What was asked for.
    candidates : sequence of Candidate
        The address spaces to walk.
    frames : int
        Frames that the kpage files report.
    """
    chosen = None if isinstance(plan.mappings, bool) else set(plan.mappings)
    kept = [
        candidate.stat.rss_pages
        for candidate in candidates
        if plan.mappings is True or (chosen is not None and not chosen.isdisjoint(candidate.pids))
    ]
    return Extent(
        frames=frames,
        processes=sum(len(candidate.pids) for candidate in candidates),
        spaces=len(candidates),
        pages=sum(candidate.stat.rss_pages for candidate in candidates),
        kept=sum(kept),
        kept_spaces=len(kept),
    )


def forecast(plan: Plan, extent: Extent, threads: int) -> dict[str, Any]:
    """Return what a walk is to do, as plain data.

    Parameters
    ----------
    plan : Plan
        What was asked for.
    extent : Extent
        Of what.
    threads : int
        Reading threads.

    Returns
    -------
    dict
        ``columns`` (None: all), ``reads`` (see `reads`), ``processes``, ``address_spaces``, ``pages``, ``frames``,
        ``threads``, ``chunk`` (entries a read), ``scan_pages``, ``pause_ns``, ``memory`` in bytes and
        ``memory_parts``.
    """
    parts = memory_parts(plan, extent, threads)
    return {
        "columns": None if plan.columns is None else sorted(plan.columns),
        "reads": list(reads(plan)),
        "processes": extent.processes,
        "address_spaces": extent.spaces,
        "pages": extent.pages,
        "frames": extent.frames,
        "threads": threads,
        "chunk": plan.chunk,
        "scan_pages": plan.scan_pages,
        "pause_ns": plan.pause_ns,
        "memory": sum(parts.values()),
        "memory_parts": parts,
    }


def reads(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield the files that a walk reads, and those that it does not.

    Parameters
    ----------
    plan : Plan
        What was asked for.

    Yields
    ------
    dict
        ``file``; ``of``, what it is read of, None if it is not read; ``why`` it is, or is not.
    """
    who = "processes chosen" if plan.alone else "every process"
    yield _read("stat", "every process", "which there are, and which share memory")
    yield _read("maps", who, "where there may be pages")
    yield _read("pagemap", who, "who owns which frame and which swap slot")
    for file, names in (("status", OF_STATUS), ("cmdline", ("cmdline",)), ("cgroup", ("cgroup",))):
        asked = [name for name in names if plan.asks(name)]
        yield _read(file, who if asked else None, ", ".join(asked or names))
    yield from _of_mappings(plan, who)
    yield from _of_frames(plan)


def _of_mappings(plan: Plan, who: str) -> Iterator[dict[str, Any]]:
    kept = "those asked for" if not isinstance(plan.mappings, bool) else who
    has_smaps = plan.vm_flags and plan.mappings is not False
    yield _read("smaps", kept if has_smaps else None, "VmFlags, the kernel's own figures")
    yield _read("fd", who if plan.held else None, "freed: who holds files without a name")


def _of_frames(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield what is read of frames; of which ones follows from what is asked."""
    of = "all of RAM" if plan.everything else "every owned frame"
    if plan.spares:
        yield _read("mountinfo", "the machine", "of which files it is known what their pages are")
        yield _read("kpagecount", "frames shared, of files, or maybe huge", "hidden owners: the rest is mapped once")
        yield _read("kpageflags", "files on disk, and where counts differ", "what pagemap and maps do not tell: kind")
    else:
        yield _read("mountinfo", None, "of which files it is known what their pages are")
        yield _read("kpagecount", of, "hidden owners")
        yield _read("kpageflags", of, "uses, cgroups, charges" if plan.everything else _why_all(plan))
    yield _read("kpagecgroup", of if plan.memcgs else None, "cgroups, charges, single frames")
    yield _read("iomem, zoneinfo", "the machine" if plan.everything or plan.places else None, "nodes, all of RAM")
    yield _read("the kernel's sums", "the machine" if plan.everything else None, "meminfo, memory.stat: the balance")


def _why_all(plan: Plan) -> str:
    """Return what the flags of every owned frame are read for."""
    if flags := [name for name in OF_FLAGS if plan.asks(name)]:
        return ", ".join(flags)
    if plan.keeps_rows:
        return "mappings, freed, single frames"
    return "nodes" if plan.places else "--verify all"


def _read(file: str, of: str | None, why: str) -> dict[str, Any]:
    return {"file": file, "of": of, "why": why}


def memory_parts(plan: Plan, extent: Extent, threads: int) -> dict[str, int]:
    """Estimate the memory that a walk takes, beside what Python and numpy have already, by what it is for.

    Parameters
    ----------
    plan : Plan
        What was asked for.
    extent : Extent
        Of what.
    threads : int
        Reading threads.

    Returns
    -------
    dict of str to int
        Bytes. Tables indexed by frame number are resident only where frames have owners: at worst a page of them for
        every page that is owned, and pages that are kept are taken to be runs of their own: where there are huge pages
        it is far less. Owner sets are as many as there are ways of sharing, which nobody knows before; they are taken
        to be 200 a process.
    """
    # At most all of a table, and at most one page of it for each page in memory.
    ids = min(4 * extent.frames, 4 * IDS * extent.pages)
    sets = extent.spaces * SETS
    parts = {
        "owner ids": ids,
        "owner sets": sets * A_SET,
        "buffers": threads * (plan.chunk * 36 + BLOCK * 28),
        # Copies of chunks that wait until the address spaces before are folded.
        "read ahead": threads * AHEAD * plan.chunk * 8 if threads > 1 else 0,
        "processes": extent.processes * A_PROCESS,
        "rows of frames": (4 * extent.frames if plan.everything else ids) if plan.keeps_rows else 0,
        "runs of frames": extent.frames * A_COMPARED if plan.mappings or plan.pfns is not None else 0,
        "pages kept": max(extent.kept, extent.pages // NAMELESS if plan.held else 0) * A_PAGE,
        "smaps": extent.kept_spaces * A_SMAPS if plan.vm_flags else 0,
        "all else": ALL_ELSE,
    }
    return {name: size for name, size in parts.items() if size}
