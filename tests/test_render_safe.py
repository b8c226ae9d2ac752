"""Names made safe to show."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import HOSTILE
from pagewalk.render.safe import cells, visible, written_out

anything = st.text(st.characters(codec=None, categories=None)) | st.binary().map(os.fsdecode)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31m", r"\x1b[31m"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("café", "café"),
        ("right\u202eleft", r"right\u202eleft"),
        ("\U000e0001", r"\U000e0001"),
        ("a\xa0b", r"a\xa0b"),
        ("back\\slash", "back\\slash"),
        ("\ud800", r"\ud800"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(anything, st.sampled_from(["utf-8", "ascii", "iso8859-1"]))
def test_visible_is_printable_and_encodable(text: str, encoding: str) -> None:
    shown = visible(text, encoding)
    assert shown.isprintable()
    shown.encode(encoding)
    assert visible(shown, encoding) == shown


@given(st.characters())
def test_written_out_is_ascii(char: str) -> None:
    assert written_out(char).isascii()


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("記憶", 4), ("e\u0301", 1), ("", 0)])
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


def test_hostile_names_are_hostile() -> None:
    assert any(not name.isprintable() for name in HOSTILE)
