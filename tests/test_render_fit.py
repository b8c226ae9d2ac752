"""Fitting tables to a screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import processes, section
from pagewalk.render.fit import GAP, NAME, allot, fit
from pagewalk.render.screen import Section, Style

names = st.sampled_from("abcdefgh")


class TestFit:
    def test_takes_the_wanted_in_while_there_is_room(self) -> None:
        natural = {"pid": 6, "pss": 8, "rss": 8, "comm": 20}
        wanted = ("pid", "comm", "pss", "rss")
        assert fit(natural, {"comm"}, wanted, 80) == (natural, [])
        assert fit(natural, {"comm"}, wanted, 30) == ({"pid": 6, "pss": 8, "comm": 12}, [])
        assert fit(natural, {"comm"}, wanted, 33) == ({"pid": 6, "pss": 8, "comm": 15}, [])

    def test_no_narrower_one_takes_the_place_of_one_that_does_not_fit(self) -> None:
        assert fit({"a": 4, "b": 30, "c": 4}, {}, ("a", "b", "c"), 20) == ({"a": 4}, [])

    def test_names_what_was_asked_for_and_does_not_fit(self) -> None:
        assert fit({"a": 8, "b": 8, "c": 8}, {}, (), 20) == ({"a": 8, "b": 8}, ["c"])

    def test_one_column_always_stands(self) -> None:
        assert fit({"a": 50, "b": 60}, {}, (), 10) == ({"a": 10}, ["b"])

    @given(
        st.dictionaries(names, st.integers(0, 60), min_size=1),
        st.sets(names),
        st.permutations("abcdefgh"),
        st.booleans(),
        st.integers(1, 120),
    )
    def test_never_wider_than_the_line(
        self, natural: dict[str, int], elastic: set[str], order: list[str], is_choice: bool, width: int
    ) -> None:
        wanted = tuple(name for name in order if name in natural) if is_choice else ()
        widths, left_out = fit(natural, elastic, wanted, width)
        assert widths
        assert sum(widths.values()) + GAP * (len(widths) - 1) <= width
        assert list(widths) == [name for name in natural if name in widths]
        if not is_choice:
            assert set(left_out) == natural.keys() - widths.keys()
        for name, cells in widths.items():
            if len(widths) > 1:
                assert cells >= (min(natural[name], NAME) if name in elastic else natural[name])


def sections(*counts: int, **wishes: object) -> list[Section]:
    return [section(processes(["p"] * count), **wishes) for count in counts]


class TestAllot:
    def test_all_rows_where_there_is_no_height(self) -> None:
        assert allot(sections(500), Style(height=None), 2) == [500]

    def test_one_table_fills_the_screen(self) -> None:
        # 24 lines: heading, header, 19 rows, footer, coverage, prompt.
        assert allot(sections(500), Style(height=24), 2) == [19]
        assert allot(sections(20), Style(height=24), 2) == [20]
        assert allot(sections(21), Style(height=24), 2) == [19]
        assert allot(sections(500, totals=True), Style(height=24, header=False), 2) == [19]

    def test_a_number_asked_for_is_a_number_given(self) -> None:
        assert allot(sections(500, limit=100), Style(height=24), 2) == [100]

    def test_shares(self) -> None:
        first, *others = [*sections(4, share=0), *sections(100, share=3), *sections(100, share=2)]
        assert allot([first, *others], Style(height=24), 2) == [4, 6, 3]

    def test_what_one_leaves_over_the_other_takes(self) -> None:
        assert allot(sections(2, 100), Style(height=24), 2) == [2, 15]

    @pytest.mark.parametrize("height", [1, 2, 5])
    def test_a_tiny_screen_still_shows_something(self, height: int) -> None:
        assert allot(sections(9, 9), Style(height=height), 2) == [1, 1]

    @given(
        st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=4),
        st.integers(30, 80),
        st.booleans(),
    )
    def test_fits_the_height(self, tables: list[tuple[int, int]], height: int, header: bool) -> None:
        made = [section(processes(["p"] * count), share=share) for count, share in tables]
        rows = allot(made, Style(height=height, header=header), 2)
        fixed = sum(count for count, share in tables if not share)
        lines = 2 + sum(rows) + len(made) - 1 + len(made) * header
        lines += sum(shown < count for shown, (count, _) in zip(rows, tables, strict=True))
        assert all(shown <= count for shown, (count, _) in zip(rows, tables, strict=True))
        assert all(shown or not count for shown, (count, _) in zip(rows, tables, strict=True))
        if fixed + 2 + 4 * len(made) < height:
            assert lines <= height - 1
