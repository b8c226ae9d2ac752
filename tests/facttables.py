"""Fact tables made by hand: rows of owners, kind and mapcount, without a machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from pagewalk.abi import KPF
from pagewalk.facts import Facts
from pagewalk.groups import Spaces, user_names
from pagewalk.ownership import OwnerSets
from pagewalk.tally import ANON, FILE, HUGETLB, SHMEM, SPECIAL, ZERO, FactTable

PAGE = 4096
SPACES = 5
Path = tuple[tuple[int, int], ...]  # (space, how often it maps each frame), ascending
Row = tuple[Path, int, int, int, int]  # path, kind, mapcount, flags, frames

path_of = st.dictionaries(st.integers(0, SPACES - 1), st.integers(1, 3), max_size=4).map(
    lambda owners: tuple(sorted(owners.items()))
)
rows_of = st.lists(
    st.tuples(
        path_of,
        st.sampled_from([ANON, ANON, FILE, SHMEM, HUGETLB, ZERO, SPECIAL]),
        st.integers(-1, 9),
        st.sampled_from([0, KPF.ANON, KPF.ANON | KPF.SWAPBACKED, KPF.THP | KPF.ANON, KPF.KSM | KPF.ANON, KPF.DIRTY]),
        st.integers(1, 1000),
    ),
    max_size=10,
)
swap_rows = st.lists(st.tuples(path_of.filter(bool), st.integers(1, 99)), max_size=6)


def trie(paths: Sequence[Path]) -> tuple[OwnerSets, list[int]]:
    """The owner sets with these paths, and the number of each."""
    number: dict[Path, int] = {(): 0}
    rows = [(0, 0, 0)]
    for path in paths:
        for length in range(1, len(path) + 1):
            if path[:length] not in number:
                number[path[:length]] = len(rows)
                rows.append((number[path[: length - 1]], *path[length - 1]))
    columns = [np.array([row[k] for row in rows], np.uint32) for k in range(3)]
    return OwnerSets(columns[0], columns[1], columns[2]), [number[path] for path in paths]


def table_of(rows: Sequence[Row], swaps: Sequence[tuple[Path, int]] = ()) -> FactTable:
    sets, numbers = trie([row[0] for row in rows] + [path for path, _ in swaps])
    n = len(rows)
    return FactTable(
        set=np.array(numbers[:n], np.uint32),
        kind=np.array([row[1] for row in rows], np.uint8),
        mapcount=np.array([row[2] for row in rows], np.int64),
        flags=np.array([row[3] for row in rows], np.uint64),
        memcg=np.zeros(n, np.uint64),
        zone=np.zeros(n, np.int64),
        frames=np.array([row[4] for row in rows], np.int64),
        swap_set=np.array(numbers[n:], np.uint32),
        swap_slots=np.array([slots for _, slots in swaps], np.int64),
        sets=sets,
    )


def spaces_of(n: int = SPACES, **columns: Any) -> Spaces:
    """Address spaces 10, 11, ...; any column may be given instead."""
    numbers = np.arange(n, dtype=np.int64)
    made: dict[str, Any] = {
        "pids": [(10 + k,) for k in range(n)],
        "comm": [f"p{k % 2}" for k in range(n)],
        "cmdline": [f"/bin/p{k}" for k in range(n)],
        "cgroup": ["/" for _ in range(n)],
        "uid": numbers % 2,
        "ppid": np.ones(n, np.int64),
        "start_time": numbers,
        "vss": (numbers + 1) << 40,
        "pgtable": (numbers + 1) << 13,
    }
    spaces = {**made, **columns}
    return Spaces(**{"names": user_names(spaces["uid"]), **spaces})


def facts_of(rows: Sequence[Row], swaps: Sequence[tuple[Path, int]] = (), **fields: Any) -> Facts:
    """Facts with these rows; any field may be given instead."""
    made: dict[str, Any] = {
        "host": {"hostname": "made"},
        "page_size": PAGE,
        "spaces": spaces_of(),
        "table": table_of(rows, swaps),
        "processes": SPACES,
        "refused": 0,
        "vanished": 0,
        "missing_frames": 0,
    }
    return Facts(**{**made, **fields})
