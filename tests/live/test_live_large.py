"""Address spaces that are large in one way or another."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

import truth
from checks import Look, expect, expect_kernel, process, region
from pagewalk.pagemap import CHUNK, Buffers, ChunkReader, ReadCost
from workloads import MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, PAGE, PROT_READ, Stage

TIB, STRIDE = 1 << 40, 64 << 20
# Against reading 268 million entries one by one, as must be where there is no PAGEMAP_SCAN: not a measure of speed.
HANG = 20.0


def test_a_tebibyte_with_a_page_every_64_mib(stage: Stage, look: Look) -> None:
    agent = stage.start()
    memory = agent.map(TIB, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
    agent.write(memory, stride=STRIDE)
    child = agent.fork()
    child.write(memory, stride=2 * STRIDE)
    pages = TIB // STRIDE
    began = time.monotonic()
    snapshot = look()
    assert time.monotonic() - began < HANG or truth.scan_error(agent.pid) is not None
    expect(snapshot, memory, {(agent, child): pages // 2, (agent,): pages // 2, (child,): pages // 2})
    assert region(snapshot, agent, memory)["vss"] == TIB
    expect_kernel(snapshot, agent, child)


@pytest.mark.parametrize("chunk", [64, CHUNK])
def test_what_is_empty_is_not_read(stage: Stage, chunk: int) -> None:
    agent = stage.start()
    if (error := truth.scan_error(agent.pid)) is not None:
        pytest.skip(f"no PAGEMAP_SCAN here, all is read: {error}")
    memory = agent.map(TIB, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
    agent.write(memory, stride=STRIDE)
    cost = ReadCost()
    first, last = (np.array([at // PAGE], np.uint64) for at in (memory.start, memory.stop))
    fd = os.open(f"/proc/{agent.pid}/pagemap", os.O_RDONLY)
    try:
        for _ in ChunkReader(Buffers(chunk), PAGE).chunks(
            fd, 1, 1, (first, last, first, last, np.zeros(1, np.uint8)), cost
        ):
            pass
    finally:
        os.close(fd)
    pages = TIB // STRIDE
    assert cost.entries < pages + 2 * CHUNK
    assert cost.reads < pages + 2 * CHUNK // chunk
    assert cost.scans < pages // 16


def test_sixty_thousand_vmas(stage: Stage, look: Look) -> None:
    count = 60_000
    if int(Path("/proc/sys/vm/max_map_count").read_text()) < count + 100:
        pytest.skip("vm.max_map_count allows no 60,000 VMAs")
    agent = stage.start()
    memory = agent.map(count * PAGE)
    agent.write(memory)
    # Neighbours that differ do not merge.
    agent.calls(("mprotect", memory.page(page), PAGE, PROT_READ) for page in range(0, count, 2))
    agent.write(memory.part(1, 1))
    snapshot = look()
    table = snapshot.mappings(pid=agent.pid)
    table = table.where((table["start"] >= memory.start) & (table["end"] <= memory.stop)).sort("start", False)
    assert len(table) == count
    np.testing.assert_array_equal(table["start"], memory.start + np.arange(count, dtype=np.uint64) * PAGE)
    for name in ("vss", "rss", "pss", "uss", "anon", "private"):
        np.testing.assert_array_equal(table[name], PAGE)
    assert list(table["perms"][:4]) == ["r--p", "rw-p"] * 2
    expect_kernel(snapshot, agent)


def test_a_large_heap_to_the_page(stage: Stage, look: Look) -> None:
    agent = stage.start()
    memory = agent.map(256 << 20)
    agent.write(memory.part(0, memory.pages // 2))
    agent.write(memory.part(memory.pages // 2, memory.pages // 2), stride=3 * PAGE)
    child = agent.fork()
    child.write(memory, stride=5 * PAGE)
    pages = len(truth.present(agent.pid, memory))
    common = len(set(truth.present(agent.pid, memory)) & set(truth.present(child.pid, memory)))
    alone = len(truth.present(child.pid, memory)) - common
    snapshot = look()
    expect(snapshot, memory, {(agent, child): common, (agent,): pages - common, (child,): alone})
    expect_kernel(snapshot, agent, child)


@pytest.mark.parametrize("chunk", [1, 511, 1 << 20])
@pytest.mark.parametrize("threads", [1, 3])
def test_whatever_the_chunk_and_the_threads(stage: Stage, look: Look, chunk: int, threads: int) -> None:
    agent = stage.start()
    memory = agent.map(3000 * PAGE)
    agent.write(memory, stride=2 * PAGE)
    child = agent.fork()
    child.write(memory.part(0, 1000), stride=2 * PAGE)
    snapshot = look(pids=[agent.pid, child.pid], chunk=chunk, threads=threads)
    expect(snapshot, memory, {(agent, child): 1000, (agent,): 500, (child,): 500})
    assert process(snapshot, agent)["rss"] == truth.rollup(agent.pid)["rss"]
