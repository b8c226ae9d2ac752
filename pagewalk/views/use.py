"""Where all of RAM went: every frame by its use and its state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pagewalk.facts import Facts
from pagewalk.table import Column, Table, objects
from pagewalk.uses import STATE_DOC, STATES, USES, ZERO, states_of, uses_of

__all__ = ["COLUMNS", "kernel_figures", "use_matrix", "uses"]

COLUMNS = (
    Column("use", "text", "what the frames are used for, the first that applies"),
    *(Column(state, "bytes", doc) for state, doc in STATE_DOC.items()),
    Column("bytes", "bytes", "all of them; the rows add up to System RAM"),
    Column("kernel_bytes", "bytes", "the kernel's own figure (meminfo, zoneinfo), unknown where it has none"),
    Column("difference", "bytes", "bytes - kernel_bytes"),
)


def uses(facts: Facts) -> Table:
    """Make the matrix of uses and states.

    Parameters
    ----------
    facts : Facts
        Of a walk of all of RAM.

    Returns
    -------
    Table
        COLUMNS, a row a use, in the order in which they are tried.
    """
    matrix = use_matrix(facts) * facts.page_size
    total = matrix.sum(axis=1)
    kernel = kernel_figures(facts)
    known = np.array([kernel.get(use) is not None for use in USES], bool)
    figures = np.array([kernel.get(use) or 0 for use in USES], np.int64)
    data: dict[str, NDArray[np.generic]] = {
        "use": objects(list(USES)),
        **{state: matrix[:, k] for k, state in enumerate(STATES)},
        "bytes": total,
        "kernel_bytes": figures,
        "difference": total - figures,
    }
    return Table(COLUMNS, data, {"kernel_bytes": ~known, "difference": ~known})


def use_matrix(facts: Facts) -> NDArray[np.int64]:
    """Count the frames of System RAM by use and state.

    Parameters
    ----------
    facts : Facts
        Of a walk of all of RAM.

    Returns
    -------
    ndarray of int64, shape (len(USES), len(STATES))
        Frames.
    """
    table = facts.table
    use = uses_of(table.flags, table.mapcount > 0)
    # What nothing maps any more was given back between the reading of the page tables and of the frames; the zero
    # pages are mapped without being counted.
    given_back = (table.mapcount == 0) & (use != ZERO)
    state = states_of(table.flags, np.where(given_back, 0, table.owners), table.hidden)
    inside = facts.in_ram
    matrix = np.zeros((len(USES), len(STATES)), np.int64)
    np.add.at(matrix, (use[inside], state[inside]), table.frames[inside])
    return matrix


def kernel_figures(facts: Facts) -> Mapping[str, int | None]:
    """Return the kernel's own figure for each use that it has one for, in bytes.

    Parameters
    ----------
    facts : Facts
        Of a walk of all of RAM.

    Returns
    -------
    mapping of str to int or None
        By use; None where this kernel does not say.
    """
    accounts = facts.accounts
    if accounts is None:
        return {}
    meminfo = accounts.meminfo
    cached, buffers, shmem = (meminfo.get(name) for name in ("Cached", "Buffers", "Shmem"))
    # MemFree counts what the zones' lists hold; where memory is handed to the allocator lazily it may count more.
    free = sum(zone.free for zone in accounts.zones) * facts.page_size if accounts.zones else meminfo.get("MemFree")
    return {
        "poison": meminfo.get("HardwareCorrupted"),
        "free": free,
        "pgtable": meminfo.get("PageTables"),
        "slab": meminfo.get("Slab"),
        "hugetlb": meminfo.get("Hugetlb"),
        "anon": meminfo.get("AnonPages"),
        "shmem": shmem,
        # Cached is NR_FILE_PAGES without swap cache and buffers (fs/proc/meminfo.c): shmem is inside.
        "file": None if cached is None or buffers is None or shmem is None else cached + buffers - shmem,
    }
