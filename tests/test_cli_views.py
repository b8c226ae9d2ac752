"""The table of views."""

from __future__ import annotations

import pytest

from fakesnapshot import NAMES, FakeSnapshot
from pagewalk.cli.views import VIEWS, with_sharers


@pytest.mark.parametrize("name", VIEWS)
def test_columns_are_those_of_its_answer(name: str) -> None:
    view = VIEWS[name]
    answer = view.ask(FakeSnapshot(), None)  # type: ignore[arg-type]
    assert answer.columns == view.columns()
    assert len(view.ask(FakeSnapshot(), 2)) == 2  # type: ignore[arg-type]
    assert view.what


@pytest.mark.parametrize("name", VIEWS)
def test_labels_and_endings_are_of_columns_shown(name: str) -> None:
    view = VIEWS[name]
    assert set(view.labels) | set(view.endings) <= set(view.shown.split())


def test_only_mappings_need_mappings() -> None:
    assert [name for name, view in VIEWS.items() if view.mappings] == ["mapping"]


def test_sharers_are_counted() -> None:
    table = FakeSnapshot().sharing()
    made = with_sharers(table)
    assert made["sharers"].tolist() == [3] * len(NAMES)
    assert made.select(table.names).to_dicts() == table.to_dicts()
