"""A made tree, clock and walk: what a Sampler does with them is a matter of counting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from pagewalk.facts import Gap
from pagewalk.procfs import ProcFS
from pagewalk.sampling import Sampler
from pagewalk.tree import Poll, Tree

MIB = 1 << 20


@dataclass
class Stage:
    """A tree that has `distinct` bytes, of which the kernel's counters say `rss`; each walk takes `cost` seconds."""

    now: float = 100.0
    used: float = 7.0
    distinct: int = 10 * MIB
    rss: int = 10 * MIB
    stirred: int = 0
    processes: int = 1
    busy: int = 0
    cost: float = 0.01
    vanished: int = 0
    refused: str = ""
    error: Exception | None = None
    marked: int = 0
    walks: list[float] = field(default_factory=list)
    listings: int = 0

    # What a Sampler asks of a Tree.
    procfs = ProcFS("/nonexistent")
    members: Any = ()

    def poll(self) -> Poll:
        growth = max(self.rss - self.marked, 0)
        return Poll(self.processes, self.busy, self.rss, growth, abs(self.rss - self.marked) + self.stirred)

    def mark(self) -> None:
        self.marked, self.stirred = self.rss, 0

    def refresh(self) -> None:
        self.listings += 1

    # What it asks of walk.
    def walk(self, **_how: object) -> Any:
        self.now += self.cost
        self.used += self.cost
        self.walks.append(self.now - 100)
        if self.error is not None:
            raise self.error
        figures = {"rss": [self.distinct], "uss": [self.distinct // 2], "pss": [self.distinct]}
        facts = SimpleNamespace(
            spaces=[None] * (0 if self.refused else self.processes),
            gaps=[Gap(None, "all", "of all"), Gap(7, "memory", self.refused)] if self.refused else [],
            vanished=self.vanished,
            processes=self.processes,
            group_figures=lambda grouping: figures,
        )
        return SimpleNamespace(facts=facts, host={"longest_lock_hold_ns": 1000 * len(self.walks)})

    def become(self, size: int) -> None:
        self.distinct = self.rss = size

    def sampler(self, **how: Any) -> Sampler:
        return Sampler(cast(Tree, self), clock=lambda: self.now, cpu=lambda: self.used, **how)

    def run(self, sampler: Sampler, seconds: float, each: Callable[[float], None] = lambda _: None) -> None:
        """Let so much time go by, a step after each pause."""
        began = self.now
        while self.now - began < seconds:
            each(self.now - began)
            self.now += sampler.step()
