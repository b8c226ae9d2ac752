"""The view of single frames: counted by hand on a small machine, and held to the truth of any machine."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
import fewframes
import pagewalk
from facttables import facts_of
from fakeproc import FakeProcFS
from machines import Shape, machines
from model import KPF, PAGE, Kind, Machine, Present
from oracle import Oracle
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.views.who import COLUMNS, PLACE_COLUMNS, places, who
from smallhost import FRAMES, walked

# The frames of the small host, and some that are not there.
ASKED = [*FRAMES, 150, 5000]


def facts(asked: list[int] = ASKED, **how: Any) -> Facts:
    return walked(pfns=asked, **how).facts


def rows(of: Facts, *pfns: int) -> dict[int, dict[str, Any]]:
    return {row["pfn"]: row for row in who(of, np.array(pfns, np.int64))}


def owner(pid: int, comm: str, user: str, mapping: str, perms: str, *addresses: int) -> dict[str, object]:
    return {
        "pid": pid,
        "comm": comm,
        "user": user,
        "addresses": [hex(address) for address in addresses],
        "mapping": mapping,
        "perms": perms,
    }


class TestSmallHost:
    def test_columns(self) -> None:
        table = who(facts(), np.array(ASKED))
        assert table.columns == COLUMNS
        assert table["pfn"].tolist() == sorted(ASKED)

    def test_a_frame_of_one(self) -> None:
        row = rows(facts(), 1)[1]
        assert row["owners"] == [owner(10, "php", "root", "[heap]", "rw-p", 0x400000)]
        assert (row["use"], row["mapcount"], row["seen"], row["hidden"], row["order"]) == ("anon", 1, 1, 0, 0)
        assert row["flags"] == ["UPTODATE", "LRU", "MMAP", "ANON", "SWAPBACKED"]

    def test_one_process_maps_it_twice(self) -> None:
        row = rows(facts(), 20)[20]
        memfd = "/memfd:w (deleted)"
        user = facts().spaces.user[1]
        assert row["owners"] == [
            owner(11, "php", user, memfd, "rw-s", 0x2000000, 0x2003000),
            owner(20, "redis", user, memfd, "r--s", 0x3000000),
        ]
        assert (row["use"], row["mapcount"], row["seen"], row["hidden"]) == ("shmem", 3, 3, 0)

    def test_a_hidden_owner(self) -> None:
        row = rows(facts(), 10)[10]
        assert (row["mapcount"], row["seen"], row["hidden"]) == (3, 1, 2)
        assert [one["pid"] for one in row["owners"]] == [20]

    def test_orders(self) -> None:
        order = {pfn: row["order"] for pfn, row in rows(facts(), 8, 9, 30, 31, 100).items()}
        assert order == {8: 1, 9: 1, 30: 1, 31: 1, 100: 0}

    def test_left_out_is_hidden(self) -> None:
        row = rows(facts(pids=[10, 20]), 20)[20]
        assert [one["pid"] for one in row["owners"]] == [20]
        assert (row["seen"], row["hidden"]) == (1, 2)

    def test_a_frame_without_owner(self) -> None:
        row = rows(facts(), 150)[150]
        assert (row["use"], row["mapcount"], row["seen"], row["hidden"]) == ("kernel", 0, 0, 0)
        assert row["owners"] == row["flags"] == []

    def test_no_frame(self) -> None:
        row = rows(facts(), 5000)[5000]
        assert {name for name, cell in row.items() if cell is None} == {*row} - {"pfn"}

    def test_frames_that_the_walk_did_not_ask_for(self) -> None:
        """Those that somebody owns are read all the same; where they are mapped was not kept."""
        row = rows(facts([1]), 20, 150)
        assert [(one["pid"], one["addresses"], one["mapping"]) for one in row[20]["owners"]] == [
            (11, [], None),
            (20, [], None),
        ]
        assert row[150]["use"] is None

    def test_a_walk_that_kept_all(self) -> None:
        asked, kept = rows(facts(), *FRAMES), rows(walked(mappings=True).facts, *FRAMES)
        for pfn, row in asked.items():
            # Charged cgroups are not looked up for it.
            assert {**kept[pfn], "memcg": row["memcg"]} == row

    def test_a_walk_that_kept_nothing(self) -> None:
        for view in (who, places):
            with pytest.raises(PagewalkError, match="this walk kept no frames"):
                view(walked().facts, np.array([1]))
        assert facts_of([]).frames is None

    def test_places(self) -> None:
        table = places(facts(), np.array([20, 10, 150, 5000]))
        assert table.columns == PLACE_COLUMNS
        memfd = "/memfd:w (deleted)"
        assert [
            (row["pfn"], row["pid"], row["address"], row["perms"], row["offset"], row["mapping"]) for row in table
        ] == [
            (10, 20, 0x402000, "rw-p", None, "[heap]"),
            (20, 11, 0x2000000, "rw-s", 0, memfd),
            (20, 11, 0x2003000, "rw-s", 0x3000, memfd),
            (20, 20, 0x3000000, "r--s", 0, memfd),
        ]

    def test_the_offset_is_that_in_the_file(self) -> None:
        (first, *_) = places(facts(), np.array([101]))
        # libc is mapped from its second page on.
        assert (first["address"], first["offset"]) == (0x7F001000, 0x2000)

    def test_an_owner_whose_mappings_were_not_kept(self) -> None:
        table = places(walked(mappings=[10]).facts, np.array([100]))
        assert [(row["pid"], row["address"], row["mapping"], row["offset"]) for row in table] == [
            (10, 0x7F000000, "/lib/libc.so", 0x1000),
            (11, None, None, None),
            (20, None, None, None),
        ]

    def test_ksm_that_cannot_be_believed(self) -> None:
        of = facts()
        table = dataclasses.replace(of.table, flags=of.table.flags | np.uint64(KPF["KSM"] | 1 << 43))
        for known, name in ((True, "KSM"), (False, "KSM?")):
            flags = rows(dataclasses.replace(of, table=table, ksm_known=known), 1)[1]["flags"]
            assert name in flags
            assert flags[-1] == "bit 43"


class TestBooks:
    """Nodes, zones and cgroups, on a machine that has them."""

    def told(self, *pfns: int) -> dict[int, dict[str, Any]]:
        with fewframes.walked(frames="mapped", pfns=list(pfns)) as snapshot:
            return {row["pfn"]: row for row in snapshot.who(pfns)}

    def test_where_frames_are(self) -> None:
        row = self.told(3, 70, 50, 100)
        assert (row[3]["node"], row[3]["zone"]) == (0, "DMA32")
        assert (row[70]["node"], row[70]["zone"]) == (1, "Normal")
        assert (row[50]["node"], row[50]["zone"], row[50]["use"]) == (None, None, None), "a hole"

    def test_who_pays(self) -> None:
        memcg = {pfn: row["memcg"] for pfn, row in self.told(1, 3, 9, 11).items()}
        assert memcg == {1: "/web", 3: "/db", 9: "", 11: f"inode {fewframes.NOBODY}"}

    def test_frames_without_owner(self) -> None:
        row = self.told(6, 20, 21, 22, 25)
        assert {pfn: one["use"] for pfn, one in row.items()} == {
            6: "file",
            20: "pgtable",
            21: "slab",
            22: "free",
            25: "reserved",
        }
        assert all(one["owners"] == [] for one in row.values())
        assert row[22]["order"] is None, "a block of free frames is no folio"
        assert "ACTIVE" in row[6]["flags"]


def expected_owners(machine: Machine, oracle: Oracle, pfn: int) -> dict[int, list[str]]:
    """Pid to addresses."""
    owners = {}
    for space in oracle.spaces:
        addresses = [
            page * PAGE
            for vma, page, entry in machine.pages(space)
            if isinstance(entry, Present) and entry.pfn == pfn and not vma.skipped
        ]
        if addresses:
            owners[min(oracle.pids(space))] = [hex(address) for address in sorted(addresses)]
    return owners


@given(machines(Shape(sparse_pages=300, far_frame=600)), st.booleans())
def test_every_machine(machine: Machine, everything: bool) -> None:
    pfns = sorted(machine.frames)
    with fakeproc.made(machine) as root:
        how: dict[str, Any] = {"mappings": True} if everything else {"pfns": pfns}
        snapshot = pagewalk.walk(procfs=FakeProcFS(machine, root), **how)
    oracle = Oracle(machine)
    for row in snapshot.who(pfns):
        pfn = row["pfn"]
        frame, owners = machine.frames[pfn], expected_owners(machine, oracle, pfn)
        if row["seen"] is None:
            assert everything or pfn >= machine.limit
            assert not owners
            continue
        if pfn >= machine.limit:
            assert row["mapcount"] is row["hidden"] is row["use"] is None, "the kernel has no word on device memory"
        else:
            assert row["mapcount"] == machine.mapcount(pfn)
            assert row["hidden"] == max(row["mapcount"] - row["seen"], 0)
            size = sum(other.head == frame.head for other in machine.frames.values()) if frame.large else 1
            ends_there = frame.large and (frame.head or 0) + size >= machine.limit
            assert row["order"] == size.bit_length() - 1 or (row["order"] is None and (everything or ends_there))
        assert row["seen"] == sum(map(len, owners.values()))
        if frame.kind is Kind.ZERO:
            assert row["owners"] == []
            continue
        assert {one["pid"]: one["addresses"] for one in row["owners"]} == owners
        assert [one["pid"] for one in row["owners"]] == sorted(owners)
        flat = [(one["pid"], hex(one["address"])) for one in snapshot.places([pfn])]
        assert flat == [(pid, address) for pid in sorted(owners) for address in owners[pid]]
