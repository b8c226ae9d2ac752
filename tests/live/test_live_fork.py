"""Memory after fork: each page has the owners that have not written it."""

from __future__ import annotations

from checks import Look, expect, expect_kernel, expect_picture
from workloads import PAGE, Agent, Region, Stage


def family(stage: Stage) -> tuple[Region, Agent, Agent, Agent]:
    """Sixty-four pages; two children and their parent each wrote a different part."""
    parent = stage.start()
    memory = parent.map(64 * PAGE)
    parent.write(memory)
    first, second = parent.fork(), parent.fork()
    first.write(memory.part(0, 16))
    second.write(memory.part(8, 16))
    parent.write(memory.part(32, 4))
    return memory, parent, first, second


def test_parent_and_children_that_each_wrote_a_part(stage: Stage, look: Look) -> None:
    memory, parent, first, second = family(stage)
    snapshot = look()
    expect(
        snapshot,
        memory,
        {
            (parent, first, second): 8 + 28,  # pages 24-31 and 36-63
            (parent, second): 8,  # 0-7: written by the first
            (parent, first): 8,  # 16-23: written by the second
            (first, second): 4,  # 32-35: written by the parent
            (parent,): 8 + 4,  # 8-15: written by both children; 32-35: its own copies
            (first,): 16,
            (second,): 16,
        },
    )
    expect_kernel(snapshot, parent, first, second)
    expect_picture(snapshot, [parent, first, second])


def test_the_heirs_of_a_dead_parent(stage: Stage, look: Look) -> None:
    memory, parent, first, second = family(stage)
    second.end()
    snapshot = look()
    expect(
        snapshot,
        memory,
        {(parent, first): 8 + 8 + 28, (parent,): 8 + 8 + 4, (first,): 16 + 4},
    )
    expect_kernel(snapshot, parent, first)


def test_a_chain_of_forks(stage: Stage, look: Look) -> None:
    chain = [stage.start()]
    memory = chain[0].map(40 * PAGE)
    chain[0].write(memory)
    for generation in range(1, 10):
        chain.append(chain[-1].fork())
        chain[-1].write(memory.part(generation, 1))
    # Page g was written anew by generation g before it forked on: the older keep the older copy.
    owners: dict[tuple[Agent, ...], int] = {tuple(chain): 40 - 9}
    for generation in range(1, 10):
        for part in (tuple(chain[:generation]), tuple(chain[generation:])):
            owners[part] = owners.get(part, 0) + 1
    snapshot = look()
    expect(snapshot, memory, owners)
    expect_kernel(snapshot, *chain)
    expect_picture(snapshot, chain)


def test_untouched_children_own_nothing_alone(stage: Stage, look: Look) -> None:
    parent = stage.start()
    memory = parent.map(512 * PAGE)
    parent.write(memory)
    children = [parent.fork() for _ in range(6)]
    snapshot = look()
    expect(snapshot, memory, {(parent, *children): 512})
    expect_kernel(snapshot, parent, *children)
    expect_picture(snapshot, [parent, *children])
