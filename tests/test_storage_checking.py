"""Facts from a file that cannot be are refused, each with a line that says what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from pagewalk.accounts import Accounts, Cgroups, Places
from pagewalk.charging import charging
from pagewalk.errors import SnapshotError
from pagewalk.facts import Facts, Gap
from pagewalk.memcg import Cgroup, CgroupTree, Hierarchy
from pagewalk.storage.checking import ALIKE, INDEXES, NUMBERS, check_facts, columns
from pagewalk.system import FrameSpan, Zone
from pagewalk.table import Column, Table
from smallhost import walked

Change = Callable[[Facts], Facts]
ZONE = Zone(0, "Normal", 0, 10, 10, 9, 3, 1, 2, {"min": 1}, {"nr_inactive_anon": 4})
TREE = CgroupTree(Hierarchy(2, "/sys/fs/cgroup"), (Cgroup("/", 1, 0), Cgroup("/web", 7, 1, charged=False)))


@cache
def whole() -> Facts:
    """Facts with every record."""
    facts = walked(mappings=True, freed=True).facts
    assert facts.mappings is not None
    assert facts.frames is not None
    kernel = {"Rss": np.full(len(facts.mappings), 4096)}
    blocks = Table([Column("free", "bytes", "")], {"free": np.array([5])})
    return replace(
        facts,
        host={**facts.host, "seconds": 0.5, "longest_lock_hold_ns": 3},
        mappings=replace(facts.mappings, kernel=kernel),
        frames=replace(facts.frames, torn=np.array([9])),
        places=Places(((-1, ""), (0, "Normal")), (FrameSpan(1, 9, 0, "Normal"), FrameSpan(9, 200, 0, "Normal"))),
        accounts=Accounts({"MemTotal": 1}, {}, (ZONE,), blocks, Cgroups(TREE, {"/": {"anon": 5}}, frozenset())),
    )


def with_column(path: str, at: int, value: int) -> Change:
    """Change one number of one column."""
    *parents, name = path.split(".")

    def change(facts: Facts) -> Facts:
        records: list[Any] = [facts]
        for parent in parents:
            records.append(getattr(records[-1], parent))
        array = getattr(records[-1], name).copy()
        array[at] = value
        changed = replace(records[-1], **{name: array})
        for parent, record in zip(reversed(parents), reversed(records[:-1]), strict=True):
            changed = replace(record, **{parent: changed})
        return changed  # type: ignore[no-any-return]

    return change


def accounts(**changed: Any) -> Change:
    return lambda facts: replace(facts, accounts=replace(facts.accounts, **changed))  # type: ignore[type-var]


def cgroups(**changed: Any) -> Change:
    tree = replace(TREE, **changed)
    return accounts(cgroups=Cgroups(tree, {}, frozenset()))


def refused(change: Change) -> str:
    with pytest.raises(SnapshotError) as raised:
        check_facts(change(whole()))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_a_walk_makes_passes() -> None:
    check_facts(whole())
    check_facts(replace(walked().facts, host=whole().host))


def test_every_column_has_its_rule() -> None:
    """A new column of the facts must say what it may hold."""
    named = {path for path, _ in columns(whole())}
    assert named == INDEXES.keys() | NUMBERS.keys()
    assert not INDEXES.keys() & NUMBERS.keys()
    for path, groups in ALIKE.items():
        record: Any = whole()
        for name in path.split("."):
            record = getattr(record, name)
        sized = {one.name for one in fields(record) if hasattr(getattr(record, one.name), "__len__")}
        listed = {name for group in groups for name in group.split()}
        assert sized - {"sets", "names", "kernel", "torn"} == listed, path


@pytest.mark.parametrize("path", INDEXES)
def test_indexes_point_at_something(path: str) -> None:
    array = dict(columns(whole()))[path]
    most = INDEXES[path](whole())
    for wrong in [most, np.iinfo(array.dtype).max, *([-1] if array.dtype.kind == "i" else [])]:
        message = refused(with_column(path, len(array) - 1, min(wrong, np.iinfo(array.dtype).max)))
        assert message.startswith(f"{path}: ")
        assert f"is not from 0 to {most - 1}" in message


@pytest.mark.parametrize("path", [path for path, limits in NUMBERS.items() if limits is not None])
def test_numbers_are_within_what_can_be(path: str) -> None:
    array, limits = dict(columns(whole()))[path], NUMBERS[path]
    assert limits is not None
    for wrong in (limits[0] - 1, limits[1] + 1):
        if np.iinfo(array.dtype).min <= wrong <= np.iinfo(array.dtype).max:
            assert refused(with_column(path, 0, wrong)).startswith(f"{path}: {wrong} is not from")


@pytest.mark.parametrize("path", ALIKE)
def test_columns_are_of_one_length(path: str) -> None:
    def shorter(facts: Facts) -> Facts:
        name = ALIKE[path][-1].split()[-1]
        if path == "table.sets":
            sets = replace(facts.table.sets, times=facts.table.sets.times[:-1])
            return replace(facts, table=replace(facts.table, sets=sets))
        record = getattr(facts, path)
        return replace(facts, **{path: replace(record, **{name: getattr(record, name)[:-1]})})

    assert refused(shorter).startswith(f"{path}: columns of different lengths")


@pytest.mark.parametrize(
    ("path", "at", "value", "message"),
    [
        ("table.sets.parent", 0, 1, "nobody, has a parent"),
        ("table.sets.parent", -1, 99, "a set comes before its parent"),
        ("table.sets.space", -1, 3, "address spaces"),
        ("table.sets.times", -1, 0, "an owner that maps nothing"),
        ("table.sets.times", -1, 2**32 - 1, "more mappings than there can be"),
        ("mappings.start", 0, 2**63, "a VMA ends before it starts"),
        ("pages.page", 0, 1, "a page that its VMA has not"),
        ("pages.length", 0, 1 << 30, "a page that its VMA has not"),
        ("frames.pfn", -1, 0, "not ascending"),
        ("frames.length", 0, 1 << 20, "not ascending"),
        ("table.frames", 0, 1 << 40, "more than any machine has"),
    ],
)
def test_records_fit_each_other(path: str, at: int, value: int, message: str) -> None:
    assert message in refused(with_column(path, at, value))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: replace(facts, page_size=0), "page_size"),
        (lambda facts: replace(facts, page_size=5000), "no size of a page"),
        (lambda facts: replace(facts, page_size=8192), "another page_size"),
        (lambda facts: replace(facts, processes=-1), "processes: no number"),
        (lambda facts: replace(facts, gaps=(Gap(0, "memory", ""),)), "gaps: no process ID"),
        (lambda facts: replace(facts, pages=None), "mappings, pages and frames are one"),
        (lambda facts: replace(facts, spaces=replace(facts.spaces, pids=[(1,), (), (3,)])), "spaces.pids"),
        (lambda facts: replace(facts, spaces=replace(facts.spaces, pids=[(1,), (5, 4), (3,)])), "spaces.pids"),
        (lambda facts: replace(facts, spaces=replace(facts.spaces, pids=[(1,), (0,), (3,)])), "spaces.pids"),
        (lambda facts: replace(facts, spaces=replace(facts.spaces, pids=[(1,), (1 << 32,), (3,)])), "spaces.pids"),
        (
            lambda facts: replace(facts, mappings=replace(facts.mappings, kernel={"Rss": np.zeros(1, np.int64)})),
            "Rss of another number of VMAs",
        ),
    ],
)
def test_single_values(change: Change, message: str) -> None:
    assert message in refused(change)


@pytest.mark.parametrize(
    "said",
    [
        {"seconds": None},
        {"seconds": "1"},
        {"seconds": True},
        {"seconds": -1.0},
        {"longest_lock_hold_ns": 1 << 63},
        {"hostname": 5},
        {"captured_at": ["now"]},
        {"ram": -1},
        {"ram": 1.5},
        {"page_size": 4096.5},
    ],
)
def test_the_host(said: dict[str, object]) -> None:
    assert refused(lambda facts: replace(facts, host={**facts.host, **said})).startswith("host: ")


def test_a_host_may_not_know_everything() -> None:
    host = {name: value for name, value in whole().host.items() if name not in ("hostname", "ram", "boot_id")}
    check_facts(replace(whole(), host={**host, "kernel": None}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: replace(facts, places=Places(((0, "Normal"),), ())), "number 0 is not outside"),
        (lambda facts: replace(facts, places=Places(((-1, ""), (-2, "x")), ())), "no number of a node"),
        (
            lambda facts: replace(facts, places=Places(((-1, ""),), (FrameSpan(5, 4, -1, ""),))),
            "places.spans: not ascending",
        ),
        (
            lambda facts: replace(facts, places=Places(((-1, ""),), (FrameSpan(5, 6, 0, "DMA"),))),
            "a zone without a number",
        ),
        (accounts(meminfo={"MemTotal": 1 << 63}), "MemTotal is more than any machine has"),
        (accounts(zones=(replace(ZONE, node=-1),)), "no such node"),
        (accounts(zones=(replace(ZONE, free=-1),)), "free is no number of frames"),
        (accounts(zones=(replace(ZONE, start_pfn=-1),)), "no first frame"),
        (
            accounts(free_blocks=Table([Column("share", "share", "")], {"share": np.array([float("nan")])})),
            "share is no number",
        ),
        (accounts(free_blocks=Table([Column("free", "bytes", "")], {"free": np.array([-1])})), "free: -1"),
        (cgroups(hierarchy=Hierarchy(3, "")), "no version of cgroups"),
        (cgroups(cgroups=(Cgroup("web", 1, 0),)), "no path of a cgroup"),
        (cgroups(cgroups=(Cgroup("/", 1, 2, charged=False),)), "no depth"),
        (cgroups(cgroups=(Cgroup("/a", 1, -1),)), "no depth"),
        (cgroups(cgroups=(Cgroup("/a", -1, 1),)), "no inode"),
    ],
)
def test_accounts(change: Change, message: str) -> None:
    assert message in refused(change)


def test_looking_for_who_pays_always_ends() -> None:
    """Cgroups without accounts whose ancestors are missing, or are none: whoever goes up comes to an end."""
    tree = CgroupTree(
        Hierarchy(2, ""),
        (
            Cgroup("/", 1, 0, charged=False),
            Cgroup("/web", 2, 9, charged=False),
            Cgroup("/web/a//", 3, 7, charged=False),
        ),
    )
    facts = replace(whole(), accounts=replace(whole().accounts, cgroups=Cgroups(tree, {"/web/a//": {}}, frozenset())))  # type: ignore[type-var]
    check_facts(facts)
    charging(facts)


def test_an_owner_is_once_in_a_set() -> None:
    sets = whole().table.sets
    child = int(np.flatnonzero(sets.parent)[0])
    assert "an owner twice in a set" in refused(
        with_column("table.sets.space", child, int(sets.space[int(sets.parent[child])]))
    )
