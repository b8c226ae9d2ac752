"""What a walk could not see of the machine as a whole."""

from __future__ import annotations

import pytest

from pagewalk.ownership import Strangers
from pagewalk.probe import Probe
from pagewalk.unseen import account_gaps, machine_gaps

GOOD = Probe(True, True, "page")


def test_nothing_is_missing_where_all_is_told() -> None:
    assert machine_gaps(Strangers(markers=7), 0, GOOD) == []
    assert account_gaps(None, None) == []


@pytest.mark.parametrize(
    ("strangers", "device", "answers", "what"),
    [
        (Strangers(moving=3), 0, GOOD, "3 pages"),
        (Strangers(), 5, GOOD, "5 frames of device memory"),
        (Strangers(), 0, Probe(True, False, "page"), "ksm"),
        (Strangers(), 0, Probe(True, True, "folio-average"), "hidden owners of large folios"),
    ],
)
def test_each_gap_names_what_is_missing(strangers: Strangers, device: int, answers: Probe, what: str) -> None:
    (gap,) = machine_gaps(strangers, device, answers)
    assert (gap.pid, gap.what) == (None, what)
    assert gap.reason
