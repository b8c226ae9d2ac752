"""The byte figures that processes, groups and mappings have in common, as columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.table import Column
from pagewalk.tally import FIGURES

__all__ = ["FIGURE_COLUMNS", "FREED_COLUMN", "GROUP_COLUMNS", "unknown_figures"]

_DOC = {
    "rss": "present pages, as the kernel's Rss: without hugetlb, the zero page and pages without a struct page",
    "pss": "each frame divided by its number of owners, hidden ones counted",
    "uss": "frames with this one owner and no hidden one: what only it maps",
    "shared": "rss - uss",
    "private": "pages with a mapcount of 1, the kernel's notion, for comparison with smaps",
    "anon": "the part of rss that is anonymous memory (KSM and THP inside)",
    "file": "the part of rss that is page cache of files",
    "shmem": "the part of rss that is shared memory, tmpfs or memfd",
    "thp": "the part of anon in large folios, mapped by a PMD or by PTEs",
    "hugetlb": "pages of hugetlbfs, beside rss as the kernel has it",
    "ksm": "the part of anon that KSM has merged",
    "shared_clean": "the part of shared that reclaim can drop",
    "shared_dirty": "the part of shared that reclaim must write first",
    "private_clean": "the part of private that reclaim can drop",
    "private_dirty": "the part of private that reclaim must write first",
    "swap": "pages in swap, without swapped tmpfs (no pagemap shows it)",
    "swap_pss": "each swap slot divided by its number of owners",
    "swap_uss": "swap slots with this one owner",
}
_GROUP_DOC = {
    "rss": "distinct frames of the group, each once",
    "pss": "the sum of its members' pss",
    "uss": "frames all of whose owners are in the group, none hidden: what its end would unmap",
    "swap": "distinct swap slots of the group",
    "swap_pss": "the sum of its members' swap_pss",
    "swap_uss": "swap slots all of whose owners are in the group",
}

FIGURE_COLUMNS = tuple(Column(name, "bytes", _DOC[name]) for name in FIGURES)
GROUP_COLUMNS = tuple(Column(name, "bytes", _GROUP_DOC.get(name, _DOC[name])) for name in FIGURES)
FREED_COLUMN = Column(
    "freed",
    "bytes",
    "RAM that their end frees: anonymous memory and nameless files that only they have, and page tables",
)


def unknown_figures(facts: Facts, rows: int) -> dict[str, NDArray[np.bool_]]:
    """Return which figures this walk cannot know, as masks for a table of so many rows.

    Parameters
    ----------
    facts : Facts
        Of the walk.
    rows : int
        Rows of the table.
    """
    names = [name for name in FIGURES if name in facts.unasked]
    if not facts.ksm_known:
        names.append("ksm")
    return {name: np.ones(rows, bool) for name in names}
