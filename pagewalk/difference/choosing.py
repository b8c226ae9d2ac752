"""Whose memory is meant, of two walks at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pagewalk.difference.matching import Pairs
from pagewalk.errors import PagewalkError
from pagewalk.groups import Selection, Spaces, select

__all__ = ["Chosen", "choose"]


@dataclass(frozen=True, eq=False, slots=True)
class Chosen:
    """Which address spaces of two walks are meant.

    Attributes
    ----------
    old, new : Selection
        Those of each. A process that meets the conditions at one time is meant at both.
    """

    old: Selection
    new: Selection

    def __len__(self) -> int:
        return max(len(self.old), len(self.new))


def choose(
    old: Spaces,
    new: Spaces,
    pairs: Pairs | None,
    pids: Sequence[int] = (),
    programs: Sequence[str] = (),
    users: Sequence[str] = (),
    cgroups: Sequence[str] = (),
    trees: Sequence[int] = (),
) -> Chosen:
    """Choose address spaces of two walks as `groups.select` does of one.

    Parameters
    ----------
    old, new : Spaces
        To choose from.
    pairs : Pairs or None
        Which of them are the same; None where none can be.
    pids, programs, users, cgroups, trees : sequence
        The conditions.

    Raises
    ------
    PagewalkError
        A pid that neither walk has, a bad regular expression, an unknown user.
    """
    named = {*pids, *trees}
    masks, there = [], [{pid for some in spaces.pids for pid in some} for spaces in (old, new)]
    if missing := sorted(named - there[0] - there[1]):
        raise PagewalkError(f"neither snapshot has an address space of pid {', '.join(map(str, missing))}")
    for spaces, other, known in zip((old, new), (new, old), there, strict=True):
        # A user that only the other machine knows has no process here.
        names, elsewhere = set(spaces.names.values()), set(other.names.values())
        known_users = [user for user in users if user in names or user not in elsewhere]
        if (named and not named & known) or (users and not known_users):
            masks.append(np.zeros(len(spaces), np.bool_))
            continue
        mine, roots = ([pid for pid in some if pid in known] for some in (pids, trees))
        masks.append(select(spaces, mine, programs, known_users, cgroups, roots).mask.copy())
    if pairs is not None:
        was, is_now = pairs.old[pairs.both], pairs.new[pairs.both]
        either = masks[0][was] | masks[1][is_now]
        masks[0][was], masks[1][is_now] = either, either
    return Chosen(Selection(masks[0]), Selection(masks[1]))
