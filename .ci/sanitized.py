"""A pytest plugin for the run under sanitizers: skips what cannot run there, with the reason; fewer examples."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# Chosen with HYPOTHESIS_PROFILE, like the profiles of tests/conftest.py.
settings.register_profile("sanitized", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip each test marked ``unsanitized``, with the reason its marker gives."""
    for item in items:
        if marker := item.get_closest_marker("unsanitized"):
            item.add_marker(pytest.mark.skip(reason=f"not under sanitizers: {marker.args[0]}"))
