"""The figures that views have in common: each with its column, and those that a walk cannot know."""

from __future__ import annotations

from facttables import facts_of
from pagewalk.tally import FIGURES
from pagewalk.views.figures import FIGURE_COLUMNS, GROUP_COLUMNS, unknown_figures


def test_every_figure_has_its_column() -> None:
    for columns in (FIGURE_COLUMNS, GROUP_COLUMNS):
        assert tuple(column.name for column in columns) == FIGURES
        assert {column.unit for column in columns} == {"bytes"}
        assert all(column.doc and len(column.doc.splitlines()) == 1 for column in columns)


def test_groups_say_that_a_frame_counts_once() -> None:
    own = {column.name: column.doc for column in FIGURE_COLUMNS}
    group = {column.name: column.doc for column in GROUP_COLUMNS}
    assert {name for name in FIGURES if own[name] != group[name]} == {
        "rss", "pss", "uss", "swap", "swap_pss", "swap_uss",
    }  # fmt: skip


def test_ksm_is_not_known_where_the_kernel_lies() -> None:
    assert unknown_figures(facts_of([]), 3) == {}
    masks = unknown_figures(facts_of([], ksm_known=False), 3)
    assert {name: mask.tolist() for name, mask in masks.items()} == {"ksm": [True, True, True]}
