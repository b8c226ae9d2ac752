"""The snapshot: one method for each question, each a call of one view; and how it is asked for."""

from __future__ import annotations

from typing import Any

import pytest

import pagewalk
from pagewalk import PagewalkError, PermissionRequired, Snapshot, Unsupported, snapshot
from pagewalk.views import gap
from smallhost import host, walked

PAGE = 4096


@pytest.fixture(scope="module")
def snap() -> Snapshot:
    return walked(mappings=True)


def test_a_selection_by_each_kind(snap: Snapshot) -> None:
    for chosen, pids in (
        (snap.select(), [10, 11, 20]),
        (snap.select(pids=[12, 20]), [11, 20]),
        (snap.select(programs=["php"]), [10, 11]),
        (snap.select(users=["33"]), [11, 20]),
        (snap.select(cgroups=["/web"]), [10, 11]),
        (snap.select(programs=["php"], users=["33"], cgroups=["/web"]), [11]),
        (snap.select(users=["33"], cgroups=["/nowhere"]), []),
    ):
        assert snap.processes(chosen)["pid"].tolist() == pids


@pytest.mark.parametrize(
    "wrong", [{"pids": [99]}, {"programs": ["("]}, {"users": ["nobody-of-that-name"]}], ids=["pid", "pattern", "user"]
)
def test_a_wrong_selection_is_one_line(snap: Snapshot, wrong: dict[str, Any]) -> None:
    with pytest.raises(PagewalkError) as caught:
        snap.select(**wrong)
    assert "\n" not in str(caught.value)


def test_gaps_are_a_view(snap: Snapshot) -> None:
    assert snap.gaps().to_dicts() == gap.gaps(snap.facts.gaps).to_dicts()


def test_a_selection_of_all_that_descends_from_one() -> None:
    snap = walked()
    parent = int(snap.facts.spaces.ppid[0])
    assert len(snap.select(trees=[parent])) == 3
    with pytest.raises(PagewalkError, match="pid 99"):
        snap.select(trees=[99])
    assert snap.processes(snap.select(trees=[10]))["pid"].tolist() == [10]


def test_the_sum_of_shares_is_the_mapped_memory(snap: Snapshot) -> None:
    coverage = snap.coverage()
    assert snap.processes().totals()["pss"] == coverage["mapped_frames"] * PAGE - coverage["hidden_pss"]
    assert coverage == snap.facts.coverage()


def test_it_says_what_it_is(snap: Snapshot) -> None:
    assert repr(snap) == f"<Snapshot of a made /proc: 3 address spaces, {12 * PAGE} bytes mapped>"


def test_it_cannot_be_changed(snap: Snapshot) -> None:
    snap.host["hostname"] = "other"
    assert snap.host["hostname"] == ""
    with pytest.raises(ValueError, match="read-only"):
        snap.processes()["pss"][0] = 0


# Walking


def test_walk_by_its_public_name() -> None:
    assert pagewalk.walk is snapshot.walk
    assert pagewalk.Snapshot is snapshot.Snapshot


def test_a_root_is_a_proc_like_any_other() -> None:
    """Without kcmp no two processes have one address space: each counts for itself."""
    with host() as procfs:
        snap = pagewalk.walk(root=procfs.root, cgroup=procfs.cgroup)
    assert snap.processes()["pid"].tolist() == [10, 11, 12, 20]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"frames": "some"}, "frames='some' is not known; there are 'mapped' and 'all'"),
        ({"chunk": 0}, "at least 1"),
        ({"chunk": -5}, "at least 1"),
        ({"threads": 0}, "at least 1"),
        ({"freed": True, "pids": [20]}, "a walk of all processes"),
        ({"freed": True, "cgroups": ["/web"]}, "a walk of all processes"),
        ({"pfns": [20], "mappings": [20]}, "pfns needs the pages of all processes"),
    ],
)
def test_a_wrong_wish_is_one_line(options: dict[str, Any], reason: str) -> None:
    with host() as procfs, pytest.raises(PagewalkError, match=reason):
        pagewalk.walk(procfs=procfs, **options)


@pytest.mark.parametrize("options", [{"chunk": 1}, {"chunk": 3, "threads": 4}, {"threads": 2, "mappings": True}])
def test_ways_of_walking_that_change_nothing(options: dict[str, Any]) -> None:
    plain, other = walked(), walked(**options)
    for question in (Snapshot.processes, Snapshot.programs, Snapshot.users, Snapshot.sharing, Snapshot.kinds):
        assert question(plain).to_dicts() == question(other).to_dicts()
    assert plain.coverage() == other.coverage()


def test_some_only() -> None:
    assert walked(pids=[20]).processes()["pid"].tolist() == [20]
    assert walked(cgroups=["/web"]).processes()["pid"].tolist() == [10, 11]
    with pytest.raises(PagewalkError, match="pid 99"):
        walked(pids=[99])


def test_progress() -> None:
    seen: list[tuple[int, int, str]] = []
    walked(progress=lambda *told: seen.append(told))
    assert {what for _, _, what in seen} == {"processes", "frames"}
    assert all(0 <= done <= total for done, total, _ in seen)


def test_this_machine() -> None:
    """As root all that it says adds up; else it says what is missing."""
    try:
        snap = pagewalk.walk()
    except (PermissionRequired, Unsupported) as reason:
        pytest.skip(str(reason))
    coverage, page = snap.coverage(), snap.host["page_size"]
    table = snap.processes()
    assert coverage["processes"] >= len(table) > 0
    assert int(table["pss"].sum()) + coverage["hidden_pss"] == coverage["mapped_frames"] * page
    assert snap.host["ram"] > coverage["mapped_frames"] * page // 2
