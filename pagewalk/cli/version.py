"""One line that makes a bug report useful."""

from __future__ import annotations

import os
import sys

__all__ = ["version_line"]


def version_line() -> str:
    """Return the versions of pagewalk, Python, numpy and the kernel, and the page size."""
    kernel = os.uname()
    return (
        f"pagewalk {version_of('pagewalk')}, Python {sys.version.split()[0]}, numpy {version_of('numpy')},"
        f" {kernel.sysname} {kernel.release} {kernel.machine}, page size {os.sysconf('SC_PAGESIZE')}"
    )


def version_of(distribution: str) -> str:
    """Return the version of an installed distribution, without importing it.

    Where its files lie says the version; to ask importlib.metadata takes longer than all the rest of ``--version``,
    and is for those that are installed in another way.
    """
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        mine = [name for name in names if name.startswith((f"{distribution}-", f"{distribution}."))]
        found = [name.removesuffix(".dist-info") for name in mine if name.endswith(".dist-info")]
        if any(name.endswith((".egg-info", ".egg-link")) for name in mine) or len(found) > 1:
            break
        if found:
            return found[0].removeprefix(f"{distribution}-")
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(not installed)"
