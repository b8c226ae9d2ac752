"""Names made safe for a terminal."""

from __future__ import annotations

import os

import pytest
from hypothesis import strategies as st

from answers import HOSTILE
from pagewalk.render.safe import cells

anything = st.text(st.characters(codec=None, categories=None)) | st.binary().map(os.fsdecode)


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("記憶", 4), ("e\u0301", 1), ("", 0)])
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


def test_hostile_names_are_hostile() -> None:
    assert any(not name.isprintable() for name in HOSTILE)
