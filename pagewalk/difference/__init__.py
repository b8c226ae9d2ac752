"""Two moments compared: which rows are of the same thing, what changed of them, which pages stopped being shared."""

from __future__ import annotations

from pagewalk.difference.choosing import Chosen, choose
from pagewalk.difference.matching import Pairs, match, process_ids
from pagewalk.difference.pages import PageChanges, compare_pages
from pagewalk.difference.tables import STATES, change_columns, changes
from pagewalk.difference.unsharing import PAGE_FIGURES, UNSHARED, unshared, with_pages

__all__ = [
    "PAGE_FIGURES",
    "STATES",
    "UNSHARED",
    "Chosen",
    "PageChanges",
    "Pairs",
    "change_columns",
    "changes",
    "choose",
    "compare_pages",
    "match",
    "process_ids",
    "unshared",
    "with_pages",
]
