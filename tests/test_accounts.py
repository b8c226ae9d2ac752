"""Where frames are, and the machine's own accounts read beside a walk."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakebooks
from bookmachines import books
from books import Books
from fakesystem import PAGE, FakeSystem, made
from pagewalk.accounts import NEAR, Places, asked_cover, frame_cover, read_accounts, read_cgroups, read_places
from pagewalk.errors import PermissionRequired, Unsupported
from pagewalk.frames import Span
from pagewalk.system import FrameSpan

__all__ = ["made"]

NOWHERE = (-1, "")

IOMEM = f"""\
00000000-000003ff : Reserved
{PAGE:08x}-{10 * PAGE - 1:08x} : System RAM
{12 * PAGE:08x}-{64 * PAGE - 1:08x} : System RAM
"""


def zone(node: int, name: str, start: int, spanned: int) -> str:
    return (
        f"Node {node}, zone {name:>8}\n  pages free     3\n    spanned  {spanned}\n        present  {spanned}\n"
        f"        managed  {spanned}\n  pagesets\n    cpu: 0\n       count:    5\n  start_pfn:           {start}\n"
    )


def block(made: FakeSystem, number: int, state: str, zones: str, *nodes: int) -> None:
    made.write(f"sys/devices/system/memory/memory{number}/state", state + "\n")
    made.write(f"sys/devices/system/memory/memory{number}/valid_zones", zones + "\n")
    for node in nodes:
        made.link(f"sys/devices/system/node/node{node}/memory{number}", "../nowhere")


# Places


def test_places_are_the_zones_of_ram_in_the_kernels_order(made: FakeSystem) -> None:
    made.write("proc/iomem", IOMEM)
    made.write("proc/zoneinfo", zone(0, "DMA", 1, 15) + zone(0, "Normal", 16, 16) + zone(1, "Normal", 32, 32))
    places = read_places(made, PAGE)
    assert places.names == (NOWHERE, (0, "DMA"), (0, "Normal"), (1, "Normal"))
    assert places.spans == (
        FrameSpan(1, 10, 0, "DMA"),
        FrameSpan(12, 16, 0, "DMA"),
        FrameSpan(16, 32, 0, "Normal"),
        FrameSpan(32, 64, 1, "Normal"),
    )
    assert places.frames == 9 + 52


def test_without_zones_all_of_ram_is_one_place(made: FakeSystem) -> None:
    made.write("proc/iomem", IOMEM)
    places = read_places(made, PAGE)
    assert places.names == (NOWHERE, NOWHERE)
    assert places.spans == (FrameSpan(1, 10, -1, ""), FrameSpan(12, 64, -1, ""))
    # A place of its own all the same: the first is outside of RAM.
    assert [span.zone for span in frame_cover(places, 64, True)] == [0, 1, 0, 1]


def test_zones_that_may_not_be_read_are_no_zones(made: FakeSystem) -> None:
    made.write("proc/iomem", IOMEM)
    made.write("proc/zoneinfo", zone(0, "DMA", 1, 63))
    made.refused.add("proc/zoneinfo")
    assert read_places(made, PAGE).names == (NOWHERE, NOWHERE)


def test_memory_that_is_switched_off_is_no_ram(made: FakeSystem) -> None:
    """It stands in iomem, but the kernel has no page for it: a hole, not memory of the kernel's."""
    made.write("proc/iomem", IOMEM)
    made.write("proc/zoneinfo", zone(0, "Normal", 1, 63))
    made.write("sys/devices/system/memory/block_size_bytes", f"{8 * PAGE:x}\n")
    for number in range(8):
        off = number in (1, 3, 4, 7)
        block(made, number, "offline" if off else "online", "Normal Movable" if off else "Normal", 0)
    places = read_places(made, PAGE)
    # Blocks 1, 3, 4 and 7 are frames 8 to 15, 24 to 39 and 56 to 63.
    assert [(span.start, span.stop) for span in places.spans] == [(1, 8), (16, 24), (40, 56)]
    assert {(span.node, span.zone) for span in places.spans} == {(0, "Normal")}
    assert places.frames == 7 + 8 + 16


def test_without_iomem_nothing_says_what_is_ram(made: FakeSystem) -> None:
    with pytest.raises(Unsupported, match="iomem"):
        read_places(made, PAGE)
    made.write("proc/iomem", "00000000-ffffffff : PCI Bus 0000:00\n")
    with pytest.raises(Unsupported, match="no System RAM"):
        read_places(made, PAGE)
    made.write("proc/iomem", IOMEM)
    made.refused.add("proc/iomem")
    with pytest.raises(PermissionRequired, match="iomem"):
        read_places(made, PAGE)


def test_hidden_addresses_need_permission(made: FakeSystem) -> None:
    made.write("proc/iomem", "00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n")
    with pytest.raises(PermissionRequired, match="CAP_SYS_ADMIN"):
        read_places(made, PAGE)


# Cover


PLACES = Places((NOWHERE, (0, "DMA"), (1, "Normal")), (FrameSpan(4, 8, 0, "DMA"), FrameSpan(10, 20, 1, "Normal")))


def test_the_cover_has_every_frame_once() -> None:
    assert frame_cover(PLACES, 32, True) == [
        Span(0, 4),
        Span(4, 8, 1, True),
        Span(8, 10),
        Span(10, 20, 2, True),
        Span(20, 32),
    ]
    # Of frames with owners only, the places are told all the same.
    assert frame_cover(PLACES, 20, False)[1::2] == [Span(4, 8, 1), Span(10, 20, 2)]


@given(st.sets(st.integers(0, 700), max_size=12), st.lists(st.integers(1, 300), max_size=4), st.booleans())
def test_frames_that_are_asked_for_are_read_owned_or_not(pfns: set[int], lengths: list[int], unowned: bool) -> None:
    stops = list(itertools.accumulate(lengths))
    cover = [
        Span(stop - length, stop, zone, unowned and zone % 2 == 0)
        for zone, (length, stop) in enumerate(zip(lengths, stops, strict=True))
    ]
    cut = asked_cover(cover, np.array(sorted(pfns), np.uint64))
    before = {pfn: span for span in cover for pfn in range(span.start, span.stop)}
    after = [(pfn, span) for span in cut for pfn in range(span.start, span.stop)]
    assert [pfn for pfn, _ in after] == sorted(before)  # each once, in order
    for pfn, span in after:
        assert span.zone == before[pfn].zone
        is_near = any(abs(pfn - asked) < NEAR for asked in pfns)
        assert span.unowned >= (before[pfn].unowned or pfn in pfns)
        assert before[pfn].unowned or is_near or not span.unowned


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (0, []),
        (3, [Span(0, 3)]),
        (6, [Span(0, 4), Span(4, 6, 1, True)]),
        (10, [Span(0, 4), Span(4, 8, 1, True), Span(8, 10)]),
        (12, [Span(0, 4), Span(4, 8, 1, True), Span(8, 10), Span(10, 12, 2, True)]),
    ],
)
def test_the_cover_ends_with_the_kpage_files(frames: int, expected: list[Span]) -> None:
    assert frame_cover(PLACES, frames, True) == expected


@given(of=books())
def test_places_of_made_machines(of: Books) -> None:
    with fakebooks.made(of) as procfs:
        places = read_places(procfs, PAGE)
    told = {pfn: (span.node, span.zone) for span in places.spans for pfn in range(span.start, span.stop)}
    assert told == {pfn: (stretch.node, stretch.zone) for pfn, stretch in of.ram.places.items()}
    assert places.frames == len(told)
    limit = of.machine.limit
    cover = frame_cover(places, limit, True)
    assert [pfn for span in cover for pfn in range(span.start, span.stop)] == list(range(limit))
    inside = {pfn: span.zone for span in cover if span.unowned for pfn in range(span.start, span.stop)}
    assert {pfn: places.names[number] for pfn, number in inside.items()} == {p: told[p] for p in told if p < limit}
    assert all(inside.values())


# Accounts


def test_what_is_absent_is_absent_and_not_0(made: FakeSystem) -> None:
    accounts = read_accounts(made)
    assert (accounts.meminfo, accounts.vmstat, accounts.zones) == ({}, {}, ())
    assert accounts.free_blocks is None
    assert accounts.cgroups is None


def test_accounts_are_the_kernels_own(made: FakeSystem) -> None:
    made.write("proc/meminfo", "MemTotal:       100 kB\nHugePages_Total:       3\nHugepagesize:       2048 kB\n")
    made.write("proc/vmstat", "nr_zspages 7\n")
    made.write("proc/zoneinfo", zone(0, "DMA", 1, 15))
    made.write("proc/buddyinfo", "Node 0, zone      DMA      1      0      2\n")
    accounts = read_accounts(made)
    assert accounts.meminfo == {"MemTotal": 102400, "HugePages_Total": 3, "Hugepagesize": 2 << 20}
    assert accounts.vmstat == {"nr_zspages": 7}
    (only,) = accounts.zones
    assert (only.node, only.name, only.free, only.per_cpu) == (0, "DMA", 3, 5)
    assert accounts.free_blocks is not None
    assert [row["order2"] for row in accounts.free_blocks] == [2]


@pytest.mark.parametrize("name", ["meminfo", "vmstat", "zoneinfo", "buddyinfo"])
def test_what_is_there_and_cannot_be_had_is_a_gap(made: FakeSystem, name: str) -> None:
    """A form that we do not know yet, or a refusal, costs its figures and not the walk."""
    made.write(f"proc/{name}", "no such thing: at all\n")
    accounts = read_accounts(made)
    assert (accounts.meminfo, accounts.vmstat, accounts.zones, accounts.free_blocks) == ({}, {}, (), None)
    ((what, why),) = accounts.gaps
    assert what == name
    assert f"{name}:1" in why
    made.refused.add(f"proc/{name}")
    ((what, why),) = read_accounts(made).gaps
    assert what == name
    assert "needs root" in why


def test_zones_of_another_form_leave_places_without_names(made: FakeSystem) -> None:
    made.write("proc/iomem", IOMEM)
    made.write("proc/zoneinfo", "Zone?\n")
    places = read_places(made, PAGE)
    assert places.names == (NOWHERE, NOWHERE)
    assert [name for name, _ in places.gaps] == ["zoneinfo"]


# Cgroups


def tree(made: FakeSystem, *paths: str) -> None:
    made.write("cgroup/cgroup.controllers", "cpu memory\n")
    for path in ("", *paths):
        made.write(f"cgroup{path}/memory.stat", "anon 4096\nfile 8192\nshmem 4096\nslab 0\n")


def test_no_hierarchy_has_the_controller(made: FakeSystem) -> None:
    assert read_cgroups(made) is None
    assert read_accounts(made).cgroups is None


def test_cgroups_are_listed_with_their_figures(made: FakeSystem) -> None:
    tree(made, "/a", "/a/b")
    before = read_cgroups(made)
    assert before is not None
    found = read_accounts(made, before).cgroups
    assert found is not None
    assert [cgroup.path for cgroup in found.tree.cgroups] == ["/", "/a", "/a/b"]
    assert found.tree.by_path["/a"].inode == os.stat(made.directory / "cgroup" / "a").st_ino
    assert found.figures["/a/b"]["anon"] == found.figures["/a/b"]["file"] == 4096
    assert found.unstable == frozenset()


def test_without_a_list_from_before_nothing_has_changed(made: FakeSystem) -> None:
    tree(made, "/a")
    found = read_accounts(made).cgroups
    assert found is not None
    assert found.unstable == frozenset()


def test_cgroups_that_came_or_went_meanwhile(made: FakeSystem) -> None:
    tree(made, "/old", "/stays")
    before = read_cgroups(made)
    assert before is not None
    old = before.by_path["/old"].inode
    (made.directory / "cgroup" / "old" / "memory.stat").unlink()
    made.write("cgroup/new/memory.stat", "anon 0\nfile 0\nshmem 0\n")
    (made.directory / "cgroup" / "old").rmdir()
    found = read_accounts(made, before).cgroups
    assert found is not None
    assert {cgroup.path for cgroup in found.tree.cgroups} == {"/", "/new", "/stays"}
    assert found.unstable == {old, found.tree.by_path["/new"].inode}


def test_a_cgroup_that_goes_between_its_name_and_its_figures(made: FakeSystem) -> None:
    tree(made, "/a")
    made.vanishing.add("cgroup/a/memory.stat")
    found = read_accounts(made).cgroups
    assert found is not None
    assert "/a" in found.tree.by_path
    assert set(found.figures) == {"/"}
    assert not found.gaps


def test_figures_that_may_not_be_read_are_a_gap(made: FakeSystem) -> None:
    """A security module may refuse single files even to root."""
    tree(made, "/a", "/b")
    made.refused.add("cgroup/a/memory.stat")
    made.write("cgroup/b/memory.stat", "anon\n")
    found = read_accounts(made).cgroups
    assert found is not None
    assert set(found.figures) == {"/"}
    assert [path for path, _ in found.gaps] == ["/a", "/b"]
    assert "denied" in found.gaps[0][1]
    assert "memory.stat:1" in found.gaps[1][1]
