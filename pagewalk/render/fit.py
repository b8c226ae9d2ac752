"""Fitting a table to a line: which columns, and how wide."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

__all__ = ["fit"]

GAP = 2
# A name cut shorter than this says nothing; where there is room, it may have so much of the line before figures of
# less weight are taken in.
NAME = 12
PART = 0.3


def fit(
    natural: Mapping[str, int], elastic: Collection[str], wanted: Sequence[str], width: int
) -> tuple[dict[str, int], list[str]]:
    """Choose the columns that a line has room for.

    Parameters
    ----------
    natural : mapping of str to int
        The columns in their order on the screen, and the cells that their longest value takes.
    elastic : collection of str
        Those that may be cut, down to 12 cells or three tenths of the line; figures never are.
    wanted : sequence of str
        The order in which columns are taken in. Empty: all are asked for, the first ones first.
    width : int
        Cells of a line.

    Returns
    -------
    widths : dict of str to int
        The columns that fit, with their cells: at least one column, and never more than `width` in all.
    left_out : list of str
        Those asked for that did not fit; none where `wanted` says that a choice is expected.
    """
    name_room = max(NAME, int(width * PART))
    least = {name: min(cells, name_room) if name in elastic else cells for name, cells in natural.items()}
    chosen: dict[str, int] = {}
    free = width + GAP
    for name in wanted or natural:
        # No narrower one takes the place of one that does not fit: which columns stand would hang on their values.
        if least[name] + GAP > free:
            break
        chosen[name] = least[name]
        free -= least[name] + GAP
    if not chosen:
        chosen[next(iter(wanted or natural))] = width
        free = 0
    for name, cells in chosen.items():
        chosen[name] = cells + min(max(natural[name] - cells, 0), free)
        free -= chosen[name] - cells
    left_out = [] if wanted else [name for name in natural if name not in chosen]
    return {name: chosen[name] for name in natural if name in chosen}, left_out
