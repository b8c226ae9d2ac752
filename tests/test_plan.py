"""What a walk is to do."""

from __future__ import annotations

import numpy as np
import pytest

from pagewalk.plan import GENTLE_CHUNK, Plan


def test_by_default_all_processes_are_walked_and_no_page_is_kept() -> None:
    assert not Plan().alone
    assert not Plan().keeps_rows


@pytest.mark.parametrize(
    ("plan", "memcgs"),
    [
        (Plan(), False),
        (Plan(mappings=True, held=True), False),
        (Plan(everything=True), True),
        (Plan(pfns=np.ones(1, np.uint64)), True),
    ],
)
def test_memcgs_are_needed_for_charges_and_single_frames(plan: Plan, memcgs: bool) -> None:
    assert plan.memcgs == memcgs


@pytest.mark.parametrize("plan", [Plan(pids=[]), Plan(pids=[1]), Plan(cgroups=["/"])])
def test_some_processes_alone(plan: Plan) -> None:
    assert plan.alone


LEAN = frozenset({"pid", "pss"})


def test_frames_are_spared_unless_they_are_verified() -> None:
    assert Plan(columns=LEAN).spares
    assert not Plan(columns=LEAN, verify=True).spares
    assert not Plan().spares
    assert Plan(columns=LEAN).unasked == Plan(columns=LEAN, verify=True).unasked


def test_a_gentle_walk_reads_less_at_a_time() -> None:
    gentle, other = Plan(gentle=True), Plan()
    assert (gentle.pause_ns, gentle.scan_pages * 4096) == (50_000, 16 << 20)
    assert (other.pause_ns, other.scan_pages) == (0, 32768)
    assert GENTLE_CHUNK * 8 == 64 << 10


@pytest.mark.parametrize(
    "plan", [Plan(mappings=True), Plan(mappings=[1]), Plan(pfns=np.zeros(0, np.uint64)), Plan(held=True)]
)
def test_what_speaks_of_single_pages_needs_the_row_of_each_frame(plan: Plan) -> None:
    assert plan.keeps_rows
