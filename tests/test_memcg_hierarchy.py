"""Which hierarchy has the memory controller."""

from __future__ import annotations

import pytest

from fakesystem import FakeSystem, made
from pagewalk.errors import ParseError
from pagewalk.memcg import Hierarchy, Mount, find_hierarchy, parse_mountinfo

__all__ = ["made"]


def mounts(made: FakeSystem, *lines: tuple[str, str, str, str]) -> None:
    """Write mountinfo: the cgroup mounted, where below the cgroup directory, the type, the file system's options."""
    made.write(
        "proc/self/mountinfo",
        "21 20 0:20 / / rw shared:1 - ext4 /dev/root rw\n"
        + "".join(
            f"30 21 0:{at} {root} {made.cgroup}{point} rw,nosuid shared:9 master:3 - {kind} none {options}\n"
            for at, (root, point, kind, options) in enumerate(lines)
        ),
    )


class TestMountinfo:
    def test_fields(self) -> None:
        text = (
            "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
            "32 31 0:29 / /sys/fs/cgroup/cpu,memory rw,relatime - cgroup cgroup rw,cpu,memory\n"
            "40 31 0:37 /docker\\040\\134x /a\\011b rw - cgroup2 c\\040d rw\n"
        )
        assert parse_mountinfo(text) == [
            Mount("/mnt1", "/mnt2", "ext3", frozenset({"rw", "errors=continue"})),
            Mount("/", "/sys/fs/cgroup/cpu,memory", "cgroup", frozenset({"rw", "cpu", "memory"})),
            Mount("/docker \\x", "/a\tb", "cgroup2", frozenset({"rw"})),
        ]

    @pytest.mark.parametrize(
        "line", ["36 35 98:0 /mnt1 /mnt2 rw", "36 35 - cgroup cgroup rw", "1 2 3 4 5 6 - cgroup x"]
    )
    def test_malformed(self, line: str) -> None:
        with pytest.raises(ParseError, match="mountinfo:2: cannot read a mount"):
            parse_mountinfo(f"36 35 98:0 / / rw - a b c\n{line}\n")


class TestByMounts:
    def test_version_2(self, made: FakeSystem) -> None:
        made.write("cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
        mounts(made, ("/", "", "cgroup2", "rw,nsdelegate"))
        assert find_hierarchy(made) == Hierarchy(2, made.cgroup)

    def test_version_1(self, made: FakeSystem) -> None:
        made.write("cgroup/unified/cgroup.controllers", "hugetlb\n")
        mounts(
            made,
            ("/", "/cpu", "cgroup", "rw,cpu"),
            ("/", "/cpu,memory", "cgroup", "rw,cpuacct,memory"),
            ("/", "/systemd", "cgroup", "rw,name=memory"),
            ("/", "/unified", "cgroup2", "rw"),
        )
        assert find_hierarchy(made) == Hierarchy(1, f"{made.cgroup}/cpu,memory")

    def test_version_2_beside_version_1(self, made: FakeSystem) -> None:
        made.write("cgroup/unified/cgroup.controllers", "memory\n")
        mounts(made, ("/", "/cpu", "cgroup", "rw,cpu"), ("/", "/unified", "cgroup2", "rw"))
        assert find_hierarchy(made) == Hierarchy(2, f"{made.cgroup}/unified")

    def test_a_part_of_the_tree(self, made: FakeSystem) -> None:
        """In a container without a cgroup namespace."""
        mounts(made, ("/docker/4f2c", "/memory", "cgroup", "ro,memory"))
        assert find_hierarchy(made) == Hierarchy(1, f"{made.cgroup}/memory", "/docker/4f2c")

    def test_the_whole_tree_before_a_part(self, made: FakeSystem) -> None:
        mounts(made, ("/docker", "/docker", "cgroup", "rw,memory"), ("/", "/all/of/it", "cgroup", "rw,memory"))
        assert find_hierarchy(made) == Hierarchy(1, f"{made.cgroup}/all/of/it")

    def test_the_mount_on_top(self, made: FakeSystem) -> None:
        mounts(made, ("/a", "/memory", "cgroup", "rw,memory"), ("/b", "/memory", "cgroup", "rw,memory"))
        assert find_hierarchy(made) == Hierarchy(1, f"{made.cgroup}/memory", "/b")

    def test_mounts_elsewhere_are_not_asked_for(self, made: FakeSystem) -> None:
        made.write("proc/self/mountinfo", "30 21 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
        assert find_hierarchy(made) is None

    def test_malformed(self, made: FakeSystem) -> None:
        path = made.write("proc/self/mountinfo", "30 21\n")
        with pytest.raises(ParseError) as caught:
            find_hierarchy(made)
        assert caught.value.path == str(path)


class TestByLooking:
    def test_version_2(self, made: FakeSystem) -> None:
        made.write("cgroup/cgroup.controllers", "cpu memory\n")
        made.write("cgroup/memory/cgroup.procs")  # a cgroup of that name
        assert find_hierarchy(made) == Hierarchy(2, made.cgroup)

    @pytest.mark.parametrize("name", ["memory", "cpu,memory"])
    def test_version_1(self, made: FakeSystem, name: str) -> None:
        made.write("cgroup/unified/cgroup.controllers", "cpu\n")
        made.write(f"cgroup/{name}/memory.stat")
        assert find_hierarchy(made) == Hierarchy(1, f"{made.cgroup}/{name}")

    def test_unified(self, made: FakeSystem) -> None:
        made.write("cgroup/unified/cgroup.controllers", "memory\n")
        assert find_hierarchy(made) == Hierarchy(2, f"{made.cgroup}/unified")

    def test_none(self, made: FakeSystem) -> None:
        assert find_hierarchy(made) is None
        made.write("cgroup/cgroup.controllers", "cpu\n")
        assert find_hierarchy(made) is None
        made.refused.add("cgroup")
        assert find_hierarchy(made) is None
