"""A pytest plugin for the run under sanitizers: skips what cannot run there, each with its reason, and allows for time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("sanitized", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def pytest_configure() -> None:
    settings.load_profile("sanitized")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if marker := item.get_closest_marker("unsanitized"):
            item.add_marker(pytest.mark.skip(reason=f"not under sanitizers: {marker.args[0]}"))
