"""One line that makes a bug report useful."""

from __future__ import annotations

import os
import platform

__all__ = ["version_line"]


def version_line() -> str:
    """Return the versions of pagewalk, Python, numpy and the kernel, and the page size."""
    kernel = os.uname()
    return (
        f"pagewalk {version_of('pagewalk')}, Python {platform.python_version()}, numpy {version_of('numpy')},"
        f" {kernel.sysname} {kernel.release} {kernel.machine}, page size {os.sysconf('SC_PAGESIZE')}"
    )


def version_of(distribution: str) -> str:
    """Return the version of an installed distribution, without importing it."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(not installed)"
