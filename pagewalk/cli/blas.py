"""numpy's linear algebra, which starts a thread a core when numpy is imported: pagewalk has no use for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["environment", "one_thread"]

OURS = "OPENBLAS_NUM_THREADS"
# Whoever sets one of these has said how many threads there are to be (OpenBLAS, interface and driver alike).
SAID = (OURS, "GOTO_NUM_THREADS", "OMP_NUM_THREADS")

_set: list[str] = []


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy, if it is imported meanwhile, start no threads; what the user has said about them stands.

    Half of what importing numpy costs is those threads.
    """
    if any(name in os.environ for name in SAID):
        yield
        return
    os.environ[OURS] = "1"
    _set.append(OURS)
    try:
        yield
    finally:
        _set.remove(OURS)
        os.environ.pop(OURS, None)


def environment() -> dict[str, str]:
    """Return the environment as it was given to us: what a command that we start is to have."""
    return {name: value for name, value in os.environ.items() if name not in _set}
