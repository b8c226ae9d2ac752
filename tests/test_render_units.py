"""IEC units in four significant characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.render.units import duration, iec


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
    ("seconds", "text"),
    [
        (0.0, "0.00 us"),
        (14e-6, "14.0 us"),
        (0.00125, "1.25 ms"),
        (0.0999, "99.9 ms"),
        (0.21, "0.21 s"),
        (75, "75.00 s"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
