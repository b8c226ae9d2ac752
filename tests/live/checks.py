"""What pagewalk says, held against what is known: by construction, and from the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pagewalk
import truth
from workloads import PAGE, Agent, Region

# A frame has one owner set; how many frames have which is what a test knows by construction.
Owners = Mapping[tuple[Agent, ...], int]

# Figures that the kernel has as well, equal to the page as long as nobody maps a frame twice.
KERNELS = ("rss", "anon", "private", "hugetlb", "swap")


class Look:
    """Walks the machine and holds every snapshot to the laws."""

    def __call__(self, **options: Any) -> pagewalk.Snapshot:
        options.setdefault("mappings", True)
        snapshot = pagewalk.walk(**options)
        laws(snapshot)
        return snapshot


def laws(snapshot: pagewalk.Snapshot) -> None:
    """What holds of every snapshot, whatever happened during the walk."""
    coverage = snapshot.coverage()
    table = snapshot.processes()
    frames = coverage["mapped_frames"]
    assert int(table["pss"].sum()) + coverage["hidden_pss"] == frames * PAGE, "every mapped byte has its owners"
    assert coverage["explained_frames"] + coverage["hidden_frames"] <= frames
    for row in table:
        assert row["rss"] == row["anon"] + row["file"] + row["shmem"] == row["uss"] + row["shared"], row
        assert row["private_clean"] + row["private_dirty"] == row["private"] <= row["rss"], row
        assert row["shared_clean"] + row["shared_dirty"] == row["shared"], row
        assert row["uss"] <= row["pss"] <= row["rss"] <= row["vss"], row
        assert row["swap_uss"] <= row["swap_pss"] <= row["swap"], row
        assert row["ksm"] <= row["anon"], row
        assert row["thp"] <= row["anon"], row
        assert row["pid"] == min(row["pids"]), row
    pids = [pid for row in table for pid in row["pids"]]
    assert len(pids) == len(set(pids)), "a process is in one address space"


def process(snapshot: pagewalk.Snapshot, agent: Agent | int) -> dict[str, Any]:
    """The row of the address space that a process has."""
    pid = agent if isinstance(agent, int) else agent.pid
    (row,) = (row for row in snapshot.processes() if pid in row["pids"])
    return row


def region(snapshot: pagewalk.Snapshot, agent: Agent, where: Region) -> dict[str, int]:
    """The figures of a region of an agent: the sum over its mappings."""
    table = snapshot.mappings(pid=agent.pid)
    inside = table.where((table["start"] >= where.start) & (table["end"] <= where.stop))
    return {name: total for name, total in inside.totals().items() if total is not None} | {"rows": len(inside)}


def expect(
    snapshot: pagewalk.Snapshot,
    where: Region | Mapping[Agent, Region],
    owners: Owners,
    kind: str = "anon",
    rss: Mapping[Agent, int] | None = None,
) -> None:
    """Hold the figures of a region to what is known of its frames.

    Parameters
    ----------
    where : Region, or one for each agent
        Where the frames are mapped.
    owners : mapping of tuple of Agent to int
        How many frames of the region belong to whom.
    kind : {"anon", "file", "shmem"}
        What they all are.
    rss : mapping of Agent to int, optional
        Pages of those that map a frame more than once.
    """
    agents = list(where) if isinstance(where, Mapping) else list(dict.fromkeys(a for o in owners for a in o))
    for agent in agents:
        here = where[agent] if isinstance(where, Mapping) else where
        got = region(snapshot, agent, here)
        mine = {who: frames for who, frames in owners.items() if agent in who}
        frames = sum(mine.values())
        pages = (rss or {}).get(agent, frames)
        uss = mine.get((agent,), 0)
        known = {
            "rss": pages * PAGE,
            "uss": uss * PAGE,
            "shared": (pages - uss) * PAGE,
            **{name: pages * PAGE * (name == kind) for name in ("anon", "file", "shmem")},
        }
        assert {name: got[name] for name in known} == known, (agent, owners)
        pss = sum((Fraction(n * PAGE, len(who)) for who, n in mine.items()), Fraction(0))
        assert abs(got["pss"] - pss) <= got["rows"], (agent, owners)


def expect_kernel(
    snapshot: pagewalk.Snapshot, *agents: Agent, but: Sequence[str] = (), pss: bool = True, shmem_swap: int = 0
) -> None:
    """Hold the figures of whole processes at rest to smaps_rollup.

    Parameters
    ----------
    but : sequence of str
        Figures where the kernel is known to say something else, and a test says what.
    pss : bool
        Whether the kernel's ``Pss`` is right too: nobody maps a frame twice.
    shmem_swap : int
        Bytes of swapped shared memory, which no pagemap shows.
    """
    for agent in agents:
        row, kernel = process(snapshot, agent), truth.rollup(agent.pid)
        kernel["swap"] -= shmem_swap
        names = [name for name in KERNELS if name not in but]
        assert {name: row[name] for name in names} == {name: kernel[name] for name in names}, agent
        assert row["file"] + row["shmem"] == kernel["rss"] - kernel["anon"]
        if pss:
            # Pss is cut to 2^-12 byte a page and to 1 KiB at the end.
            assert abs(row["pss"] - kernel["pss"]) <= 1024, agent
            assert abs(row["swap_pss"] - kernel["swap_pss"]) <= 1024, agent


def expect_picture(snapshot: pagewalk.Snapshot, agents: Sequence[Agent]) -> None:
    """Hold all figures of whole processes, and who shares with whom, to an independent reading of every page."""
    picture = truth.Picture.of(agent.pid for agent in agents)
    for agent in agents:
        row, known = process(snapshot, agent), picture.figures(agent.pid)
        assert {name: row[name] for name in known} == known, agent
        # Meanwhile others may have come or gone, who all have the vdso.
        assert abs(row["pss"] - picture.pss(agent.pid)) <= 1024, agent
        assert abs(row["swap_pss"] - picture.swap_pss(agent.pid)) < 2, agent
        assert row["vss"] == sum(v.stop - v.start for v in truth.vmas(agent.pid) if v.name != "[vsyscall]")
    shared = {tuple(sorted(who)): frames * PAGE for who, frames in picture.sets().items() if len(who) > 1}
    family = {agent.pid for agent in agents}
    got = {tuple(row["owners"]): row["anon"] for row in snapshot.sharing() if set(row["owners"]) <= family}
    assert {who: size for who, size in got.items() if size} == shared
