"""The line that makes a bug report useful."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

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


@pytest.mark.parametrize("name", ["numpy", "pagewalk", "pytest", "rich", "no-such-distribution"])
def test_it_is_what_metadata_says(name: str) -> None:
    try:
        said = metadata.version(name)
    except metadata.PackageNotFoundError:
        said = "(not installed)"
    assert version_of(name) == said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (["numpy-7.8.dist-info", "numpy_stubs-1.0.dist-info", "numpydoc-2.0.dist-info"], "7.8"),
        (["numpy-7.8.dist-info", "numpy-7.9.dist-info"], None),
        (["numpy.egg-info", "numpy-7.8.dist-info"], None),
        (["numpy.libs"], None),
    ],
)
def test_the_first_folder_of_the_path_that_has_it(
    made: list[str], said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more than one is there, or it is installed in another way, metadata is asked."""
    for name in made:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(metadata, "version", lambda name: f"asked for {name}")
    monkeypatch.setattr(sys, "path", ["/nowhere/at/all", str(tmp_path)])
    assert version_of("numpy") == (said or "asked for numpy")


def test_of_what_is_not_installed() -> None:
    assert version_of("no-such-distribution") == "(not installed)"
