"""The view of gaps: a row for each, and no pid that is none."""

from __future__ import annotations

from pagewalk.facts import Gap
from pagewalk.views.gap import COLUMNS, gaps


def test_gaps() -> None:
    table = gaps([Gap(7, "memory", "maps: Permission denied"), Gap(None, "ksm", "this kernel")])
    assert table.columns == COLUMNS
    assert table.to_dicts() == [
        {"pid": 7, "what": "memory", "reason": "maps: Permission denied"},
        {"pid": None, "what": "ksm", "reason": "this kernel"},
    ]


def test_none() -> None:
    assert gaps([]).to_dicts() == []
    assert gaps([]).names == ("pid", "what", "reason")
