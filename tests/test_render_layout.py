"""Dividing a screen among its tables."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from answers import processes, section
from pagewalk.render import text
from pagewalk.render.layout import Block, Columns, Layout, lay_out
from pagewalk.render.screen import Screen, Section, Style

PLACES = {"left": "left", "right": "right", "": "whole"}


def sections(*counts: int, **wishes: object) -> list[Section]:
    return [section(processes(["p"] * count), **wishes) for count in counts]


def rows(layout: Layout) -> list[int]:
    """Rows of each table, in their order."""
    found = []
    for item in layout.pile.items:
        blocks = [item] if isinstance(item, Block) else [one for pile in item.piles for one in pile.items]
        found += [block.rows for block in blocks if isinstance(block, Block)]
    return found


class TestOneTable:
    def test_all_rows_where_there_is_no_height(self) -> None:
        assert rows(lay_out(sections(500), Style(height=None), 2)) == [500]

    @pytest.mark.parametrize(
        ("count", "header", "wishes", "shown"),
        [
            # 24 lines: heading, header, 18 or 19 rows, footer, coverage, prompt.
            (500, True, {}, 19),
            (20, True, {}, 20),
            (21, True, {}, 19),
            (500, False, {"totals": True}, 19),
            (500, True, {"limit": 100}, 100),
            # A line is kept for the names of the columns that do not fit.
            (500, True, {"wanted": ()}, 18),
        ],
    )
    def test_fills_the_screen(self, count: int, header: bool, wishes: dict[str, object], shown: int) -> None:
        assert rows(lay_out(sections(count, **wishes), Style(height=24, header=header), 2)) == [shown]

    def test_a_crowded_screen_says_so(self) -> None:
        assert lay_out(sections(9), Style(height=4), 2).is_crowded
        assert not lay_out(sections(9), Style(height=6), 2).is_crowded


class TestPile:
    def test_shares_are_of_lines(self) -> None:
        first, second = [*sections(100, share=2), *sections(100, share=1)]
        # 21 lines, one of them blank: 13 and 7, each with a header and a footer.
        assert rows(lay_out([first, second], Style(height=24), 2)) == [11, 5]

    def test_what_one_leaves_over_the_other_takes(self) -> None:
        assert rows(lay_out(sections(2, 100), Style(height=24), 2)) == [2, 15]

    def test_blank_lines_go_before_rows_do(self) -> None:
        tables = sections(9, 9, 9)
        assert lay_out(tables, Style(height=24), 2).pile.is_airy
        assert not lay_out(tables, Style(height=14), 2).pile.is_airy

    def test_the_last_tables_are_left_out_and_named(self) -> None:
        layout = lay_out(sections(9, 9, 9), Style(height=11), 2)
        assert (rows(layout), layout.left_out) == ([2, 1], ("process",))
        layout = lay_out(sections(9, 9, 9), Style(height=6), 2)
        assert (rows(layout), layout.left_out, layout.is_crowded) == ([1], (), False)

    def test_a_number_asked_for_is_a_number_given(self) -> None:
        layout = lay_out([*sections(9), *sections(500, limit=100)], Style(height=24), 2)
        assert rows(layout) == [9, 100]
        layout = lay_out([*sections(90), *sections(500, limit=2)], Style(height=24), 2)
        assert rows(layout) == [14, 2]


class TestSideBySide:
    def tables(self, *counts: int) -> list[Section]:
        sides = ("", "left", "right", "right")
        return [section(processes(["p"] * count), side=side) for count, side in zip(counts, sides, strict=True)]

    def test_where_there_is_width(self) -> None:
        for width, beside in ((79, True), (78, False)):
            layout = lay_out(self.tables(2, 9, 9, 9), Style(width=width), 2)
            assert [isinstance(item, Columns) for item in layout.pile.items][1] == beside
        (_, band) = lay_out(self.tables(2, 9, 9, 9), Style(width=80), 2).pile.items
        assert isinstance(band, Columns)
        assert [pile.width for pile in band.piles] == [39, 38]

    def test_each_column_has_all_lines(self) -> None:
        # 21 lines: 3 above, a blank one, and 17 below: 15 rows, or 8 and 5 with a blank line between them.
        assert rows(lay_out(self.tables(2, 99, 99, 99), Style(height=24), 2)) == [2, 15, 6, 6]

    def test_one_without_its_neighbour_has_the_whole_width(self) -> None:
        left = [table for table in self.tables(2, 9, 9, 9) if table.side != "right"]
        assert [isinstance(item, Block) for item in lay_out(left, Style(), 2).pile.items] == [True, True]

    def test_golden(self) -> None:
        out = io.StringIO()
        first, second = (
            section(processes(names), shown=("pid", "comm"), wanted=("pid", "comm"), side=side)
            for names, side in ((["a", "b", "c"], "left"), (["d"], "right"))
        )
        text.render(Screen((first, second)), Style(width=80), out)
        bar = " " * 29 + "│"
        assert out.getvalue().splitlines() == [
            f"PID  COMM{bar[:-1]}  │ PID  COMM",
            f"  1  a   {bar[:-1]}  │   1  d",
            f"  2  b   {bar[:-1]}  │",
            f"  3  c   {bar[:-1]}  │",
        ]


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 3), st.sampled_from(["", "left", "right"]), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    st.integers(3, 80),
    st.integers(20, 160),
    st.booleans(),
)
def test_never_more_lines_than_the_screen_has(
    tables: list[tuple[int, int, str, bool]], height: int, width: int, header: bool
) -> None:
    made = [
        section(processes(["p"] * count), share=share, side=side, totals=totals)
        for count, share, side, totals in tables
    ]
    out = io.StringIO()
    screen = Screen(tuple(made), heading=("pagewalk on a", "read"), remarks=("read",))
    text.render(screen, Style(width=width, height=height, header=header), out)
    lines = out.getvalue().splitlines()
    # The first table's least: header, a row, a footer, totals; and the remark.
    assert len(lines) <= max(height - 1, header + 1 + 1 + tables[0][3] + 1)
    assert all(cell_len(line) <= width for line in lines)
    layout = lay_out(made, Style(width=width, height=height, header=header), 2)
    assert all(count for count in rows(layout)) or any(not count for count, *_ in tables)
