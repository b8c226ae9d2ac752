"""The oracle on machines small enough to work out by hand: what the figures are taken to mean."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given

from machines import machines
from model import (
    GUARD,
    PAGE,
    SOFT_DIRTY_HOLE,
    UFFD_MARKER,
    Entry,
    Fate,
    Frame,
    Kind,
    Machine,
    Migrating,
    Present,
    Process,
    Space,
    Swapped,
    Vma,
)
from oracle import Figures, Oracle, Shared


def heap(*entries: Entry) -> Space:
    """An address space of one VMA with these pages side by side."""
    return Space((Vma(0x1000, max(1, len(entries)), name=b"[heap]", entries=dict(enumerate(entries))),))


def machine(frames: list[Frame], *spaces: Space, fates: dict[int, Fate] | None = None) -> Machine:
    """One process for each address space: pid 10, 11, ..."""
    processes = [Process(10 + at, at, fate=(fates or {}).get(at, Fate.READ)) for at in range(len(spaces))]
    return Machine({frame.pfn: frame for frame in frames}, spaces, tuple(processes), limit=1024)


def in_pages(figures: Figures, *names: str) -> list[Fraction]:
    return [figures[name] / PAGE for name in names]


def test_a_frame_of_one_owner_is_all_its() -> None:
    oracle = Oracle(machine([Frame(5, Kind.ANON)], heap(Present(5))))
    figures = oracle.process(0)
    assert in_pages(figures, "vss", "rss", "pss", "uss", "shared", "private", "anon") == [1, 1, 1, 1, 0, 1, 1]


def test_a_frame_of_three_owners_is_a_third_each() -> None:
    oracle = Oracle(machine([Frame(5, Kind.FILE)], *[heap(Present(5))] * 3))
    assert in_pages(oracle.process(1), "rss", "pss", "uss", "shared", "private") == [1, Fraction(1, 3), 0, 1, 0]
    # Counted once in a group of two of them; a third belongs to the one outside.
    assert in_pages(oracle.group([0, 2]), "rss", "pss", "uss") == [1, Fraction(2, 3), 0]
    assert in_pages(oracle.group([0, 1, 2]), "rss", "pss", "uss", "shared") == [1, 1, 1, 0]


def test_a_frame_mapped_twice_by_its_one_owner_is_unique_but_not_private() -> None:
    oracle = Oracle(machine([Frame(5, Kind.SHMEM)], heap(Present(5), Present(5))))
    assert in_pages(oracle.process(0), "rss", "pss", "uss", "shared", "private", "shmem") == [2, 1, 1, 1, 0, 2]
    assert in_pages(oracle.group([0]), "rss", "pss", "uss", "shared") == [1, 1, 1, 0]
    assert oracle.coverage()["explained_frames"] == 1


def test_mappings_share_what_their_process_maps_twice() -> None:
    first = Vma(0x1000, 2, entries={0: Present(5), 1: Present(5)})
    second = Vma(0x2000, 1, entries={0: Present(5)})
    oracle = Oracle(machine([Frame(5, Kind.SHMEM)], Space((first, second))))
    assert in_pages(oracle.mapping(0, first), "rss", "pss", "uss") == [2, Fraction(2, 3), Fraction(2, 3)]
    assert in_pages(oracle.mapping(0, second), "rss", "pss", "uss") == [1, Fraction(1, 3), Fraction(1, 3)]


def test_a_hidden_owner_takes_its_part() -> None:
    oracle = Oracle(machine([Frame(5, Kind.FILE, hidden=3)], heap(Present(5))))
    assert in_pages(oracle.process(0), "rss", "pss", "uss") == [1, Fraction(1, 4), 0]
    assert oracle.hidden_pss() == Fraction(3 * PAGE, 4)
    coverage = oracle.coverage()
    assert (coverage["explained_frames"], coverage["hidden_frames"], coverage["hidden_mappings"]) == (0, 1, 3)


def test_a_refused_process_is_a_hidden_owner() -> None:
    truth = machine([Frame(5, Kind.FILE)], heap(Present(5)), heap(Present(5)), fates={1: Fate.REFUSED})
    oracle = Oracle(truth)
    assert oracle.spaces == [0]
    assert in_pages(oracle.process(0), "pss", "uss") == [Fraction(1, 2), 0]
    assert oracle.coverage()["refused"] == 1


def test_walking_one_process_hides_the_others() -> None:
    truth = machine([Frame(5, Kind.FILE), Frame(6, Kind.ANON)], heap(Present(5), Present(6)), heap(Present(5)))
    oracle = Oracle(truth, pids=[10])
    assert in_pages(oracle.process(0), "pss", "uss") == [Fraction(3, 2), 1]


def test_twins_count_once() -> None:
    truth = machine([Frame(5, Kind.ANON)], heap(Present(5)))
    twin = Process(99, 0)
    oracle = Oracle(Machine(truth.frames, truth.spaces, (*truth.processes, twin), truth.limit))
    assert oracle.pids(0) == [10, 99]
    assert in_pages(oracle.process(0), "rss", "pss", "uss") == [1, 1, 1]


def test_memory_that_is_nobodys_is_not_resident() -> None:
    zero, special = Frame(1, Kind.ZERO), Frame(2, Kind.SPECIAL)
    oracle = Oracle(machine([zero, special], heap(Present(1), Present(2), GUARD, UFFD_MARKER, SOFT_DIRTY_HOLE)))
    figures = oracle.process(0)
    assert in_pages(figures, "vss", "rss", "pss", "hugetlb", "swap") == [5, 0, 0, 0, 0]
    assert oracle.coverage()["mapped_frames"] == 0


def test_hugetlb_stands_apart() -> None:
    oracle = Oracle(
        machine([Frame(2, Kind.HUGETLB, head=2), Frame(3, Kind.HUGETLB, head=2)], heap(Present(2), Present(3)))
    )
    assert in_pages(oracle.process(0), "rss", "pss", "hugetlb", "thp", "anon", "shmem") == [0, 0, 2, 0, 0, 0]


def test_swap_is_divided_as_memory_is() -> None:
    parent = heap(Swapped(0, 7), Swapped(0, 8), Swapped(1, 7), GUARD, Migrating(25, 5))
    child = heap(Swapped(0, 7))
    oracle = Oracle(machine([Frame(5, Kind.ANON)], parent, child))
    assert in_pages(oracle.process(0), "rss", "swap", "swap_pss", "swap_uss") == [0, 3, Fraction(5, 2), 2]
    assert in_pages(oracle.group([0, 1]), "swap", "swap_pss", "swap_uss") == [3, 3, 3]


def test_dirty_is_what_must_be_written_first() -> None:
    fresh = Frame(1, Kind.ANON)
    in_swap = Frame(2, Kind.ANON, swapcache=True)
    changed = Frame(3, Kind.ANON, swapcache=True, flag_dirty=True)
    freed = Frame(4, Kind.ANON, lazyfree=True)
    clean, written = Frame(5, Kind.FILE), Frame(6, Kind.FILE, flag_dirty=True)
    frames = [fresh, in_swap, changed, freed, clean, written]
    figures = Oracle(machine(frames, heap(*(Present(frame.pfn) for frame in frames)))).process(0)
    assert in_pages(figures, "private_dirty", "private_clean", "shared_dirty", "shared_clean") == [3, 3, 0, 0]


def test_sharing_lists_each_owner_set() -> None:
    frames = [Frame(1, Kind.ANON), Frame(2, Kind.FILE), Frame(3, Kind.SHMEM, hidden=1)]
    oracle = Oracle(machine(frames, heap(*map(Present, (1, 2, 3))), heap(Present(2), Present(3))))
    assert oracle.sharing() == {
        frozenset({0, 1}): Shared(2 * PAGE, anon=0, file=PAGE, shmem=PAGE, hidden=PAGE),
    }


@given(machines())
def test_laws(truth: Machine) -> None:
    oracle = Oracle(truth)
    columns = [oracle.process(space) for space in oracle.spaces]
    mapped = oracle.coverage()["mapped_frames"] * PAGE
    assert sum((figures["pss"] for figures in columns), oracle.hidden_pss()) == mapped
    for space, figures in zip(oracle.spaces, columns, strict=True):
        assert 0 <= figures["uss"] <= figures["pss"] <= figures["rss"] <= figures["vss"]
        assert figures["anon"] + figures["file"] + figures["shmem"] == figures["rss"]
        rows = [oracle.mapping(space, vma) for vma in truth.spaces[space].vmas if not vma.is_gate]
        for name, figure in figures.items():
            assert sum((row[name] for row in rows), Fraction()) == figure, name
