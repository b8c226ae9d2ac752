"""The node and zone of each frame."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakesystem import FakeSystem, made
from pagewalk.errors import ParseError
from pagewalk.system import FrameSpan, MemoryBlock, Zone, frame_spans, memory_blocks

__all__ = ["made"]

PAGE = 4096
FRAMES = 32768  # of a block of 128 MiB
BLOCKS = "sys/devices/system/memory"
NODES = "sys/devices/system/node"

EMPTY = Zone(0, "Movable", None, 0, 0, 0, 0, 0, 0, {}, {})


def zone(node: int, name: str, start: int, stop: int) -> Zone:
    return replace(EMPTY, node=node, name=name, start_pfn=start, spanned=stop - start)


def block(start: int, stop: int, *nodes: int, zone: str = "", online: bool = True) -> MemoryBlock:
    return MemoryBlock(start, stop, online, nodes, zone)


def places(spans: list[FrameSpan]) -> list[tuple[int, int, int, str]]:
    return [(span.start, span.stop, span.node, span.zone) for span in spans]


class TestMemoryBlocks:
    def write(self, made: FakeSystem, number: int, state: str = "online", zones: str | None = "Normal") -> None:
        made.write(f"{BLOCKS}/memory{number}/state", f"{state}\n")
        if zones is not None:
            made.write(f"{BLOCKS}/memory{number}/valid_zones", f"{zones}\n")

    def belongs(self, made: FakeSystem, number: int, node: int) -> None:
        made.link(f"{NODES}/node{node}/memory{number}", f"../../memory/memory{number}")

    def test_read(self, made: FakeSystem) -> None:
        made.write(f"{BLOCKS}/block_size_bytes", "8000000\n")
        made.write(f"{BLOCKS}/auto_online_blocks", "offline\n")
        made.write(f"{BLOCKS}/power/control", "auto\n")
        for number, state, zones in (
            (0, "online", "none"),
            (2, "online", "DMA32"),
            (10, "offline", "Normal Movable"),
            (11, "going-offline", "Normal"),
            (12, "online", None),
        ):
            self.write(made, number, state, zones)
        for number, node in ((0, 0), (0, 1), (2, 1), (10, 1), (12, 0)):
            self.belongs(made, number, node)
        made.write(f"{NODES}/has_memory", "0-1\n")
        made.write(f"{NODES}/power/control", "auto\n")
        assert memory_blocks(made, PAGE) == [
            block(0, FRAMES, 0, 1),
            block(2 * FRAMES, 3 * FRAMES, 1, zone="DMA32"),
            block(10 * FRAMES, 11 * FRAMES, 1, online=False),
            block(11 * FRAMES, 12 * FRAMES),
            block(12 * FRAMES, 13 * FRAMES, 0),
        ]

    def test_other_pages(self, made: FakeSystem) -> None:
        made.write(f"{BLOCKS}/block_size_bytes", "20000000\n")
        self.write(made, 1)
        assert memory_blocks(made, 65536) == [block(8192, 16384, zone="Normal")]

    def test_no_hotplug(self, made: FakeSystem) -> None:
        assert memory_blocks(made, PAGE) == []

    def test_removed_meanwhile(self, made: FakeSystem) -> None:
        made.write(f"{BLOCKS}/block_size_bytes", "8000000\n")
        self.write(made, 0)
        made.write(f"{BLOCKS}/memory1/online", "1\n")
        assert memory_blocks(made, PAGE) == [block(0, FRAMES, zone="Normal")]

    def test_malformed(self, made: FakeSystem) -> None:
        made.write(f"{BLOCKS}/block_size_bytes", "large\n")
        with pytest.raises(ParseError, match="block_size_bytes:1: cannot read the size of a memory block"):
            memory_blocks(made, PAGE)


class TestSpans:
    def test_one_node(self) -> None:
        zones = [zone(0, "DMA", 1, 4096), zone(0, "DMA32", 4096, 1048576), zone(0, "Normal", 1048576, 6553600), EMPTY]
        ram = [(1, 159), (256, 786432), (1048576, 6553600)]
        assert places(frame_spans(ram, zones)) == [
            (1, 159, 0, "DMA"),
            (256, 4096, 0, "DMA"),
            (4096, 786432, 0, "DMA32"),
            (1048576, 6553600, 0, "Normal"),
        ]

    def test_nodes_in_turn(self) -> None:
        """The spans of both zones reach over all but the first and the last block."""
        zones = [zone(0, "Normal", 0, 30), zone(1, "Normal", 10, 40)]
        blocks = [block(at, at + 10, at // 10 % 2) for at in (0, 10, 20, 30)]
        assert places(frame_spans([(0, 40)], zones, blocks)) == [
            (0, 10, 0, "Normal"),
            (10, 20, 1, "Normal"),
            (20, 30, 0, "Normal"),
            (30, 40, 1, "Normal"),
        ]

    def test_nodes_in_turn_without_blocks_are_not_guessed(self) -> None:
        zones = [zone(0, "Normal", 0, 30), zone(1, "Normal", 10, 40)]
        assert places(frame_spans([(0, 40)], zones)) == [
            (0, 10, 0, "Normal"),
            (10, 30, -1, ""),
            (30, 40, 1, "Normal"),
        ]

    def test_zones_in_turn_within_a_node(self) -> None:
        """Memory added for the movable zone between blocks of the other (online_movable)."""
        zones = [zone(0, "Normal", 0, 30), zone(0, "Movable", 10, 40)]
        blocks = [block(at, at + 10, 0, zone="Movable" if at % 20 else "Normal") for at in (0, 10, 20, 30)]
        spans = [(0, 10, 0, "Normal"), (10, 20, 0, "Movable"), (20, 30, 0, "Normal"), (30, 40, 0, "Movable")]
        assert places(frame_spans([(0, 40)], zones, blocks)) == spans
        unsaid = [replace(part, zone="") for part in blocks]
        assert places(frame_spans([(0, 40)], zones, unsaid))[1] == (10, 30, 0, "")

    def test_a_block_of_two_nodes(self) -> None:
        zones = [zone(0, "Normal", 0, 15), zone(1, "Normal", 15, 40), zone(2, "Normal", 0, 40)]
        blocks = [block(0, 10, 0), block(10, 20, 0, 1), block(20, 40, 1)]
        assert places(frame_spans([(0, 40)], zones, blocks)) == [(0, 15, 0, "Normal"), (15, 40, 1, "Normal")]

    def test_a_block_of_several_zones(self) -> None:
        """Memory block 0 of every machine: valid_zones says none."""
        zones = [zone(0, "DMA", 1, 4096), zone(0, "DMA32", 4096, 40000)]
        blocks = [block(0, FRAMES, 0), block(FRAMES, 2 * FRAMES, 0, zone="DMA32")]
        assert places(frame_spans([(1, 40000)], zones, blocks)) == [(1, 4096, 0, "DMA"), (4096, 40000, 0, "DMA32")]

    def test_no_zone(self) -> None:
        zones = [zone(0, "Normal", 10, 20)]
        assert places(frame_spans([(5, 25)], zones)) == [(5, 10, -1, ""), (10, 20, 0, "Normal"), (20, 25, -1, "")]
        assert places(frame_spans([(5, 25)], [EMPTY])) == [(5, 25, -1, "")]

    def test_offline(self) -> None:
        zones = [zone(0, "Normal", 0, 30)]
        blocks = [block(0, 10, 0), block(10, 20, 0, online=False), block(20, 30, 0)]
        assert places(frame_spans([(0, 30)], zones, blocks)) == [
            (0, 10, 0, "Normal"),
            (10, 20, -1, ""),
            (20, 30, 0, "Normal"),
        ]

    def test_memory_of_devices_is_no_ram(self) -> None:
        zones = [zone(0, "Normal", 0, 30), zone(0, "Device", 10, 60)]
        assert places(frame_spans([(0, 30)], zones)) == [(0, 30, 0, "Normal")]

    def test_ram_outside_of_every_block(self) -> None:
        zones = [zone(0, "Normal", 0, 30)]
        assert places(frame_spans([(0, 30)], zones, [block(10, 20, 0)])) == [(0, 30, 0, "Normal")]

    def test_a_node_that_the_zones_do_not_know(self) -> None:
        assert places(frame_spans([(0, 10)], [zone(0, "Normal", 0, 10)], [block(0, 10, 5)])) == [(0, 10, -1, "")]

    def test_no_ram(self) -> None:
        assert frame_spans([], [zone(0, "Normal", 0, 30)]) == []


SIZE = 4  # frames of a block
NAMES = ("DMA", "Normal", "Movable")
Layout = list[tuple[int, str] | None]

layouts = st.lists(st.none() | st.tuples(st.integers(0, 2), st.sampled_from(NAMES)), min_size=1, max_size=12)
holes = st.sets(st.integers(0, 12 * SIZE))


def zones_of(layout: Layout) -> list[Zone]:
    """As the kernel has them: from the first to the last frame of each, whatever lies between."""
    spans: dict[tuple[int, str], tuple[int, int]] = {}
    for number, place in enumerate(layout):
        if place is not None:
            start, _ = spans.get(place, (number, number))
            spans[place] = (start, number + 1)
    return [zone(node, name, start * SIZE, stop * SIZE) for (node, name), (start, stop) in spans.items()]


def ranges(frames: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for pfn in frames:
        if found and found[-1][1] == pfn:
            found[-1] = (found[-1][0], pfn + 1)
        else:
            found.append((pfn, pfn + 1))
    return found


@given(layouts, holes)
def test_however_nodes_and_zones_interleave(layout: Layout, missing: set[int]) -> None:
    blocks = [
        block(at * SIZE, (at + 1) * SIZE, place[0], zone=place[1])
        for at, place in enumerate(layout)
        if place is not None
    ]
    ram = [pfn for pfn in range(len(layout) * SIZE) if pfn not in missing and layout[pfn // SIZE] is not None]
    spans = frame_spans(ranges(ram), zones_of(layout), blocks)
    found = {pfn: (span.node, span.zone) for span in spans for pfn in range(span.start, span.stop)}
    assert found == {pfn: layout[pfn // SIZE] for pfn in ram}
    assert sum(span.stop - span.start for span in spans) == len(ram)


@given(layouts, holes, st.booleans())
def test_with_less_said_nothing_wrong_is_said(layout: Layout, missing: set[int], nodes_known: bool) -> None:
    blocks = [
        block(at * SIZE, (at + 1) * SIZE, *place[:1]) for at, place in enumerate(layout) if place is not None
    ] * nodes_known
    ram = [pfn for pfn in range(len(layout) * SIZE) if pfn not in missing and layout[pfn // SIZE] is not None]
    spans = frame_spans(ranges(ram), zones_of(layout), blocks)
    assert [pfn for span in spans for pfn in range(span.start, span.stop)] == ram
    for span in spans:
        for place in {layout[pfn // SIZE] for pfn in range(span.start, span.stop)}:
            assert place is not None
            assert span.node in (-1, place[0])
            assert span.zone in ("", place[1])
            assert span.node == place[0] or not nodes_known
