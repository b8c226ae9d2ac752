"""What a renderer is given."""

from __future__ import annotations

from answers import processes, section


def test_rows_are_all_or_the_first() -> None:
    table = processes(["a", "b", "c"])
    assert section(table).rows() is table
    assert section(table, limit=2).rows().to_dicts() == table.to_dicts()[:2]
