"""The workload of the benchmarks that switches KSM, huge pages and swap on: it is what it says, and puts them back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchstage import MIB, compiled, unsanitized
from knobs import HUGETLB, KSM

if TYPE_CHECKING:
    from benchmarks.programs import Programs

pytestmark = unsanitized


@pytest.fixture
def programs() -> Iterator[Programs]:
    with compiled() as programs:
        yield programs


def switches() -> dict[str, str]:
    paths = [KSM / "run", KSM / "sleep_millisecs", KSM / "pages_to_scan", *HUGETLB.glob("*/nr_hugepages")]
    there = {str(path): path.read_text() for path in paths if path.exists()}
    return {**there, "swaps": Path("/proc/swaps").read_text()}


def test_mixed_memory(programs: Programs) -> None:
    from benchmarks import bench_walk
    from benchmarks.held import Unavailable
    from benchmarks.workloads import mixed

    before = switches()
    try:
        with mixed(programs, 4 * MIB, children=2) as workload:
            changed = {name for name, said in switches().items() if said != before[name]}
            assert len(workload.pids) == 3
            assert [sorted(known.figures) for known in workload.known] == [
                ["pss", "rss", "thp"],
                ["ksm", "pss", "rss"],
                ["hugetlb", "rss"],
                ["rss", "swap", "swap_pss"],
            ]
            bench_walk.check(workload)
    except Unavailable as reason:
        pytest.skip(str(reason))
    # KSM has merged and rests already; the others are needed for as long as their pages are there.
    assert "swaps" in changed
    assert not any(name.startswith(str(KSM)) for name in changed)
    assert switches() == before
