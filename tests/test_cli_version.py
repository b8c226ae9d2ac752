"""The line that makes a bug report useful."""

from __future__ import annotations

import os
import platform

import numpy as np

from pagewalk.cli.version import version_line, version_of


def test_line() -> None:
    line = version_line()
    for part in (
        platform.python_version(),
        f"numpy {np.__version__}",
        os.uname().release,
        str(os.sysconf("SC_PAGESIZE")),
    ):
        assert part in line
    assert "\n" not in line


def test_of_what_is_not_installed() -> None:
    assert version_of("no-such-distribution") == "(not installed)"
