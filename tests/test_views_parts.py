"""The parts of an address space: its VMAs, or the objects that these map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines import machines
from model import PAGE, Machine
from pagewalk.errors import PagewalkError
from pagewalk.views.parts import ANONYMOUS, OBJECT_COLUMNS, VMA_COLUMNS, Parts, parts_of
from smallhost import walked


def names(parts: Parts) -> list[str]:
    return [str(name) for name in parts.data["name"].tolist()]


def test_vmas_by_address() -> None:
    parts = parts_of(walked(mappings=True).facts, 20)
    assert parts.columns == VMA_COLUMNS
    assert set(parts.data) == {column.name for column in VMA_COLUMNS}
    assert names(parts) == ["[heap]", "/memfd:w (deleted)", "/lib/libc.so"]  # and no vsyscall
    assert parts.data["start"].tolist() == [0x400 * PAGE, 0x3000 * PAGE, 0x7F000 * PAGE]
    assert parts.data["perms"].tolist() == ["rw-p", "r--s", "r-xp"]
    assert parts.data["pid"].tolist() == [20, 20, 20]
    assert parts.data["vss"].tolist() == [8 * PAGE, PAGE, 4 * PAGE]
    assert len(parts) == 3


def test_of_a_twin_they_are_those_of_its_address_space() -> None:
    facts = walked(mappings=True).facts
    assert parts_of(facts, 12).rows.tolist() == parts_of(facts, 11).rows.tolist()
    assert parts_of(facts, 12).data["pid"].tolist() == [11, 11, 11]


def test_sums_by_part() -> None:
    facts = walked(mappings=True).facts
    parts = parts_of(facts, 20)
    every = np.arange(len(parts.kept), dtype=np.int64)
    assert parts.sums(every).tolist() == parts.rows.tolist()
    vma = np.array([*parts.rows.tolist(), parts.rows[0], 0], np.int64)  # the last is another process's
    assert parts.of_vma[0] == -1
    assert parts.counted(vma, np.array([1, 2, 3, 10, 100], np.int64)).tolist() == [11, 2, 3]


@pytest.mark.parametrize("pid", [99, 10])
def test_they_must_have_been_kept(pid: int) -> None:
    with pytest.raises(PagewalkError, match=f"kept no mappings of pid {pid}"):
        parts_of(walked(mappings=[20]).facts, pid)
    with pytest.raises(PagewalkError, match=r"walk\(mappings=True\)"):
        parts_of(walked().facts, pid)


@given(machines(), st.data())
def test_objects_are_what_vmas_of_one_file_map(machine: Machine, data: st.DataObject) -> None:
    snapshot = walked(machine, mappings=True)
    if not len(snapshot.processes()):
        return
    pid = data.draw(st.sampled_from(snapshot.processes()["pid"].tolist()))
    vmas, found = parts_of(snapshot.facts, pid), parts_of(snapshot.facts, pid, group=True)
    kept = vmas.kept
    keys = [(kept.major[row], kept.minor[row], kept.inode[row], kept.name[row]) for row in vmas.rows.tolist()]
    order = list(dict.fromkeys(keys))
    assert found.columns == OBJECT_COLUMNS
    assert found.of_vma[vmas.rows].tolist() == [order.index(key) for key in keys]
    assert (np.delete(found.of_vma, vmas.rows) == -1).all()
    assert names(found) == [name or ANONYMOUS for *_, name in order]
    assert found.data["mappings"].tolist() == [keys.count(key) for key in order]
    assert int(found.data["vss"].sum()) == int(vmas.data["vss"].sum())
    ones = np.ones(len(kept), np.int64)
    assert found.sums(ones).tolist() == found.data["mappings"].tolist()
    # Of a part something holds only if it does of all its VMAs.
    some = np.arange(len(kept)) % 2 == 0
    mine = [some[vmas.rows[[key == one for one in keys]]].all() for key in order]
    assert found.every(some).tolist() == mine
