"""Large folios that a process maps: by kind and size, whole and aligned, whole and not aligned, in part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts
from pagewalk.folios import FolioCover, folio_cover
from pagewalk.pages import PageFacts
from pagewalk.table import Column, Table, objects
from pagewalk.tally import KINDS
from pagewalk.views.parts import Parts, parts_of

__all__ = ["COLUMNS", "cover_of", "folios"]

Ints = NDArray[np.int64]

COLUMNS = (
    Column("kind", "text", "anon, file, shmem or hugetlb"),
    Column("size", "bytes", "size of the folios; unknown of those that are mapped in part"),
    Column("aligned", "bytes", "pages of whole folios, at a multiple of their size (as thpmaps, PMD-mapped ones too)"),
    Column("unaligned", "bytes", "pages of whole folios, at another address: mapped by PTEs that cannot be one entry"),
    Column("partial", "bytes", "pages of folios that are not mapped whole and in one piece"),
)
PART_COLUMNS = ("start", "end", "name", "inode")


def cover_of(facts: Facts, parts: Parts) -> FolioCover:
    """Return the pages of one address space that lie in large folios, by its VMAs.

    Parameters
    ----------
    facts : Facts
        Of a walk that kept its pages.
    parts : Parts
        Of the address space.

    Raises
    ------
    PagewalkError
        The walk kept no pages.
    """
    pages = facts.pages
    if pages is None or facts.frames is None:
        raise PagewalkError("this walk kept no mappings; ask for them: walk(mappings=True)")
    mine = parts.of_vma[pages.vma] >= 0
    kept = PageFacts(pages.vma[mine], pages.page[mine], pages.pfn[mine], pages.length[mine])
    return folio_cover(kept, facts.frames, facts.table)


def folios(facts: Facts, pid: int, group: bool = False) -> Table:
    """Make the table of the large folios that a process maps.

    Parameters
    ----------
    facts : Facts
        Of a walk that kept its mappings.
    pid : int
        The process.
    group : bool
        By object that it maps instead of by VMA.

    Returns
    -------
    Table
        One row a part, kind and size: what the part is (``start``, ``end``, ``name``, ``inode``, of an object the last
        two), and COLUMNS. Parts without large folios have none.

    Raises
    ------
    PagewalkError
        The walk kept no mappings, or none of this process.
    """
    parts = parts_of(facts, pid, group)
    cover = cover_of(facts, parts)
    keys = np.stack((parts.of_vma[cover.vma], cover.kind, cover.order))
    amounts = np.stack((cover.aligned, cover.unaligned, cover.partial))
    (at, kind, order), pages = _added(keys, amounts)
    columns = [column for column in parts.columns if column.name in PART_COLUMNS]
    data: dict[str, NDArray[np.generic]] = {column.name: parts.data[column.name][at] for column in columns}
    data["kind"] = objects([KINDS[number] for number in kind.tolist()])
    data["size"] = facts.page_size << order
    for name, column in zip(("aligned", "unaligned", "partial"), pages, strict=True):
        data[name] = column * facts.page_size
    return Table([*columns, *COLUMNS], data, {"size": order == 0})


def _added(keys: Ints, amounts: Ints) -> tuple[Ints, Ints]:
    """Add up columns of amounts, shape (3, n), by columns of keys, shape (3, n)."""
    unique, at = np.unique(keys, axis=1, return_inverse=True)
    sums = np.zeros((3, unique.shape[1]), np.int64)
    for row, amount in zip(sums, amounts, strict=True):
        np.add.at(row, at.reshape(-1), amount)
    return unique, sums
