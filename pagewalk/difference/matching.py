"""Which row of the old and which of the new are of the same thing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagewalk.groups import Spaces

__all__ = ["Pairs", "match", "process_ids"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Pairs:
    """The old and the new row of each thing.

    Attributes
    ----------
    old, new : ndarray of int64
        Its rows, -1 where it is not there.
    """

    old: Ints
    new: Ints

    def __len__(self) -> int:
        return len(self.old)

    @property
    def both(self) -> NDArray[np.bool_]:
        """Which are there both times."""
        there: NDArray[np.bool_] = (self.old >= 0) & (self.new >= 0)
        return there


def match(old: Sequence[Hashable], new: Sequence[Hashable]) -> Pairs:
    """Pair rows by what identifies them: those of the old in their order, then those of the new only in theirs.

    Parameters
    ----------
    old, new : sequence of hashable
        What identifies each row. Of equal ones in one table the first is paired, each other is alone.

    Returns
    -------
    Pairs
        Every row of both, once.
    """
    place: dict[Hashable, int] = {}
    alone = [row for row, one in enumerate(new) if place.setdefault(one, row) != row]
    partner = [place.pop(one, -1) for one in old]
    rest = sorted([*place.values(), *alone])
    return Pairs(
        np.array([*range(len(old)), *[-1] * len(rest)], np.int64),
        np.array([*partner, *rest], np.int64),
    )


def process_ids(spaces: Spaces) -> list[tuple[int, int]]:
    """Return what identifies each address space within one boot: its lowest process ID, and when that one started.

    A process ID is given again, but not with the same start in clock ticks (fs/proc/array.c:do_task_stat).

    Parameters
    ----------
    spaces : Spaces
        The address spaces of a walk.
    """
    return list(zip(spaces.pid.tolist(), spaces.start_time.tolist(), strict=True))
