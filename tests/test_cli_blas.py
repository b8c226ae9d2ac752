"""How many threads numpy's linear algebra may start, and who is told so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pagewalk.cli.blas import OURS, SAID, environment, one_thread

SHOWN = f"import os; print(os.environ.get({OURS!r}))"


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SAID:
        monkeypatch.delenv(name, raising=False)


def test_one_thread_for_as_long_as_the_command_runs() -> None:
    before = dict(os.environ)
    with one_thread():
        assert os.environ[OURS] == "1"
        assert environment() == before
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", SAID)
def test_what_the_user_has_said_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "3")
    before = dict(os.environ)
    with one_thread():
        assert dict(os.environ) == before
        assert environment() == before
    assert os.environ[name] == "3"


def test_it_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert OURS not in os.environ
    assert environment() == dict(os.environ)


def test_numpy_starts_no_threads() -> None:
    """The command's own process has one thread after numpy was imported by it."""
    script = (
        "from pagewalk.cli.blas import one_thread\n"
        "with one_thread():\n    import numpy, os\n    print(len(os.listdir('/proc/self/task')))"
    )
    given = {name: value for name, value in os.environ.items() if name not in SAID}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=given)
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize(("said", "seen"), [(None, "None"), ("5", "5")])
def test_a_command_that_is_run_is_not_told(said: str | None, seen: str) -> None:
    """Run through the command itself, in a process of its own, walks and all."""
    given = {name: value for name, value in os.environ.items() if name not in SAID}
    if said is not None:
        given[OURS] = said
    script = (
        "import sys; from pagewalk.cli.blas import one_thread\n"
        "from pagewalk.cli.command import Command\n"
        "with one_thread():\n"
        f"    command = Command([sys.executable, '-c', {SHOWN!r}])\n"
        "    command.start()\n    command.collect()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=given)
    assert (done.stdout, done.stderr) == (f"{seen}\n", "")
