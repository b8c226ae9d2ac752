"""The view of mappings: columns add up to those of the process, whatever is mapped twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from machines import Shape, machines
from model import PAGE, Machine
from pagewalk.errors import PagewalkError
from pagewalk.groups import Selection
from pagewalk.tally import FIGURES
from pagewalk.views.mapping import COLUMNS, mappings
from smallhost import counted, walked

NAMES = ("pid", "start", "end", "perms", "offset", "inode", "name", "vss", *FIGURES, "vm_flags")

# By pid and name: in pages, counted by hand from smallhost. The memfd's first page is mapped twice by 11.
BY_HAND = {
    (10, "[heap]"): counted("vss=4 rss=2 uss=2 private=2 anon=2 private_clean=1 private_dirty=1 swap=1"),
    (10, "/dev/hugepages/a"): counted("vss=2 hugetlb=2"),
    (10, "/lib/libc.so"): counted("vss=4 rss=4 shared=4 file=4 shared_clean=4"),
    (11, "[heap]"): counted("vss=4 rss=1 uss=1 private=1 anon=1 private_dirty=1 swap=1"),
    (11, "/memfd:w (deleted)"): counted("vss=4 rss=3 uss=1 shared=2 private=1 shmem=3 shared_clean=2 private_dirty=1"),
    (11, "/lib/libc.so"): counted("vss=4 rss=4 shared=4 file=4 shared_clean=4"),
    (20, "[heap]"): counted(
        "vss=8 rss=3 uss=2 shared=1 private=2 anon=3 thp=2 shared_dirty=1 private_dirty=2 swap=1 swap_uss=1"
    ),
    (20, "/memfd:w (deleted)"): counted("vss=1 rss=1 shared=1 shmem=1 shared_clean=1"),
    (20, "/lib/libc.so"): counted("vss=4 rss=3 shared=3 file=3 shared_clean=3"),
}


def test_its_columns_are_those_of_the_contract() -> None:
    table = mappings(walked(mappings=True).facts)
    assert table.columns == COLUMNS
    assert table.names == NAMES
    assert {table.column(name).unit for name in ("start", "end", "offset")} == {"hex"}


def test_figures_counted_by_hand() -> None:
    rows = mappings(walked(mappings=True).facts).to_dicts()
    found = {
        (row["pid"], row["name"]): {
            name: row[name] / PAGE for name in ("vss", *FIGURES) if row[name] and "pss" not in name
        }
        for row in rows
    }
    assert found == BY_HAND
    pss = {(row["pid"], row["name"]): row["pss"] / PAGE for row in rows}
    assert pss[11, "/memfd:w (deleted)"] == 1 + 1 / 2
    assert abs(pss[10, "/lib/libc.so"] - (3 / 3 + 1 / 2)) < 2 / PAGE


def test_what_a_mapping_is() -> None:
    rows = mappings(walked(mappings=True).facts).to_dicts()
    assert [(row["pid"], row["start"]) for row in rows] == sorted((row["pid"], row["start"]) for row in rows)
    first, last = rows[0], rows[2]
    assert (first["start"], first["end"], first["perms"]) == (0x400 * PAGE, 0x404 * PAGE, "rw-p")
    assert (last["perms"], last["offset"], last["inode"]) == ("r-xp", 0x1000, 77)


def test_the_gate_area_is_nobodys() -> None:
    assert "[vsyscall]" not in mappings(walked(mappings=True).facts)["name"].tolist()


def test_of_one_process() -> None:
    snapshot = walked(mappings=True)
    table = mappings(snapshot.facts, pid=12)
    assert set(table["pid"].tolist()) == {11}  # two processes have this address space, by its lowest
    assert len(table) == 3
    assert len(mappings(snapshot.facts, 12, snapshot.select(pids=[20]))) == 0
    with pytest.raises(PagewalkError, match="kept no mappings of pid 99"):
        mappings(snapshot.facts, pid=99)


def test_of_a_selection() -> None:
    snapshot = walked(mappings=True)
    assert set(mappings(snapshot.facts, selection=snapshot.select(programs=["php"]))["pid"].tolist()) == {10, 11}
    assert len(mappings(snapshot.facts, selection=Selection(np.zeros(3, bool)))) == 0


def test_of_those_that_were_kept() -> None:
    snapshot = walked(mappings=[10])
    assert mappings(snapshot.facts).to_dicts() == mappings(walked(mappings=True).facts, pid=10).to_dicts()
    with pytest.raises(PagewalkError, match="kept no mappings of pid 20"):
        mappings(snapshot.facts, pid=20)


def test_they_must_have_been_kept() -> None:
    with pytest.raises(PagewalkError, match=r"walk\(mappings=True\)"):
        mappings(walked().facts)


def test_flags_are_unknown_unless_smaps_was_read() -> None:
    plain = mappings(walked(mappings=True).facts)
    assert plain.unknown("vm_flags").all()
    told = mappings(walked(mappings=True, vm_flags=True).facts)
    assert not told.unknown("vm_flags").any()
    assert all("rd" in row["vm_flags"] for row in told.to_dicts())


@given(machines(Shape(sparse_pages=300)))
def test_mappings_add_up_to_the_process(machine: Machine) -> None:
    """To the byte, though a frame that is mapped several times is shared out among the mappings."""
    snapshot = walked(machine, mappings=True)
    table = mappings(snapshot.facts)
    assert all(column.min(initial=0) >= 0 for column in (table[name] for name in FIGURES))
    for row in snapshot.processes().to_dicts():
        mine = table.where(table["pid"] == row["pid"])
        said = {name: int(mine[name].sum()) for name in ("vss", *FIGURES)}
        assert said == {name: row[name] for name in said}
