"""swaps and vmallocinfo."""

from __future__ import annotations

import os

import pytest

from fakesystem import FakeSystem, made
from pagewalk.errors import ParseError, PermissionRequired, Unsupported
from pagewalk.system import parse_swaps, parse_vmallocinfo, swaps, vmallocinfo

__all__ = ["made"]

HEADING = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
SWAPS = HEADING + (
    "/dev/vdb                                partition\t524284\t\t12\t\t-2\n"
    "/swap\\040\\134file\\012                      file\t\t1048572\t\t0\t\t32767\n"
)
VMALLOC = """\
0x00000000a573357d-0x00000000088e6bb8   20480 irq_init_percpu_irqstack+0xca/0x100 vmap
0x0000000087dc4fdd-0x0000000032b28c35    8192 unpurged vm_area
0x00000000088e6bb8-0x00000000a03879f1    8192 acpi_os_map_iomem+0x1bc/0x1e0 phys=0x00000000000a0000 ioremap
0xffffc90000009000-0xffffc9000040a000 4198400 alloc_hash+0x197/0x27c pages=1024 vmalloc vpages N0=512 N1=512
0xffffc90000500000-0xffffc90000503000   12288 nf_tables_init+0x10/0x80 [nf_tables] pages=2 vmalloc user N1=2
0x0000000012345678-0x0000000012345679   65536 vm_map_ram
(____ptrval____)-(____ptrval____)    4096 fork+0x1/0x2 pages=1 vmalloc sparkling N0=1
0x0000000000000000-0x0000000000000000    4096 fork+0x1/0x2 dma-coherent
0xf0000000-0xf0002000    8192
0xf0002000-0xf0004000    8192 0xffffffffc0000000 phys=fed00000 ioremap
"""


class TestSwaps:
    def test_rows(self, made: FakeSystem) -> None:
        made.write("proc/swaps", SWAPS)
        assert swaps(made).to_dicts() == [
            {"path": "/dev/vdb", "type": "partition", "size": 524284 << 10, "used": 12 << 10, "priority": -2},
            {"path": "/swap \\file\n", "type": "file", "size": 1048572 << 10, "used": 0, "priority": 32767},
        ]

    def test_none(self) -> None:
        assert parse_swaps(HEADING).names == ("path", "type", "size", "used", "priority")
        assert len(parse_swaps(HEADING)) == len(parse_swaps("")) == 0

    def test_white_space_that_the_kernel_does_not_escape(self) -> None:
        name = os.fsdecode("/nbsp\u00a0\v\x85 ".encode()[:-1] + b"\xff")
        assert parse_swaps(f"{HEADING}{name} file 4 0 -1\n")["path"].tolist() == [name]

    def test_removed_file(self) -> None:
        assert parse_swaps("/swap\\040(deleted) file 4 0 -1")["path"].tolist() == ["/swap (deleted)"]

    @pytest.mark.parametrize(
        "line", ["/dev/sda", "/dev/sda file 1 2", "/dev/sda file a 2 -1", "/a b file 1 2 3", f"/a file {2**62} 0 -1"]
    )
    def test_malformed(self, line: str) -> None:
        with pytest.raises(ParseError, match="swaps:2: cannot read an area of swap"):
            parse_swaps(f"{HEADING}{line}\n")

    def test_without_swap_in_the_kernel(self, made: FakeSystem) -> None:
        with pytest.raises(Unsupported):
            swaps(made)


class TestVmalloc:
    ROWS = parse_vmallocinfo(VMALLOC).to_dicts()

    def test_kinds(self) -> None:
        kinds = [
            "vmap",
            "unpurged vm_area",
            "ioremap",
            "vmalloc",
            "vmalloc",
            "vm_map_ram",
            "vmalloc",
            "",
            "",
            "ioremap",
        ]
        assert [row["kind"] for row in self.ROWS] == kinds

    def test_bytes_are_the_kernels_own(self) -> None:
        assert [row["bytes"] for row in self.ROWS[:3]] == [20480, 8192, 8192]
        assert parse_vmallocinfo(VMALLOC).totals()["bytes"] == sum(row["bytes"] for row in self.ROWS)

    def test_an_allocation(self) -> None:
        assert self.ROWS[3] == {
            "start": 0xFFFFC90000009000,
            "end": 0xFFFFC9000040A000,
            "bytes": 4198400,
            "caller": "alloc_hash+0x197/0x27c",
            "pages": 1024,
            "phys": None,
            "kind": "vmalloc",
            "notes": ["vpages"],
            "nodes": ["N0=512", "N1=512"],
        }

    def test_a_module_belongs_to_its_function(self) -> None:
        assert self.ROWS[4]["caller"] == "nf_tables_init+0x10/0x80 [nf_tables]"
        assert self.ROWS[4]["notes"] == ["user"]
        assert self.ROWS[9]["caller"] == "0xffffffffc0000000"

    def test_an_address_that_says_nothing_is_unknown(self) -> None:
        assert [(row["start"], row["end"]) for row in self.ROWS[6:8]] == [(None, None)] * 2

    def test_what_is_not_said_is_unknown(self) -> None:
        assert [row["pages"] for row in self.ROWS[:3]] == [None] * 3
        assert [row["phys"] for row in self.ROWS[1:3]] == [None, 0xA0000]
        assert self.ROWS[9]["phys"] == 0xFED00000
        assert self.ROWS[8]["caller"] == ""

    def test_new_words_pass_through(self) -> None:
        assert self.ROWS[6]["notes"] == ["sparkling"]
        assert self.ROWS[7]["notes"] == ["dma-coherent"]

    @pytest.mark.parametrize(
        "line",
        [
            "0x1 4096",
            "0x1-0x2 x vmap",
            "0x1-0x2",
            "0x1-0xg 4096",
            "0x1-0x2 4096 f+0x1/0x2 pages=many",
            "0x1-0x2 4096 f+0x1/0x2 phys=zz",
            f"0x1-0x2 {2**63}",
        ],
    )
    def test_malformed(self, line: str) -> None:
        with pytest.raises(ParseError, match="vmallocinfo:1: cannot read an area of virtual memory"):
            parse_vmallocinfo(line)

    def test_for_root_only(self, made: FakeSystem) -> None:
        with pytest.raises(Unsupported):
            vmallocinfo(made)
        made.write("proc/vmallocinfo", VMALLOC)
        assert len(vmallocinfo(made)) == len(self.ROWS)
        made.refused.add("proc/vmallocinfo")
        with pytest.raises(PermissionRequired):
            vmallocinfo(made)
