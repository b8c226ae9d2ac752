"""Frames and processes under the names of cgroups."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import fewframes
from books import Cgroup
from model import PAGE
from pagewalk.charging import Charging, charging
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.groups import Spaces

PATHS = ["/", "/db", "/db/worker", "/idle", "/web", "(inode 999)"]


def facts(*cgroups: Cgroup, **options: Any) -> Facts:
    with fewframes.walked(fewframes.machine(cgroups) if cgroups else None, **options) as snapshot:
        return snapshot.facts


def charged(found: Charging, of: Facts) -> dict[str, int]:
    """Frames by the path that they are charged to."""
    counts: dict[str, int] = {}
    for path, n in zip(found.of_row.tolist(), of.table.frames.tolist(), strict=True):
        name = found.paths[path] if path >= 0 else "nobody"
        counts[name] = counts.get(name, 0) + n
    return counts


def homes(found: Charging, of: Facts) -> dict[int, str]:
    return {pids[0]: found.paths[group] for pids, group in zip(of.spaces.pids, found.grouping.of_space, strict=True)}


def test_frames_and_processes_have_the_same_names() -> None:
    of = facts()
    found = charging(of)
    assert found.paths == found.grouping.names == PATHS
    counts = charged(found, of)
    assert counts.pop("nobody") == 71 - sum(counts.values())
    assert counts == {"/": 2, "/db": 5, "/db/worker": 2, "/web": 5, "(inode 999)": 1}
    assert found.of_row.shape == of.table.frames.shape


def test_processes_are_where_their_memory_is_charged() -> None:
    """``/idle`` has no accounts: the memory of its processes is the root's."""
    of = facts()
    found = charging(of)
    assert homes(found, of) == {10: "/web", 20: "/db", 30: "/db/worker", 40: "/"}
    assert dict(zip(found.paths, found.grouping.processes.tolist(), strict=True)) == {
        "/": 1, "/db": 1, "/db/worker": 1, "/idle": 0, "/web": 2, "(inode 999)": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("depth", "paths"),
    [(0, ["/", "(inode 999)"]), (1, ["/", "/db", "/idle", "/web", "(inode 999)"]), (2, PATHS), (9, PATHS)],
)
def test_what_is_deeper_is_counted_with_its_ancestor(depth: int, paths: list[str]) -> None:
    of = facts()
    found = charging(of, depth)
    assert found.paths == paths
    counts = charged(found, of)
    assert counts["(inode 999)"] == 1
    assert sum(counts.values()) == 71
    assert counts["/"] == (14 if depth == 0 else 2)
    assert homes(found, of)[30] == ["/", "/db", "/db/worker", "/db/worker"][min(depth, 3)]


def test_a_path_has_the_inode_and_the_name_of_its_cgroup() -> None:
    found = charging(facts())
    assert [found.inode(path) for path in PATHS] == [1, 20, 2**63 + 30, 40, 10, None]
    assert found.label("/system.slice/nginx.service") == "nginx.service"
    assert found.label("(inode 999)") == "(inode 999)"


def test_the_kernels_figures_are_those_of_the_row_alone() -> None:
    found = charging(facts())
    said = {path: [found.kernel(path, name) for name in ("anon", "file", "shmem", "slab")] for path in PATHS}
    assert said == {
        "/": [PAGE, 0, PAGE, 7 * PAGE],
        "/db": [2 * PAGE, 5 * PAGE, 0, PAGE],
        "/db/worker": [0, 0, 2 * PAGE, 2 * PAGE],
        "/idle": [None] * 4,
        "/web": [2 * PAGE, PAGE, 2 * PAGE, 0],
        "(inode 999)": [None] * 4,
    }
    assert found.kernel("/nowhere", "anon") is None
    assert found.kernel("/db", "no such figure") is None


def test_the_kernels_figures_of_a_folded_row_have_all_below() -> None:
    of = facts()
    assert charging(of, 1).kernel("/db", "slab") == 3 * PAGE
    assert charging(of, 1).kernel("/", "slab") == 7 * PAGE
    assert charging(of, 2).kernel("/db", "slab") == PAGE
    assert charging(of, 0).kernel("/", "slab") == 10 * PAGE


def test_a_cgroup_that_could_not_be_read_makes_its_parents_own_figures_unknown() -> None:
    """What is below is part of what the kernel says of the parent, and nobody knows how much."""
    of = facts()
    assert of.accounts is not None
    cgroups = of.accounts.cgroups
    assert cgroups is not None
    figures = {path: said for path, said in cgroups.figures.items() if path != "/db/worker"}
    for gaps, own in (((("/db/worker", "denied"),), None), ((), 3 * PAGE)):
        partly = dataclasses.replace(cgroups, figures=figures, gaps=gaps)
        found = charging(dataclasses.replace(of, accounts=dataclasses.replace(of.accounts, cgroups=partly)))
        # Without the gap it is gone, and what it had is its parent's.
        assert found.kernel("/db", "slab") == own
        assert found.kernel("/", "slab") == 7 * PAGE
        assert found.kernel("/db/worker", "slab") is None


def test_the_root_of_a_part_of_the_tree_is_at_depth_0() -> None:
    """In a container without a cgroup namespace only the tree below its own cgroup may be mounted."""
    of = facts()
    assert of.accounts is not None
    cgroups = of.accounts.cgroups
    assert cgroups is not None
    tree = dataclasses.replace(
        cgroups.tree,
        hierarchy=dataclasses.replace(cgroups.tree.hierarchy, root="/pod/c1"),
        cgroups=tuple(dataclasses.replace(one, path=f"/pod/c1{one.path}".rstrip("/")) for one in cgroups.tree.cgroups),
    )
    moved = dataclasses.replace(
        cgroups, tree=tree, figures={f"/pod/c1{p}".rstrip("/"): s for p, s in cgroups.figures.items()}
    )
    inside = dataclasses.replace(of, accounts=dataclasses.replace(of.accounts, cgroups=moved))
    assert charging(inside, 0).paths[0] == "/pod/c1"
    assert charging(inside, 1).paths[:4] == ["/pod/c1", "/pod/c1/db", "/pod/c1/idle", "/pod/c1/web"]
    assert charging(inside, 1).kernel("/pod/c1/db", "slab") == 3 * PAGE
    assert charging(inside, 0).kernel("/pod/c1", "slab") == 10 * PAGE


def test_without_a_tree_only_inodes_are_known() -> None:
    with fewframes.walked(dataclasses.replace(fewframes.machine(), cgroups=())) as snapshot:
        of = snapshot.facts
    found = charging(of)
    assert found.cgroups is None
    assert sorted(charged(found, of)) == sorted(
        ["nobody", *(f"(inode {inode})" for inode in (1, 10, 20, 999, 2**63 + 30))]
    )
    assert homes(found, of) == {10: "/web", 20: "/db", 30: "/db/worker", 40: "/idle"}
    assert found.kernel("/web", "anon") is None
    assert found.inode("/web") is None


def test_a_process_whose_cgroup_could_not_be_read() -> None:
    of = facts()
    spaces = dataclasses.replace(of.spaces, cgroup=["", *of.spaces.cgroup[1:]])
    found = charging(dataclasses.replace(of, spaces=spaces), 1)
    assert "(unknown)" in found.paths
    assert found.grouping.processes.sum() == 5


def test_a_machine_without_processes() -> None:
    of = facts()
    none = np.zeros(0, np.int64)
    empty = Spaces([], [], [], [], uid=none, ppid=none, start_time=none, vss=none, pgtable=none, names={})
    found = charging(dataclasses.replace(of, spaces=empty))
    assert found.paths == PATHS
    assert found.grouping.of_space.dtype == np.int64
    assert not found.grouping.processes.any()


def test_charges_need_all_of_ram() -> None:
    of = facts(frames="mapped")
    with pytest.raises(PagewalkError, match="all of RAM"):
        charging(of)
    with pytest.raises(PagewalkError, match="depth of -1"):
        charging(facts(), -1)
