"""What one process maps, VMA by VMA: what smaps says wherever a page tells it, to the page."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import knobs
import pagewalk
import truth
from checks import Look
from workloads import (
    GIB,
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_MERGEABLE,
    MADV_NOHUGEPAGE,
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    PROT_READ,
    Agent,
    Region,
    Stage,
    until,
)

FileMaker = Callable[..., Path]
HEADER = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (.{4}) ([0-9a-f]+) [0-9a-f]+:[0-9a-f]+ (\d+) *(.*)")
MADV_FREE = 8


def smaps(pid: int) -> dict[int, dict[str, Any]]:
    """What smaps says, by the start of the VMA, in bytes; read with nothing of pagewalk's."""
    found: dict[int, dict[str, Any]] = {}
    for line in Path(f"/proc/{pid}/smaps").read_bytes().splitlines():
        if header := HEADER.fullmatch(line):
            start, end, perms, offset, inode, name = header.groups()
            vma: dict[str, Any] = {"end": int(end, 16), "perms": perms.decode(), "offset": int(offset, 16)}
            vma |= {"inode": int(inode), "name": os.fsdecode(name)}
            found[int(start, 16)] = vma
            continue
        field, _, value = line.decode().partition(":")
        words = value.split()
        vma[field] = words if field == "VmFlags" else int(words[0]) << (10 if words[1:] == ["kB"] else 0)
    return {start: vma for start, vma in found.items() if vma["name"] != "[vsyscall]"}


KERNELS = {
    "kernel_referenced": "Referenced",
    "kernel_shared_dirty": "Shared_Dirty",
    "kernel_private_dirty": "Private_Dirty",
    "kernel_lazy_free": "LazyFree",
    "kernel_locked": "Locked",
    "kernel_anon_huge_pages": "AnonHugePages",
    "kernel_shmem_pmd_mapped": "ShmemPmdMapped",
    "kernel_file_pmd_mapped": "FilePmdMapped",
    "kernel_page_size": "KernelPageSize",
    "kernel_mmu_page_size": "MMUPageSize",
    "kernel_protection_key": "ProtectionKey",
}


def expect_smaps(snapshot: pagewalk.Snapshot, *agents: Agent, pss: bool = True) -> None:
    """Hold every VMA of processes at rest to smaps, field by field.

    Parameters
    ----------
    pss : bool
        Whether the kernel's Pss is right too: nobody maps a frame twice.
    """
    for agent in agents:
        kernel, rows = smaps(agent.pid), snapshot.maps(agent.pid).to_dicts()
        assert [row["start"] for row in rows] == sorted(kernel)
        for row in rows:
            said = kernel[row["start"]]
            assert derived(row) == from_smaps(said), (agent, row["name"])
            for name in ("pss", "swap_pss"):
                # smaps cuts each to a KiB. The vdso is everybody's, and somebody may have come or gone.
                if pss and row["name"] != "[vdso]":
                    assert 0 <= row[name] + 1 - said["Pss" if name == "pss" else "SwapPss"] <= 1025, (agent, row, said)
            assert {name: row[name] for name in KERNELS} == {name: said.get(field) for name, field in KERNELS.items()}
            assert row["kernel_thp_eligible"] == bool(said.get("THPeligible"))
            assert row["vm_flags"] == said["VmFlags"]
            assert row["thp"] >= row["kernel_anon_huge_pages"]
        expect_sums(snapshot, agent)


def derived(row: dict[str, Any]) -> dict[str, Any]:
    """What pages show of a VMA, under the kernel's names."""
    return {
        **{name: row[name] for name in ("end", "perms", "offset", "inode", "name")},
        "Size": row["vss"],
        "Rss": row["rss"],
        "Anonymous": row["anon"],
        "not anonymous": row["file"] + row["shmem"],
        "Private": row["private"],
        "Shared": row["rss"] - row["private"],
        "Hugetlb": row["hugetlb"],
        "KSM": row["ksm"],
        "Swap": row["swap"] + row["kernel_shmem_swap"],
    }


def from_smaps(said: dict[str, Any]) -> dict[str, Any]:
    """The same, from smaps."""
    return {
        **{name: said[name] for name in ("end", "perms", "offset", "inode", "name", "Size", "Rss", "Anonymous")},
        "not anonymous": said["Rss"] - said["Anonymous"],
        "Private": said["Private_Clean"] + said["Private_Dirty"],
        "Shared": said["Shared_Clean"] + said["Shared_Dirty"],
        "Hugetlb": said["Shared_Hugetlb"] + said["Private_Hugetlb"],
        # Kernels up to 6.6 have no such field, and those that set KPF_KSM everywhere leave ours unknown.
        "KSM": said.get("KSM"),
        "Swap": said["Swap"],
    }


def expect_sums(snapshot: pagewalk.Snapshot, agent: Agent) -> None:
    """The mappings add up to the process, and the objects to the mappings."""
    vmas, objects = snapshot.maps(agent.pid).totals(), snapshot.maps(agent.pid, group=True).totals()
    assert {name: total for name, total in objects.items() if name in vmas} == {
        name: vmas[name] for name in objects if name in vmas
    }
    (process,) = snapshot.processes(snapshot.select(pids=[agent.pid]))
    for name in ("vss", "rss", "pss", "uss", "anon", "file", "shmem", "private", "hugetlb", "swap", "swap_pss"):
        assert vmas[name] == process[name], name


def looked(look: Look, *agents: Agent) -> pagewalk.Snapshot:
    return look(mappings=[agent.pid for agent in agents], vm_flags=True)


def part(snapshot: pagewalk.Snapshot, agent: Agent, memory: Region) -> dict[str, Any]:
    """The row of a region that is one VMA."""
    (row,) = (row for row in snapshot.maps(agent.pid) if row["start"] == memory.start)
    return row


def test_forked(stage: Stage, look: Look) -> None:
    parent = stage.start()
    memory = parent.map(300 * PAGE)
    parent.write(memory)
    children = [parent.fork() for _ in range(3)]
    for number, child in enumerate(children):
        child.write(memory.part(number * 50, 100))
    snapshot = looked(look, parent, *children)
    expect_smaps(snapshot, parent, *children)
    # Who has how many of the 300 pages besides the parent: each child all but the 100 it wrote to.
    row = part(snapshot, parent, memory)
    assert row["partners"] == sorted(child.pid for child in children)
    assert row["partner_bytes"] == [200 * PAGE] * 3
    assert (row["others"], row["hidden"]) == (3, 0)
    alone = look(pids=[parent.pid], mappings=[parent.pid], vm_flags=True)
    row = part(alone, parent, memory)
    assert (row["others"], row["partners"], row["hidden"]) == (0, [], 300 * PAGE)


def test_one_memfd_in_many_places(stage: Stage, look: Look) -> None:
    first, second = stage.start(), stage.start()
    fd = first.memfd(24 * PAGE)
    once, again = (first.map(24 * PAGE, flags=MAP_SHARED, fd=fd) for _ in range(2))
    first.write(once)
    first.read(again)
    other = second.map(8 * PAGE, flags=MAP_SHARED, fd=second.open(f"/proc/{first.pid}/fd/{fd}"))
    second.read(other)
    snapshot = looked(look, first, second)
    expect_smaps(snapshot, first, second, pss=False)
    for memory in (once, again):
        row = part(snapshot, first, memory)
        assert (row["partners"], row["partner_bytes"]) == ([second.pid], [8 * PAGE])
    name = part(snapshot, first, once)["name"]
    (row,) = (row for row in snapshot.maps(first.pid, group=True) if row["name"] == name)
    assert (row["mappings"], row["rss"], row["partner_bytes"]) == (2, 48 * PAGE, [16 * PAGE])
    assert (snapshot.partners(first.pid)["partner"] == second.pid).any()


def test_one_address_space_under_two_pids(stage: Stage, look: Look) -> None:
    agent = stage.start()
    memory = agent.map(32 * PAGE)
    agent.write(memory)
    twin = agent.twin()
    snapshot = looked(look, twin)
    expect_smaps(snapshot, agent, twin)
    assert part(snapshot, agent, memory)["others"] == 0, "two processes of one address space are one owner"


def test_swapped_anonymous_and_shared_memory(stage: Stage, look: Look, swap: object) -> None:
    agent = stage.start()
    own = agent.map(100 * PAGE)
    shared = agent.map(64 * PAGE, flags=MAP_SHARED, fd=agent.memfd(64 * PAGE))
    for memory in (own, shared):
        agent.write(memory)
        agent.advise(memory, MADV_PAGEOUT)
    if not smaps(agent.pid)[shared.start]["Swap"]:
        pytest.skip("MADV_PAGEOUT left all of the shared memory in RAM")
    child = agent.fork()
    child.write(own.part(0, 30))
    snapshot = looked(look, agent, child)
    expect_smaps(snapshot, agent, child)
    row = part(snapshot, agent, shared)
    # No pagemap shows it: the kernel's Swap alone does, and its SwapPss does not.
    assert (row["swap"], row["swap_pss"]) == (0, 0)
    assert row["kernel_shmem_swap"] == smaps(agent.pid)[shared.start]["Swap"] > 0
    without = look(mappings=[agent.pid])
    row = part(without, agent, shared)
    assert (row["swap"], row["kernel_shmem_swap"], row["kernel_referenced"], row["vm_flags"]) == (0, None, None, None)


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
    heads = [pfn for pfn in frames if truth.flags(pfn) & 1 << 15]
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


def test_merged_pages(stage: Stage, look: Look, ksm: object) -> None:
    first, second = stage.start(), stage.start()
    value = int.from_bytes(os.urandom(7), "little")
    where = {}
    for agent, pages in ((first, 40), (second, 24)):
        where[agent] = agent.map(pages * PAGE)
        agent.write(where[agent], value=value, step=0)
        agent.advise(where[agent], MADV_MERGEABLE)
    until(
        lambda: len({pfn for agent, memory in where.items() for pfn in truth.present(agent.pid, memory)}) == 1,
        "the kernel to merge alike pages",
    )
    snapshot = looked(look, first, second)
    expect_smaps(snapshot, first, second, pss=False)
    assert part(snapshot, first, where[first])["partner_bytes"] == [40 * PAGE]


def test_what_is_no_memory(stage: Stage, look: Look) -> None:
    """The zero page, guard regions, and a tebibyte with a page every 64 MiB."""
    agent = stage.start()
    zeros, guarded = agent.map(64 * PAGE), agent.map(40 * PAGE)
    agent.read(zeros)
    agent.write(guarded)
    try:
        agent.advise(guarded.part(10, 20), MADV_GUARD_INSTALL)
    except OSError:
        agent.advise(guarded.part(10, 20), MADV_DONTNEED)
    sparse = agent.map(1024 * GIB, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
    agent.write(sparse, stride=64 << 20)
    snapshot = looked(look, agent)
    expect_smaps(snapshot, agent)
    assert part(snapshot, agent, zeros)["rss"] == 0
    assert part(snapshot, agent, guarded)["rss"] == 20 * PAGE


@pytest.mark.parametrize(
    "name", [b"with some  spaces ", b"new\nline", b"looks (deleted)", b"latin-\xe9\xff", b"[heap]"]
)
def test_private_files_of_any_name(stage: Stage, look: Look, file: FileMaker, name: bytes) -> None:
    parent = stage.start()
    fd = parent.open(file(20, name))
    memory = parent.map(20 * PAGE, flags=MAP_PRIVATE, fd=fd)
    parent.read(memory)
    parent.write(memory.part(3, 5))
    child = parent.fork()
    child.write(memory.part(6, 4))
    snapshot = looked(look, parent, child)
    expect_smaps(snapshot, parent, child)
    row = part(snapshot, child, memory)
    assert (row["anon"], row["file"]) == (7 * PAGE, 13 * PAGE)


def test_locked_and_given_up(stage: Stage, look: Look) -> None:
    agent = stage.start()
    locked, given = agent.map(16 * PAGE), agent.map(32 * PAGE)
    agent.call("mlock", locked.start, locked.length)
    agent.write(given)
    agent.advise(given, MADV_FREE)
    snapshot = looked(look, agent)
    expect_smaps(snapshot, agent)
    row = part(snapshot, agent, locked)
    assert (row["kernel_locked"], row["rss"]) == (locked.length, locked.length)
    assert "lo" in row["vm_flags"]


def test_many_vmas(stage: Stage, look: Look) -> None:
    agent = stage.start()
    memory = agent.map(3000 * PAGE)
    agent.write(memory)
    # Neighbours that differ do not merge.
    agent.calls(("mprotect", memory.page(page), PAGE, PROT_READ) for page in range(0, 3000, 2))
    snapshot = looked(look, agent)
    expect_smaps(snapshot, agent)
    assert len(snapshot.maps(agent.pid)) > 3000
    (row,) = (row for row in snapshot.maps(agent.pid, group=True) if row["name"] == "anonymous")
    assert row["rss"] >= 3000 * PAGE
    np.testing.assert_array_equal(np.diff(snapshot.maps(agent.pid)["start"].astype(np.int64)) > 0, True)
