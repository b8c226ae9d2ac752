"""What a walk is to do."""

from __future__ import annotations

import numpy as np
import pytest

from pagewalk.plan import Plan


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


@pytest.mark.parametrize(
    "plan", [Plan(mappings=True), Plan(mappings=[1]), Plan(pfns=np.zeros(0, np.uint64)), Plan(held=True)]
)
def test_what_speaks_of_single_pages_needs_the_row_of_each_frame(plan: Plan) -> None:
    assert plan.keeps_rows
