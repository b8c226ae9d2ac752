"""Without the right to see frame numbers there are no figures: never a guess."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import pagewalk

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
# CAP_SYS_ADMIN given up (capset(2); capability 21).
WITHOUT_ADMIN = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
head, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(head, sets) == 0
for place in range(3):
    sets[place] &= ~(1 << 21)
assert libc.capset(head, sets) == 0
"""
# A process that changed its user is made readable to itself again (PR_SET_DUMPABLE).
AS_NOBODY = """
import ctypes, os
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
assert ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0
"""
COMMAND = """
import sys
from pagewalk import cli
sys.exit(cli.main(["report"]))
"""
# Another user may not be able to read the files of the interpreter and the package: be refused once before, which loads
# all that is needed for it.
REFUSED_BEFORE = """
import contextlib, io
from pagewalk import cli
with contextlib.redirect_stderr(io.StringIO()):
    assert cli.main(["report"]) == 77
"""
NAMESPACE = ("unshare", "--user", "--map-root-user")


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # From another directory than the checkout, the same package all the same.
    environment = os.environ | {"PYTHONPATH": str(Path(pagewalk.__file__).parents[1])}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", env=environment)


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


def test_another_user() -> None:
    if os.geteuid() != 0:
        expect_refusal(python(WALK))
        return
    expect_refusal(python(WITHOUT_ADMIN + REFUSED_BEFORE + AS_NOBODY + WALK))


@pytest.mark.usefixtures("root")
def test_root_without_cap_sys_admin() -> None:
    """The kpage files open, being root's, and all frame numbers read as 0 (fs/proc/task_mmu.c:pagemap_open)."""
    expect_refusal(python(WITHOUT_ADMIN + WALK))


@pytest.mark.usefixtures("root")
def test_root_of_a_user_namespace() -> None:
    expect_refusal(python(WALK, *NAMESPACE))


@pytest.mark.usefixtures("root")
def test_root_of_a_user_namespace_and_pid_namespace() -> None:
    expect_refusal(python(WALK, *NAMESPACE, "--pid", "--fork", "--mount-proc"))


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("code", "before", "told"),
    [
        # Who is root already is told what takes the right away; another user, what to run instead.
        pytest.param(WITHOUT_ADMIN + COMMAND, (), "--privileged", id="no-capability"),
        pytest.param(WITHOUT_ADMIN + REFUSED_BEFORE + AS_NOBODY + COMMAND, (), "run:", id="nobody"),
        pytest.param(COMMAND, NAMESPACE, "--privileged", id="namespace"),
    ],
)
def test_the_command_says_so_once(code: str, before: tuple[str, ...], told: str) -> None:
    result = python(code, *before)
    assert result.returncode == 77, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("pagewalk: ")
    assert result.stderr.count("pagewalk: ") == 1
    assert told in result.stderr
    assert "--kernel-pss" in result.stderr
    assert "Traceback" not in result.stderr
