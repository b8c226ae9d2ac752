"""pagewalk says exactly who owns every page of a Linux machine's RAM.

>>> import pagewalk as pw
>>> snap = pw.walk()                     # as root
>>> snap.processes().sort("pss").head(5)

Names are loaded when they are first used, so that ``pagewalk --help`` does not wait for numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagewalk.abi import KPF, PM
    from pagewalk.compared import Difference, diff
    from pagewalk.errors import PagewalkError, ParseError, PermissionRequired, SnapshotError, Unsupported
    from pagewalk.kernel import kernel_processes
    from pagewalk.raw import (
        read_kpagecgroup,
        read_kpagecount,
        read_kpageflags,
        read_maps,
        read_pagemap,
        read_smaps,
        read_smaps_rollup,
        read_stack,
    )
    from pagewalk.snapshot import Snapshot, load, walk
    from pagewalk.table import Column, Table

__all__ = [
    "KPF",
    "PM",
    "Column",
    "Difference",
    "PagewalkError",
    "ParseError",
    "PermissionRequired",
    "Snapshot",
    "SnapshotError",
    "Table",
    "Unsupported",
    "__version__",
    "diff",
    "kernel_processes",
    "load",
    "read_kpagecgroup",
    "read_kpagecount",
    "read_kpageflags",
    "read_maps",
    "read_pagemap",
    "read_smaps",
    "read_smaps_rollup",
    "read_stack",
    "walk",
]

_HOME = {
    "abi": ("KPF", "PM"),
    "compared": ("Difference", "diff"),
    "errors": ("PagewalkError", "ParseError", "PermissionRequired", "SnapshotError", "Unsupported"),
    "raw": (
        "read_kpagecgroup",
        "read_kpagecount",
        "read_kpageflags",
        "read_maps",
        "read_pagemap",
        "read_smaps",
        "read_smaps_rollup",
        "read_stack",
    ),
    "kernel": ("kernel_processes",),
    "snapshot": ("Snapshot", "load", "walk"),
    "table": ("Column", "Table"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("pagewalk")
    for module, names in _HOME.items():
        if name in names:
            value = getattr(importlib.import_module(f"pagewalk.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'pagewalk' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
