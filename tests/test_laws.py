"""Every view of the engine equals the oracle, on machines made up by Hypothesis over a made ``/proc``.

Whatever the order in which processes are listed, the chunk that pagemap is read in, and the number of threads.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import fakeproc
import pagewalk
from fakeproc import FakeProcFS
from machines import Shape, machines, orders
from model import GUARD, PAGE, Entry, Fate, Frame, Kind, Machine, Present, Process, Space, Swapped, Vma
from oracle import Figures, Oracle
from pagewalk.snapshot import Snapshot

CHUNKS = [1, 7, 512, 32768]
THREADS = [1, 2, 4]
# With a chunk of one page every page of a hole is a read.
SMALL = Shape(sparse_pages=700)

# Shares of a frame: the engine rounds them to whole bytes, everything else is whole frames.
PARTS = {"pss", "swap_pss", "hidden_pss"}
PROCESS_FIGURES = [
    "vss", "rss", "pss", "uss", "shared", "private", "anon", "file", "shmem", "thp", "hugetlb", "ksm", "shared_clean",
    "shared_dirty", "private_clean", "private_dirty", "swap", "swap_pss", "swap_uss",
]  # fmt: skip


@dataclass
class Walked:
    """A machine, what the engine says of it and what the oracle says."""

    machine: Machine
    snapshot: Snapshot
    oracle: Oracle


@contextmanager
def walked(
    machine: Machine,
    order: Iterable[int] | None = None,
    newcomers: Iterable[int] = (),
    pids: Iterable[int] | None = None,
    **options: Any,
) -> Iterator[Walked]:
    wanted = None if pids is None else sorted(pids)
    with fakeproc.made(machine) as root:
        procfs = FakeProcFS(machine, root, order, newcomers)
        snapshot = pagewalk.walk(pids=wanted, procfs=procfs, **options)
        yield Walked(machine, snapshot, Oracle(machine, wanted))


def agree(row: Mapping[str, Any], figures: Mapping[str, Fraction | int], names: Iterable[str], within: int = 1) -> None:
    """Every figure is the oracle's; a share of frames to within a byte, or a byte for each of several added."""
    wrong = {
        name: (row[name], figures[name])
        for name in names
        if row[name] is None or abs(row[name] - figures[name]) > (within if name in PARTS else 0)
    }
    assert not wrong, f"engine and oracle differ (engine, oracle): {wrong}"


def rows_by_pid(snapshot: Snapshot) -> dict[int, dict[str, Any]]:
    return {row["pid"]: row for row in snapshot.processes().to_dicts()}


def check_processes(walked: Walked) -> None:
    oracle, rows = walked.oracle, rows_by_pid(walked.snapshot)
    by_pid = {process.pid: process for process in walked.machine.processes}
    assert sorted(rows) == sorted(oracle.pids(space)[0] for space in oracle.spaces)
    for space in oracle.spaces:
        pids = oracle.pids(space)
        row = rows[pids[0]]
        assert list(row["pids"]) == pids
        assert row["uid"] == by_pid[pids[0]].uid
        agree(row, oracle.process(space), PROCESS_FIGURES)
        assert row["uss"] <= row["pss"] <= row["rss"] <= row["vss"]
        assert row["anon"] + row["file"] + row["shmem"] == row["rss"]


def check_coverage(walked: Walked) -> None:
    said, truth = walked.snapshot.coverage(), walked.oracle.coverage()
    # One that went may have been read, through another that has its address space.
    survived = sum(process.fate.gone and process.space in walked.oracle.spaces for process in walked.machine.processes)
    assert truth["vanished"] - survived <= said["vanished"] <= truth["vanished"]
    truth["vanished"] = said["vanished"]
    assert {name: said[name] for name in truth} == truth


def check_sum(walked: Walked) -> None:
    """The pss of all address spaces and of the hidden owners adds up to the mapped frames, to the byte."""
    coverage = walked.snapshot.coverage()
    column = sum(row["pss"] for row in walked.snapshot.processes().to_dicts())
    assert column + coverage["hidden_pss"] == coverage["mapped_frames"] * PAGE
    agree(coverage, {"hidden_pss": walked.oracle.hidden_pss()}, ["hidden_pss"])


def check_sharing(walked: Walked) -> None:
    oracle = walked.oracle
    truth = {owner_pids(oracle, owners): row for owners, row in oracle.sharing().items()}
    rows = walked.snapshot.sharing().to_dicts()
    said = {tuple(row["owners"]): row for row in rows}
    assert len(rows) == len(said)
    assert sorted(said) == sorted(truth)
    for owners, row in truth.items():
        agree(said[owners], vars(row), vars(row))


def owner_pids(oracle: Oracle, owners: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(oracle.pids(space)[0] for space in owners))


def check_groups(walked: Walked) -> None:
    oracle, snapshot = walked.oracle, walked.snapshot
    uids = {row["user"]: row["uid"] for row in snapshot.processes().to_dicts()}
    programs = {comm_of(row): row for row in snapshot.programs().to_dicts()}
    users = {uids[row["name"]]: row for row in snapshot.users().to_dicts()}
    views: list[tuple[dict[Any, dict[str, Any]], dict[object, set[int]]]] = [
        (programs, oracle.groups(lambda process: process.comm)),
        (users, oracle.groups(lambda process: process.uid)),
    ]
    for view, groups in views:
        assert set(view) == set(groups)
        for label, spaces in groups.items():
            agree(view[label], oracle.group(spaces), PROCESS_FIGURES[1:], within=len(spaces))


def comm_of(row: dict[str, Any]) -> bytes:
    return os.fsencode(row["name"])


def check_kinds(walked: Walked) -> None:
    oracle = walked.oracle
    said = {row["kind"]: row for row in walked.snapshot.kinds().to_dicts()}
    assert set(said) == {kind.value for kind in Kind} | {"swap"}
    for kind in Kind:
        pfns = [pfn for pfn in oracle.owners if oracle.frame(pfn).kind is kind]
        lone = sum(oracle.sharers(pfn) == 1 for pfn in pfns)
        hidden = sum(oracle.hidden(pfn) > 0 for pfn in pfns)
        truth = {"bytes": len(pfns), "private": lone, "shared": len(pfns) - lone, "hidden": hidden}
        agree(said[kind.value], {name: PAGE * count for name, count in truth.items()}, truth)
    slots = oracle.slot_owners.values()
    lone = sum(len(owners) == 1 for owners in slots)
    truth = {"bytes": len(slots), "private": lone, "shared": len(slots) - lone, "hidden": 0}
    agree(said["swap"], {name: PAGE * count for name, count in truth.items()}, truth)


def check_mappings(walked: Walked) -> None:
    oracle = walked.oracle
    rows = {(row["pid"], row["start"]): row for row in walked.snapshot.mappings().to_dicts()}
    expected = 0
    for space in oracle.spaces:
        pid = oracle.pids(space)[0]
        vmas = [vma for vma in walked.machine.spaces[space].vmas if not vma.is_gate]
        expected += len(vmas)
        for vma in vmas:
            row = rows[pid, vma.start]
            assert (row["end"], row["perms"], row["inode"]) == (vma.end, vma.perms, vma.inode)
            assert (row["offset"], os.fsencode(row["name"])) == (vma.offset, vma.name.replace(b"\n", rb"\012"))
            agree_in_parts(row, oracle.mapping(space, vma))
        mine = [row for (owner, _), row in rows.items() if owner == pid]
        for name, figure in oracle.process(space).items():
            if name in PROCESS_FIGURES:
                assert abs(sum(row[name] for row in mine) - figure) <= (1 if name in PARTS else 0), name
    assert expected == len(rows)


def agree_in_parts(row: dict[str, Any], figures: Figures) -> None:
    """A mapping's share of what its own address space maps more than once is rounded as well."""
    rounded = {"pss", "uss", "shared", "shared_clean", "shared_dirty", "swap_pss", "swap_uss"}
    wrong = {
        name: (row[name], figures[name])
        for name in PROCESS_FIGURES
        if abs(row[name] - figures[name]) > (1 if name in rounded else 0)
    }
    assert not wrong, f"engine and oracle differ (engine, oracle): {wrong}"


CHECKS = [check_processes, check_coverage, check_sum, check_sharing, check_groups, check_kinds]


@given(machine=machines(), chunk=st.sampled_from(CHUNKS[1:]), threads=st.sampled_from(THREADS))
def test_every_view_equals_the_oracle(machine: Machine, chunk: int, threads: int) -> None:
    with walked(machine, chunk=chunk, threads=threads, mappings=True) as seen:
        for check in (*CHECKS, check_mappings):
            check(seen)


@given(machine=machines(SMALL), threads=st.sampled_from(THREADS))
def test_a_chunk_of_one_page(machine: Machine, threads: int) -> None:
    with walked(machine, chunk=1, threads=threads, mappings=True) as seen:
        for check in (*CHECKS, check_mappings):
            check(seen)


@given(data=st.data(), machine=machines(SMALL))
def test_the_order_of_processes_does_not_matter(data: st.DataObject, machine: Machine) -> None:
    with walked(machine, order=data.draw(orders(machine)), threads=data.draw(st.sampled_from(THREADS))) as seen:
        for check in CHECKS:
            check(seen)


@given(data=st.data(), machine=machines(SMALL))
def test_walking_some_alone_hides_all_others(data: st.DataObject, machine: Machine) -> None:
    readable = [process.pid for process in machine.processes if process.fate is Fate.READ]
    assume(readable)
    pids = data.draw(st.lists(st.sampled_from(readable), min_size=1, unique=True))
    with walked(machine, pids=pids) as seen:
        check_processes(seen)
        check_sum(seen)
        check_sharing(seen)


def newcomers(machine: Machine) -> st.SearchStrategy[list[int]]:
    """Processes that may start during the walk.

    Never all that can be read, for whoever walks is there from the first; and none that joins an address space under a
    lower pid, for its row is named after the process that it was read through.
    """
    readable = [process for process in machine.processes if process.fate is Fate.READ]
    first = min((process.pid for process in readable), default=0)
    late = [
        process.pid
        for process in machine.processes
        if process.pid != first
        and not any(process.space == other.space for other in readable if other.pid > process.pid)
    ]
    return st.lists(st.sampled_from(late), unique=True) if late and readable else st.just([])


@given(data=st.data(), machine=machines(SMALL))
def test_newcomers_are_walked_too(data: st.DataObject, machine: Machine) -> None:
    with walked(machine, newcomers=data.draw(newcomers(machine))) as seen:
        for check in CHECKS:
            check(seen)


@given(data=st.data(), machine=machines(SMALL))
def test_a_selection_is_of_those_that_meet_every_condition(data: st.DataObject, machine: Machine) -> None:
    oracle = Oracle(machine)
    assume(oracle.processes)
    chosen = data.draw(st.lists(st.sampled_from(oracle.processes), min_size=1, max_size=3))
    kinds = data.draw(st.sets(st.sampled_from(["pids", "programs", "users", "cgroups"])))
    conditions: dict[str, list[Any]] = {
        "pids": [process.pid for process in chosen],
        "programs": [rf"\A{re.escape(os.fsdecode(process.comm))}\Z" for process in chosen],
        "users": [str(process.uid) for process in chosen],
        "cgroups": [process.cgroup for process in chosen],
    }
    spaces = {space for space in oracle.spaces if all(meets(oracle, space, chosen, kind) for kind in kinds)}
    with walked(machine) as seen:
        selection = seen.snapshot.select(**{kind: conditions[kind] for kind in kinds})
        assert len(selection) == len(spaces)
        rows = {row["pid"]: row for row in seen.snapshot.processes(selection).to_dicts()}
        assert sorted(rows) == sorted(oracle.pids(space)[0] for space in spaces)
        for space in spaces:
            agree(rows[oracle.pids(space)[0]], oracle.process(space), PROCESS_FIGURES)
        groups = {label: group & spaces for label, group in oracle.groups(lambda process: process.comm).items()}
        programs = {comm_of(row): row for row in seen.snapshot.programs(selection).to_dicts()}
        assert set(programs) == {label for label, group in groups.items() if group}
        for label, row in programs.items():
            agree(row, oracle.group(groups[label]), PROCESS_FIGURES[1:], within=len(groups[label]))
        said = {tuple(row["owners"]) for row in seen.snapshot.sharing(selection).to_dicts()}
        assert said == {owner_pids(oracle, owners) for owners in oracle.sharing() if owners & spaces}


def meets(oracle: Oracle, space: int, chosen: list[Process], kind: str) -> bool:
    """Whether an address space meets one kind of condition: by any of its pids, else by its lowest one."""
    processes = [process for process in oracle.processes if process.space == space]
    lowest = min(processes, key=lambda process: process.pid)
    if kind == "pids":
        return any(process in chosen for process in processes)
    if kind == "programs":
        return lowest.comm in {process.comm for process in chosen}
    if kind == "users":
        return lowest.uid in {process.uid for process in chosen}
    roots = [process.cgroup.rstrip("/") for process in chosen]
    return any(f"{lowest.cgroup}/".startswith(f"{root}/") for root in roots)


@given(machine=machines(SMALL))
def test_raw_readers_say_what_is_there(machine: Machine) -> None:
    pfns = sorted(machine.frames)
    with fakeproc.made(machine) as path:
        root = str(path)
        assert pagewalk.read_kpagecount(pfns, root).tolist() == [machine.mapcount(pfn) for pfn in pfns]
        assert pagewalk.read_kpageflags(pfns, root).tolist() == [machine.flags(pfn) for pfn in pfns]
        assert pagewalk.read_kpagecgroup(pfns, root).tolist() == [machine.memcg(pfn) for pfn in pfns]
        for process in machine.processes:
            if process.space is None:
                continue
            vmas = machine.spaces[process.space].vmas
            rows = pagewalk.read_maps(process.pid, root).to_dicts()
            assert [(row["start"], row["end"], row["perms"]) for row in rows] == [
                (v.start, v.end, v.perms) for v in vmas
            ]
            for vma in (vma for vma in vmas if not vma.is_gate):
                words = pagewalk.read_pagemap(process.pid, vma.start, vma.end, root)
                found = {at: int(words[at]) for at in words.nonzero()[0].tolist()}
                assert found == {at: machine.word(entry) for at, entry in vma.entries.items()}
            # The rollup rounds down once, and so is never below the sum over the VMAs.
            parts, whole = pagewalk.read_smaps(process.pid, root), pagewalk.read_smaps_rollup(process.pid, root)
            assert whole["Rss"] == parts["Rss"].sum()
            assert 0 <= whole["Pss"] - parts["Pss"].sum() < 1024 * len(vmas)


@given(machine=machines(SMALL))
def test_what_could_not_be_read_is_told(machine: Machine) -> None:
    """A refused process is a gap, with the reason; what has no memory, or has none any more, is not."""
    with walked(machine) as seen:
        gaps = {gap["pid"]: gap for gap in seen.snapshot.gaps().to_dicts() if gap["pid"] is not None}
        assert set(gaps) == {process.pid for process in machine.processes if process.fate is Fate.REFUSED}
        assert all(gap["what"] and "denied" in gap["reason"] for gap in gaps.values())


def test_tables_grow() -> None:
    """More owner sets, repeated frames and words of the kernel than any table has room for at first."""
    chance = random.Random(1)
    pfns = range(1, 5001)
    kinds = [Kind.ANON, Kind.FILE, Kind.SHMEM]
    frames = {
        pfn: Frame(
            pfn,
            chance.choice(kinds),
            hidden=chance.randrange(40),
            memcg=chance.randrange(9),
            noise=chance.getrandbits(8) << 52,
        )
        for pfn in pfns
    }
    spaces = []
    for _ in range(16):
        heap: dict[int, Entry] = {pfn: Present(pfn) for pfn in pfns if chance.random() < 0.5}
        again: dict[int, Entry] = {at: Present(pfn) for at, pfn in enumerate(chance.sample(pfns, 700))}
        again |= {1000 + slot: Swapped(0, slot) for slot in range(600) if chance.random() < 0.5}
        spaces.append(Space((Vma(0x1000, 6500, entries=heap), Vma(0x1000 + 6500, 2000, entries=again))))
    processes = tuple(Process(100 + at, at) for at in range(len(spaces)))
    with walked(Machine(frames, tuple(spaces), processes, limit=6000), threads=3, mappings=True) as seen:
        assert len(seen.snapshot.facts.table.sets) > 4096
        for check in (*CHECKS, check_mappings):
            check(seen)


def test_a_wide_hole_between_far_frames() -> None:
    """16 GiB reserved with a page at either end, on frames far apart, one of them of a device."""
    last = (1 << 22) - 1
    frames = {pfn: Frame(pfn, Kind.ANON) for pfn in (1, 1 << 24)} | {1 << 30: Frame(1 << 30, Kind.FILE)}
    entries: dict[int, Entry] = {0: Present(1), 8: GUARD, 9: Present(1 << 30), last: Present(1 << 24)}
    machine = Machine(
        frames, (Space((Vma(0x7F0000000, last + 1, entries=entries),)),), (Process(4, 0),), limit=(1 << 24) + 1
    )
    with walked(machine, mappings=True) as seen:
        for check in (*CHECKS, check_mappings):
            check(seen)


def test_hidden_frame_numbers_are_refused(tmp_path: Path) -> None:
    """Without CAP_SYS_ADMIN every frame would be frame 0: no figures rather than wrong ones."""
    vma = Vma(0x1000, 2, entries={0: Present(1), 1: Present(2)})
    frames = {pfn: Frame(pfn, Kind.ANON) for pfn in (1, 2)}
    machine = Machine(frames, (Space((vma,)),), (Process(4, 0),), limit=16)
    root = fakeproc.write(machine, tmp_path / "proc")
    fakeproc.hide_frame_numbers(machine, root)
    with pytest.raises(pagewalk.PermissionRequired):
        pagewalk.walk(procfs=FakeProcFS(machine, root))


def test_a_process_that_dies_under_the_reader_is_left_out(tmp_path: Path) -> None:
    """Half of its pages were read when its address space went: partial is not whole, so none of them count as its."""
    vma = Vma(0x1000, 4000, entries={at: Present(at + 1) for at in range(4000)})
    frames = {pfn: Frame(pfn, Kind.ANON) for pfn in range(1, 4001)}
    machine = Machine(frames, (Space((vma,)), Space((vma,))), (Process(4, 0), Process(5, 1)), limit=5000)
    root = fakeproc.write(machine, tmp_path / "proc")
    with (root / "4" / "pagemap").open("r+b") as file:
        file.truncate((0x1000 + 2000) * 8)
    snapshot = pagewalk.walk(procfs=FakeProcFS(machine, root), chunk=512)
    # As if it had never been read: the machine says it is there, so its mappings are hidden ones.
    walked = Walked(machine, snapshot, Oracle(machine, pids=[5]))
    check_processes(walked)
    check_sum(walked)
    assert snapshot.coverage()["vanished"] == 1
