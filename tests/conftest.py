"""Hypothesis profiles (``HYPOTHESIS_PROFILE=deep pytest``), shares for ``pytest -n 2``, and how a run is ended."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import Producer

# A machine is written to disk for each example: no deadline, and generating one is allowed to take its time.
COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

settings.register_profile("default", COMMON, max_examples=60)
settings.register_profile("few", COMMON, max_examples=25)
settings.register_profile("ci", COMMON, max_examples=250, print_blob=True)
settings.register_profile("deep", COMMON, max_examples=5000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure() -> None:
    """End at SIGTERM and SIGHUP as at a Ctrl-C: what tests have switched on (swap, KSM, cgroups) is put back.

    What this run was started to ignore (by nohup, or by a script that does not wait for it) it goes on ignoring, but
    what it starts itself does not: commands are to be ended by the signals that are sent to them.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        handler = signal.getsignal(number)
        if handler == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # a handler is not inherited by execve(2), SIG_IGN is
        elif handler == signal.SIG_DFL and number != signal.SIGQUIT:
            signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Share the tests out by file, so that what a file's tests have in common is made once.

    The live tests are one share: they switch things that the machine has once, and measure it.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "live" if "/live/" in file else file

    return ByFile(config, log)
