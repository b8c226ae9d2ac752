"""What each phase of the work costs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pagewalk.phases import Phases


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Two clocks that stand still until they are set."""
    now = {"wall": 100.0, "cpu": 7.0}
    monkeypatch.setattr(time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(time, "process_time", lambda: now["cpu"])
    return now


def test_all_time_belongs_to_one_phase(clocks: dict[str, float]) -> None:
    phases = Phases()
    phases.begin("listing")
    clocks.update(wall=101.0, cpu=7.25)
    phases.begin("processes")
    clocks.update(wall=103.0, cpu=10.25)
    phases.begin("listing")
    clocks.update(wall=103.5, cpu=10.5)
    phases.end()
    clocks.update(wall=200.0, cpu=99.0)  # nobody's
    phases.end()
    listing, processes = phases.rows()
    assert (listing["phase"], listing["seconds"], listing["cpu_seconds"]) == ("listing", 1.5, 0.5)
    assert (processes["phase"], processes["seconds"], processes["cpu_seconds"]) == ("processes", 2.0, 3.0)


def test_what_is_read_is_added_up() -> None:
    phases = Phases()
    phases.begin("processes")
    phases.add("processes", entries=5, scans=1)
    phases.add("processes", entries=2)
    phases.add("frames", words=9)
    rows = {row["phase"]: row for row in phases.rows()}
    assert [rows["processes"][name] for name in ("entries", "words", "scans", "reads")] == [7, 0, 1, None]
    assert [rows["frames"][name] for name in ("entries", "words", "scans", "seconds")] == [0, 9, 0, 0.0]


def test_reads_are_counted_without_those_of_counting() -> None:
    """Each look makes two calls itself; between the third and the fourth look ten others are made."""

    def looks() -> Iterator[int]:
        yield from (0, 2, 4, 16, 18)

    counter = looks()
    phases = Phases(lambda: next(counter))
    phases.begin("frames")
    phases.begin("accounts")
    phases.end()
    assert [row["reads"] for row in phases.rows()] == [10, 0]


def test_a_kernel_that_does_not_count_reads() -> None:
    phases = Phases(lambda: None)
    phases.begin("frames")
    phases.end()
    assert phases.rows()[0]["reads"] is None


def test_rows_are_plain_data_of_their_own() -> None:
    phases = Phases()
    phases.begin("view")
    phases.end()
    phases.rows()[0]["seconds"] = 99
    assert phases.rows()[0]["seconds"] < 99
