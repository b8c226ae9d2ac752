"""The command on processes that are really there, with walks that are not: no privilege is needed.

Every walk finds the small host. ``python fakewalks.py [slow|refused|broken|full] WORDS`` runs the command in a process
of its own, whose streams and signals a test can do with as it likes.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

# Its threads would not keep back the signals that come while a command runs.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from pagewalk import sampling, snapshot
from pagewalk.cli import main
from pagewalk.errors import PermissionRequired
from pagewalk.snapshot import Snapshot
from smallhost import walked


def finds(found: Snapshot, how: str = "") -> Callable[..., Snapshot]:
    """A `walk` that finds this, slowly, or not at all, or only at the rehearsal."""

    def walk(pids: Any = None, **_options: Any) -> Snapshot:
        if how == "refused":
            raise PermissionRequired("the kernel hides physical page numbers from uid 7")
        if how == "broken" and pids is None:
            raise RuntimeError("\x1b[31mthe walk is broken")
        if how == "slow" and pids is None:
            time.sleep(0.3)
        return found

    return walk


def command(*words: str, how: str = "") -> list[str]:
    """The words that start it."""
    return [sys.executable, os.path.abspath(__file__), how, *words]


if __name__ == "__main__":
    found = walked()
    if sys.argv[1] == "full":  # no file can grow any more: EFBIG, since Python ignores SIGXFSZ
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    vars(snapshot)["walk"] = vars(sampling)["walk"] = finds(found, sys.argv[1])
    sys.exit(main(sys.argv[2:]))
