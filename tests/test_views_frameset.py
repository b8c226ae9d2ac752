"""The view of sets of frames, such as a file's: counted by hand, and held to the truth of any machine."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
import fewframes
import pagewalk
from fakeproc import FakeProcFS
from machines import Shape, machines
from model import KPF, PAGE, Kind, Machine, Present, Vma
from oracle import Oracle
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.views.frameset import (
    CHARGE_COLUMNS,
    OWNER_COLUMNS,
    STATE_COLUMNS,
    charges,
    frames_of_file,
    owners,
    states,
)
from smallhost import HOST, PROCESSES, A, B, C, walked

LIBC = [100, 101, 102, 103]
MEMFD = [20, 21]


def facts(asked: list[int], **how: Any) -> Facts:
    return walked(pfns=asked, **how).facts


def pages(row: dict[str, int]) -> dict[str, int]:
    """The figures that are not 0, in pages."""
    return {name: figure // PAGE for name, figure in row.items() if figure}


def state(of: Facts, pfns: list[int]) -> dict[str, int]:
    table = states(of, np.array(pfns, np.int64))
    assert table.columns == STATE_COLUMNS
    (row,) = table
    return pages(row)


class TestStates:
    def test_a_library(self) -> None:
        assert state(facts(LIBC), LIBC) == {"bytes": 4, "mapped": 4, "shared": 4, "inactive": 4}

    def test_a_memfd_with_a_dirty_page(self) -> None:
        assert state(facts(MEMFD), MEMFD) == {"bytes": 2, "mapped": 2, "shared": 1, "dirty": 1, "inactive": 2}

    def test_hidden_owners_and_folios(self) -> None:
        assert state(facts([8, 9, 10]), [8, 9, 10]) == {
            "bytes": 3,
            "mapped": 3,
            "shared": 1,
            "hidden": 1,
            "inactive": 3,
            "large": 2,
        }

    def test_frames_nobody_maps(self) -> None:
        with fewframes.walked(frames="mapped", pfns=[6, 7, 9]) as snapshot:
            assert state(snapshot.facts, [6, 7, 9]) == {
                "bytes": 3,
                "mapped": 1,
                "unmapped": 2,
                "dirty": 1,
                "active": 1,
                "inactive": 2,
            }

    def test_no_frames(self) -> None:
        assert state(facts([1]), []) == {}
        assert state(facts([1]), [5000]) == {}, "it was not read"

    def test_lists(self) -> None:
        """A frame is on one list, or on none."""
        of = facts([1])
        for bits, names in (
            (KPF["LRU"] | KPF["ACTIVE"], {"active"}),
            (KPF["LRU"], {"inactive"}),
            (KPF["LRU"] | KPF["UNEVICTABLE"] | KPF["ACTIVE"], {"unevictable"}),
            (KPF["ACTIVE"], set()),
            (KPF["WRITEBACK"] | KPF["DIRTY"], {"writeback", "dirty"}),
        ):
            flags = np.full(len(of.table.flags), bits, np.uint64)
            told = state(dataclasses.replace(of, table=dataclasses.replace(of.table, flags=flags)), [1])
            assert set(told) == {"bytes", "mapped", *names}


class TestOwners:
    def test_counted_by_hand(self) -> None:
        table = owners(facts(LIBC), np.array(LIBC))
        assert table.columns == OWNER_COLUMNS
        # Three frames of three owners, one of two.
        two, three = Fraction(PAGE, 2), Fraction(PAGE, 3)
        assert [(row["pid"], row["comm"], row["bytes"], row["uss"]) for row in table] == [
            (10, "php", 4 * PAGE, 0),
            (11, "php", 4 * PAGE, 0),
            (20, "redis", 3 * PAGE, 0),
        ]
        exact = [3 * three + two, 3 * three + two, 3 * three]
        assert all(abs(row["pss"] - share) < 2 for row, share in zip(table, exact, strict=True))
        assert int(table["pss"].sum()) == 4 * PAGE

    def test_one_maps_a_frame_twice(self) -> None:
        table = owners(facts(MEMFD), np.array(MEMFD))
        assert [(row["pid"], row["bytes"] // PAGE, row["uss"] // PAGE) for row in table] == [(11, 2, 1), (20, 1, 0)]
        assert table["pss"].tolist() == [PAGE + PAGE // 2, PAGE // 2]

    def test_hugetlb(self) -> None:
        (row,) = owners(facts([30, 31]), np.array([30, 31]))
        assert (row["pid"], row["bytes"], row["pss"], row["uss"]) == (10, 2 * PAGE, 2 * PAGE, 2 * PAGE)

    def test_nobody(self) -> None:
        assert len(owners(facts([150]), np.array([150]))) == 0


class TestCharges:
    def test_counted_by_hand(self) -> None:
        asked = [3, 4, 5, 6, 7, 9, 11, 12]
        with fewframes.walked(frames="mapped", pfns=asked) as snapshot:
            table = charges(snapshot.facts, np.array(asked))
        assert table.columns == CHARGE_COLUMNS
        assert {
            row["charged_to"]: (row["bytes"] // PAGE, row["mapped"] // PAGE, row["unmapped"] // PAGE) for row in table
        } == {
            "/db": (2, 2, 0),
            "/db/worker": (2, 2, 0),
            "/web": (2, 0, 2),
            "": (1, 1, 0),
            f"inode {fewframes.NOBODY}": (1, 0, 1),
        }
        assert table["bytes"].tolist() == sorted(table["bytes"].tolist(), reverse=True)

    def test_nothing(self) -> None:
        assert len(charges(facts([1]), np.array([], np.int64))) == 0


class TestFramesOfAFile:
    def test_by_name(self) -> None:
        whole = walked(mappings=True).facts
        assert frames_of_file(whole, "/lib/libc.so").tolist() == LIBC
        for name in ("/memfd:w (deleted)", "/memfd:w"):
            assert frames_of_file(whole, name).tolist() == MEMFD
        assert frames_of_file(whole, "/lib/libc").tolist() == []
        assert frames_of_file(whole, "/dev/hugepages/a").tolist() == [30, 31]

    def test_by_inode(self) -> None:
        whole = walked(mappings=True).facts
        assert frames_of_file(whole, device=(0xFE, 0), inode=77).tolist() == LIBC
        assert frames_of_file(whole, device=(0xFE, 1), inode=77).tolist() == []

    def test_a_copy_made_by_writing_is_none_of_the_files(self) -> None:
        private = Vma(0x9000, 2, "rw-p", 0, (0xFE, 0), 77, b"/lib/libc.so", {0: Present(100), 1: Present(3)})
        changed = dataclasses.replace(A, vmas=(*A.vmas[:2], private, *A.vmas[2:]))
        machine = dataclasses.replace(HOST, spaces=(changed, B, C), processes=PROCESSES)
        assert frames_of_file(walked(machine, mappings=True).facts, "/lib/libc.so").tolist() == LIBC

    def test_a_walk_that_kept_nothing(self) -> None:
        of = walked().facts
        for view in (states, owners, charges):
            with pytest.raises(PagewalkError, match="kept no frames"):
                view(of, np.array([1]))
        with pytest.raises(PagewalkError, match="kept no frames"):
            frames_of_file(of, "/lib/libc.so")


@given(machines(Shape(sparse_pages=300, far_frame=600)), st.data())
def test_every_machine(machine: Machine, data: st.DataObject) -> None:
    counted = sorted(
        pfn for pfn, frame in machine.frames.items() if pfn < machine.limit and frame.kind is not Kind.ZERO
    )
    asked = data.draw(st.lists(st.sampled_from(counted), unique=True)) if counted else []
    with fakeproc.made(machine) as root:
        snapshot = pagewalk.walk(procfs=FakeProcFS(machine, root), pfns=asked)
    oracle = Oracle(machine)
    pss: dict[int, Fraction] = {}
    figures: dict[int, list[int]] = {}
    mapped = hidden = 0
    for pfn in asked:
        here = [space for space in oracle.spaces if oracle.maps[space][pfn]]
        unseen = max(machine.mapcount(pfn) - sum(oracle.maps[space][pfn] for space in here), 0)
        mapped += bool(here or unseen)
        hidden += bool(unseen)
        for space in here:
            pid = min(oracle.pids(space))
            mine = figures.setdefault(pid, [0, 0])
            mine[0] += 1
            mine[1] += len(here) == 1 and not unseen
            pss[pid] = pss.get(pid, Fraction(0)) + Fraction(PAGE, len(here) + unseen)
    (row,) = snapshot.frame_states(asked)
    assert (row["bytes"], row["mapped"], row["hidden"]) == (len(asked) * PAGE, mapped * PAGE, hidden * PAGE)
    assert row["mapped"] + row["unmapped"] == row["bytes"]
    table = snapshot.frame_owners(asked)
    assert {row["pid"]: [row["bytes"] // PAGE, row["uss"] // PAGE] for row in table} == figures
    assert all(abs(row["pss"] - pss[row["pid"]]) < 2 for row in table)
    charged = snapshot.frame_charges(asked)
    assert int(charged["bytes"].sum()) == row["bytes"]
    assert (charged["mapped"] + charged["unmapped"] == charged["bytes"]).all()
