"""A pytest plugin for the run under sanitizers: skips what cannot run there, with the reason.

Tests of modules that have no native code of their own are left out: they run above, on the same native modules, and
would take most of the time here.
"""

from __future__ import annotations

import pytest

# How the files of tests begin that reach native code only through what others test: of a walk, the walker and the
# laws; of what lies in memory, the live tests that are left.
ABOVE = (
    *("test_architecture", "test_benchmarks", "test_cli", "test_compared", "test_diagnosis", "test_difference"),
    *("test_interrupted", "test_labels", "test_memcg", "test_notebook", "test_packaging", "test_questions"),
    *("test_readme", "test_render", "test_sampling", "test_storage", "test_system", "test_views"),
    # Owners that fork and share, which test_live_random has in every combination, asked for in one way or another.
    *("test_live_diff", "test_live_fork.", "test_live_freed", "test_live_groups", "test_live_names", "test_live_pairs"),
    *("test_live_run", "test_live_shared", "test_live_snapshot"),
    # The kernel's texts, which no native code reads.
    *("test_live_memcg", "test_live_system"),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs above, and skip each test marked ``unsanitized``, with the reason its marker gives."""
    left_out = [item for item in items if item.path.name.startswith(ABOVE)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.path.name.startswith(ABOVE)]
    for item in items:
        if marker := item.get_closest_marker("unsanitized"):
            item.add_marker(pytest.mark.skip(reason=f"not under sanitizers: {marker.args[0]}"))
