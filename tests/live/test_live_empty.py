"""What looks like memory and is none: zero pages, guards, markers, reservations."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest

import knobs
import truth
from checks import Look, expect, expect_kernel, process, region
from workloads import (
    MADV_GUARD_INSTALL,
    MAP_ANONYMOUS,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    PROT_NONE,
    PROT_READ,
    Agent,
    Region,
    Stage,
)

# include/uapi/linux/userfaultfd.h
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_WRITEPROTECT = 0xC018AA3F, 0xC020AA00, 0xC018AA06
UFFD_API, UFFDIO_REGISTER_MODE_WP, UFFDIO_WRITEPROTECT_MODE_WP = 0xAA, 2, 1
UFFD_FEATURE_WP_HUGETLBFS_SHMEM, UFFD_FEATURE_WP_UNPOPULATED = 1 << 12, 1 << 13


def test_the_zero_page_is_nobodys_memory(stage: Stage, look: Look) -> None:
    agent = stage.start()
    memory = agent.map(64 * PAGE)
    agent.read(memory)
    agent.write(memory.part(0, 4))
    assert len(truth.present(agent.pid, memory)) == 64
    assert len(set(truth.present(agent.pid, memory))) == 5
    snapshot = look()
    expect(snapshot, memory, {(agent,): 4})
    expect_kernel(snapshot, agent)


def test_the_huge_zero_page_is_nobodys_memory(stage: Stage, look: Look, huge: int) -> None:
    if knobs.setting(knobs.THP / "use_zero_page") != "1":
        pytest.skip("the huge zero page is switched off (use_zero_page)")
    agent = stage.start()
    memory = agent.map(2 * huge, huge=True)
    agent.read(Region(memory.start, huge), stride=huge)
    seen = truth.present(agent.pid, memory)
    assert len(seen) == huge // PAGE
    assert truth.flags(seen[0]) & truth.KPF_ZERO_PAGE
    assert truth.flags(seen[-1]) & truth.KPF_ZERO_PAGE
    agent.write(Region(memory.start + huge, PAGE))
    own = len(truth.present(agent.pid, memory)) - len(seen)
    snapshot = look()
    expect(snapshot, memory, {(agent,): own})
    expect_kernel(snapshot, agent)


def guarded(agent: Agent, memory: Region) -> None:
    try:
        agent.advise(memory, MADV_GUARD_INSTALL)
    except OSError as error:
        pytest.skip(f"no guard regions here: MADV_GUARD_INSTALL: {error.strerror}")


def test_guard_regions_are_not_swap(stage: Stage, look: Look) -> None:
    agent = stage.start()
    memory = agent.map(40 * PAGE)
    agent.write(memory)
    guarded(agent, memory.part(10, 20))  # takes what was there away
    entries = truth.pagemap(agent.pid, memory)
    assert sum(bool(entry & truth.SWAP and entry & truth.GUARD) for entry in entries) in (0, 20)
    assert sum(bool(entry & truth.SWAP) for entry in entries) == 20
    assert not any(truth.swapped(entry) for entry in entries)
    snapshot = look()
    expect(snapshot, memory, {(agent,): 20})
    figures = region(snapshot, agent, memory)
    assert (figures["vss"], figures["swap"], figures["swap_pss"], figures["swap_uss"]) == (40 * PAGE, 0, 0, 0)
    assert process(snapshot, agent)["swap"] == 0
    expect_kernel(snapshot, agent)


def write_protect(agent: Agent, memory: Region, features: int) -> None:
    """Arm userfaultfd's write protection over a region, populated or not."""
    at = agent.map(PAGE).start

    def ioctl(request: int, form: str, *values: int) -> None:
        agent.poke(at, struct.pack(form, *values))
        agent.call("ioctl", fd, request, at)

    try:
        fd = agent.call("userfaultfd", 0)
        ioctl(UFFDIO_API, "=QQQ", UFFD_API, features, 0)
        ioctl(UFFDIO_REGISTER, "=QQQQ", memory.start, memory.length, UFFDIO_REGISTER_MODE_WP, 0)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            raise
        pytest.skip(f"no write protection by userfaultfd here: {error}")
    ioctl(UFFDIO_WRITEPROTECT, "=QQQ", memory.start, memory.length, UFFDIO_WRITEPROTECT_MODE_WP)


@pytest.mark.parametrize(
    ("flags", "feature", "kind"),
    [
        (MAP_PRIVATE | MAP_ANONYMOUS, UFFD_FEATURE_WP_UNPOPULATED, "anon"),
        (MAP_SHARED | MAP_ANONYMOUS, UFFD_FEATURE_WP_HUGETLBFS_SHMEM, "shmem"),
    ],
    ids=["anon", "shmem"],
)
def test_userfaultfd_markers_are_not_swap(stage: Stage, look: Look, flags: int, feature: int, kind: str) -> None:
    agent = stage.start()
    memory = agent.map(32 * PAGE, flags=flags)
    agent.write(memory.part(0, 12))
    write_protect(agent, memory, feature)
    entries = truth.pagemap(agent.pid, memory)
    markers = sum(bool(entry & truth.SWAP and not truth.swapped(entry)) for entry in entries)
    assert markers == 32 - len(truth.present(agent.pid, memory)) > 0
    snapshot = look()
    expect(snapshot, memory, {(agent,): 32 - markers}, kind)
    assert region(snapshot, agent, memory)["swap"] == 0
    assert process(snapshot, agent)["swap"] == 0
    expect_kernel(snapshot, agent)


def test_a_reservation_is_only_addresses(stage: Stage, look: Look) -> None:
    agent = stage.start()
    before = process(look(), agent)
    memory = agent.map(1 << 34, prot=PROT_NONE, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
    snapshot = look()
    figures = region(snapshot, agent, memory)
    assert figures["vss"] == 1 << 34
    assert figures["rss"] == figures["swap"] == figures["pss"] == 0
    assert process(snapshot, agent)["vss"] - before["vss"] == 1 << 34
    expect_kernel(snapshot, agent)


def test_memory_that_nobody_may_touch_any_more_is_still_memory(stage: Stage, look: Look) -> None:
    agent = stage.start()
    memory = agent.map(16 * PAGE)
    agent.write(memory)
    agent.protect(memory, PROT_NONE)
    snapshot = look()
    expect(snapshot, memory, {(agent,): 16})
    expect_kernel(snapshot, agent)


def test_untouched_memory_is_nothing(stage: Stage, look: Look, file: object) -> None:
    agent = stage.start()
    path = file(8)  # type: ignore[operator]
    assert isinstance(path, Path)
    anonymous = agent.map(100 * PAGE)
    mapped = agent.map(8 * PAGE, prot=PROT_READ, flags=MAP_SHARED, fd=agent.open(path))
    snapshot = look()
    for memory in (anonymous, mapped):
        figures = region(snapshot, agent, memory)
        assert (figures["vss"], figures["rss"], figures["pss"]) == (memory.length, 0, 0)
    expect_kernel(snapshot, agent)
