"""The walk: the order of its phases, and what it could not see."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from pagewalk.accounts import Accounts, Places, asked_cover, frame_cover, read_accounts, read_cgroups, read_places
from pagewalk.departed import forget_ended, forget_vanished
from pagewalk.devices import known_devices
from pagewalk.errors import PagewalkError, PermissionRequired, Unsupported
from pagewalk.facts import Facts, Gap
from pagewalk.forecast import extent, forecast
from pagewalk.framefiles import FrameFiles, words_of
from pagewalk.frames import FrameRows, Span, read_frames
from pagewalk.groups import Spaces, user_names
from pagewalk.held import doomed_segments
from pagewalk.listing import Listing
from pagewalk.mappings import KeptPages, MappingFacts, mapping_facts
from pagewalk.memcg import CgroupTree
from pagewalk.objects import Holding, ObjectFacts, object_facts
from pagewalk.orders import folio_edges
from pagewalk.ourselves import memory, read_calls
from pagewalk.ownership import Ownership
from pagewalk.pagemap import Pace
from pagewalk.pages import FrameRuns, PageFacts, find_torn, frame_runs, page_facts
from pagewalk.phases import Phases
from pagewalk.plan import Plan
from pagewalk.probe import Probe, probe
from pagewalk.procfs import Process, ProcessStat, ProcFS
from pagewalk.reading import Reader, SpaceRead
from pagewalk.sparing import needs, with_spared
from pagewalk.system import meminfo
from pagewalk.tally import Tabulated, tabulate
from pagewalk.unseen import account_gaps, machine_gaps

__all__ = ["machine", "walk_machine"]

# Processes that start during the walk are looked for again so many times.
ROUNDS = 3
# Present pages from which on a second thread pays (30 to 50 ms of reading).
PAGES_FOR_THREADS = 1_500_000
FRAMES_FOR_THREADS = 200_000
# Of so many frames asked for, where their folios begin and end is read as well: some 40 words each.
FEW_FRAMES = 1000

Progress = Callable[[int, int, str], None]
Explain = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class _State:
    """What the phases hand on."""

    procfs: ProcFS
    plan: Plan
    listing: Listing
    ownership: Ownership
    reader: Reader
    phases: Phases
    explain: Explain | None = None
    read: list[SpaceRead] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


def walk_machine(procfs: ProcFS, plan: Plan, progress: Progress | None = None, explain: Explain | None = None) -> Facts:
    """Walk the machine and return the facts.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    plan : Plan
        What to do.
    progress : callable, optional
        Called with steps done, their number, and what is done.
    explain : callable, optional
        Called with what is to be read (`forecast`) before the first process is. The cost is then told in more detail.

    Raises
    ------
    PermissionRequired, Unsupported
        The kernel hides frame numbers or the kpage files from this user.
    Unsupported
        The kernel has no kpage files.
    PagewalkError
        A process that was asked for is not there.
    """
    began = time.monotonic()
    captured_at = dt.datetime.now(dt.UTC)
    before = memory(ProcFS()) if explain is not None else None
    phases = Phases(partial(read_calls, ProcFS()) if explain is not None else None)
    phases.begin("opening")
    with FrameFiles(procfs) as files:
        answers = probe(procfs, files)
        if not answers.frames_visible:
            raise PermissionRequired(_hidden())
        # Before the work is done: without these it would be for nothing.
        state_gaps: list[Gap] = []
        phases.begin("accounts")
        places = _places(procfs, plan, state_gaps)
        # Where a folio has but one count (CONFIG_NO_PAGE_MAPCOUNT) bit 56 speaks of all of it, and for no page surely.
        if plan.spares and answers.mapcount == "folio-average":
            plan = replace(plan, columns=None)
        ownership = Ownership(files.frames, plan.spares)
        state = _State(
            procfs,
            plan,
            Listing(procfs, _wanted(procfs, plan)),
            ownership,
            Reader(
                procfs,
                ownership,
                plan.mappings,
                Pace(plan.chunk, plan.scan_pages, plan.pause_ns),
                plan.vm_flags,
                plan.pfns,
                plan.held,
                plan.columns,
                known_devices(procfs) if plan.spares else None,
            ),
            phases,
            explain,
            gaps=state_gaps,
        )
        _read_all(state, progress)
        phases.begin("listing")
        state.gaps += forget_vanished(procfs, state.listing, state.read, plan.alone)
        phases.begin("accounts")
        cgroups = read_cgroups(procfs) if plan.everything or plan.pfns is not None else None
        phases.begin("frames")
        rows = _read_frames(state, files, places, progress)
        phases.begin("accounts")
        accounts = read_accounts(procfs, cgroups) if plan.everything else None
    phases.begin("tabulating")
    state.gaps += forget_ended(procfs, state.listing, state.read, rows, ownership.sets())
    facts = _facts(state, rows, answers, places, accounts, cgroups)
    phases.end()
    facts.host.update(
        captured_at=captured_at.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 6),
        mapcount=answers.mapcount,
        **_cost(state, rows, before),
    )
    return facts


def _cost(state: _State, rows: FrameRows, before: tuple[int, int] | None) -> dict[str, Any]:
    """Return how the walk was done, and what it has cost: for the JSON's ``host``."""
    cost = state.reader.cost
    state.phases.add("processes", entries=cost.entries, scans=cost.scans)
    state.phases.add("frames", words=rows.words)
    said: dict[str, Any] = {
        "longest_lock_hold_ns": cost.longest_ns,
        "verify": "all" if state.plan.verify else None,
        "gentle": state.plan.gentle,
        "phases": state.phases.rows(),
    }
    if before is not None:
        resident, peak = before
        said["memory"] = {"resident_before": resident, "peak_before": peak, "peak_after": memory(ProcFS())[1]}
    return said


def _places(procfs: ProcFS, plan: Plan, gaps: list[Gap]) -> Places | None:
    """Read where frames are if that is asked for; of single frames it is not needed, only told."""
    if plan.everything or plan.places:
        return read_places(procfs, _page_size())
    if plan.pfns is None:
        return None
    try:
        return read_places(procfs, _page_size())
    except (PermissionRequired, Unsupported) as error:
        gaps.append(Gap(None, "node and zone of frames", str(error)))
        return None


def _hidden() -> str:
    return f"the kernel hides physical page numbers from uid {os.geteuid()} (needs CAP_SYS_ADMIN)"


def _wanted(procfs: ProcFS, plan: Plan) -> Callable[[Process, ProcessStat], bool] | None:
    if not plan.alone:
        return None
    pids = None if plan.pids is None else set(plan.pids)
    roots = None if plan.cgroups is None else ["/" + path.strip("/") for path in plan.cgroups]

    def wanted(process: Process, stat: ProcessStat) -> bool:
        if pids is not None and process.pid not in pids:
            return False
        if roots is None:
            return True
        cgroup = procfs.cgroup_of(process)
        return any(root == "/" or cgroup == root or cgroup.startswith(root + "/") for root in roots)

    return wanted


def _read_all(state: _State, progress: Progress | None) -> None:
    """Read every address space, then those that came meanwhile."""
    for round_ in range(ROUNDS):
        state.phases.begin("listing")
        fresh = state.listing.update()
        if not fresh:
            break
        pages = sum(candidate.stat.rss_pages for candidate in fresh)
        threads = _threads(state.plan, pages, PAGES_FOR_THREADS)
        if state.explain is not None and not round_:
            state.explain(forecast(state.plan, extent(state.plan, fresh, len(state.ownership.owner)), threads))
        state.phases.begin("processes")
        state.read += state.reader.read(fresh, threads, progress)
        if state.plan.alone:
            break
        state.listing.parted()
    if state.plan.pids is not None:
        there = {pid for candidate in state.listing.candidates for pid in candidate.pids}
        missing = sorted(set(state.plan.pids) - there - set(state.listing.refused))
        if missing:
            names = ", ".join(map(str, missing))
            raise PagewalkError(f"no address space to walk for pid {names}: no such process, or a kernel thread")
    if state.ownership.strangers.unnumbered:
        raise PermissionRequired(_hidden())


def _threads(plan: Plan, work: int, enough: int) -> int:
    if plan.threads is not None:
        return max(1, plan.threads)
    if plan.gentle:  # two threads in one process hold its lock twice as often
        return 1
    return min(4, len(os.sched_getaffinity(0))) if work >= enough else 1


def _read_frames(state: _State, files: FrameFiles, places: Places | None, progress: Progress | None) -> FrameRows:
    plan = state.plan
    told = None if progress is None else (lambda done, total: progress(done, total, "frames"))
    spans = [Span(0, files.frames)] if places is None else frame_cover(places, files.frames, plan.everything)
    if plan.pfns is not None:
        spans = asked_cover(spans, folio_edges(plan.pfns) if len(plan.pfns) <= FEW_FRAMES else plan.pfns)
    work = files.frames if plan.everything else int(state.ownership.frames_per_set().sum())
    threads = _threads(plan, work, FRAMES_FOR_THREADS)
    owner = state.ownership.owner
    touched = state.ownership.touched
    if not plan.spares:
        return read_frames(files, owner, spans, plan.keeps_rows, threads, told, plan.memcgs, touched=touched)
    needed = needs(state.ownership)
    rows = read_frames(files, owner, spans, False, threads, told, False, needed, touched)
    return with_spared(rows, needed, state.ownership)


def _page_by_page(
    state: _State, read: list[SpaceRead], rows: FrameRows, tabulated: Tabulated
) -> tuple[MappingFacts | None, PageFacts | None, FrameRuns | None, ObjectFacts | None]:
    """Return what is known of single pages, as far as that was asked for."""
    plan, size = state.plan, _page_size()
    kept: dict[int, KeptPages] = {
        row: KeptPages(row, space.vmas, space.runs, space.smaps)
        for row, space in enumerate(read)
        if space.vmas is not None and space.runs is not None
    }
    objects = None
    if plan.held:
        holdings = [
            Holding(row, space.mapped, space.opened, kept.get(row) if space.mapped else None)
            for row, space in enumerate(read)
        ]
        objects = object_facts(holdings, rows, tabulated.row_of_device, doomed_segments(state.procfs), size)
    if not plan.mappings and plan.pfns is None:
        return None, None, None, objects
    # Of frames that were asked for, every address space with one of them; else those whose mappings were.
    shown = [
        pages
        for row, pages in kept.items()
        if (len(pages.runs.page) if plan.pfns is not None and plan.mappings is not True else read[row].is_kept)
    ]
    whole = plan.pfns is None or plan.mappings is True
    of_device = tabulated.row_of_device
    mappings = mapping_facts(state.ownership, rows, tabulated.new_of, of_device, shown, size, whole)
    pages = page_facts(shown, size)
    frames = find_torn(
        frame_runs(rows, of_device),
        pages,
        tabulated.table.flags,
        lambda pfns: words_of(state.procfs, "kpageflags", pfns),
    )
    return mappings, pages, frames, objects


def _facts(
    state: _State,
    rows: FrameRows,
    answers: Probe,
    places: Places | None,
    accounts: Accounts | None,
    cgroups: CgroupTree | None,
) -> Facts:
    read = [space for space in state.read if space.whole]
    number = np.full(state.ownership.spaces, -1, np.int64)
    for row, space in enumerate(read):
        number[space.number] = row
    tabulated = tabulate(state.ownership, rows, number)
    mappings, pages, frames, objects = _page_by_page(state, read, rows, tabulated)
    refused = {**state.listing.refused, **state.reader.refused}
    gaps = [Gap(pid, "memory", reason) for pid, reason in sorted(refused.items())]
    gaps += [Gap(pid, "open files", reason) for pid, reason in sorted(state.reader.unlisted.items())]
    gaps += [Gap(pid, "the kernel's own figures", reason) for pid, reason in sorted(state.reader.unsaid.items())]
    return Facts(
        host=machine(state.procfs),
        page_size=_page_size(),
        spaces=_spaces(read),
        table=tabulated.table,
        processes=sum(len(space.candidate.pids) for space in read),
        refused=len(refused),
        vanished=len(state.listing.vanished | state.reader.vanished),
        missing_frames=rows.missing + len(state.ownership.device_pfns),
        ksm_known=answers.ksm_known,
        gaps=tuple(
            gaps
            + state.gaps
            + machine_gaps(state.ownership.strangers, len(state.ownership.device_pfns), answers)
            + account_gaps(places, accounts)
        ),
        mappings=mappings,
        places=places,
        accounts=accounts,
        pages=pages,
        frames=frames,
        objects=objects,
        unasked=state.plan.unasked,
        spared_frames=rows.spared,
        memcg_paths={} if cgroups is None else {inode: cgroup.path for inode, cgroup in cgroups.by_inode.items()},
    )


def _page_size() -> int:
    return os.sysconf("SC_PAGESIZE")


def machine(procfs: ProcFS) -> dict[str, object]:
    """Return what is said of the machine: hostname, kernel, boot_id, page_size, ram in bytes (None if unknown)."""
    try:
        ram = meminfo(procfs).get("MemTotal")
    except (Unsupported, PermissionRequired):
        ram = None
    return {**procfs.host(), "page_size": _page_size(), "ram": ram}


def _spaces(read: list[SpaceRead]) -> Spaces:
    uids = np.array([space.uid for space in read], np.int64)
    return Spaces(
        pids=[tuple(sorted(space.candidate.pids)) for space in read],
        comm=[space.candidate.stat.comm for space in read],
        cmdline=[space.cmdline for space in read],
        cgroup=[space.cgroup for space in read],
        uid=uids,
        ppid=np.array([space.candidate.stat.ppid for space in read], np.int64),
        start_time=np.array([space.candidate.stat.start_time for space in read], np.int64),
        vss=np.array([space.vss for space in read], np.int64),
        pgtable=np.array([space.page_tables for space in read], np.int64),
        names=user_names(uids),
    )
