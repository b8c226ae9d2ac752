"""One native reader for many pagemaps: what it refuses, and its pace."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from pagewalk._native import pagemap as native
from pagewalk.pagemap import Buffers, Pace, ReadCost
from test_pagemap import PAGE, chunks_of, pagemap

TRIES = 5


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"vma_start": 2}, "go together"),
        ({"vma_stop": 2}, "go together"),
        ({"tells": 2}, "go together"),
        ({"vma_start": 2, "vma_stop": 1}, "differ in length"),
        ({"vma_start": 2, "vma_stop": 2, "tells": 1}, "another length"),
    ],
)
def test_vmas_that_do_not_go_together_are_refused(more: dict[str, int], reason: str) -> None:
    arrays = [np.zeros(4, dtype) for dtype in ["u8"] * 4 + ["u4"]]
    make: Any = native.Reader
    with pytest.raises(ValueError, match=reason):
        make(0, *arrays, PAGE, **{name: np.zeros(n, "u1" if name == "tells" else "u8") for name, n in more.items()})


@pytest.mark.parametrize("pages", [0, 32769])
def test_a_scan_that_would_hold_the_lock_for_long_is_refused(pages: int) -> None:
    arrays = [np.zeros(4, dtype) for dtype in ["u8"] * 4 + ["u4"]]
    make: Any = native.Reader
    with pytest.raises(ValueError, match="scan_pages"):
        make(0, *arrays, PAGE, scan_pages=pages)


@pytest.mark.parametrize(("ranges", "vmas"), [(5, 0), (-1, 0), (4, 3), (4, -1)])
def test_aiming_beyond_the_arrays_is_refused(ranges: int, vmas: int) -> None:
    arrays = [np.zeros(4, dtype) for dtype in ["u8"] * 4 + ["u4"]]
    make: Any = native.Reader
    reading = make(0, *arrays, PAGE, vma_start=np.zeros(2, "u8"), vma_stop=np.zeros(2, "u8"))
    with pytest.raises(ValueError, match="fewer"):
        reading.aim(0, ranges, vmas)


def test_one_reader_reads_one_pagemap_after_the_other() -> None:
    """Whatever the first was left at: half way, or gone."""
    arrays = [np.zeros(4, dtype) for dtype in ["u8"] * 4 + ["u4"]]
    arrays[0][:2], arrays[1][:2] = (1, 9), (5, 12)
    make: Any = native.Reader
    with pagemap({2: 7, 3: 8, 10: 9}, 20) as one, pagemap({1: 5}, 3) as other:
        reading = make(one, *arrays, PAGE)
        reading.aim(one, 2, 0)
        assert reading.next() == 4
        reading.aim(other, 1, 0)
        assert (reading.next(), arrays[2][:2].tolist(), reading.gone, reading.words) == (2, [5, 0], True, 2)
        reading.aim(one, 2, 0)
        assert [(reading.next(), arrays[2][0], reading.gone) for _ in range(2)] == [(4, 0, False), (3, 0, False)]
        assert arrays[2][:3].tolist() == [0, 9, 0]
        assert (reading.next(), reading.words) == (0, 7)


def test_a_pause_comes_between_two_calls() -> None:
    """As long as asked for at least; it is no part of the longest call."""
    for _ in range(TRIES):
        cost = ReadCost()
        with pagemap({}, 40) as fd:
            began = time.monotonic_ns()
            for _ in chunks_of(fd, [(0, 40)], Buffers(8), cost, pace=Pace(pause_ns=20_000_000)):
                pass
            took = time.monotonic_ns() - began
        assert took >= 100_000_000
        assert (cost.reads, cost.entries) == (5, 40)
        if cost.longest_ns < 20_000_000:  # on a busy machine a call may wait for its turn
            return
    pytest.fail(f"a call of {cost.longest_ns} ns in each of {TRIES} readings")
