"""Whatever processes do to their memory: many steps at random, then every figure by an independent reading."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from checks import Look, expect_kernel, expect_picture
from workloads import (
    MADV_COLD,
    MADV_DONTNEED,
    MADV_NOHUGEPAGE,
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_SHARED,
    PAGE,
    PROT_NONE,
    PROT_READ,
    PROT_RW,
    Agent,
    Region,
    Stage,
)

STEPS, MOST_AGENTS = 200, 8


class Life:
    """Agents, and what each has mapped."""

    def __init__(self, stage: Stage, seed: int, huge: int) -> None:
        self.random = random.Random(seed)
        self.stage, self.huge = stage, huge
        self.memory: dict[Agent, list[Region]] = {stage.start(): [], stage.start(): []}
        self.files: dict[Agent, list[tuple[int, int]]] = {agent: [] for agent in self.memory}
        self.parents: dict[Agent, Agent] = {}

    def step(self) -> None:
        agent = self.random.choice(list(self.memory))
        steps: list[tuple[Callable[[Agent], None], int]] = [
            (self.map_anonymous, 4),
            (self.map_huge, 2),
            (self.map_shared, 2),
            (self.map_file, 3),
            (self.change, 12),
            (self.fork, 3),
            (self.end, 1),
        ]
        what = self.random.choices([step for step, _ in steps], [weight for _, weight in steps])[0]
        what(agent)

    def map_anonymous(self, agent: Agent) -> None:
        self._mapped(agent, agent.map(self.random.randint(1, 80) * PAGE))

    def map_huge(self, agent: Agent) -> None:
        region = agent.map(self.huge, huge=True)
        self._mapped(agent, region)
        agent.advise(region, MADV_NOHUGEPAGE)  # or khugepaged would fill its holes, minutes or moments later

    def map_shared(self, agent: Agent) -> None:
        self._mapped(agent, agent.map(self.random.randint(1, 40) * PAGE, flags=MAP_SHARED | MAP_ANONYMOUS))

    def map_file(self, agent: Agent) -> None:
        """A memfd: its own, a new one, or (again) one of somebody else's."""
        if not self.files[agent] or self.random.random() < 0.5:
            pages = self.random.randint(1, 40)
            self.files[agent].append((agent.memfd(pages * PAGE), pages))
        owner = self.random.choice([one for one, files in self.files.items() if files])
        fd, pages = self.random.choice(self.files[owner])
        if owner is not agent:
            fd = agent.open(f"/proc/{owner.pid}/fd/{fd}")
        self._mapped(agent, agent.map(pages * PAGE, flags=MAP_SHARED, fd=fd))

    def _mapped(self, agent: Agent, region: Region) -> None:
        self.memory[agent].append(region)
        agent.write(region.part(0, self.random.randint(1, region.pages)))

    def change(self, agent: Agent) -> None:
        """Something done to a part of a mapping."""
        if not self.memory[agent]:
            return
        region = self.random.choice(self.memory[agent])
        first = self.random.randrange(region.pages)
        part = region.part(first, self.random.randint(1, region.pages - first))
        what = self.random.choice(["write", "write", "read", "unmap", "forbid", "read-only", "drop", "cold", "swap"])
        if what in ("write", "read"):
            agent.protect(part, PROT_RW)
            (agent.write if what == "write" else agent.read)(part)
        elif what == "unmap":
            self.memory[agent].remove(region)
            agent.unmap(part)
            rest = [region.part(0, first), Region(part.stop, region.stop - part.stop)]
            self.memory[agent] += [piece for piece in rest if piece.length]
        elif what in ("forbid", "read-only"):
            agent.protect(part, PROT_NONE if what == "forbid" else PROT_READ)
        else:
            agent.advise(part, {"drop": MADV_DONTNEED, "cold": MADV_COLD, "swap": MADV_PAGEOUT}[what])

    def fork(self, agent: Agent) -> None:
        if len(self.memory) < MOST_AGENTS:
            child = agent.fork()
            self.parents[child] = agent
            self.memory[child], self.files[child] = list(self.memory[agent]), list(self.files[agent])

    def end(self, agent: Agent) -> None:
        """One without children may die: with a parent its children would."""
        if len(self.memory) > 3 and agent not in self.parents.values():
            agent.end()
            del self.memory[agent], self.files[agent]
            self.parents.pop(agent, None)


@pytest.mark.usefixtures("swap")
@pytest.mark.parametrize("seed", range(12))
def test_a_life_of_many_steps(stage: Stage, look: Look, huge: int, seed: int) -> None:
    life = Life(stage, seed, huge)
    for _ in range(STEPS):
        life.step()
    agents = list(life.memory)
    snapshot = look()
    expect_picture(snapshot, agents)
    expect_kernel(snapshot, *agents, pss=False, but=("swap",))
