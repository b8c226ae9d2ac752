"""What the kernel says of frames: its words, those of a folio on each of its pages, counted by owner set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fakeproc
from model import KPF
from pagewalk import frames
from pagewalk.framefiles import FrameFiles
from pagewalk.frames import FrameRows, Span, read_frames
from pagewalk.procfs import ProcFS

HEAD, TAIL = KPF["COMPOUND_HEAD"], KPF["COMPOUND_TAIL"]
FUTURE = 1 << 63 | 1 << 50
# What is a folio's, and what stays the page's own (include/linux/page-flags.h).
OF_FOLIO = sum(
    KPF[name]
    for name in (
        "LOCKED", "REFERENCED", "UPTODATE", "DIRTY", "LRU", "ACTIVE", "WRITEBACK", "RECLAIM", "ANON", "SWAPCACHE",
        "SWAPBACKED", "HUGE", "UNEVICTABLE", "KSM", "THP", "ZERO_PAGE", "MLOCKED",
    )
)  # fmt: skip
Words = Mapping[int, int]
Facts = tuple[int, int, int]  # mapcount, flags, memcg


def made(root: Path, length: int, flags: Words, counts: Words | None = None, memcg: Words | None = None) -> ProcFS:
    """The kpage files of a machine; ``memcg`` of None is a kernel without CONFIG_MEMCG."""
    root.mkdir(exist_ok=True)
    for name, words in (("kpagecount", counts or {}), ("kpageflags", flags), ("kpagecgroup", memcg)):
        (root / name).unlink(missing_ok=True)
        if words is not None:
            fakeproc.write_words(root / name, words.items(), length)
    return ProcFS(str(root))


def read(procfs: ProcFS, owner: Sequence[int], **options: Any) -> FrameRows:
    with FrameFiles(procfs) as files:
        return read_frames(files, np.array(owner, np.uint32), keep_rows=True, **options)


def by_frame(rows: FrameRows) -> dict[int, Facts]:
    """What is said of each frame that was asked for."""
    return {
        pfn: (int(rows.mapcount[row - 1]), int(rows.flags[row - 1]), int(rows.memcg[row - 1]))
        for pfn, row in enumerate(rows.row_of.tolist())
        if row
    }


def holds_together(rows: FrameRows, owner: Sequence[int]) -> None:
    """Rows count what each frame's row says, no two are alike, and their set is the frame's owner."""
    counted = Counter(row for row in rows.row_of.tolist() if row)
    assert rows.frames.tolist() == [counted[row] for row in range(1, len(rows.frames) + 1)]
    keys = zip(*(getattr(rows, name).tolist() for name in ("set", "mapcount", "flags", "memcg", "zone")), strict=True)
    assert len(set(keys)) == len(rows.frames)
    assert all(int(rows.set[row - 1]) == owner[pfn] for pfn, row in enumerate(rows.row_of.tolist()) if row)


# Folios, as kernels up to 6.1 and since 6.10 show them


folios = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 2, 3, 4]),  # order
        st.sampled_from([0, 1, 3, 8]),  # frames before it
        st.sets(st.sampled_from([1 << bit for bit in range(64) if bit not in (15, 16)]), max_size=6).map(sum),
        st.sampled_from([0, 7, 2**40]),
    ),
    min_size=1,
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), plan=folios, old=st.booleans(), block=st.sampled_from([1, 3, 8, 64]), threads=st.integers(1, 3))
def test_a_tail_says_what_its_head_says(
    tmp_path: Path, data: st.DataObject, plan: list[tuple[int, int, int, int]], old: bool, block: int, threads: int
) -> None:
    flags: dict[int, int] = {}
    memcg: dict[int, int] = {}
    truth: dict[int, tuple[int, int]] = {}
    at = 0
    for order, gap, said, charged in plan:
        head = -(-(at + gap) >> order) << order
        at = head + (1 << order)
        for pfn in range(head, at):
            if order == 0:
                flags[pfn], memcg[pfn] = said, charged
                truth[pfn] = said, charged
                continue
            own = TAIL if pfn > head else HEAD
            shown = said if pfn == head or not old else said & (KPF["MMAP"] | KPF["ANON"] | KPF["THP"])
            flags[pfn], memcg[pfn] = own | shown, charged if pfn == head or not old else 0
            folio = said if pfn == head or not old else shown | said & OF_FOLIO
            truth[pfn] = own | folio, charged
    owner = data.draw(st.lists(st.sampled_from([0, 0, 1, 1, 2]), min_size=at, max_size=at))
    counts = {pfn: pfn % 3 for pfn in range(at)}
    procfs = made(tmp_path / "proc", at, flags, counts, memcg)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "BLOCK", block)
        rows = read(procfs, owner, threads=threads)
    asked = [pfn for pfn in range(at) if owner[pfn]]
    assert by_frame(rows) == {pfn: (counts[pfn], *truth.get(pfn, (0, 0))) for pfn in asked}
    holds_together(rows, owner)
    assert rows.missing == 0


def test_a_folio_of_which_the_head_is_nobodys(tmp_path: Path) -> None:
    """Runs that start in the middle of a folio, on a kernel that shows flags and memcg on its head only."""
    flags = dict.fromkeys(range(33, 64), TAIL) | {32: HEAD | KPF["LRU"] | KPF["SWAPBACKED"] | FUTURE}
    procfs = made(tmp_path, 64, flags, memcg={32: 77})
    for first in (33, 34, 47, 48, 63):
        rows = by_frame(read(procfs, [0] * first + [1] * (64 - first)))
        said = TAIL | KPF["LRU"] | KPF["SWAPBACKED"]
        assert rows == dict.fromkeys(range(first, 64), (0, said, 77))


def test_the_bits_of_a_page_stay_its_own(tmp_path: Path) -> None:
    """Poison is of one page; a bit of the future is of nobody knows what: neither goes from head to tail."""
    flags = {4: HEAD | KPF["HWPOISON"] | KPF["MMAP"] | KPF["DIRTY"] | FUTURE, 5: TAIL, 6: TAIL | FUTURE, 7: TAIL}
    rows = by_frame(read(made(tmp_path, 8, flags), [0, 0, 0, 0, 1, 1, 1, 1]))
    assert [word for _, word, _ in rows.values()] == [
        flags[4], TAIL | KPF["DIRTY"], TAIL | FUTURE | KPF["DIRTY"], TAIL | KPF["DIRTY"],
    ]  # fmt: skip


def test_a_memcg_that_a_tail_knows_itself(tmp_path: Path) -> None:
    """As between 6.4 and 6.10, where its flags are not those of the folio yet."""
    rows = by_frame(read(made(tmp_path, 8, {4: HEAD | KPF["LRU"], 5: TAIL}, memcg={4: 7, 5: 8}), [0, 0, 0, 0, 1, 1]))
    assert rows == {4: (0, HEAD | KPF["LRU"], 7), 5: (0, TAIL | KPF["LRU"], 8)}


@pytest.mark.parametrize("neighbour", [0, KPF["LRU"], 1 << 10])  # the last is BUDDY: freed since
def test_a_folio_that_was_split_meanwhile(tmp_path: Path, neighbour: int) -> None:
    """A tail without a head keeps what it says itself, whatever folio was seen before it."""
    flags = {8: HEAD | KPF["LRU"] | KPF["ANON"], 9: TAIL, 16: neighbour, 18: neighbour, 19: TAIL | KPF["ANON"]}
    owner = [0] * 8 + [1, 1] + [0] * 9 + [1]
    rows = by_frame(read(made(tmp_path, 20, flags, memcg={8: 5, 18: 6}), owner))
    assert rows == {
        8: (0, HEAD | KPF["LRU"] | KPF["ANON"], 5),
        9: (0, TAIL | KPF["LRU"] | KPF["ANON"], 5),
        19: (0, TAIL | KPF["ANON"], 0),
    }


def test_the_head_of_another_folio_is_not_taken(tmp_path: Path) -> None:
    """A tail that needs no mending, of a folio whose head nobody owns, behind one that did, before one that does."""
    flags = {0: HEAD | KPF["DIRTY"], 1: TAIL, 2: HEAD | KPF["LRU"], 3: TAIL | KPF["LRU"], 4: HEAD | KPF["ACTIVE"]}
    flags |= {5: TAIL, 6: HEAD | KPF["UNEVICTABLE"], 7: TAIL}
    for owner in ([1, 1, 0, 1, 0, 1, 0, 1], [1, 1, 1, 1, 1, 1, 0, 1], [0, 1, 0, 1, 0, 1, 0, 1]):
        rows = by_frame(read(made(tmp_path, 8, flags), owner))
        tails = {pfn: rows[pfn][1] & ~TAIL for pfn in (1, 3, 5, 7)}
        assert tails == {1: KPF["DIRTY"], 3: KPF["LRU"], 5: KPF["ACTIVE"], 7: KPF["UNEVICTABLE"]}


def test_a_huge_page_of_a_gibibyte(tmp_path: Path) -> None:
    """Its tails are read in other blocks than its head, and by other threads."""
    first, length = 1 << 18, 1 << 19
    near = [first + 65536 - 2 + k for k in range(4)] + [first + (1 << 17) + 5, length - 1]
    steps = {pfn >> order << order for pfn in near for order in range(18)} - {first}
    flags = dict.fromkeys([*near, *steps], TAIL | KPF["HUGE"]) | {first: HEAD | KPF["HUGE"] | KPF["DIRTY"]}
    procfs = made(tmp_path, length, flags, memcg={first: 9})
    owner = np.zeros(length, np.uint32)
    owner[near] = 1
    for threads in (1, 4):
        rows = by_frame(read(procfs, owner.tolist(), threads=threads))
        assert rows == dict.fromkeys(near, (0, TAIL | KPF["HUGE"] | KPF["DIRTY"], 9))


# What is read


def test_gaps_of_up_to_the_bridge_are_read_too(tmp_path: Path) -> None:
    procfs = made(tmp_path, 100, {})
    owner = [0] * 100
    for pfn in (10, 15, 21, 22):
        owner[pfn] = 1
    assert frames.BRIDGE == 4
    # 10 to 15 as one run, 21 and 22 as another; of the two files that there are.
    assert read(procfs, owner).words == 2 * (6 + 2)
    assert read(made(tmp_path, 100, {}, memcg={}), owner).words == 3 * (6 + 2)
    assert read(procfs, [0] * 100).words == 0


def test_a_file_that_ends_early(tmp_path: Path) -> None:
    """Frames of which the files say nothing are missing, and read as 0, never as what was read before."""
    procfs = made(tmp_path, 12, dict.fromkeys(range(12), 3), dict.fromkeys(range(12), 5))
    with (tmp_path / "kpageflags").open("r+b") as file:
        file.truncate(8 * 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "BLOCK", 4)
        rows = read(procfs, [1] * 20)
        all_of_them = read(procfs, [0] * 20, spans=[Span(0, 20, unowned=True)])
    said = by_frame(rows)
    assert rows.missing == all_of_them.missing == 8
    assert by_frame(all_of_them) == said
    assert said == {pfn: (5 if pfn < 12 else 0, 3 if pfn < 10 else 0, 0) for pfn in range(20)}


def test_frames_without_an_owner_where_they_are_asked_for(tmp_path: Path) -> None:
    flags = {pfn: pfn // 4 for pfn in range(20)}
    owner = [0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]
    spans = [Span(0, 5, 1, True), Span(5, 12, 2), Span(12, 20, 3, True)]
    rows = read(made(tmp_path, 20, flags), owner, spans=spans, threads=2)
    asked = [*range(5), 6, *range(12, 20)]
    assert by_frame(rows) == {pfn: (0, pfn // 4, 0) for pfn in asked}
    holds_together(rows, owner)
    zone_of = {pfn: int(rows.zone[rows.row_of[pfn] - 1]) for pfn in asked}
    assert zone_of == {pfn: 1 if pfn < 5 else 2 if pfn < 12 else 3 for pfn in asked}


@pytest.mark.parametrize("differs", ["owner", "mapcount", "flags", "memcg"])
def test_neighbours_that_differ_in_one_thing(tmp_path: Path, differs: str) -> None:
    alike = {"owner": 1, "mapcount": 1, "flags": 4, "memcg": 9}
    said = [alike, {**alike, differs: 2}, alike]
    columns = {name: dict(enumerate(frame[name] for frame in said)) for name in alike}
    procfs = made(tmp_path, 3, columns["flags"], columns["mapcount"], columns["memcg"])
    rows = read(procfs, list(columns["owner"].values()))
    assert sorted(rows.frames.tolist()) == [1, 2]
    assert by_frame(rows) == {
        pfn: (frame["mapcount"], frame["flags"], frame["memcg"]) for pfn, frame in enumerate(said)
    }
    holds_together(rows, list(columns["owner"].values()))


def test_more_alike_than_tables_have_room_for(tmp_path: Path) -> None:
    """Every frame another row and other words: tables grow past what they begin with, several times."""
    n = 9000
    procfs = made(tmp_path, n, {pfn: pfn << 20 for pfn in range(n)}, {pfn: pfn for pfn in range(n)})
    owner = [1 + pfn % 7 for pfn in range(n)]
    rows = read(procfs, owner)
    assert by_frame(rows) == {pfn: (pfn, pfn << 20, 0) for pfn in range(n)}
    holds_together(rows, owner)


def test_rows_do_not_depend_on_the_threads(tmp_path: Path) -> None:
    n = 500
    flags = {pfn: pfn * 7 % 11 for pfn in range(n)}
    procfs = made(tmp_path, n, flags, {pfn: pfn % 3 for pfn in range(n)})
    owner = [pfn * 5 % 4 for pfn in range(n)]
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "BLOCK", 16)
        for threads in (1, 2, 8):
            rows = read(procfs, owner, threads=threads)
            told.append(
                {name: getattr(rows, name).tolist() for name in ("set", "mapcount", "flags", "frames", "row_of")}
            )
    assert told[0] == told[1] == told[2]


def test_rows_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    with FrameFiles(made(tmp_path, 4, {})) as files:
        assert len(read_frames(files, np.ones(4, np.uint32)).row_of) == 0


def test_memcgs_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    """Not even of the head of a tail that lacks its own."""
    procfs = made(tmp_path, 8, {4: HEAD, 5: TAIL}, dict.fromkeys(range(8), 1), dict.fromkeys(range(5), 77))
    with FrameFiles(procfs) as files:
        owner = np.ones(8, np.uint32)
        with_them, without = read_frames(files, owner), read_frames(files, owner, memcgs=False)
    assert set(with_them.memcg.tolist()) == {0, 77}
    assert set(without.memcg.tolist()) == {0}
    assert with_them.words == 3 * 8
    assert without.words == 2 * 8


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "BLOCK", 16)
        read(made(tmp_path, 100, {}), [1] * 100, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == [16, 32, 48, 64, 80, 96, 100]
    assert {total for _, total in seen} == {100}


@pytest.mark.parametrize("threads", [1, 4])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, threads: int) -> None:
    with FrameFiles(made(tmp_path, 1000, {})) as files, pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "BLOCK", 16)
        directory = os.open(tmp_path, os.O_RDONLY)
        os.dup2(directory, files.flags)
        os.close(directory)
        with pytest.raises(IsADirectoryError, match="kpage file"):
            read_frames(files, np.ones(1000, np.uint32), threads=threads)
