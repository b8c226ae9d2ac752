"""Whose memory is meant, of two walks."""

from __future__ import annotations

import numpy as np
import pytest

from facttables import spaces_of
from pagewalk.difference import Chosen, choose, match, process_ids
from pagewalk.errors import PagewalkError
from pagewalk.groups import Spaces

# 10 php, 11 redis, 12 php; later 11 is in another cgroup, 12 has ended and 13 begun.
OLD = spaces_of(3, comm=["php", "redis", "php"], cgroup=["/web", "/web/a", "/db"])
NEW = spaces_of(
    3,
    pids=[(13,), (10,), (11,)],
    comm=["php", "php", "redis"],
    cgroup=["/web", "/web", "/db"],
    start_time=np.array([9, 0, 1]),
)
PAIRS = match(process_ids(OLD), process_ids(NEW))


def pids(chosen: Chosen) -> tuple[list[int], list[int]]:
    def of(spaces: Spaces, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[int]:
        return sorted(spaces.pid[mask].tolist())

    return of(OLD, chosen.old.mask), of(NEW, chosen.new.mask)


def test_those_that_meet_the_conditions() -> None:
    chosen = choose(OLD, NEW, PAIRS, programs=["php"])
    assert pids(chosen) == ([10, 12], [10, 13])
    assert len(chosen) == 2


def test_who_meets_them_once_is_meant_both_times() -> None:
    assert pids(choose(OLD, NEW, PAIRS, cgroups=["/web"])) == ([10, 11], [10, 11, 13])
    assert pids(choose(OLD, NEW, PAIRS, cgroups=["/db"])) == ([11, 12], [11])
    # Of two machines none can be the same.
    assert pids(choose(OLD, NEW, None, cgroups=["/db"])) == ([12], [11])


def test_a_process_of_one_time() -> None:
    assert pids(choose(OLD, NEW, PAIRS, pids=[12])) == ([12], [])
    assert pids(choose(OLD, NEW, PAIRS, pids=[13, 10])) == ([10], [10, 13])
    assert pids(choose(OLD, NEW, PAIRS, trees=[13])) == ([], [13])
    assert pids(choose(OLD, NEW, PAIRS, pids=[12], programs=["redis"])) == ([], [])


def test_all_where_nothing_is_asked() -> None:
    assert pids(choose(OLD, NEW, PAIRS)) == ([10, 11, 12], [10, 11, 13])


def test_a_process_of_no_time() -> None:
    with pytest.raises(PagewalkError, match="neither snapshot has an address space of pid 7, 99"):
        choose(OLD, NEW, PAIRS, pids=[99, 10], trees=[7])


def test_users_of_two_machines() -> None:
    uid = np.array([0, 7, 7])
    old, new = (spaces_of(3, uid=uid, names=names) for names in ({7: "ann"}, {7: "bob", 0: "root"}))
    masks = [choose(old, new, None, users=[user]) for user in ("ann", "bob", "7", "root")]
    assert [(len(one.old), len(one.new)) for one in masks] == [(2, 0), (0, 2), (2, 2), (0, 1)]
    with pytest.raises(PagewalkError, match="no such user: 'no such name'"):
        choose(old, new, None, users=["no such name"])
