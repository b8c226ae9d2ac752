"""Walks that read no word of frames of which pagemap tells enough: their figures are those of a walk that reads all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fakeproc
import pagewalk
from fakeproc import FakeProcFS
from machines import machines
from model import KPF, PAGE, PM_MMAP_EXCLUSIVE, Entry, Frame, Kind, Machine, Present, Process, Space, Vma
from pagewalk import PagewalkError, Snapshot, walker
from pagewalk.frames import FrameRows
from pagewalk.plan import OF_FLAGS
from pagewalk.probe import Probe
from pagewalk.views.process import COLUMNS
from pagewalk.vmas import UNKNOWN, Devices

LEAN = tuple(column.name for column in COLUMNS if column.name not in OF_FLAGS)


def told(machine: Machine, entry: Entry) -> Entry:
    """A present page with bit 56 as the kernel sets it: the page is normal, and one page table entry maps it."""
    if not isinstance(entry, Present):
        return entry
    frame = machine.frames[entry.pfn]
    sole = machine.mappings[entry.pfn] + max(frame.hidden, 0) == 1 and frame.kind not in (Kind.ZERO, Kind.SPECIAL)
    return replace(entry, noise=entry.noise & ~PM_MMAP_EXCLUSIVE | (PM_MMAP_EXCLUSIVE if sole else 0))


DISK, SHMEM, HUGETLBFS = (8, 1), (0, 1), (0, 17)
KNOWN = Devices(np.array([8 << 32 | 1], np.uint64), 1)


def truthful(machine: Machine) -> Machine:
    """The machine with bit 56 as it is, hugetlbfs in mappings of its files only, and devices by their pages."""

    def of(vma: Vma) -> Vma:
        kinds = {machine.frames[entry.pfn].kind for entry in vma.entries.values() if isinstance(entry, Present)}
        entries = {at: told(machine, entry) for at, entry in vma.entries.items()}
        inode = vma.inode or (5 if Kind.HUGETLB in kinds else 0)
        device = HUGETLBFS if Kind.HUGETLB in kinds else SHMEM if Kind.SHMEM in kinds else DISK
        if Kind.SHMEM in kinds and Kind.FILE in kinds:
            device = (0, 33)  # not known
        return replace(vma, entries=entries, inode=inode, device=device if inode else vma.device)

    return replace(machine, spaces=tuple(replace(s, vmas=tuple(map(of, s.vmas))) for s in machine.spaces))


@contextmanager
def walked(machine: Machine, **options: Any) -> Iterator[Snapshot]:
    with fakeproc.made(machine) as root:
        yield pagewalk.walk(procfs=FakeProcFS(machine, root), **options)


def rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    return snapshot.processes().select(LEAN).to_dicts()


@settings(max_examples=150)
@given(machines(), st.sampled_from([KNOWN, UNKNOWN]))
def test_what_is_not_read_is_what_would_have_been(machine: Machine, devices: Devices) -> None:
    machine = truthful(machine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walker, "known_devices", lambda _procfs: devices)
        expect_same(machine)


def expect_same(machine: Machine) -> None:
    with walked(machine) as full, walked(machine, columns=LEAN) as lean:
        assert rows(lean) == rows(full)
        assert lean.coverage()["mapped_frames"] == full.coverage()["mapped_frames"]
        assert lean.coverage()["hidden_pss"] == full.coverage()["hidden_pss"]
        assert full.coverage()["spared_frames"] == 0
        for one, other in (
            (lean.programs(), full.programs()),
            (lean.users(), full.users()),
            (lean.sharing(), full.sharing()),
        ):
            names = [name for name in one.names if name not in OF_FLAGS]
            assert one.select(names).to_dicts() == other.select(names).to_dicts()


@settings(max_examples=100)
@given(machines())
def test_verifying_changes_no_answer(machine: Machine) -> None:
    """The count of every owned frame is read then, and says the same; what was not asked for stays unknown."""
    machine = truthful(machine)
    with walked(machine, columns=LEAN) as lean, walked(machine, columns=LEAN, verify="all") as checked:
        assert checked.processes().to_dicts() == lean.processes().to_dicts()
        assert checked.sharing().to_dicts() == lean.sharing().to_dicts()
        spared, said = lean.coverage(), checked.coverage()
        assert said["spared_frames"] == 0
        for coverage in (spared, said):
            read = coverage["counted_frames"] + coverage["uncounted_frames"]
            assert read + coverage["spared_frames"] == coverage["mapped_frames"]
        changing = ("counted_frames", "spared_frames")
        assert {name: spared[name] for name in spared if name not in changing} == {
            name: said[name] for name in said if name not in changing
        }


def test_what_pagemap_says_wrongly_is_found_by_verifying() -> None:
    """A hidden process maps a frame that pagemap calls mapped once: no kernel says so of 4K pages, but if one did."""
    machine = machine_of([Frame(10, Kind.ANON, hidden=1), Frame(11, Kind.ANON)], heap({0: 10, 1: 11}))
    with walked(machine, columns=("pid", "uss")) as lean, walked(machine, columns=("pid", "uss"), verify="all") as full:
        assert (lean.coverage()["spared_frames"], lean.coverage()["hidden_frames"]) == (2, 0)
        assert (full.coverage()["counted_frames"], full.coverage()["hidden_frames"]) == (2, 1)
        assert [snapshot.processes()["uss"].tolist() for snapshot in (lean, full)] == [[2 * PAGE], [PAGE]]
        assert (lean.host["verify"], full.host["verify"]) == (None, "all")


@pytest.mark.parametrize("wish", ["some", "ALL", ""])
def test_there_is_one_way_to_verify(wish: str) -> None:
    with pytest.raises(PagewalkError, match="is not known; there is 'all'"):
        pagewalk.walk(verify=wish, root="/nowhere")


def heap(frames: dict[int, int], **vma: Any) -> tuple[Vma, ...]:
    entries = {at: Present(pfn, PM_MMAP_EXCLUSIVE) for at, pfn in frames.items()}
    return (Vma(0x400, 2048, entries=entries, **vma),)


def machine_of(frames: list[Frame], *spaces: tuple[Vma, ...]) -> Machine:
    return Machine(
        {frame.pfn: frame for frame in frames},
        tuple(Space(vmas, layout=1 + k) for k, vmas in enumerate(spaces)),
        tuple(Process(10 + k, k) for k in range(len(spaces))),
        limit=4096,
    )


def test_frames_of_one_owner_are_not_read() -> None:
    machine = machine_of([Frame(pfn, Kind.ANON) for pfn in range(10, 20)], heap({k: 10 + k for k in range(10)}))
    with walked(machine, columns=("pid", "uss")) as lean:
        assert lean.coverage()["spared_frames"] == 10
        (row,) = lean.processes().to_dicts()
        assert (row["uss"], row["anon"], row["private"]) == (10 * PAGE,) * 3
        assert all(row[name] is None for name in OF_FLAGS)
        assert all(row[name] is None for name in ("user", "uid", "cmdline", "cgroup"))


def test_a_private_huge_page_of_hugetlbfs_is_no_rss() -> None:
    """It is anonymous and mapped once too, but in a mapping of a file: there bit 56 is not believed."""
    frames = [Frame(512 + k, Kind.HUGETLB, private_hugetlb=True, head=512) for k in range(4)]
    machine = machine_of(frames, heap({k: 512 + k for k in range(4)}, inode=7, name=b"/anon_hugepage (deleted)"))
    with walked(machine, columns=("pid", "rss", "hugetlb")) as lean:
        assert lean.coverage()["spared_frames"] == 0
        (row,) = lean.processes().to_dicts()
        assert (row["rss"], row["hugetlb"]) == (0, 4 * PAGE)


@pytest.mark.parametrize("is_huge", [True, False])
def test_bit_56_of_a_huge_page_is_that_of_its_first(is_huge: bool) -> None:
    """A hidden process maps one page in the middle of it: pagemap does not tell, so the kpage files are asked."""
    frames = [
        Frame(1024 + k, Kind.ANON, head=1024 if is_huge else None, hidden=1 if k == 77 and is_huge else 0)
        for k in range(512)
    ]
    machine = machine_of(frames, heap({k: 1024 + k for k in range(512)}))
    with walked(machine, columns=("pid", "uss", "pss")) as lean:
        assert lean.coverage()["spared_frames"] == (0 if is_huge else 512)
        assert lean.coverage()["hidden_frames"] == (1 if is_huge else 0)
        (row,) = lean.processes().to_dicts()
        assert row["uss"] == (511 if is_huge else 512) * PAGE


def test_a_huge_page_whose_first_page_is_exclusive_is_one_owners() -> None:
    """PG_anon_exclusive (bit 34) of the first page is for all of a huge page that a PMD maps."""
    frames = [Frame(1024 + k, Kind.ANON, head=1024, noise=KPF["OWNER_2"] if k == 0 else 0) for k in range(512)]
    with walked(machine_of(frames, heap({k: 1024 + k for k in range(512)})), columns=("pid", "uss")) as lean:
        assert lean.coverage()["spared_frames"] == 512
        assert lean.processes()["uss"].tolist() == [512 * PAGE]


def test_a_huge_page_with_owners_of_parts_of_it() -> None:
    """One maps all by a PMD, one that is seen its last page, a hidden one a page that only the first seems to own."""
    frames = [Frame(1024 + k, Kind.ANON, head=1024, hidden=int(k == 77)) for k in range(512)]
    whole, part = heap({k: 1024 + k for k in range(512)}), (Vma(0x400, 8, entries={0: Present(1024 + 511)}),)
    for spaces in ((whole, part), (part, whole)):
        with walked(machine_of(frames, *spaces), columns=("pid", "uss", "pss")) as lean:
            assert (lean.coverage()["spared_frames"], lean.coverage()["hidden_frames"]) == (0, 1)
            assert sorted(lean.processes()["uss"].tolist()) == [0, 510 * PAGE]


def words_of(machine: Machine, *columns: str) -> int:
    """How many words a walk for these columns read."""
    read: list[FrameRows] = []

    def noted(*arguments: Any, **options: Any) -> FrameRows:
        read.append(frames_of(*arguments, **options))
        return read[-1]

    frames_of = walker.read_frames
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walker, "known_devices", lambda _procfs: KNOWN)
        patch.setattr(walker, "read_frames", noted)
        with walked(machine, columns=columns):
            return read[0].words


def test_of_shared_frames_only_the_count_is_read() -> None:
    """Anonymous memory and shmem: what they are is known, a hidden owner is not. Of other files the flags too."""
    shared = {k: Present(10 + k) for k in range(8)}
    for kind, device, inode, words in (
        (Kind.ANON, DISK, 0, 8),
        (Kind.ANON, DISK, 5, 8),
        (Kind.ANON, (0, 33), 5, 16),
        (Kind.SHMEM, SHMEM, 5, 8),
        (Kind.SHMEM, (0, 33), 5, 16),
        (Kind.FILE, DISK, 5, 16),
        (Kind.ZERO, DISK, 0, 16),
    ):
        frames = [Frame(10 + k, kind, hidden=int(k == 3 and kind is not Kind.ZERO)) for k in range(8)]
        vmas = (Vma(0x400, 8, entries=shared, device=device, inode=inode),)
        machine = machine_of(frames, vmas, vmas)
        assert words_of(machine, "pid", "pss") == words
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(walker, "known_devices", lambda _procfs: KNOWN)
            expect_same(machine)


@pytest.mark.parametrize("columns", [("pid", "thp"), ("private_dirty",), ("rss", "ksm"), None])
def test_where_flags_are_asked_for_all_is_read(columns: tuple[str, ...] | None) -> None:
    machine = machine_of([Frame(10, Kind.ANON)], heap({0: 10}))
    for options in (
        {"columns": columns},
        {"columns": ("pid",), "mappings": True},
        {"columns": ("pid",), "freed": True},
    ):
        with walked(machine, **options) as snapshot:
            assert snapshot.coverage()["spared_frames"] == 0


def test_what_was_not_asked_for_cannot_select() -> None:
    machine = machine_of([Frame(10, Kind.ANON)], heap({0: 10}))
    with walked(machine, columns=("pid", "pss")) as lean:
        for wishes, name in (({"users": ["0"]}, "user"), ({"cgroups": ["/"]}, "cgroup")):
            with pytest.raises(PagewalkError, match=f"was not asked for {name}"):
                lean.select(**wishes)
        with pytest.raises(PagewalkError, match="no column 'size'; there are pid, "):
            pagewalk.walk(columns=["size"], root="/nowhere")
    with walked(machine, columns=("user", "cgroup")) as asked:
        assert len(asked.select(users=["0"], cgroups=["/"])) == 1


def test_memory_of_many_blocks_and_threads() -> None:
    """The same whatever the threads: frames in three blocks, some of them shared."""
    pfns = [5, 70_000, 70_001, 140_000]
    machine = replace(
        machine_of(
            [Frame(pfn, Kind.ANON) for pfn in pfns],
            heap(dict(enumerate(pfns))),
            (Vma(0x400, 8, entries={0: Present(70_001)}),),
        ),
        limit=150_000,
    )
    machine = truthful(machine)
    for threads in (1, 3):
        with walked(machine, columns=("pid", "pss", "uss"), threads=threads) as lean:
            table = lean.processes()
            assert table["uss"].tolist() == [3 * PAGE, 0]
            assert np.asarray(table["pss"]).tolist() == [3 * PAGE + PAGE // 2, PAGE // 2]
            assert lean.coverage()["spared_frames"] == 3


def test_where_folios_have_but_one_count_bit_56_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walker, "probe", lambda *_: Probe(True, True, "folio-average"))
    machine = machine_of([Frame(pfn, Kind.ANON) for pfn in range(10, 20)], heap({k: 10 + k for k in range(10)}))
    with walked(machine, columns=("pid", "uss")) as careful:
        assert careful.coverage()["spared_frames"] == 0
        assert careful.processes()["uss"].tolist() == [10 * PAGE]
