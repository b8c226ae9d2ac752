"""The tree of cgroups."""

from __future__ import annotations

import errno
import os

import pytest

from fakesystem import FakeSystem, made
from pagewalk.memcg import Cgroup, CgroupTree, Hierarchy, cgroup_tree, changed, tree
from pagewalk.procfs import Listing

__all__ = ["made"]


def grow(made: FakeSystem, *paths: str, top: str = "cgroup", stat: bool = True) -> Hierarchy:
    """Make a tree of cgroups, each with its files."""
    for path in ("", *paths):
        made.write(f"{top}{path}/cgroup.procs")
        if stat:
            made.write(f"{top}{path}/memory.stat", "anon 1\nfile 2\nshmem 1\n")
    return Hierarchy(2, str(made.directory / top))


def paths(found: CgroupTree) -> list[str]:
    return [cgroup.path for cgroup in found.cgroups]


class TestTree:
    def test_parents_before_children_and_by_name(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/b/inner", "/a", "/b", "/b/inner/most")
        found = cgroup_tree(made, hierarchy)
        assert [(cgroup.path, cgroup.depth) for cgroup in found.cgroups] == [
            ("/", 0),
            ("/a", 1),
            ("/b", 1),
            ("/b/inner", 2),
            ("/b/inner/most", 3),
        ]
        assert found.gaps == ()

    def test_inodes(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/a", "/a/b")
        found = cgroup_tree(made, hierarchy)
        for cgroup in found.cgroups:
            assert cgroup.inode == os.stat(hierarchy.directory + cgroup.path).st_ino
            assert found.by_inode[cgroup.inode] is found.by_path[cgroup.path] is cgroup

    def test_version_1(self, made: FakeSystem) -> None:
        grow(made, "/docker/4f2c", top="cgroup/memory", stat=False)
        found = cgroup_tree(made, Hierarchy(1, made.cgroup_path("memory")))
        assert paths(found) == ["/", "/docker", "/docker/4f2c"]
        assert all(cgroup.charged for cgroup in found.cgroups)

    def test_a_part_of_the_tree(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/a/b")
        found = cgroup_tree(made, Hierarchy(1, hierarchy.directory, "/docker/4f2c"))
        assert paths(found) == ["/docker/4f2c", "/docker/4f2c/a", "/docker/4f2c/a/b"]

    def test_any_name(self, made: FakeSystem) -> None:
        names = ["new\nline", " ", "a b", r"\x2d", os.fsdecode(b"\xff\xfe"), "\u202e", "memory"]
        found = cgroup_tree(made, grow(made, *(f"/{name}" for name in names)))
        assert sorted(paths(found)[1:]) == sorted(f"/{name}" for name in names)

    def test_links_are_not_followed(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/a")
        made.link("cgroup/a/up", "..")
        assert paths(cgroup_tree(made, hierarchy)) == ["/", "/a"]

    def test_a_cgroup_removed_meanwhile(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/a", "/b/inner", "/c")
        made.vanishing.add("cgroup/b")
        found = cgroup_tree(made, hierarchy)
        assert paths(found) == ["/", "/a", "/c"]
        assert found.gaps == ()

    def test_a_cgroup_that_cannot_be_listed(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/a", "/b/inner", "/c")
        made.refused.add("cgroup/b")
        found = cgroup_tree(made, hierarchy)
        assert paths(found) == ["/", "/a", "/b", "/c"]
        assert found.by_path["/b"].inode == os.stat(made.cgroup_path("b")).st_ino
        assert found.gaps == (("/b", os.strerror(errno.EACCES)),)

    def test_one_that_cannot_be_listed_and_then_is_gone(
        self, made: FakeSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(path: str) -> int:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

        hierarchy = grow(made, "/a")
        made.refused.add("cgroup/a")
        monkeypatch.setattr(made, "inode", gone)
        found = cgroup_tree(made, hierarchy)
        assert (paths(found), found.gaps) == (["/"], ())

    def test_nothing_there(self, made: FakeSystem) -> None:
        found = cgroup_tree(made, Hierarchy(2, made.cgroup_path("nowhere")))
        assert (found.cgroups, found.gaps) == ((), ())

    def test_more_than_the_limit(self, made: FakeSystem) -> None:
        hierarchy = grow(made, *(f"/{number}" for number in range(9)))
        found = cgroup_tree(made, hierarchy, limit=5)
        assert len(found.cgroups) == 5
        assert [path for path, _ in found.gaps] == ["/4"]
        assert found.gaps[0][1] == "more than 5 cgroups"
        assert cgroup_tree(made, hierarchy, limit=10).gaps == ()

    def test_endless(self, made: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(made, "list_directory", lambda path: Listing(1, ("a",), frozenset()))
        found = cgroup_tree(made, Hierarchy(2, made.cgroup))
        assert len(found.cgroups) == tree.MAX_DEPTH + 1
        assert [reason for _, reason in found.gaps] == [f"more than {tree.MAX_DEPTH} cgroups, one in another"]


class TestCharged:
    """Where the memory of a cgroup's processes goes when its parent does not hand on the controller."""

    def test_the_nearest_with_accounts(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/a", "/b")
        for name in ("a/app", "a/app/inner", "stray"):
            made.write(f"cgroup/{name}/cgroup.procs")
        found = cgroup_tree(made, hierarchy)
        assert [cgroup.path for cgroup in found.cgroups if not cgroup.charged] == ["/a/app", "/a/app/inner", "/stray"]
        assert found.charged_path("/a/app/inner") == "/a"
        assert found.charged_path("/a") == "/a"
        assert found.charged_path("/stray") == "/"
        assert found.charged_path("/") == "/"

    def test_one_that_is_not_in_the_tree(self, made: FakeSystem) -> None:
        found = cgroup_tree(made, grow(made, "/a"))
        assert found.charged_path("/a/gone (deleted)") == "/a/gone (deleted)"

    def test_a_root_without_accounts(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/a", stat=False)
        assert cgroup_tree(made, hierarchy).charged_path("/a") == "/"


class TestChanged:
    def lists(self, *trees: dict[int, str]) -> list[CgroupTree]:
        return [
            CgroupTree(
                Hierarchy(2, "here"), tuple(Cgroup(path, inode, path.count("/")) for inode, path in cgroups.items())
            )
            for cgroups in trees
        ]

    @pytest.mark.parametrize(
        ("before", "after", "inodes"),
        [
            ({1: "/", 2: "/a"}, {1: "/", 2: "/a"}, set()),
            ({1: "/", 2: "/a"}, {1: "/"}, {2}),
            ({1: "/"}, {1: "/", 2: "/a"}, {2}),
            ({1: "/", 2: "/a"}, {1: "/", 2: "/b"}, {2}),  # renamed, or used again
            ({1: "/", 2: "/a"}, {1: "/", 3: "/a"}, {2, 3}),  # removed and made anew
        ],
    )
    def test_inodes(self, before: dict[int, str], after: dict[int, str], inodes: set[int]) -> None:
        assert changed(*self.lists(before, after)) == inodes

    def test_real_directories(self, made: FakeSystem) -> None:
        hierarchy = grow(made, "/a", "/b")
        before = cgroup_tree(made, hierarchy)
        assert changed(before, cgroup_tree(made, hierarchy)) == frozenset()
        os.rename(made.cgroup_path("a"), made.cgroup_path("c"))
        grow(made, "/d")
        after = cgroup_tree(made, hierarchy)
        assert changed(before, after) == {before.by_path["/a"].inode, after.by_path["/d"].inode}
