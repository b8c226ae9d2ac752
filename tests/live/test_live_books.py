"""All of RAM: its uses add up to the frame, and stand beside what the kernel says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import pagewalk
from pagewalk import Snapshot
from workloads import MAP_SHARED, PAGE, Stage

# The kernel's figures move while they are read, and hang behind by its per-CPU batches.
SLACK = 4 << 20
TRIES = 8


@pytest.fixture(scope="module")
def snap(root: None) -> Snapshot:
    """All of RAM, for those that hold a walk against itself."""
    return pagewalk.walk(frames="all")


def ram_frames() -> int:
    """Whole frames of System RAM, by /proc/iomem."""
    text = Path("/proc/iomem").read_text()
    ranges = [
        (int(start, 16), int(end, 16) + 1)
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", text, re.MULTILINE)
    ]
    return sum(end // PAGE - -(-start // PAGE) for start, end in ranges)


def test_every_frame_has_its_place(snap: Snapshot) -> None:
    table = snap.uses()
    states = [name for name in table.names if name not in ("use", "bytes", "kernel_bytes", "difference")]
    assert int(table["bytes"].sum()) == ram_frames() * PAGE
    assert sum(int(table[state].sum()) for state in states) == ram_frames() * PAGE
    for row in table:
        assert sum(row[state] for state in states) == row["bytes"], row["use"]
    nodes = snap.nodes()
    assert int(nodes["bytes"].sum()) == ram_frames() * PAGE
    for row in table:
        assert int(nodes[row["use"]].sum()) == row["bytes"], row["use"]


def test_mapped_is_what_the_owners_have(snap: Snapshot) -> None:
    """The mapped columns are the frames that somebody seen owns, but for those that were given back meanwhile."""
    table = snap.uses()
    facts = snap.facts.table
    mapped = sum(int(table[state].sum()) for state in ("mapped_one", "mapped_several"))
    zero = (facts.flags & np.uint64(pagewalk.KPF.ZERO_PAGE)) != 0
    owned = (facts.owners > 0) & snap.facts.in_ram & ((facts.mapcount > 0) | zero)
    assert mapped == int(facts.frames[owned].sum()) * PAGE
    assert mapped > 0
    hidden = (facts.owners == 0) & (facts.hidden > 0) & snap.facts.in_ram
    assert int(table["mapped_hidden"].sum()) == int(facts.frames[hidden].sum()) * PAGE


# What each use is held against, so that it can be read before the walk as well.
FIGURES = {
    "free": ("MemFree",),
    "pgtable": ("PageTables",),
    "slab": ("Slab",),
    "hugetlb": ("Hugetlb",),
    "anon": ("AnonPages",),
    "shmem": ("Shmem",),
    "file": ("Cached", "Buffers"),
}


def meminfo() -> dict[str, int]:
    """The figures of meminfo, by the use that is held against them, in bytes."""
    figures = dict(re.findall(r"^(\w+): +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE))
    return {use: sum(int(figures.get(name, 0)) for name in names) << 10 for use, names in FIGURES.items()}


def test_beside_the_kernels_own(root: None) -> None:
    """Within 1 % or 4 MiB of the kernel's figure, what differs named in the balance.

    On a machine that is not quiet ours is of some time during the walk: it lies between what the kernel said before
    and after.
    """
    seen: dict[str, list[tuple[int, int, int]]] = {use: [] for use in FIGURES}
    for _ in range(TRIES):
        before = meminfo()
        snap = pagewalk.walk(frames="all")
        after = meminfo()
        rows = {row["use"]: row for row in snap.uses()}
        parts = {part["part"]: part["bytes"] for part in snap.balance()}
        named = {"anon": -parts["unmapped: swap cache, parts of large folios"], "slab": parts.get("large kmalloc", 0)}
        for use in list(seen):
            ours, kernel = rows[use]["bytes"] + named.get(use, 0), rows[use]["kernel_bytes"]
            # A kernel without such pages has no figure for them.
            if kernel is None or agree(ours, kernel, after[use] - before[use]):
                del seen[use]
            else:
                seen[use].append((ours, kernel, after[use] - before[use]))
        if not seen:
            return
    pytest.fail(f"ours, the kernel's, and how that moved: {seen}")


def agree(ours: int, kernel: int, drift: int) -> bool:
    slack = max(SLACK, kernel // 100)
    return min(0, -drift) - slack <= ours - kernel <= max(0, -drift) + slack


def test_the_kernels_part_is_split(snap: Snapshot) -> None:
    (kernel,) = [row for row in snap.uses() if row["use"] == "kernel"]
    parts = [part["bytes"] for part in snap.balance() if part["of"] == "kernel"]
    assert sum(parts) == kernel["bytes"]
    ram = [part["bytes"] for part in snap.balance() if part["of"] == "System RAM"]
    assert sum(ram) == ram_frames() * PAGE
    assert min(ram) >= 0


def pages(table: pagewalk.Table, use: str, states: tuple[str, ...]) -> int:
    """Pages of a use in some states."""
    row = table["use"].tolist().index(use)
    return sum(int(table[state][row]) for state in states) // PAGE


def test_known_memory_finds_its_use(stage: Stage) -> None:
    """What a process makes appears in the use it is of, in the state it is in; others may do the like meanwhile."""
    lists = ("dirty", "active", "inactive", "unevictable")
    seen = []
    for _ in range(TRIES):
        before = pagewalk.walk(frames="all").uses()
        agent = stage.start()
        agent.write(agent.map(20_000 * PAGE))
        region = agent.map(10_000 * PAGE, flags=MAP_SHARED, fd=agent.memfd(10_000 * PAGE))
        agent.write(region)
        during = pagewalk.walk(frames="all").uses()
        agent.unmap(region)
        after = pagewalk.walk(frames="all").uses()
        agent.end()
        assert pages(during, "anon", ("mapped_one",)) >= 20_000
        found = (
            pages(during, "shmem", ("mapped_one",)) - pages(before, "shmem", ("mapped_one",)),
            pages(after, "shmem", lists) - pages(during, "shmem", lists),
        )
        if all(abs(n - m) < 1_000 for n, m in zip(found, (10_000, 10_000), strict=True)):
            return
        seen.append(found)
    pytest.fail(f"10,000 shared pages mapped, and as many unmapped then: {seen}")


def test_pages_by_node(stage: Stage) -> None:
    """The node of a process's pages, beside the kernel's numa_maps."""
    agent = stage.start()
    region = agent.map(500 * PAGE)
    agent.write(region)
    snap = pagewalk.walk(nodes=True, mappings=[agent.pid])
    row = next(iter(snap.processes(snap.select(pids=[agent.pid]), nodes=True)))
    nodes = {int(name[4:]): value for name, value in row.items() if re.fullmatch(r"node\d+", name)}
    try:
        text = Path(f"/proc/{agent.pid}/numa_maps").read_text()
    except FileNotFoundError:
        pytest.skip("this kernel has no numa_maps (CONFIG_NUMA)")
    kernel = dict.fromkeys(nodes, 0)
    for node, pages in re.findall(r" N(\d+)=(\d+)", text):
        kernel[int(node)] += int(pages) * PAGE
    # numa_maps leaves out what is RESERVED (fs/proc/task_mmu.c:can_gather_numa_stats): the vdso.
    assert sum(kernel.values()) <= sum(nodes.values()) <= sum(kernel.values()) + 4 * PAGE
    for node, size in kernel.items():
        assert 0 <= nodes[node] - size <= 4 * PAGE
    assert sum(nodes.values()) <= row["rss"]
    assert np.isclose(row["rss"], sum(nodes.values()), atol=4 * PAGE)


def test_a_process_report_reads_what_it_saw(root: None) -> None:
    """All of RAM is read for what asks for it only."""
    snap = pagewalk.walk()
    with pytest.raises(pagewalk.PagewalkError, match="frames='all'"):
        snap.uses()
    # Owned frames, and those that processes had which ended or called exec meanwhile: no others were asked for.
    assert int(snap.facts.table.frames.sum()) < ram_frames() // 2
