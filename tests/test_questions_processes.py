"""Questions about processes: each is a call of one view, and says how to ask for what it needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pagewalk import PagewalkError, Snapshot, Table
from pagewalk.views import freed, group, kind, mapping, pairs, process
from pagewalk.views import sharing as sharing_view
from smallhost import walked

# Each question with the view that answers it.
QUESTIONS: dict[str, Callable[[Snapshot], tuple[Table, Table]]] = {
    "processes": lambda snap: (snap.processes(), process.processes(snap.facts)),
    "programs": lambda snap: (snap.programs(), group.programs(snap.facts)),
    "users": lambda snap: (snap.users(), group.users(snap.facts)),
    "mappings": lambda snap: (snap.mappings(), mapping.mappings(snap.facts)),
    "sharing": lambda snap: (snap.sharing(), sharing_view.sharing(snap.facts)),
    "kinds": lambda snap: (snap.kinds(), kind.kinds(snap.facts)),
    "pairs": lambda snap: (snap.pairs(), pairs.pairs(snap.facts)),
    "pairs of programs": lambda snap: (snap.pairs("program"), pairs.pairs(snap.facts, "program")),
    "freed": lambda snap: (snap.freed(pids=[20]), freed.freed(snap.facts, snap.select(pids=[20]))),
    "fates": lambda snap: (snap.fates(snap.select(pids=[10])), freed.fates(snap.facts, snap.select(pids=[10]))),
}


@pytest.fixture(scope="module")
def snap() -> Snapshot:
    return walked(mappings=True, freed=True)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_a_view(snap: Snapshot, question: str) -> None:
    said, viewed = QUESTIONS[question](snap)
    assert said.columns == viewed.columns
    assert said.to_dicts() == viewed.to_dicts()


def test_selections_and_limits_are_handed_on(snap: Snapshot) -> None:
    chosen = snap.select(programs=["redis"])
    assert len(chosen) == 1
    assert snap.processes(chosen)["pid"].tolist() == [20]
    assert snap.programs(chosen)["name"].tolist() == ["redis"]
    assert snap.users(chosen)["processes"].tolist() == [1]
    assert set(snap.mappings(select=chosen)["pid"].tolist()) == {20}
    assert set(snap.mappings(20)["pid"].tolist()) == {20}
    assert [row["owners"] for row in snap.sharing(chosen, limit=1).to_dicts()] == [[10, 11, 20]]
    with pytest.raises(PagewalkError, match="pid 99"):
        snap.freed(pids=[99])


def test_what_the_walk_did_not_ask_for() -> None:
    """Each says how to ask for it."""
    snap = walked()
    for question, how in (
        (lambda: snap.processes(nodes=True), r"walk\(nodes=True\)"),
        (snap.mappings, r"walk\(mappings=True\)"),
        (lambda: snap.freed(pids=[10]), r"walk\(freed=True\)"),
        (lambda: snap.fates(pids=[10]), r"walk\(freed=True\)"),
    ):
        with pytest.raises(PagewalkError, match=how):
            question()
    with pytest.raises(PagewalkError, match=r"walk\(mappings=True\)"):
        walked(pfns=[20]).mappings()
