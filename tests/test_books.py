"""The books close, and every table of them equals the oracle, on machines made up by Hypothesis.

Whatever the number of threads, the size of the blocks that the kpage files are read in, and the depth of the tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fakebooks
import pagewalk
from bookmachines import books
from books import MARKS, STATES, USES, Books, Cgroup, Leftover, Ram, Stretch
from booksoracle import BooksOracle, CgroupFigures
from fakebooks import blocks_of, managed
from model import KPF, PAGE, RESIDENT, Fate, Frame, Kind, Machine
from pagewalk import frames, walker
from pagewalk.frames import FrameRows
from pagewalk.snapshot import Snapshot
from pagewalk.table import Table

THREADS = [1, 2, 4]
DEPTHS = [None, 0, 1, 2, 3]
# Of tests that walk each machine several times.
HALF = settings(max_examples=settings().max_examples // 2)


@dataclass
class Walked:
    """A machine with its books, what the engine says of it and what the oracle says."""

    books: Books
    snapshot: Snapshot
    oracle: BooksOracle


@contextmanager
def walked(of: Books, **options: Any) -> Iterator[Walked]:
    with fakebooks.made(of) as procfs:
        snapshot = pagewalk.walk(procfs=procfs, **{"frames": "all", **options})
        yield Walked(of, snapshot, BooksOracle(of, options.get("pids")))


# Uses and nodes


def check_uses(seen: Walked) -> None:
    rows = seen.snapshot.uses().to_dicts()
    assert [row["use"] for row in rows] == USES
    said = {(row["use"], state): row[state] for row in rows for state in STATES if row[state]}
    assert said == {cell: count * PAGE for cell, count in seen.oracle.uses().items()}
    assert all(sum(row[state] for state in STATES) == row["bytes"] for row in rows)
    assert sum(row["bytes"] for row in rows) == len(seen.oracle.ram) * PAGE


def check_nodes(seen: Walked) -> None:
    rows = seen.snapshot.nodes().to_dicts()
    said = {(row["node"], row["zone"], use): row[use] for row in rows for use in USES if row[use]}
    assert said == {cell: count * PAGE for cell, count in seen.oracle.nodes().items()}
    assert sum(row["bytes"] for row in rows) == len(seen.oracle.ram) * PAGE
    for row in rows:
        zone = row["node"], row["zone"]
        assert row["bytes"] == sum(row[use] for use in USES)
        assert row["managed"] == managed(seen.books.ram.zones[zone]) * PAGE
        assert [row[f"order{order}"] for order in range(3)] == blocks_of(*zone)


def check_process_nodes(seen: Walked) -> None:
    rows = {row["pid"]: row for row in seen.snapshot.processes(nodes=True).to_dicts()}
    nodes = {stretch.node for stretch in seen.books.ram.places.values()}
    for space in seen.oracle.oracle.spaces:
        row = rows[seen.oracle.oracle.pids(space)[0]]
        there = seen.oracle.on_nodes(space)
        assert {name for name in row if name.startswith("node")} == {f"node{node}" for node in nodes}
        assert {node: row[f"node{node}"] for node in nodes} == {node: there[node] * PAGE for node in nodes}


# Who pays


def check_charges(seen: Walked, depth: int | None) -> None:
    rows = seen.snapshot.charges(depth).to_dicts()
    said = {(row["charged_to"], frozenset(row["used_by"])): (row["bytes"], row["hidden"]) for row in rows}
    truth = seen.oracle.charges(depth)
    assert len(said) == len(rows)
    assert said == {key: (count * PAGE, hidden * PAGE) for key, (count, hidden) in truth.items()}
    assert sum(row["bytes"] for row in rows) == len(seen.oracle.charged) * PAGE
    assert [row["bytes"] for row in rows] == sorted((row["bytes"] for row in rows), reverse=True)
    for row in rows:
        assert list(row["used_by"]) == sorted(set(row["used_by"]))
        assert row["foreign"] == (len(row["used_by"]) > 0 and row["charged_to"] not in row["used_by"])


def check_cgroups(seen: Walked, depth: int | None) -> None:
    rows = {row["path"]: row for row in seen.snapshot.cgroups(depth).to_dicts()}
    truth = seen.oracle.cgroups(depth)
    assert list(rows) == sorted(truth)
    for path, figures in truth.items():
        check_cgroup(rows[path], figures)
    assert sum(row["charged"] for row in rows.values()) == len(seen.oracle.charged) * PAGE
    coverage = seen.snapshot.coverage()
    used = sum(row["used"] for row in rows.values())
    assert used + coverage["hidden_pss"] == coverage["mapped_frames"] * PAGE


def check_cgroup(row: dict[str, Any], truth: CgroupFigures) -> None:
    kinds = {f"charged_{use}": truth.charged[use] * PAGE for use in ("anon", "file", "shmem")}
    expected = {
        "inode": truth.inode,
        "processes": truth.processes,
        "charged": truth.charged.total() * PAGE,
        **kinds,
        "charged_kernel": truth.charged.total() * PAGE - sum(kinds.values()),
        "rss": truth.rss,
        "uss": truth.uss,
        "charged_not_used": truth.charged_not_used * PAGE,
        "used_not_charged": truth.used_not_charged * PAGE,
        **{f"kernel_{name}": figure for name, figure in truth.kernel.items()},
    }
    assert {name: row[name] for name in expected} == expected
    assert abs(row["used"] - truth.used) <= max(truth.spaces, 1)
    theirs = [truth.kernel[name] for name in ("anon", "file", "shmem")]
    known = [figure for figure in theirs if figure is not None]
    assert row["difference"] == (sum(kinds.values()) - sum(known) if len(known) == len(theirs) else None)


@given(of=books(), threads=st.sampled_from(THREADS))
def test_uses_and_nodes_add_up_to_ram_and_equal_the_oracle(of: Books, threads: int) -> None:
    with walked(of, threads=threads, nodes=True) as seen:
        check_uses(seen)
        check_nodes(seen)
        check_process_nodes(seen)


@given(of=books(), depth=st.sampled_from(DEPTHS))
def test_charges_add_up_to_all_charged_frames_and_equal_the_oracle(of: Books, depth: int | None) -> None:
    with walked(of) as seen:
        for one in (None, depth):
            check_charges(seen, one)
            check_cgroups(seen, one)


@given(data=st.data(), of=books())
def test_the_books_close_for_some_processes_alone(data: st.DataObject, of: Books) -> None:
    """All who were not walked are hidden owners: what only they map is not lost."""
    readable = [process.pid for process in of.machine.processes if process.fate is Fate.READ]
    pids = data.draw(st.lists(st.sampled_from(readable), min_size=1, unique=True)) if readable else None
    with walked(of, pids=pids) as seen:
        check_uses(seen)
        check_nodes(seen)
        check_charges(seen, None)
        check_cgroups(seen, None)


# However it is read


def tables(snapshot: Snapshot) -> dict[str, Table]:
    """Every table of a snapshot of all of RAM."""
    return {
        **mapped_tables(snapshot),
        "uses": snapshot.uses(),
        "balance": snapshot.balance(),
        "nodes": snapshot.nodes(),
        "cgroups": snapshot.cgroups(),
        "folded cgroups": snapshot.cgroups(1),
        "charges": snapshot.charges(),
    }


def mapped_tables(snapshot: Snapshot) -> dict[str, Table]:
    """Every table that needs no more than the frames with owners."""
    return {
        "processes": snapshot.processes(nodes=True),
        "programs": snapshot.programs(),
        "users": snapshot.users(),
        "mappings": snapshot.mappings(),
        "sharing": snapshot.sharing(),
        "kinds": snapshot.kinds(),
    }


def same(some: dict[str, Table], others: dict[str, Table]) -> None:
    for name, table in some.items():
        mine, theirs = table.to_dicts(), others[name].to_dicts()
        if name in ("charges", "sharing"):  # of rows with as many bytes any may come first
            mine, theirs = sorted(mine, key=repr), sorted(theirs, key=repr)
        assert mine == theirs, name


@HALF
@given(of=books(), threads=st.sampled_from(THREADS), block=st.sampled_from([1, 2, 7, 64, 511]))
def test_threads_and_blocks_change_nothing(of: Books, threads: int, block: int) -> None:
    with walked(of, threads=1, nodes=True, mappings=True) as seen:
        expected = tables(seen.snapshot)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "BLOCK", block)
        with walked(of, threads=threads, nodes=True, mappings=True) as seen:
            same(expected, tables(seen.snapshot))


@HALF
@given(of=books())
def test_reading_all_of_ram_changes_nothing_of_what_is_mapped(of: Books) -> None:
    with walked(of, frames="all", nodes=True, mappings=True) as seen:
        expected, coverage = mapped_tables(seen.snapshot), seen.snapshot.coverage()
    with walked(of, frames="mapped", nodes=True, mappings=True) as seen:
        same(expected, mapped_tables(seen.snapshot))
        assert seen.snapshot.coverage() == coverage
    with walked(of, frames="mapped", mappings=True) as seen:
        expected["processes"] = seen.snapshot.processes()
        assert seen.snapshot.coverage() == coverage


def words_needed(wanted: set[int], within: int) -> int:
    """Words of one file: those of the frames wanted, and of what lies between two that are near and in one block."""
    ascending = sorted(wanted)
    gaps = [b - a - 1 for a, b in pairwise(ascending) if a // within == b // within]
    return len(ascending) + sum(gap for gap in gaps if gap <= frames.BRIDGE)


@HALF
@given(of=books(), block=st.sampled_from([64, 65536]))
def test_no_more_words_are_read_than_are_asked_for(of: Books, block: int) -> None:
    """A report on processes reads the frames it saw; the books read RAM, and nothing of the holes between."""
    read: list[FrameRows] = []

    def noted(*arguments: Any, **options: Any) -> FrameRows:
        read.append(frames.read_frames(*arguments, **options))
        return read[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walker, "read_frames", noted)
        patch.setattr(frames, "BLOCK", block)
        for options in ({"frames": "mapped"}, {"frames": "mapped", "nodes": True}, {"frames": "all"}):
            with walked(of, **options):
                pass
        oracle = BooksOracle(of)
        # Those that a process which ended meanwhile owned have been read for it too.
        seen_by_any = {pfn for pfn, count in of.machine.mappings.items() if count and pfn < of.machine.limit}
        owned = {pfn for pfn in oracle.oracle.owners if pfn < of.machine.limit}
        # Processes need mapcount and flags; who is charged is asked for by the books only.
        assert read[0].words >= 2 * len(owned)
        assert read[0].words <= 2 * words_needed(seen_by_any, frames.BLOCK)
        # Cut at nodes and zones, blocks begin elsewhere: any near frames may lie in one.
        assert 2 * len(owned) <= read[1].words <= 2 * words_needed(seen_by_any, within=of.machine.limit)
        ram = set(oracle.ram)
        assert 3 * len(ram | owned) <= read[2].words <= 3 * (len(ram) + words_needed(seen_by_any, of.machine.limit))


@given(of=books())
def test_charges_of_cgroups_that_came_or_went_are_a_gap(of: Books) -> None:
    unstable = sum(cgroup.there != (True, True) for cgroup in of.cgroups)
    with walked(of) as seen:
        said = [gap["what"] for gap in seen.snapshot.gaps().to_dicts() if gap["what"].startswith("charges of")]
        assert said == ([f"charges of {unstable} cgroups"] if unstable else [])


def alternating(old_tails: bool) -> Books:
    """Every use beside each other one, no run longer than one; then a large folio of each kind that nobody maps."""
    kinds = [kind for kind in Kind if kind is not Kind.SPECIAL]
    single = [*MARKS, *(kind for kind in kinds if kind is not Kind.HUGETLB)] * 9
    leftovers, held = {}, {}
    for pfn, what in enumerate(single, 1):
        if isinstance(what, str):
            leftovers[pfn] = Leftover(
                pfn, what, memcg=7 if what in ("pgtable", "kernel") else 0, poisoned=pfn % 11 == 0
            )
        else:
            held[pfn] = Frame(pfn, what, memcg=7, hidden=pfn % 3 if what in RESIDENT else 0)
    first = 512
    for kind in kinds:
        for pfn in range(first, first + 512):
            noise = 0 if kind not in RESIDENT else KPF["ACTIVE"]
            held[pfn] = Frame(pfn, kind, head=first, memcg=9, noise=noise, flag_dirty=kind is Kind.SHMEM)
        first += 512
    whole = ((1, first),)
    ram = Ram(whole, (Stretch(0, first, 0, "Normal"),))
    cgroups = (Cgroup("/", 1), Cgroup("/small", 7), Cgroup("/large", 9))
    return Books(Machine(held, (), (), limit=first, old_tails=old_tails), ram, leftovers, cgroups)


@pytest.mark.parametrize("old_tails", [False, True], ids=["6.12", "6.1"])
@pytest.mark.parametrize("block", [63, 1000, 65536])
def test_tails_are_what_their_heads_are(monkeypatch: pytest.MonkeyPatch, old_tails: bool, block: int) -> None:
    """Up to 6.1 a tail shows neither its folio's flags nor its cgroup; its head may be in another thread's block."""
    monkeypatch.setattr(frames, "BLOCK", block)
    with walked(alternating(old_tails), threads=3) as seen:
        check_uses(seen)
        check_nodes(seen)
        check_charges(seen, None)
        check_cgroups(seen, None)
        rows = {row["use"]: row for row in seen.snapshot.uses().to_dicts()}
        assert rows["file"]["active"] == rows["anon"]["active"] == 512 * PAGE
        assert rows["shmem"]["dirty"] >= 512 * PAGE
        (large,) = (row for row in seen.snapshot.cgroups().to_dicts() if row["path"] == "/large")
        assert [large[f"charged{use}"] for use in ("", "_anon", "_file", "_shmem", "_kernel")] == [
            n * 512 * PAGE for n in (3, 1, 1, 1, 0)
        ]


# What the machine does not say


def without(name: str, **options: Any) -> Snapshot:
    """A walk of a machine that lacks one of its files."""
    with fakebooks.made(alternating(old_tails=False)) as procfs:
        os.unlink(procfs.path(name))
        return pagewalk.walk(procfs=procfs, **options)


def test_without_iomem_nothing_says_what_is_ram() -> None:
    """A clear error, before the work of a walk is done; and none where nobody asked for it."""
    steps: list[str] = []
    with pytest.raises(pagewalk.Unsupported, match="iomem"):
        without("iomem", frames="all", progress=lambda done, total, what: steps.append(what))
    assert steps == []
    with pytest.raises(pagewalk.Unsupported, match="iomem"):
        without("iomem", nodes=True)
    assert without("iomem").coverage()["processes"] == 0


def test_without_zones_the_books_close_all_the_same() -> None:
    snapshot = without("zoneinfo", frames="all")
    complete = without("buddyinfo", frames="all")
    assert snapshot.uses().totals()["bytes"] == complete.uses().totals()["bytes"]
    (only,) = snapshot.nodes()
    assert (only["node"], only["zone"]) == (None, "")
    assert only["bytes"] == complete.nodes().totals()["bytes"]
    assert without("zoneinfo").gaps().to_dicts() == []


def test_hidden_addresses_need_permission() -> None:
    with fakebooks.made(alternating(old_tails=False)) as procfs:
        with open(procfs.path("iomem"), "w", encoding="ascii") as file:
            file.write("00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n")
        with pytest.raises(pagewalk.PermissionRequired, match="CAP_SYS_ADMIN"):
            pagewalk.walk(procfs=procfs, frames="all")
        assert pagewalk.walk(procfs=procfs).coverage()["processes"] == 0


def test_what_the_accounts_cannot_give_is_a_gap() -> None:
    with fakebooks.made(alternating(old_tails=False)) as procfs:
        for name in ("zoneinfo", "buddyinfo", "vmstat"):
            with open(procfs.path(name), "w", encoding="ascii") as file:
                file.write("of another form\n")
        snapshot = pagewalk.walk(procfs=procfs, frames="all")
    gaps = [(gap["pid"], gap["what"]) for gap in snapshot.gaps()]
    assert gaps == [(None, f"the kernel's figures in {name}") for name in ("zoneinfo", "vmstat", "buddyinfo")]
    assert snapshot.uses().totals()["bytes"] == 3071 * PAGE


def test_what_a_file_has_no_word_of_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not what was read of other frames before."""
    monkeypatch.setattr(frames, "BLOCK", 64)
    with fakebooks.made(alternating(old_tails=False)) as procfs:
        os.truncate(procfs.path("kpagecgroup"), 1000 * 8)
        of_large = BooksOracle(procfs.books).charges()["/large", frozenset()][0]
        charged = {row["path"]: row["charged"] for row in pagewalk.walk(procfs=procfs, frames="all").cgroups()}
    assert of_large == 3 * 512
    assert charged["/large"] == (1000 - 512) * PAGE


def test_progress_counts_all_frames() -> None:
    steps: list[tuple[int, int, str]] = []
    with fakebooks.made(alternating(old_tails=False)) as procfs:
        pagewalk.walk(procfs=procfs, frames="all", progress=lambda *step: steps.append(step))
    of_frames = [(done, total) for done, total, what in steps if what == "frames"]
    assert of_frames[-1] == (3072, 3072)
    assert of_frames == sorted(of_frames)
