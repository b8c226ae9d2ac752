"""Cgroups: charged, used, and where the two part."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import fewframes
from books import Cgroup
from fewframes import CGROUPS, DB, NOBODY, ROOT, WEB, WORKER
from model import PAGE
from pagewalk.errors import PagewalkError
from pagewalk.views import cgroup


def rows(depth: int | None = None, of: Any = None, **options: Any) -> dict[str, dict[str, Any]]:
    with fewframes.walked(of, **options) as snapshot:
        table = snapshot.cgroups(depth)
    assert table.columns == cgroup.COLUMNS
    return {row["path"]: row for row in table}


def pages(row: dict[str, Any], *names: str) -> list[float]:
    return [row[name] / PAGE for name in names]


def test_rows_are_the_cgroups_by_path_and_what_has_no_cgroup() -> None:
    found = rows()
    assert list(found) == ["(inode 999)", "/", "/db", "/db/worker", "/idle", "/web"]
    assert [row["inode"] for row in found.values()] == [None, ROOT, DB, WORKER, 40, WEB]
    assert [row["processes"] for row in found.values()] == [0, 1, 1, 1, 0, 2]
    assert found["/db"]["name"] == "/db"


def test_charged_is_by_use() -> None:
    names = ("charged", "charged_anon", "charged_file", "charged_shmem", "charged_kernel")
    assert {path: pages(row, *names) for path, row in rows().items()} == {
        "(inode 999)": [1, 0, 1, 0, 0],
        "/": [2, 1, 0, 1, 0],
        "/db": [5, 2, 2, 0, 1],
        "/db/worker": [2, 0, 0, 2, 0],
        "/idle": [0, 0, 0, 0, 0],
        "/web": [5, 2, 1, 1, 1],
    }


def test_used_is_the_pss_of_its_processes() -> None:
    found = {path: pages(row, "used", "rss", "uss") for path, row in rows().items()}
    # web: 1, 2, 4 and half of 3. db: 5, half of 3, of 12 and of 70 (somebody unseen has the other half).
    assert found == {
        "(inode 999)": [0, 0, 0],
        "/": [2, 2, 2],
        "/db": [2.5, 4, 1],
        "/db/worker": [1.5, 2, 1],
        "/idle": [0, 0, 0],
        "/web": [3.5, 4, 3],
    }


def test_charged_and_used_part_where_others_map() -> None:
    found = {path: pages(row, "charged_not_used", "used_not_charged") for path, row in rows().items()}
    # 4 is db's and only web maps it; 5 is the worker's and only db does. 3 both map, 12 the worker does too: no cost
    # of others alone, but for the one that is not charged. 9 is charged to nobody.
    assert found == {
        "(inode 999)": [0, 0],
        "/": [0, 0],
        "/db": [1, 2],
        "/db/worker": [1, 0],
        "/idle": [0, 0],
        "/web": [0, 2],
    }


def test_folding_keeps_the_sums_and_ends_what_was_foreign_within() -> None:
    found = rows(1)
    assert list(found) == ["(inode 999)", "/", "/db", "/idle", "/web"]
    assert pages(found["/db"], "charged", "charged_shmem", "used", "rss", "uss", "charged_not_used") == [
        7, 2, 4, 5, 3, 1,
    ]  # fmt: skip
    assert pages(found["/db"], "used_not_charged") == [0]
    assert found["/db"]["processes"] == 2
    (whole, stray) = (rows(0)[path] for path in ("/", "(inode 999)"))
    assert pages(whole, "charged", "used", "rss", "charged_not_used", "used_not_charged") == [14, 9.5, 10, 0, 0]
    assert stray["charged"] == PAGE


def test_the_kernels_figures_stand_beside() -> None:
    names = ("kernel_anon", "kernel_file", "kernel_shmem", "kernel_slab", "difference")
    found = {path: [row[name] for name in names] for path, row in rows().items()}
    assert found == {
        "(inode 999)": [None] * 5,
        "/": [PAGE, 0, PAGE, 7 * PAGE, 0],
        "/db": [2 * PAGE, 5 * PAGE, 0, PAGE, -3 * PAGE],
        "/db/worker": [0, 0, 2 * PAGE, 2 * PAGE, 0],
        "/idle": [None] * 5,
        "/web": [2 * PAGE, PAGE, 2 * PAGE, 0, -PAGE],
    }
    assert rows(1)["/db"]["kernel_slab"] == 3 * PAGE


def test_version_1_has_no_slab_and_charges_every_cgroup() -> None:
    tree = tuple(dataclasses.replace(one, accounted=True) for one in CGROUPS)
    found = rows(of=fewframes.machine(tree, version=1))
    assert [row["kernel_slab"] for row in found.values()] == [None] * 6
    assert found["/db"]["difference"] == -3 * PAGE
    assert (found["/idle"]["processes"], found["/"]["processes"]) == (1, 0)
    # What the root is charged for /idle uses.
    assert pages(found["/idle"], "charged", "used", "used_not_charged") == [0, 2, 2]
    assert pages(found["/"], "charged", "charged_not_used") == [2, 2]


def test_a_cgroup_that_went_meanwhile_is_shown_by_its_inode() -> None:
    tree = tuple(dataclasses.replace(one, there=(True, False)) if one.inode in (DB, WORKER) else one for one in CGROUPS)
    with fewframes.walked(fewframes.machine(tree)) as snapshot:
        found = {row["path"]: row for row in snapshot.cgroups()}
        (gap,) = snapshot.gaps()
    assert list(found) == [
        f"(inode {DB})", f"(inode {WORKER})", "(inode 999)", "/", "/db", "/db/worker", "/idle", "/web",
    ]  # fmt: skip
    assert found[f"(inode {DB})"]["charged"] == 5 * PAGE
    # Its processes say the name all the same.
    assert pages(found["/db"], "charged", "used", "used_not_charged") == [0, 2.5, 4]
    assert found["/db"]["inode"] is None
    assert gap["what"] == "charges of 2 cgroups"


def test_pages_charged_to_a_parent_after_rmdir_are_the_parents() -> None:
    """kpagecgroup names the nearest ancestor that is there (mm/memcontrol.c:page_cgroup_ino)."""
    tree = (Cgroup("/", ROOT), Cgroup("/db", DB, {"shmem": 2 * PAGE, "file": 2 * PAGE, "anon": 2 * PAGE}))
    of = fewframes.machine(tree)
    frames = {
        pfn: dataclasses.replace(frame, memcg=DB if frame.memcg == WORKER else frame.memcg)
        for pfn, frame in of.machine.frames.items()
    }
    found = rows(of=dataclasses.replace(of, machine=dataclasses.replace(of.machine, frames=frames)))
    assert pages(found["/db"], "charged", "charged_anon", "charged_file", "charged_shmem") == [7, 2, 2, 2]
    assert found["/db"]["difference"] == 0


def test_no_hierarchy_at_all() -> None:
    found = rows(of=fewframes.machine(()))
    assert found[f"(inode {NOBODY})"]["charged"] == PAGE
    assert sum(row["charged"] for row in found.values()) == 15 * PAGE
    assert pages(found["/web"], "charged", "used") == [0, 3.5]
    assert all(row["difference"] is None for row in found.values())


def test_cgroups_need_all_of_ram() -> None:
    with fewframes.walked(frames="mapped") as snapshot, pytest.raises(PagewalkError, match="frames='all'"):
        snapshot.cgroups()
    with fewframes.walked() as snapshot, pytest.raises(PagewalkError, match="depth of -2"):
        snapshot.cgroups(-2)
