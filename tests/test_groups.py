"""Choosing address spaces and putting them into groups."""

from __future__ import annotations

import pwd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facttables import spaces_of
from pagewalk.errors import PagewalkError
from pagewalk.groups import Selection, Spaces, group_by, select, user_names

NO_USER = 4_000_000_001


def made() -> Spaces:
    return spaces_of(
        5,
        pids=[(1,), (7, 70, 71), (30,), (31,), (400,)],
        comm=["init", "php-fpm", "php", "a.b", "(sd-pam)"],
        cgroup=["/init.scope", "/system.slice/a.service", "/system.slice", "/system.slicer", ""],
        uid=np.array([0, 33, NO_USER, 0, -1]),
    )


def rows(selection: Selection) -> list[int]:
    assert selection.mask.dtype == np.bool_
    found: list[int] = np.flatnonzero(selection.mask).tolist()
    assert len(selection) == len(found)
    return found


# Selecting


def test_no_condition_selects_all() -> None:
    assert rows(select(made())) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("pids", "chosen"), [([1], [0]), ([71], [1]), ([70, 7], [1]), ([400, 1, 400], [0, 4])])
def test_by_any_pid_of_an_address_space(pids: list[int], chosen: list[int]) -> None:
    assert rows(select(made(), pids=pids)) == chosen


def test_a_pid_that_is_not_there() -> None:
    with pytest.raises(PagewalkError, match=r"^no address space was read for pid 2, 3 \(there are 1, 7, 30, 31, 70, "):
        select(made(), pids=[1, 2, 3])
    with pytest.raises(PagewalkError, match=r"pid 5 \(there are none\)"):
        select(spaces_of(0), pids=[5])


def test_of_many_pids_a_few_are_named() -> None:
    with pytest.raises(PagewalkError, match=r"\(there are 10, 11, 12, 13, 14, 15, 16, 17, \.\.\.\)$"):
        select(spaces_of(20), pids=[5])


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["php"], [1, 2]),
        (["^php$"], [2]),
        (["init", "^a"], [0, 3]),
        ([r"a\.b"], [3]),
        (["a.b"], [3]),
        (["PHP"], []),
        (["(?i)PHP"], [1, 2]),
        ([r"\("], [4]),
        (["nothing"], []),
        ([""], [0, 1, 2, 3, 4]),
    ],
)
def test_by_program(patterns: list[str], chosen: list[int]) -> None:
    assert rows(select(made(), programs=patterns)) == chosen


@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?P<a>", "a{2,1}"])
def test_a_bad_pattern_is_one_line(pattern: str) -> None:
    with pytest.raises(PagewalkError) as caught:
        select(made(), programs=["php", pattern])
    assert str(caught.value).startswith(f"bad regular expression {pattern!r}: ")
    assert "\n" not in str(caught.value)


def test_by_user() -> None:
    assert rows(select(made(), users=["root"])) == [0, 3]
    assert rows(select(made(), users=["0", str(NO_USER)])) == [0, 2, 3]
    assert rows(select(made(), users=["12345"])) == []
    assert rows(select(made(), users=["9" * 30])) == []


def test_a_user_that_is_not_there() -> None:
    for user in ("no-such-user", "", "-1", "0x0"):
        with pytest.raises(PagewalkError, match=f"^no such user: '{user}'"):
            select(made(), users=[user])


@pytest.mark.parametrize(
    ("cgroups", "chosen"),
    [
        (["/system.slice"], [1, 2]),
        (["system.slice/"], [1, 2]),
        (["/system.slice/a.service"], [1]),
        (["/system"], []),
        (["/init.scope", "/system.slicer"], [0, 3]),
        (["/"], [0, 1, 2, 3, 4]),
        ([""], [0, 1, 2, 3, 4]),
    ],
)
def test_by_cgroup_and_what_is_below(cgroups: list[str], chosen: list[int]) -> None:
    assert rows(select(made(), cgroups=cgroups)) == chosen


def test_kinds_of_condition_narrow_each_other() -> None:
    assert rows(select(made(), programs=["php"], cgroups=["/system.slice/a.service"])) == [1]
    assert rows(select(made(), pids=[7, 30], programs=["php$"], users=[str(NO_USER)])) == [2]
    assert rows(select(made(), pids=[7], programs=["^php$"])) == []


# Names


def test_names_of_users() -> None:
    root, www = pwd.getpwuid(0).pw_name, pwd.getpwuid(33).pw_name
    assert user_names(np.array([33, 0, NO_USER, -1, 0])) == {0: root, 33: www}
    assert user_names(np.array([], np.int64)) == {}
    assert made().user == [root, www, str(NO_USER), root, "?"]


def test_names_are_those_of_the_machine_that_was_walked() -> None:
    elsewhere = spaces_of(3, uid=np.array([0, 33, 70]), names={0: "root", 33: "postgres", 70: "daemon"})
    assert elsewhere.user == ["root", "postgres", "daemon"]
    assert rows(select(elsewhere, users=["daemon"])) == [2]
    assert rows(select(elsewhere, users=["postgres", "0"])) == [0, 1]


# Descendants


def family() -> Spaces:
    """1 -> 10, 11; 10 -> 20 (with its twin 21); 21 -> 30; 40 has a parent that was not read; 50 is its own parent."""
    return spaces_of(
        7,
        pids=[(1,), (10,), (11,), (20, 21), (30,), (40,), (50,)],
        ppid=np.array([0, 1, 1, 10, 21, 39, 50]),
    )


@pytest.mark.parametrize(
    ("trees", "chosen"),
    [
        ([1], [0, 1, 2, 3, 4]),
        ([10], [1, 3, 4]),
        ([21], [3, 4]),
        ([30], [4]),
        ([40], [5]),
        ([11, 21], [2, 3, 4]),
        ([50], [6]),
    ],
)
def test_all_that_descends_from_a_process(trees: list[int], chosen: list[int]) -> None:
    assert rows(select(family(), trees=trees)) == chosen


def test_a_tree_is_united_with_pids_and_narrowed_by_the_rest() -> None:
    assert rows(select(family(), trees=[10], pids=[1])) == [0, 1, 3, 4]
    assert rows(select(family(), trees=[1], programs=["p0"])) == [0, 2, 4]


def test_a_tree_whose_root_was_not_read() -> None:
    """Root itself may be refused: what it started is known by its number all the same."""
    assert rows(select(family(), trees=[39])) == [5]
    assert rows(select(family(), trees=[0])) == [0, 1, 2, 3, 4]


def test_a_tree_that_nobody_is_in() -> None:
    with pytest.raises(PagewalkError, match="no address space was read for pid 38 "):
        select(family(), trees=[38])
    assert not family().descendants([38]).any()


def test_parents_in_a_circle_end() -> None:
    circle = spaces_of(2, pids=[(1,), (2,)], ppid=np.array([2, 1]))
    assert circle.descendants([1]).tolist() == [True, True]


def test_the_lowest_pid_names_an_address_space() -> None:
    assert made().pid.tolist() == [1, 7, 30, 31, 400]


# Grouping


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "", "\udcff"]), st.integers(1, 3), st.booleans()), max_size=8))
def test_groups(made: list[tuple[str, int, bool]]) -> None:
    spaces = spaces_of(len(made), pids=[tuple(range(10 * k, 10 * k + n)) for k, (_, n, _) in enumerate(made)])
    keys = [key for key, _, _ in made]
    for selection in (None, Selection(np.array([chosen for _, _, chosen in made], bool))):
        grouping = group_by(spaces, keys, selection)
        chosen = [k for k in range(len(made)) if selection is None or selection.mask[k]]
        assert grouping.names == list(dict.fromkeys(keys[k] for k in chosen))
        for k in range(len(made)):
            expected = grouping.names.index(keys[k]) if k in chosen else len(grouping.names)
            assert grouping.of_space[k] == expected
        processes = {name: sum(made[k][1] for k in chosen if keys[k] == name) for name in grouping.names}
        assert dict(zip(grouping.names, grouping.processes.tolist(), strict=True)) == processes
