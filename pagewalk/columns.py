"""The heads of columns, and the units that their figures are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["SUMMABLE", "UNITS", "Column"]

# Each unit with the type that its column is kept in.
UNITS: dict[str, np.dtype[Any]] = {
    "bytes": np.dtype(np.int64),
    "frames": np.dtype(np.int64),
    "pages": np.dtype(np.int64),
    "count": np.dtype(np.int64),
    "id": np.dtype(np.int64),
    "inode": np.dtype(np.uint64),
    "ns": np.dtype(np.int64),
    "seconds": np.dtype(np.float64),
    "share": np.dtype(np.float64),
    "hex": np.dtype(np.uint64),
    "flag": np.dtype(np.bool_),
    "text": np.dtype(object),
    "list": np.dtype(object),
}
# Units whose sum over rows means something. Whether one view's rows overlap (a frame in two groups) is for the
# column's doc to say.
SUMMABLE = frozenset({"bytes", "frames", "pages", "count"})


@dataclass(frozen=True)
class Column:
    """The head of a column.

    Parameters
    ----------
    name : str
        Its name, the same in Python, in JSON and on the screen.
    unit : str
        One of ``UNITS``: ``bytes``, ``frames``, ``pages``, ``count``, ``id`` (pid, uid, pfn), ``ns`` are int64,
        ``inode`` uint64, ``seconds`` and ``share`` (0 to 1) float64, ``hex`` (addresses, flags) uint64,
        ``flag`` bool, ``text`` str objects, ``list`` tuples.
    doc : str
        What it says, in one line.
    """

    name: str
    unit: str
    doc: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"column {self.name}: no unit {self.unit!r}; there are {', '.join(UNITS)}")
