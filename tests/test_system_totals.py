"""meminfo, vmstat and the size of a huge page."""

from __future__ import annotations

import pytest

from fakesystem import PAGE, FakeSystem, made
from pagewalk.errors import ParseError, Unsupported
from pagewalk.system import huge_order, meminfo, parse_meminfo, parse_vmstat, vmstat

__all__ = ["made"]

MEMINFO = """\
MemTotal:       24684084 kB
MemFree:        20446076 kB
Active(anon):       1620 kB
VmallocTotal:   34359738367 kB
SomethingNew:          7 kB
HugePages_Total:       5
Hugepagesize:       2048 kB
"""


class TestMeminfo:
    def test_bytes_and_counts(self) -> None:
        figures = parse_meminfo(MEMINFO)
        assert figures == {
            "MemTotal": 24684084 * 1024,
            "MemFree": 20446076 * 1024,
            "Active(anon)": 1620 * 1024,
            "VmallocTotal": 34359738367 * 1024,
            "SomethingNew": 7 * 1024,
            "HugePages_Total": 5,
            "Hugepagesize": 2 << 20,
        }

    def test_read(self, made: FakeSystem) -> None:
        made.write("proc/meminfo", MEMINFO)
        assert meminfo(made) == parse_meminfo(MEMINFO)

    @pytest.mark.parametrize("line", ["MemFree 7 kB", "MemFree:", "MemFree: x kB", "MemFree: 7 MB", "MemFree: -7 kB"])
    def test_malformed(self, line: str, made: FakeSystem) -> None:
        path = made.write("proc/meminfo", f"MemTotal: 1 kB\n{line}\n")
        with pytest.raises(ParseError) as caught:
            meminfo(made)
        assert (caught.value.path, caught.value.line) == (str(path), 2)
        assert caught.value.item.startswith("MemFree")

    def test_absent(self, made: FakeSystem) -> None:
        with pytest.raises(Unsupported):
            meminfo(made)


class TestVmstat:
    TEXT = "nr_free_pages 1126290\nnr_kernel_stack 2224\nbrand_new 18446744073709551615\n"

    def test_as_it_stands(self, made: FakeSystem) -> None:
        made.write("proc/vmstat", self.TEXT)
        figures = {"nr_free_pages": 1126290, "nr_kernel_stack": 2224, "brand_new": 2**64 - 1}
        assert vmstat(made) == parse_vmstat(self.TEXT) == figures

    @pytest.mark.parametrize("line", ["nr_free_pages", "nr_free_pages x", "nr_free_pages 1 2"])
    def test_malformed(self, line: str) -> None:
        with pytest.raises(ParseError, match="vmstat:1: cannot read nr_free_pages"):
            parse_vmstat(line)


class TestHugeOrder:
    SIZE = "sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

    def test_transparent(self, made: FakeSystem) -> None:
        made.write(self.SIZE, f"{PAGE * 512}\n")
        made.write("proc/meminfo", f"Hugepagesize: {PAGE * 512 * 512 >> 10} kB\n")  # default_hugepagesz=1G
        assert huge_order(made) == 9

    def test_of_hugetlbfs(self, made: FakeSystem) -> None:
        made.write("proc/meminfo", f"Hugepagesize: {PAGE * 256 >> 10} kB\n")
        assert huge_order(made) == 8

    def test_none(self, made: FakeSystem) -> None:
        assert huge_order(made) is None
        made.write("proc/meminfo", "MemTotal: 1 kB\n")
        assert huge_order(made) is None

    def test_malformed(self, made: FakeSystem) -> None:
        made.write(self.SIZE, "large\n")
        with pytest.raises(ParseError, match="hpage_pmd_size:1: cannot read the size of a huge page"):
            huge_order(made)
