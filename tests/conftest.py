"""Hypothesis profiles (``HYPOTHESIS_PROFILE=deep pytest``), and an end that puts back what tests have switched."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# A machine is written to disk for each example: no deadline, and generating one is allowed to take its time.
COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

settings.register_profile("default", COMMON, max_examples=60)
settings.register_profile("ci", COMMON, max_examples=250, print_blob=True)
settings.register_profile("deep", COMMON, max_examples=5000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """End at SIGTERM and SIGHUP as at a Ctrl-C: what tests have switched on (swap, KSM, cgroups) is put back."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
