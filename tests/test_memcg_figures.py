"""memory.stat and the files beside it."""

from __future__ import annotations

import errno
import os

import pytest

from fakesystem import FakeSystem, made
from pagewalk.errors import ParseError
from pagewalk.memcg import Hierarchy, cgroup_figures, kernel_figures, own_figures, parse_stat

__all__ = ["made"]

# As 7.3 prints it, shortened; with room between the figures.
V2 = """\
anon 495616
file 7495680
kernel 524288
kernel_stack 16384
pagetables 114688
sec_pagetables 0
percpu 192
sock 4096
vmalloc 8192
shmem 1994752
zswap 0
file_mapped 4775936
file_dirty 73728
file_writeback 0
swapcached 12288
anon_thp 2097152
inactive_anon 0
unevictable 40960
slab 376680
brand_new 77
pgfault 19704
"""
# As 6.18 prints it, shortened.
V1 = """\
cache 10522624
rss 13983744
rss_huge 0
shmem 9084928
mapped_file 7618560
dirty 8192
writeback 0
swap 4096
swapcached 0
pgpgin 43486
unevictable 21520384
hierarchical_memory_limit 9223372036854771712
total_cache 2532376576
total_rss 1348321280
total_rss_huge 260046848
total_shmem 778412032
total_mapped_file 859439104
total_dirty 15044608
total_writeback 0
total_swap 8192
total_swapcached 0
total_unevictable 21520384
"""
KERNEL_ONLY = {"kernel", "slab", "kernel_stack", "pagetables", "sec_pagetables", "percpu", "vmalloc"}


class TestStat:
    def test_as_it_stands(self) -> None:
        stat = parse_stat(V2)
        assert stat["anon"] == 495616
        assert stat["brand_new"] == 77
        assert len(stat) == V2.count("\n")

    @pytest.mark.parametrize("line", ["anon", "anon x", "anon 1 2", "anon -1"])
    def test_malformed(self, line: str) -> None:
        with pytest.raises(ParseError, match=r"memory\.stat:2: cannot read anon"):
            parse_stat(f"file 1\n{line}\n")


class TestFigures:
    def test_version_2(self) -> None:
        assert kernel_figures(parse_stat(V2)) == {
            "anon": 495616,
            "file": 7495680 - 1994752,
            "shmem": 1994752,
            "mapped": 4775936,
            "dirty": 73728,
            "writeback": 0,
            "unevictable": 40960,
            "swapcached": 12288,
            "thp": 2097152,
            "kernel": 524288,
            "slab": 376680,
            "kernel_stack": 16384,
            "pagetables": 114688,
            "sec_pagetables": 0,
            "percpu": 192,
            "vmalloc": 8192,
            "sock": 4096,
            "zswap": 0,
            "hugetlb": None,
            "swap": None,
        }

    def test_version_1_with_all_below(self) -> None:
        figures = kernel_figures(parse_stat(V1))
        assert figures["anon"] == 1348321280
        assert figures["shmem"] == 778412032
        assert figures["file"] == 2532376576 - 778412032
        assert (figures["thp"], figures["swap"], figures["mapped"]) == (260046848, 8192, 859439104)
        assert {name for name in KERNEL_ONLY if figures[name] is not None} == set()

    def test_version_1_alone(self) -> None:
        figures = kernel_figures(parse_stat(V1), recursive=False)
        assert (figures["anon"], figures["file"], figures["swap"]) == (13983744, 10522624 - 9084928, 4096)

    def test_the_same_names(self) -> None:
        assert kernel_figures(parse_stat(V1)).keys() == kernel_figures(parse_stat(V2)).keys()

    def test_what_is_not_said_is_not_zero(self) -> None:
        assert set(kernel_figures({}).values()) == {None}
        figures = kernel_figures({"cache": 8192, "rss": 4096, "total_cache": 8192, "total_rss": 4096})
        assert (figures["anon"], figures["file"], figures["shmem"]) == (4096, None, None)

    def test_sums_that_moved_between(self) -> None:
        assert kernel_figures({"file": 4096, "shmem": 8192})["file"] == 0


class TestOwn:
    def test_without_the_children(self) -> None:
        whole: dict[str, int | None] = {"anon": 100, "file": 50, "slab": None, "sock": 7}
        children: list[dict[str, int | None]] = [
            {"anon": 60, "file": 10, "slab": 3, "sock": None},
            {"anon": 20, "file": 45},
        ]
        assert own_figures(whole, children) == {"anon": 20, "file": 0, "slab": None, "sock": None}
        assert whole["anon"] == 100

    def test_no_children(self) -> None:
        assert own_figures({"anon": 100, "slab": None}, []) == {"anon": 100, "slab": None}


class TestRead:
    def test_version_2(self, made: FakeSystem) -> None:
        made.write("cgroup/a b/memory.stat", V2)
        made.write("cgroup/a b/memory.current", "8675309\n")
        made.write("cgroup/a b/memory.swap.current", "4096\n")
        figures = cgroup_figures(made, Hierarchy(2, made.cgroup), "/a b")
        assert figures == kernel_figures(parse_stat(V2)) | {"usage": 8675309, "swap": 4096}

    def test_the_root_of_version_2(self, made: FakeSystem) -> None:
        made.write("cgroup/memory.stat", V2)
        figures = cgroup_figures(made, Hierarchy(2, made.cgroup), "/")
        assert figures is not None
        assert (figures["anon"], figures["usage"], figures["swap"]) == (495616, None, None)

    def test_version_1(self, made: FakeSystem) -> None:
        made.write("cgroup/memory/x/memory.stat", V1)
        made.write("cgroup/memory/x/memory.usage_in_bytes", "12345678\n")
        made.write("cgroup/memory/x/memory.kmem.usage_in_bytes", "999\n")
        figures = cgroup_figures(made, Hierarchy(1, made.cgroup_path("memory")), "/x")
        assert figures == kernel_figures(parse_stat(V1)) | {"usage": 12345678, "kernel": 999}

    @pytest.mark.parametrize(("path", "name"), [("/docker/4f2c", ""), ("/docker/4f2c/inner", "inner/")])
    def test_a_part_of_the_tree(self, made: FakeSystem, path: str, name: str) -> None:
        made.write(f"cgroup/{name}memory.stat", "anon 5\n")
        figures = cgroup_figures(made, Hierarchy(2, made.cgroup, "/docker/4f2c"), path)
        assert figures is not None
        assert figures["anon"] == 5

    def test_gone(self, made: FakeSystem) -> None:
        hierarchy = Hierarchy(2, made.cgroup)
        assert cgroup_figures(made, hierarchy, "/gone") is None
        made.write("cgroup/going/memory.stat", V2)
        made.vanishing.add("cgroup/going/memory.stat")
        assert cgroup_figures(made, hierarchy, "/going") is None

    def test_refused(self, made: FakeSystem) -> None:
        made.write("cgroup/a/memory.stat", V2)
        made.write("cgroup/a/memory.current", "1\n")
        for name in ("memory.current", "memory.stat"):
            made.refused = {f"cgroup/a/{name}"}
            with pytest.raises(PermissionError, match=name):
                cgroup_figures(made, Hierarchy(2, made.cgroup), "/a")

    def test_not_supported(self, made: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
        """memory.kmem.usage_in_bytes of kernels that left it as a file only."""

        def read_file(path: str) -> str:
            if path.endswith("memory.stat"):
                return V1
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)

        monkeypatch.setattr(made, "read_file", read_file)
        figures = cgroup_figures(made, Hierarchy(1, made.cgroup), "/")
        assert figures is not None
        assert (figures["usage"], figures["kernel"]) == (None, None)

    @pytest.mark.parametrize("text", ["max\n", "", "1 2\n"])
    def test_malformed(self, made: FakeSystem, text: str) -> None:
        made.write("cgroup/memory.stat", V2)
        made.write("cgroup/memory.current", text)
        with pytest.raises(ParseError, match=r"memory\.current:1: cannot read a number of bytes"):
            cgroup_figures(made, Hierarchy(2, made.cgroup), "/")
