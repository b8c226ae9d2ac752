"""Large folios by VMA and by object."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines import machines
from model import PAGE, Frame, Kind, Machine, Present, Process, Space, Vma
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.views.folio import COLUMNS, folios
from smallhost import walked

# Folios of four at 8 and 12; the second of the file /a, mapped in two VMAs of it: once whole, once in part.
ANON = {pfn: Frame(pfn, Kind.ANON, head=8) for pfn in range(8, 12)}
FILE = {pfn: Frame(pfn, Kind.FILE, head=12) for pfn in range(12, 16)}
VMAS = (
    Vma(0x400, 8, entries={k: Present(8 + k) for k in range(4)}),
    Vma(0x801, 4, "r--p", inode=7, name=b"/a", entries={k: Present(12 + k) for k in range(4)}),
    Vma(0x900, 4, "r-xp", inode=7, name=b"/a", entries={k: Present(12 + k) for k in (1, 2)}),
    Vma(0xA00, 4, name=b"[heap]"),
)
SMALL = Machine({**ANON, **FILE}, (Space(VMAS, layout=1),), (Process(5, 0, b"one"),), limit=64)


def test_by_vma() -> None:
    table = folios(walked(SMALL, mappings=True).facts, 5)
    assert table.columns[-len(COLUMNS) :] == COLUMNS
    assert [
        (row["start"] // PAGE, row["kind"], row["size"], row["aligned"], row["unaligned"], row["partial"])
        for row in table
    ] == [
        (0x400, "anon", 4 * PAGE, 4 * PAGE, 0, 0),
        (0x801, "file", 4 * PAGE, 0, 4 * PAGE, 0),
        (0x900, "file", None, 0, 0, 2 * PAGE),
    ]


def test_by_object() -> None:
    rows = folios(walked(SMALL, mappings=True).facts, 5, group=True).to_dicts()
    assert [list(row.values()) for row in rows] == [
        [0, "anonymous", "anon", 4 * PAGE, 4 * PAGE, 0, 0],
        [7, "/a", "file", None, 0, 0, 2 * PAGE],
        [7, "/a", "file", 4 * PAGE, 0, 4 * PAGE, 0],
    ]


def test_none() -> None:
    machine = replace(SMALL, spaces=(Space(VMAS[3:], layout=1),))
    assert len(folios(walked(machine, mappings=True).facts, 5)) == 0


def test_their_pages_must_have_been_kept() -> None:
    facts = walked(SMALL, mappings=True).facts
    with pytest.raises(PagewalkError, match="kept no mappings of pid 6"):
        folios(facts, 6)
    without: Facts = replace(facts, pages=None)
    with pytest.raises(PagewalkError, match=r"walk\(mappings=True\)"):
        folios(without, 5)


@given(machines(), st.data())
def test_every_page_in_a_large_folio_is_counted_once(machine: Machine, data: st.DataObject) -> None:
    """By kind: those in large folios by the model, whatever the folios' state."""
    snapshot = walked(machine, mappings=True)
    if not len(snapshot.processes()):
        return
    pid = data.draw(st.sampled_from(snapshot.processes()["pid"].tolist()))
    space = next(process.space for process in machine.processes if process.pid == pid)
    assert space is not None
    expected: Counter[str] = Counter()
    for _, _, entry in machine.pages(space):
        if isinstance(entry, Present):
            frame = machine.frames[entry.pfn]
            if frame.large and frame.kind not in (Kind.ZERO, Kind.SPECIAL):
                expected[frame.kind.value] += PAGE
    for group in (False, True):
        found: Counter[str] = Counter()
        for row in folios(snapshot.facts, pid, group):
            found[row["kind"]] += row["aligned"] + row["unaligned"] + row["partial"]
            assert (row["size"] is None) == bool(row["partial"])
            assert row["size"] is None or (row["aligned"] + row["unaligned"]) % row["size"] == 0
        assert found == expected
