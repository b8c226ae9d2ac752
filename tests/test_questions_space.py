"""Questions about one address space: each is a call of one view."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pagewalk import PagewalkError, Snapshot, Table
from pagewalk.views import folio, partner
from pagewalk.views import maps as maps_view
from smallhost import walked

# Each question with the view that answers it.
QUESTIONS: dict[str, Callable[[Snapshot, bool], tuple[Table, Table]]] = {
    "maps": lambda snap, group: (snap.maps(11, group), maps_view.maps(snap.facts, 11, group)),
    "folios": lambda snap, group: (snap.folios(20, group), folio.folios(snap.facts, 20, group)),
    "partners": lambda snap, group: (snap.partners(11, group), partner.partners(snap.facts, 11, group)),
}


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_a_view(question: str, group: bool) -> None:
    said, viewed = QUESTIONS[question](walked(mappings=True, vm_flags=True), group)
    assert len(said)
    assert said.columns == viewed.columns
    assert said.to_dicts() == viewed.to_dicts()


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_says_what_the_walk_should_have_kept(question: str) -> None:
    with pytest.raises(PagewalkError, match=r"walk\(mappings=True\)"):
        QUESTIONS[question](walked(), False)
