"""Figures and names as people read them: IEC units in four significant characters, names made safe to show."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.legible import iec, visible, written_out
from test_render_safe import anything


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (4096, "4.00 KiB"),
        (10 * 1024 - 1, "10.0 KiB"),
        (102_400, "100 KiB"),
        (1_047_552, "1023 KiB"),
        (1_048_166, "1.00 MiB"),  # 1023.6 KiB, which is not "1024 KiB"
        (25_233_127_014, "23.5 GiB"),
        (-4096, "-4.00 KiB"),
        (2**63 - 1, "8.00 EiB"),
        (5000 * 2**60, "5000 EiB"),
    ],
)
def test_iec(size: int, text: str) -> None:
    assert " ".join(iec(size)) == text


@given(st.integers(0, 2**63))
def test_iec_is_short_and_near(size: int) -> None:
    number, unit = iec(size)
    assert len(number) <= 4
    scale = 1024 ** ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB").index(unit)
    assert float(number) < 1024
    assert abs(float(number) * scale - size) <= max(size * 0.0051, 0)


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
