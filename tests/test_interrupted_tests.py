"""A test run that is told to end puts back what its tests have switched on; what it is to ignore it keeps to itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SWITCHING = """
import time, pytest

@pytest.fixture
def switched():
    open("on", "w").close()
    yield
    open("back", "w").close()

def test_long(switched):
    time.sleep(60)
"""

STARTING = """
import subprocess

def test_commands_are_ended():
    for name in ("HUP", "INT", "QUIT", "TERM"):
        assert subprocess.run(["sh", "-c", f"kill -{name} $$; exit 7"]).returncode < 0, name
"""


def start(folder: Path, probe: str, *options: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a run of pytest on a file of its own, under our conftest."""
    (folder / "test_probe.py").write_text(probe)
    # Neither the plugins nor the profile that this run was given: the probe needs its conftest only.
    given = {name: value for name, value in os.environ.items() if not name.startswith(("HYPOTHESIS_", "PYTEST_"))}
    environment = {**given, "PYTHONPATH": str(TESTS)}
    words = [*before, sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", *options]
    return subprocess.Popen(
        [*words, "test_probe.py"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.parametrize(
    ("number", "options"),
    [
        (signal.SIGTERM, ()),
        (signal.SIGHUP, ()),
        (signal.SIGINT, ()),
        (signal.SIGTERM, ("-n", "1")),
    ],
)
def test_fixtures_are_torn_down(tmp_path: Path, number: signal.Signals, options: tuple[str, ...]) -> None:
    run = start(tmp_path, SWITCHING, *options)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "on").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        run.send_signal(number)
        said, _ = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    assert (tmp_path / "back").exists(), said.decode()


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_what_is_ignored_is_not_handed_down(tmp_path: Path, options: tuple[str, ...]) -> None:
    """As under nohup, and where a script starts a run and does not wait for it."""
    ignoring = ("sh", "-c", "trap '' HUP INT QUIT TERM; exec \"$@\"", "sh")
    run = start(tmp_path, STARTING, *options, before=ignoring)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 0, said.decode()
