"""Threads that take their turns in order."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["Broken", "Turns"]


@dataclass(slots=True)
class Turns:
    """Lets threads pass in order: number k once k - 1 is done; ``alone``: there is but one, which keeps to it."""

    now: int = 0
    alone: bool = False
    broken: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, number: int) -> None:
        """Wait until it is this number's turn; Broken if it never will be."""
        if self.now == number and not self.broken:
            return
        with self.changed:
            self.changed.wait_for(lambda: self.now == number or self.broken)
            if self.broken:
                raise Broken

    def done(self, number: int) -> None:
        """Let the next number pass, once this one's turn has come."""
        if self.alone:
            self.now = number + 1
            return
        with self.changed:
            self.changed.wait_for(lambda: self.now == number or self.broken)
            self.now = number + 1
            self.changed.notify_all()

    def give_up(self) -> None:
        """Let nobody pass any more."""
        with self.changed:
            self.broken = True
            self.changed.notify_all()


class Broken(Exception):
    """Another thread failed: stop."""
