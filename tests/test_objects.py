"""Nameless files with their holders and frames: against sets of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
from model import PAGE, Vma
from pagewalk.abi import PM
from pagewalk.frames import FrameRows
from pagewalk.held import HeldFile
from pagewalk.mappings import KeptPages
from pagewalk.objects import Holding, object_facts
from pagewalk.pagemap import PageRuns
from pagewalk.vmas import parse_maps

N_FRAMES = 30
DEVICE = {1 << 40: 9}
ROW_OF = np.array([0, *(1 + pfn % 4 for pfn in range(1, N_FRAMES))], np.uint32)


def rows() -> FrameRows:
    nothing: Any = np.zeros(0)
    return FrameRows(nothing, nothing, nothing, nothing, nothing, nothing, ROW_OF, 0, 0)


def file(number: int, **fields: Any) -> HeldFile:
    made = {"major": 0, "minor": 1, "inode": number, "is_segment": False, "links": 0, "allocated": 4096 * number}
    return HeldFile(**{"name": f"/memfd:{number} (deleted)", **made, **fields})


# An address space: of each VMA its file (or none) and its runs of frames; and the files it has open.
vma = st.tuples(
    st.sampled_from([None, 1, 2, 3]), st.lists(st.tuples(st.integers(1, 20), st.integers(1, 9)), max_size=3)
)
space = st.tuples(st.lists(vma, max_size=3), st.lists(st.sampled_from([1, 4]), max_size=2))


def holding(number: int, vmas: list[Any], opened: list[int]) -> Holding:
    lines, runs, first = [], [], 16
    for _, parts in vmas:
        pages = sum(length for _, length in parts) + 1
        lines.append(Vma(first, pages))
        at = first
        for pfn, length in parts:
            runs.append((at, int(PM.PRESENT) | pfn, length))
            at += length
        first += pages + 2
    columns = list(zip(*runs, strict=True)) or [(), (), ()]
    text = b"".join(fakeproc.maps_line(line) for line in lines)
    pages_of = PageRuns(
        *(np.array(column, kind) for column, kind in zip(columns, (np.uint64, np.uint64, np.uint32), strict=True))
    )
    mapped = {row: file(which) for row, (which, _) in enumerate(vmas) if which is not None}
    return Holding(
        number,
        mapped,
        [file(which) for which in opened],
        KeptPages(number, parse_maps(text), pages_of) if mapped else None,
    )


@given(st.lists(space, max_size=4))
def test_holders_and_distinct_frames(spaces: list[Any]) -> None:
    holdings = [holding(number, *made) for number, made in enumerate(spaces)]
    facts = object_facts(holdings, rows(), DEVICE, {}, PAGE)
    holders, frames = set(), dict[int, set[int]]()
    for number, (vmas, opened) in enumerate(spaces):
        holders |= {(number, which) for which in opened}
        for which, parts in vmas:
            if which is not None:
                holders.add((number, which))
                mine = frames.setdefault(which, set())
                mine |= {pfn + k for pfn, length in parts for k in range(length) if pfn + k < N_FRAMES}
    inode = facts.inode.tolist()
    assert {
        (space, inode[held]) for space, held in zip(facts.holder.tolist(), facts.held.tolist(), strict=True)
    } == holders
    assert len(set(inode)) == len(inode) == len(facts)
    counted = {
        (inode[o], row): n
        for o, row, n in zip(facts.object.tolist(), facts.row.tolist(), facts.frames.tolist(), strict=True)
    }
    expected: dict[tuple[int, int], int] = {}
    for which, pfns in frames.items():
        for pfn in pfns:
            key = which, int(ROW_OF[pfn]) - 1
            expected[key] = expected.get(key, 0) + 1
    assert counted == expected


def test_frames_of_a_device_have_their_row() -> None:
    facts = object_facts([holding(0, [(1, [(1 << 40, 1)])], [])], rows(), DEVICE, {}, PAGE)
    assert (facts.object.tolist(), facts.row.tolist(), facts.frames.tolist()) == ([0], [9], [1])


def test_who_dies() -> None:
    files = [
        file(1),
        file(2, links=1),
        file(3, is_segment=True, name="/SYSV00000000 (deleted)"),
        file(4, is_segment=True, name="/SYSV00000000 (deleted)"),
        file(5, is_segment=True, name="/SYSV00000000 (deleted)"),
        file(4),  # a memfd with the number of a segment is another file
    ]
    facts = object_facts([Holding(0, {}, files, None)], rows(), {}, {3: True, 4: False}, PAGE)
    assert facts.dies.tolist() == [True, False, True, False, False, True]
    assert len(facts) == 6


def test_a_size_that_one_process_knows_is_known() -> None:
    unknown, known = file(1, allocated=-1), file(1, allocated=8192)
    for files in ([unknown, known], [known, unknown]):
        assert object_facts([Holding(0, {}, files, None)], rows(), {}, {}, PAGE).allocated.tolist() == [8192]
