"""Which frames are RAM."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakesystem import PAGE, FakeSystem, made
from pagewalk.errors import ParseError, PermissionRequired, Unsupported
from pagewalk.system import parse_iomem, ram_frames, whole_frames

__all__ = ["made"]

IOMEM = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000a0000-000bffff : PCI Bus 0000:00
00100000-7ffd9fff : System RAM
  01000000-01e00000 : Kernel code
  2b000000-350fffff : Crash kernel
7ffda000-7fffffff : Reserved
100000000-13fffffff : System RAM
140000000-23fffffff : virtio0
  140000000-147ffffff : System RAM (virtio_mem)
  148000000-14fffffff : System RAM (virtio_mem)
240000000-43fffffff : CXL Window 0
  240000000-43fffffff : region0
    240000000-43fffffff : dax0.0
      240000000-43fffffff : System RAM (kmem)
440000000-4400000ff : System ROM
940000000-940000fff : <BAD>
"""


class TestIomem:
    def test_ranges(self) -> None:
        assert parse_iomem(IOMEM) == [
            (0x1000, 0x9FC00),
            (0x100000, 0x7FFDA000),
            (0x100000000, 0x140000000 + 0x10000000),
            (0x240000000, 0x440000000),
        ]

    def test_ram_in_ram_is_the_same_ram(self) -> None:
        assert parse_iomem("0000-ffff : System RAM\n  1000-1fff : System RAM (kmem)\n") == [(0, 0x10000)]

    def test_hidden(self) -> None:
        text = "00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n00000000-00000000 : System RAM\n"
        with pytest.raises(PermissionRequired, match="iomem hides its addresses from this user"):
            parse_iomem(text)

    def test_first_frame_is_no_hint_of_hiding(self) -> None:
        assert parse_iomem("00000000-0009ffff : System RAM\n") == [(0, 0xA0000)]

    @pytest.mark.parametrize("line", ["System RAM", "1-2 System RAM", "0x1-0x2 : System RAM", "1-g : System RAM"])
    def test_malformed(self, line: str) -> None:
        with pytest.raises(ParseError, match="iomem:2: cannot read a range of physical memory"):
            parse_iomem(f"0-1 : A\n{line}\n")


class TestFrames:
    @pytest.mark.parametrize(
        ("ranges", "frames"),
        [
            ([(0x1000, 0x9FC00)], [(1, 0x9F)]),
            ([(0x1001, 0x3000)], [(2, 3)]),
            ([(0x1001, 0x2FFF)], []),
            ([(0x1001, 0x1002)], []),
            ([(0x1000, 0x1800), (0x1800, 0x2000)], [(1, 2)]),
            ([(0x3000, 0x4000), (0x1000, 0x2000), (0x2000, 0x3000)], [(1, 4)]),
            ([(0x1000, 0x2001), (0x2002, 0x4000)], [(1, 2), (3, 4)]),
            ([], []),
        ],
    )
    def test_whole_ones_only(self, ranges: list[tuple[int, int]], frames: list[tuple[int, int]]) -> None:
        assert whole_frames(ranges, 0x1000) == frames

    @given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 40)), max_size=8))
    def test_each_byte_of_a_frame_is_ram(self, parts: list[tuple[int, int]]) -> None:
        ranges = [(start, start + length) for start, length in parts if length]
        ram = {byte for start, stop in ranges for byte in range(start, stop)}
        wanted = [pfn for pfn in range(40) if all(byte in ram for byte in range(pfn * 4, pfn * 4 + 4))]
        found = whole_frames(ranges, 4)
        assert [pfn for start, stop in found for pfn in range(start, stop)] == wanted
        assert all(last < first for (_, last), (first, _) in itertools.pairwise(found))


class TestRead:
    def test_frames(self, made: FakeSystem) -> None:
        made.write("proc/iomem", IOMEM)
        assert ram_frames(made) == whole_frames(parse_iomem(IOMEM), PAGE)

    def test_nothing_named(self, made: FakeSystem) -> None:
        with pytest.raises(Unsupported):
            ram_frames(made)
        made.write("proc/iomem", "0-fff : Reserved\n")
        with pytest.raises(Unsupported, match="names no System RAM"):
            ram_frames(made)
