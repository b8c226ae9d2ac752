"""The table of views."""

from __future__ import annotations

import pytest

from fakesnapshot import FakeSnapshot
from pagewalk.cli.views import BALANCE, DEEP, VIEWS, Question

WHOLE_RAM = ["cgroup", "charge", "use", "node"]
every_view = pytest.mark.parametrize("name", VIEWS)


@every_view
def test_columns_are_those_of_its_answer(name: str) -> None:
    view = VIEWS[name]
    answer = view.ask(FakeSnapshot(), Question(nodes=name == "process"))  # type: ignore[arg-type]
    there = [column for column in answer.columns if not view.is_numbered(column.name)]
    known = [column for column in view.columns() if not column.name.endswith("N")]
    assert there == known
    numbered = [column for column in answer.columns if view.is_numbered(column.name)]
    assert bool(numbered) == (view.numbered is not None)
    for column in numbered:
        assert (view.columns()[-1].unit, view.columns()[-1].name) == (column.unit, column.name[:-1] + "N")
    assert view.what


@every_view
def test_a_selection_is_handed_on_where_it_means_something(name: str) -> None:
    answer = VIEWS[name].ask(FakeSnapshot(), Question(2))  # type: ignore[arg-type]
    assert (len(answer) == 2) == (name not in WHOLE_RAM or name == "node")


def test_a_depth_is_handed_on() -> None:
    for name in DEEP:
        whole, folded = (VIEWS[name].ask(FakeSnapshot(), Question(depth=depth)) for depth in (None, 1))  # type: ignore[arg-type]
        assert len(folded) < len(whole)
        measure = VIEWS[name].measure
        assert folded[measure].sum() == whole[measure].sum()


@pytest.mark.parametrize("name", [*VIEWS, "balance"])
def test_labels_and_endings_are_of_columns_shown(name: str) -> None:
    view = {**VIEWS, "balance": BALANCE}[name]
    assert set(view.labels) | set(view.endings) <= set(view.shown.split())
    assert set(view.shown.split()) == set(view.wanted.split())
    assert set(view.derive) <= {"text", "plain"}


def test_what_needs_more_than_the_frames_that_are_mapped() -> None:
    assert [name for name, view in VIEWS.items() if view.mappings] == ["mapping"]
    assert [name for name, view in VIEWS.items() if view.whole_ram] == WHOLE_RAM


def test_numbered_columns() -> None:
    assert VIEWS["process"].is_numbered("node12")
    assert not VIEWS["process"].is_numbered("node")
    assert not VIEWS["process"].is_numbered("order0")
    assert not VIEWS["user"].is_numbered("node0")
