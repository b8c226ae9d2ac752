"""Large folios under mappings: known ones, and those of whatever runs, page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import knobs
import truth
from checks import Look
from vmachecks import expect_smaps, looked, part, smaps
from workloads import (
    MADV_DONTNEED,
    MADV_NOHUGEPAGE,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_PRIVATE,
    PAGE,
    PROT_READ,
    Region,
    Stage,
)

# include/uapi/linux/kernel-page-flags.h: KPF_COMPOUND_HEAD, KPF_COMPOUND_TAIL
HEAD, TAIL = 1 << 15, 1 << 16
# What can be read page by page in little time.
LARGE, SMALL = 1 << 30, 16 << 20


def test_huge_pages_whole_and_in_part(stage: Stage, look: Look, huge: int) -> None:
    parent = stage.start()
    memory = parent.map(3 * huge, huge=True)
    parent.write(memory)
    parent.advise(memory, MADV_NOHUGEPAGE)
    if smaps(parent.pid)[memory.start]["AnonHugePages"] != memory.length:
        pytest.skip("the kernel gave small pages where huge ones were asked for: memory is fragmented")
    child = parent.fork()
    child.write(memory.part(5, 3))
    child.advise(Region(memory.start + 2 * huge, huge // 2), MADV_DONTNEED)
    snapshot = looked(look, parent, child)
    expect_smaps(snapshot, parent, child)
    assert large(part(snapshot, parent, memory)) == (3 * huge, 0, 0)
    # Of the first three of its own pages, of the last half gone: one is whole.
    assert large(part(snapshot, child, memory)) == (huge, 0, huge - 3 * PAGE + huge // 2)
    child.end()
    parent.advise(Region(memory.start + huge // 2, huge // 2), MADV_DONTNEED)  # nobody's now, and part of it still
    snapshot = looked(look, parent)
    expect_smaps(snapshot, parent)
    rows = [row for row in snapshot.folios(parent.pid) if row["start"] == memory.start]
    found = [(row["kind"], row["size"], row["aligned"], row["unaligned"], row["partial"]) for row in rows]
    split = truth.flags(truth.present(parent.pid, memory)[0]) & truth.KPF_THP == 0
    assert found == [("anon", None, 0, 0, huge // 2)] * (not split) + [("anon", huge, 2 * huge, 0, 0)]


def large(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["large_aligned"], row["large_unaligned"], row["large_partial"]


@pytest.fixture
def sixteen(root: None) -> Iterator[int]:
    """Folios of sixteen pages where a process asks for huge ones; their size."""
    size = 16 * PAGE
    path = knobs.THP / f"hugepages-{size >> 10}kB" / "enabled"
    if not path.exists():
        pytest.skip(f"no {path}: this kernel has no huge pages of several sizes")
    sizes = [one / "enabled" for one in knobs.THP.glob("hugepages-*kB") if (one / "enabled").exists()]
    try:
        switches = [knobs.knob(one, "madvise" if one == path else "never") for one in sizes]
        for switch in switches:
            switch.__enter__()
    except knobs.Unavailable as reason:
        pytest.skip(str(reason))
    try:
        yield size
    finally:
        for switch in reversed(switches):
            switch.__exit__(None, None, None)


def test_folios_of_sixteen_pages(stage: Stage, look: Look, sixteen: int) -> None:
    agent = stage.start()
    memory = agent.map(64 * sixteen, huge=True)
    agent.write(memory)
    frames = truth.present(agent.pid, memory)
    heads = [pfn for pfn in frames if truth.flags(pfn) & HEAD]
    if len(heads) != 64:
        pytest.skip("the kernel gave other folios than were asked for: memory is fragmented")
    # 10 of them lose a page, which nobody has then; 20 move to where they do not fit.
    for number in range(10):
        agent.advise(memory.part(number * 16 + number, 1), MADV_DONTNEED)
    where = Region(memory.start + 44 * sixteen, 20 * sixteen)
    room = stage.room(memory.length)
    target = room.start + PAGE
    assert agent.call("mremap", where.start, where.length, where.length, 3, target) == target
    snapshot = looked(look, agent)
    expect_smaps(snapshot, agent)
    assert large(part(snapshot, agent, memory)) == (34 * sixteen, 0, 10 * 15 * PAGE)
    assert large(part(snapshot, agent, Region(target, where.length))) == (0, 20 * sixteen, 0)
    rows = [row for row in snapshot.folios(agent.pid, group=True) if row["name"] == "anonymous" and row["size"]]
    assert [(row["size"], row["aligned"], row["unaligned"]) for row in rows] == [(sixteen, 34 * sixteen, 20 * sixteen)]


def test_pages_of_hugetlbfs(stage: Stage, look: Look, hugetlb: int) -> None:
    parent = stage.start()
    memory = parent.map(3 * hugetlb, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)
    parent.write(Region(memory.start, 2 * hugetlb), stride=hugetlb)
    child = parent.fork()
    child.write(Region(memory.start, hugetlb), stride=hugetlb)
    snapshot = looked(look, parent, child)
    expect_smaps(snapshot, parent, child)
    row = part(snapshot, parent, memory)
    assert (row["kernel_page_size"], row["hugetlb"], large(row)) == (hugetlb, 2 * hugetlb, (2 * hugetlb, 0, 0))
    assert (row["partners"], row["partner_bytes"]) == ([child.pid], [hugetlb])


def by_page(pid: int) -> Counter[tuple[int, str, int, str]]:
    """Pages of large folios by VMA, kind, size and alignment, by the rules of the kernel's tools/mm/thpmaps.

    Reads the flags of every page, and of the frame behind each stretch, with nothing of pagewalk's.
    """
    found: Counter[tuple[int, str, int, str]] = Counter()
    for vma in truth.vmas(pid):
        if vma.name in ("[vsyscall]", "[vvar]", "[vvar_vclock]"):
            continue
        entries = truth.pagemap(pid, Region(vma.start, vma.stop - vma.start))
        frames = {page: entry & truth.PFRAME for page, entry in enumerate(entries) if entry & truth.PRESENT}
        flags = {pfn: truth.flags(pfn) for pfn in set(frames.values())}
        done = -1
        for page, pfn in frames.items():
            said = flags[pfn]
            if page <= done or not said & (truth.KPF_THP | truth.KPF_HUGE) or said & truth.KPF_ZERO_PAGE:
                continue
            kind = "anon" if said & truth.KPF_ANON else "shmem" if said & truth.KPF_SWAPBACKED else "file"
            kind = "hugetlb" if said & truth.KPF_HUGE else kind
            pages = 1
            while frames.get(page + pages) == pfn + pages and flags[pfn + pages] & TAIL:
                pages += 1
            done = page + pages - 1
            is_whole = said & HEAD and not truth.flags(pfn + pages) & TAIL
            where = (vma.start // PAGE + page) % pages == 0
            how = ("aligned" if where else "unaligned") if is_whole else "partial"
            found[vma.start, kind, pages * PAGE if is_whole else 0, how] += pages * PAGE
    return found


def known(pids: Iterable[int]) -> dict[int, Counter[tuple[int, str, int, str]]]:
    """The folios of processes, those left out that end meanwhile or are refused."""
    found = {}
    for pid in pids:
        with suppress(ProcessLookupError, FileNotFoundError, PermissionError):
            found[pid] = by_page(pid)
    return found


def test_of_the_processes_there_are(stage: Stage, look: Look, file: Callable[..., Path]) -> None:
    """Files have folios of many sizes, mapped at any address and in any part."""
    agents = [stage.start() for _ in range(2)]
    for agent in agents:
        memory = agent.map(700 * PAGE, PROT_READ, MAP_PRIVATE, agent.open(file(700)))
        for first, count in ((0, 3), (20, 100), (200, 500)):
            agent.read(memory.part(first, count))
    table = look().processes()
    few = table.where(table["vss"] < LARGE).where(table["rss"][table["vss"] < LARGE] < SMALL).head(10)["pid"].tolist()
    pids = {*few, *(agent.pid for agent in agents)}
    before = known(pids)
    snapshot = look()
    after = known(pids)
    quiet = [pid for pid in before if after.get(pid) == before[pid]]
    assert {agent.pid for agent in agents} <= set(quiet)
    for pid in quiet:
        found: Counter[tuple[int, str, int, str]] = Counter()
        for row in snapshot.folios(pid):
            for how in ("aligned", "unaligned", "partial"):
                if row[how]:
                    found[row["start"], row["kind"], row["size"] or 0, how] += row[how]
        assert found == before[pid], pid
