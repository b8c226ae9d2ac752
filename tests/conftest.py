"""Hypothesis profiles: ``HYPOTHESIS_PROFILE=deep pytest`` or ``pytest --hypothesis-profile=deep``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A machine is written to disk for each example: no deadline, and generating one is allowed to take its time.
COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

settings.register_profile("default", COMMON, max_examples=60)
settings.register_profile("ci", COMMON, max_examples=250, print_blob=True)
settings.register_profile("deep", COMMON, max_examples=5000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
