"""A bar on the terminal's stderr, for walks that last."""

from __future__ import annotations

import sys
import time
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressBar"]

# A walk shorter than this is over before anyone wonders.
PATIENCE = 0.5


class ProgressBar:
    """Call it as ``walk(progress=)`` does, from any thread; it shows itself once the walk has lasted half a second.

    Parameters
    ----------
    enabled : bool
        Whether it may show itself at all; it never does where stderr is no terminal.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled and sys.stderr is not None and sys.stderr.isatty()
        self.started = time.monotonic()
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        # Without it two threads that come first at once begin a bar each, and one of them never ends.
        self.lock = Lock()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say how far the walk is."""
        if not self.enabled or (self.bar is None and time.monotonic() - self.started < PATIENCE):
            return
        with self.lock:
            if self.bar is None:
                self.bar = begin()
            if self.task is None:
                self.task = self.bar.add_task(what, total=total)
            self.bar.update(self.task, completed=done, total=total, description=what)


def begin() -> Progress:
    """Start a bar that leaves no trace when it ends."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
        transient=True,
    )
    bar.start()
    return bar
