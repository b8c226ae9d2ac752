"""Without the right to see frame numbers there are no figures: never a guess."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

WALK = """
import sys
import pagewalk
try:
    snapshot = pagewalk.walk()
except pagewalk.PermissionRequired as error:
    print("refused:", error)
    sys.exit(77)
print(len(snapshot.processes()))
"""
# The command as another user, who may not be able to read the package's files: load all of it first, with a run as
# root. A process that changed its user is made readable to itself again (PR_SET_DUMPABLE).
BECOME_NOBODY = """
import contextlib, ctypes, io, os, sys
import pagewalk
from pagewalk import cli
with contextlib.redirect_stdout(io.StringIO()):
    assert len(pagewalk.walk().processes()) > 0
    assert cli.main(["report"]) == 0
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
"""
COMMAND = """
from pagewalk import cli
import sys
sys.exit(cli.main(["report"]))
"""
NAMESPACE = ("unshare", "--user", "--map-root-user")


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")


def python(code: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run another Python, started by a command that takes rights away."""
    if before and shutil.which(before[0]) is None:
        pytest.skip(f"needs {before[0]} (util-linux)")
    if before:
        tried = run([*before, "true"])
        if tried.returncode != 0:
            pytest.skip(f"`{' '.join(before)}` is not allowed here: {tried.stderr.strip()}")
    return run([*before, sys.executable, "-c", code])


def expect_refusal(result: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in result.stderr, result.stderr
    assert result.stdout.startswith("refused:"), (result.stdout, result.stderr)
    assert result.returncode == 77


@pytest.mark.usefixtures("root")
def test_another_user() -> None:
    expect_refusal(python(BECOME_NOBODY + WALK))


@pytest.mark.usefixtures("root")
def test_root_without_cap_sys_admin() -> None:
    """The kpage files open, being root's, and all frame numbers read as 0 (fs/proc/task_mmu.c:pagemap_open)."""
    expect_refusal(python(WALK, "setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"))


@pytest.mark.usefixtures("root")
def test_root_of_a_user_namespace() -> None:
    expect_refusal(python(WALK, *NAMESPACE))


@pytest.mark.usefixtures("root")
def test_root_of_a_user_namespace_and_pid_namespace() -> None:
    expect_refusal(python(WALK, *NAMESPACE, "--pid", "--fork", "--mount-proc"))


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("how", ["nobody", "namespace"])
def test_the_command_says_so_once(how: str) -> None:
    result = python(BECOME_NOBODY + COMMAND) if how == "nobody" else python(COMMAND, *NAMESPACE)
    assert result.returncode == 77, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("pagewalk: ")
    assert "sudo" in result.stderr
    assert "Traceback" not in result.stderr


def test_this_process_is_told_when_it_is_not_root() -> None:
    if os.geteuid() == 0:
        pytest.skip("this is root; the other tests here take the right away")
    import pagewalk

    with pytest.raises(pagewalk.PermissionRequired):
        pagewalk.walk()
