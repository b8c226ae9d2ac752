"""Single pages that a walk keeps, and nameless files with their holders: of the small host."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from fakeproc import FakeProcFS
from model import PAGE, Frame, Kind, Machine, Present, Process, Space, Vma
from pagewalk.abi import KPF
from pagewalk.facts import Facts
from pagewalk.plan import Plan
from pagewalk.snapshot import Snapshot, load
from pagewalk.walker import walk_machine
from smallhost import FRAMES, HOST, host


def walk(procfs: FakeProcFS, **plan: object) -> Facts:
    return walk_machine(procfs, Plan(**plan))  # type: ignore[arg-type]


def kept_pages(facts: Facts) -> set[tuple[int, str, int, int]]:
    """Of each page that was kept: its process, its mapping, its address in pages, its frame."""
    assert facts.mappings is not None
    assert facts.pages is not None
    found = set()
    rows = (facts.pages.vma, facts.pages.page, facts.pages.pfn, facts.pages.length)
    for vma, page, pfn, length in zip(*(column.tolist() for column in rows), strict=True):
        pid = int(facts.spaces.pid[facts.mappings.space[vma]])
        found |= {(pid, facts.mappings.name[vma], page + k, pfn + k) for k in range(length)}
    return found


TRUE_PAGES = {
    (pid, vma.name.decode(), vma.first + at, entry.pfn)
    for pid, space in ((10, 0), (11, 1), (20, 2))
    for vma in HOST.spaces[space].vmas
    for at, entry in vma.entries.items()
    if isinstance(entry, Present)
}


@pytest.mark.parametrize("chunk", [1, 3, 32768])
def test_every_page_is_kept_where_mappings_are_asked_for(chunk: int) -> None:
    with host() as procfs:
        facts = walk(procfs, mappings=True, chunk=chunk)
    assert kept_pages(facts) == TRUE_PAGES
    assert facts.frames is not None
    table = facts.table
    for pfn, frame in FRAMES.items():
        (row,) = facts.frames.rows_of(np.array([pfn])).tolist()
        assert bool(int(table.flags[row]) & KPF.ANON) == frame.anon
        assert int(table.mapcount[row]) == HOST.mapcount(pfn)
    assert int(facts.frames.length.sum()) == int(table.frames.sum())


@pytest.mark.parametrize(
    ("asked", "rest"), [([20], []), ([100, 103, 150], [150]), ([21, 8], []), ([199], [199]), ([5000], [])]
)
def test_only_pages_of_frames_that_are_asked_for(asked: list[int], rest: list[int]) -> None:
    """With their neighbours where these are one run; owned or not, what the kernel says of the frames is read."""
    with host() as procfs:
        facts = walk(procfs, pfns=np.array(sorted(asked), np.uint64))
    wanted = {page for page in TRUE_PAGES if page[3] in asked}
    assert wanted <= kept_pages(facts) <= TRUE_PAGES
    assert {page[:2] for page in kept_pages(facts)} == {page[:2] for page in wanted}
    assert facts.frames is not None
    assert facts.mappings is not None
    assert not facts.mappings.whole
    rows = facts.frames.rows_of(np.array(rest, np.int64))
    assert (rows >= 0).all()
    assert (facts.table.set[rows] == 0).all()


def test_what_no_frame_is_asked_of_is_not_kept() -> None:
    with host() as procfs:
        facts = walk(procfs)
    assert (facts.mappings, facts.pages, facts.frames, facts.objects) == (None, None, None, None)
    assert facts.memcg_paths == {}


def test_nameless_files_and_their_holders() -> None:
    with host() as procfs:
        fds = Path(procfs.root) / "10/fd"
        fds.mkdir()
        (fds / "3").symlink_to("/somewhere/else")
        facts = walk(procfs, held=True)
        whole = walk(procfs, held=True, mappings=True)
    for one in (facts, whole):
        assert one.objects is not None
        assert one.objects.name == ["/memfd:w (deleted)"]
        assert one.objects.dies.all()
        holders = {int(one.spaces.pid[space]) for space in one.objects.holder.tolist()}
        assert holders == {11, 20}
        assert one.objects.frames.sum() == 2
        assert {HOST.mapcount(20), HOST.mapcount(21)} == set(one.table.mapcount[one.objects.row].tolist())
    assert facts.mappings is None
    assert kept_pages(whole) == TRUE_PAGES


def test_descriptors_that_may_not_be_listed_are_a_gap() -> None:
    class Hidden(FakeProcFS):
        def numbers_at(self, process: object, name: str) -> list[int]:
            if name == "fd":
                raise PermissionError(errno.EACCES, "Permission denied")
            return super().numbers_at(process, name)  # type: ignore[arg-type]

    with host() as made:
        facts = walk(Hidden(HOST, Path(made.root)), held=True)
    assert {gap.pid for gap in facts.gaps if gap.what == "open files"} == {10, 11, 12, 20}


def test_a_mapping_that_appears_between_two_others_is_left_out(tmp_path: Path) -> None:
    """After maps was read, before pagemap was: its pages are those of no VMA, and no figure has them."""
    frames = {pfn: Frame(pfn, Kind.ANON) for pfn in range(10, 20)}
    vmas = (
        Vma(0x400, 2, entries={0: Present(10), 1: Present(11)}),
        Vma(0x406, 2, name=b"[heap]", entries={0: Present(12)}),
    )
    machine = Machine(frames, (Space(vmas),), (Process(10, 0),), limit=64)
    with host(machine) as procfs:
        with open(f"{procfs.root}/10/pagemap", "r+b") as pagemap:
            for page, pfn in ((0x402, 13), (0x403, 14), (0x405, 15)):
                pagemap.seek(8 * page)
                pagemap.write((1 << 63 | pfn).to_bytes(8, "little"))
        facts = walk(procfs, mappings=True, held=True)
    assert {page[2:] for page in kept_pages(facts)} == {(0x400, 10), (0x401, 11), (0x406, 12)}
    assert facts.mapped_frames == 3
    snapshot = Snapshot(facts)
    assert snapshot.mappings()["rss"].tolist() == [2 * PAGE, PAGE]
    snapshot.save(str(tmp_path / "a.pwz"))
    assert load(str(tmp_path / "a.pwz")).mappings().to_dicts() == snapshot.mappings().to_dicts()
