"""Questions about all of RAM: each is a call of one view, and says how to ask for what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import fewframes
from pagewalk import PagewalkError, Snapshot, Table
from pagewalk.views import balance, cgroup, charge, node, use
from smallhost import walked

QUESTIONS: dict[str, Callable[[Snapshot], tuple[Table, Table]]] = {
    "uses": lambda snap: (snap.uses(), use.uses(snap.facts)),
    "balance": lambda snap: (snap.balance(), balance.balance(snap.facts)),
    "nodes": lambda snap: (snap.nodes(), node.nodes(snap.facts)),
    "cgroups": lambda snap: (snap.cgroups(), cgroup.cgroups(snap.facts)),
    "cgroups to a depth": lambda snap: (snap.cgroups(1), cgroup.cgroups(snap.facts, 1)),
    "charges": lambda snap: (snap.charges(), charge.charges(snap.facts)),
    "charges to a depth": lambda snap: (snap.charges(depth=0), charge.charges(snap.facts, 0)),
}


@pytest.fixture(scope="module")
def whole() -> Iterator[Snapshot]:
    with fewframes.walked() as snapshot:
        yield snapshot


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_a_view(whole: Snapshot, question: str) -> None:
    said, viewed = QUESTIONS[question](whole)
    assert said.columns == viewed.columns
    assert said.to_dicts() == viewed.to_dicts()


def test_what_the_walk_did_not_ask_for() -> None:
    snap = walked()
    for question in (snap.uses, snap.balance, snap.nodes, snap.cgroups, snap.charges):
        with pytest.raises(PagewalkError, match=r"walk\(frames='all'\)"):
            question()
