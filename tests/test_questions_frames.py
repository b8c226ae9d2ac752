"""Questions about frames: each is a call of one view, and refuses what no machine has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pagewalk import PagewalkError, Snapshot, Table
from pagewalk.views import frameset, who
from smallhost import walked

ASKED = np.array([1, 20, 100], np.int64)
QUESTIONS: dict[str, Callable[[Snapshot], tuple[Table, Table]]] = {
    "who": lambda snap: (snap.who(ASKED), who.who(snap.facts, ASKED)),
    "places": lambda snap: (snap.places(ASKED), who.places(snap.facts, ASKED)),
    "states": lambda snap: (snap.frame_states(ASKED), frameset.states(snap.facts, ASKED)),
    "owners": lambda snap: (snap.frame_owners(ASKED), frameset.owners(snap.facts, ASKED)),
    "charges": lambda snap: (snap.frame_charges(ASKED), frameset.charges(snap.facts, ASKED)),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_a_view(question: str) -> None:
    said, viewed = QUESTIONS[question](walked(pfns=ASKED))
    assert said.columns == viewed.columns
    assert said.to_dicts() == viewed.to_dicts()


def test_frames_of_a_file() -> None:
    assert walked(mappings=True).frames_of_file("/lib/libc.so").tolist() == [100, 101, 102, 103]


def test_the_kind_of_numbers_does_not_matter() -> None:
    snap = walked(pfns=[1, 20])
    whole = snap.who(np.array([1, 20], np.uint64)).to_dicts()
    # In any order, and each once: a frame counted twice would be twice its bytes.
    for same in ([20, 1], (1, 20, 20), np.array([[1], [20]], np.uint32)):
        assert snap.who(same).to_dicts() == whole
        assert snap.frame_states(same)["bytes"].tolist() == [2 * snap.facts.page_size]
    assert snap.who(20).to_dicts() == whole[1:]
    assert snap.who([]).to_dicts() == []


@pytest.mark.parametrize("wrong", [[-1], [1.5], ["1"], [1 << 55], [2**63], [None]])
def test_what_is_no_frame_number(wrong: list[object]) -> None:
    snap = walked(pfns=[1])
    for question in (snap.who, snap.places, snap.frame_states, snap.frame_owners, snap.frame_charges):
        with pytest.raises(PagewalkError, match=r"below 2\^55"):
            question(wrong)  # type: ignore[arg-type]


def test_what_the_walk_did_not_ask_for() -> None:
    snap = walked()
    for question in (snap.who, snap.places, snap.frame_states, snap.frame_owners, snap.frame_charges):
        with pytest.raises(PagewalkError, match=r"walk\(pfns=\[\.\.\.\]\)"):
            question([1])
