"""A test run that is told to end puts back what its tests have switched on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PROBE = """
import time, pytest

@pytest.fixture
def switched():
    open("on", "w").close()
    yield
    open("back", "w").close()

def test_long(switched):
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_fixtures_are_torn_down(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "test_probe.py").write_text(PROBE)
    # Neither the plugins nor the profile that this run was given: the probe needs its conftest only.
    given = {name: value for name, value in os.environ.items() if not name.startswith(("HYPOTHESIS_", "PYTEST_"))}
    environment = {**given, "PYTHONPATH": str(TESTS)}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", "test_probe.py"]
    run = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "on").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        run.send_signal(number)
        said, _ = run.communicate(timeout=30)
    finally:
        run.kill()
        run.wait()
    assert (tmp_path / "back").exists(), said.decode()
