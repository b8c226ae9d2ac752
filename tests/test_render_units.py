"""Times with their unit."""

from __future__ import annotations

import pytest

from pagewalk.render.units import duration


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
