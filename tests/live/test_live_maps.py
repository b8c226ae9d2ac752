"""What one process maps, VMA by VMA: what smaps says wherever a page tells it, to the page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import truth
from checks import Look
from pagewalk.cli import main
from vmachecks import expect_smaps, looked, part, smaps
from workloads import (
    GIB,
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_MERGEABLE,
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    PROT_READ,
    Stage,
    until,
)

FileMaker = Callable[..., Path]
MADV_FREE = 8


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


def test_the_command(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """From the arguments to the bytes: the same, in JSON."""
    parent = stage.start()
    memory = parent.map(50 * PAGE)
    parent.write(memory)
    child = parent.fork()
    child.write(memory.part(0, 10))
    assert main(["maps", str(child.pid), "-f", "json", "--stack", "--legend"]) == 0
    said = json.loads(capsys.readouterr().out)
    (row,) = (row for row in said["mapping"] if int(row["start"], 16) == memory.start)
    assert (row["uss"], row["shared"]) == (10 * PAGE, 40 * PAGE)
    assert row["partners"] == [{"pid": parent.pid, "comm": "agent", "bytes": 40 * PAGE}]
    kernel = smaps(child.pid)
    assert [int(row["start"], 16) for row in said["mapping"]] == list(kernel)
    assert said["totals"]["rss"] == sum(vma["Rss"] for vma in kernel.values())
    (thread,) = said["stacks"]
    assert thread["tid"] == child.tid
    assert thread["stack"], "it waits in the kernel for a command"
    assert {row["code"] for row in said["legend"]} == {code for vma in kernel.values() for code in vma["VmFlags"]}
    child.end()
    assert main(["maps", str(child.pid)]) == 3
