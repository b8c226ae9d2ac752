"""Hypothesis strategies for machines with books: RAM with holes, nodes that interleave, cgroups that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import assume
from hypothesis import strategies as st

from books import MARKS, Books, Cgroup, Leftover, Ram, Stretch
from machines import Shape, machines
from model import KPF, PAGE, Machine

# Everything is read, so everything is written: no frames far away, and no wide holes in address spaces.
SMALL = Shape(sparse_pages=700, far_frame=600)

PATHS = [
    "/system.slice",
    "/system.slice/a b.service",
    "/system.slice/db.service",
    "/system.slice/db.service/worker",
    "/user.slice",
    "/user.slice/app.slice",
    "/user.slice/app.slice/one.scope",
    "/z",
]
GONE = "/gone (deleted)"
# Who has it is in no list: a cgroup made and removed while frames were read.
STRAY = 2**63 + 11

# Bits that say nothing of what a frame is used for where no process can have it.
LEFTOVER_NOISE = [0, 0, 0, KPF["REFERENCED"], KPF["PRIVATE"] | KPF["ARCH"], 1 << 37, 1 << 0, 1 << 43, 1 << 62]


# RAM


@st.composite
def rams(draw: st.DrawFn, machine: Machine) -> Ram:
    """RAM of one node or two, with holes."""
    limit = machine.limit
    block = draw(st.sampled_from([0, 16, 64, 512]))
    cut = draw(st.integers(0, limit))  # below it is zone DMA
    if not block:
        # Nothing but the zones tells the node: each node is of one piece.
        border = draw(st.integers(cut, limit))
        movable = draw(st.integers(border, limit))
        pieces = [(0, cut, 0, "DMA"), (cut, border, 0, "Normal"), (border, movable, 1, "Normal")]
        stretches = [Stretch(*piece) for piece in [*pieces, (movable, limit, 1, "Movable")] if piece[0] < piece[1]]
    else:
        stretches = draw(_blocks(machine, block, cut))
    ranges = draw(_ranges(limit))
    ram = Ram(ranges, tuple(stretches), block, draw(st.sampled_from([0, 1, PAGE // 4])))
    assume(ram.places)
    return ram


@st.composite
def _blocks(draw: st.DrawFn, machine: Machine, block: int, cut: int) -> list[Stretch]:
    """A node for each block, and above the block that the zones part in Normal or Movable, or switched off."""
    stretches = []
    used = {pfn // block for pfn in machine.frames}
    kinds = st.sampled_from([(0, "Normal"), (1, "Normal"), (0, "Movable"), (1, "Movable"), None])
    pattern = draw(st.lists(kinds, min_size=1, max_size=6))
    for number in range(-(-machine.limit // block)):
        start, stop = number * block, (number + 1) * block
        kind = pattern[number % len(pattern)]
        if start < cut:
            node = 0 if kind is None else kind[0]
            stretches.append(Stretch(start, min(cut, stop), node, "DMA"))
            if cut < stop:
                stretches.append(Stretch(cut, stop, node, "Normal"))
        elif kind is not None:
            stretches.append(Stretch(start, stop, *kind))
        else:
            stretches.append(Stretch(start, stop, 0, "Normal", online=number in used))
    return stretches


@st.composite
def _ranges(draw: st.DrawFn, limit: int) -> tuple[tuple[int, int], ...]:
    """Ranges with a frame or more between them, up to the last frame."""
    holes = draw(st.lists(st.tuples(st.integers(0, limit), st.sampled_from([1, 2, 40, 300])), max_size=4))
    missing = {pfn for first, length in holes for pfn in range(first, first + length)} | {0}
    ranges: list[tuple[int, int]] = []
    for pfn in range(limit):
        if pfn in missing:
            continue
        if ranges and ranges[-1][1] == pfn:
            ranges[-1] = ranges[-1][0], pfn + 1
        else:
            ranges.append((pfn, pfn + 1))
    return tuple(ranges)


@st.composite
def _leftovers(draw: st.DrawFn, machine: Machine, ram: Ram, inodes: Sequence[int]) -> dict[int, Leftover]:
    """Frames of RAM that no process can have, in runs; some of the runs are compound pages, aligned as they all are."""
    free = [pfn for pfn in sorted(ram.places) if pfn not in machine.frames and pfn < machine.limit]
    available = set(free)
    found: dict[int, Leftover] = {}
    runs = draw(st.lists(st.tuples(st.integers(0, max(len(free) - 1, 0)), st.sampled_from([1, 2, 8, 64])), max_size=9))
    for at, length in runs if free else ():
        first = -(-free[at] // length) * length
        run = range(first, first + length)
        if not available.issuperset(run):
            continue
        available.difference_update(run)
        use = draw(st.sampled_from(sorted(MARKS)))
        memcg = draw(st.sampled_from([0, *inodes])) if use in ("pgtable", "kernel") else 0
        compound = use in ("slab", "kernel") and draw(st.booleans())
        noise = draw(st.sampled_from(LEFTOVER_NOISE))
        poisoned = draw(st.sampled_from([False] * 7 + [True]))
        for pfn in run:
            found[pfn] = Leftover(pfn, use, memcg, poisoned, first if compound else None, noise)
    return found


# Cgroups


@st.composite
def cgroups(draw: st.DrawFn, version: int) -> tuple[Cgroup, ...]:
    """A tree: parents before children, any of them without accounts of its own, made or removed meanwhile."""
    figures = st.fixed_dictionaries({name: st.integers(0, 9) for name in ("anon", "file", "shmem", "slab")})
    found = [Cgroup("/", 1, draw(figures))]
    without = draw(st.sets(st.sampled_from(PATHS)))
    for number, path in enumerate(PATHS):
        if path in without:
            continue
        parents = [cgroup for cgroup in found if cgroup.path == Cgroup(path, 0).parent]
        if not parents:
            continue
        parent = parents[0]
        accounted = version == 1 or (parent.accounted and draw(st.sampled_from([True, True, False])))
        there = draw(st.sampled_from([(True, True)] * 6 + [(True, False), (False, True)]))
        there = there[0] and parent.there[0], there[1] and parent.there[1]
        if there != (False, False):
            own = {name: figure * PAGE for name, figure in draw(figures).items()} if accounted else {}
            found.append(Cgroup(path, 2**32 * number + 7, own, accounted, there))
    return tuple(found)


# Machines


@st.composite
def books(draw: st.DrawFn, shape: Shape = SMALL) -> Books:
    """A whole machine with its books."""
    machine = draw(machines(shape))
    tree = draw(cgroups(machine.cgroup_version)) if draw(st.sampled_from([True] * 7 + [False])) else ()
    inodes = [*(cgroup.inode for cgroup in tree), STRAY]
    paths = [*(cgroup.path for cgroup in tree), GONE]
    # A folio is charged to one cgroup, or to none.
    payers = draw(st.lists(st.sampled_from([*inodes, 0]), min_size=1, max_size=7))
    folios = sorted({frame.head or pfn for pfn, frame in machine.frames.items()})
    payer = {head: payers[at % len(payers)] for at, head in enumerate(folios)}
    machine = replace(
        machine,
        frames={pfn: replace(frame, memcg=payer[frame.head or pfn]) for pfn, frame in machine.frames.items()},
        processes=tuple(replace(one, cgroup=draw(st.sampled_from(paths))) for one in machine.processes),
    )
    ram = draw(rams(machine))
    return Books(machine, ram, draw(_leftovers(machine, ram, inodes)), tree, draw(st.booleans()))
