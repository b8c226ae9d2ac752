"""Fitting a table to a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pagewalk.render.fit import GAP, NAME, fit

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
