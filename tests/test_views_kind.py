"""The view of kinds of mapped memory."""

from __future__ import annotations

from pagewalk.views.kind import COLUMNS, kinds
from smallhost import walked

PAGE = 4096


def test_kinds_counted_by_hand() -> None:
    table = kinds(walked().facts)
    assert table.columns == COLUMNS
    rows = {row.pop("kind"): {name: value / PAGE for name, value in row.items()} for row in table.to_dicts()}
    assert rows == {
        "anon": {"bytes": 6, "private": 5, "shared": 1, "hidden": 1},
        "file": {"bytes": 4, "private": 0, "shared": 4, "hidden": 0},
        "shmem": {"bytes": 2, "private": 1, "shared": 1, "hidden": 0},
        "hugetlb": {"bytes": 2, "private": 2, "shared": 0, "hidden": 0},
        "zero": {"bytes": 0, "private": 0, "shared": 0, "hidden": 0},
        "special": {"bytes": 0, "private": 0, "shared": 0, "hidden": 0},
        "swap": {"bytes": 2, "private": 1, "shared": 1, "hidden": 0},
    }
    resident = sum(rows[kind]["bytes"] for kind in ("anon", "file", "shmem"))
    assert resident == walked().coverage()["mapped_frames"]
