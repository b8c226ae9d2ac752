"""Arrays spoiled in each way that native code must refuse, since it works on bare memory and would run beyond it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

REFUSED = r"dtype mismatch|read-only|C-contiguous|number of dimensions|None|Big-endian"


def spoiled(array: np.ndarray[Any, Any], written: bool) -> Iterator[Any]:
    """Yield what looks like the array and is of another type, shape, layout or, where it is written, read-only."""
    yield None
    yield array.astype("i2")
    yield array.astype(array.dtype.newbyteorder()) if array.dtype.itemsize > 1 else array.astype("u2")
    yield np.repeat(array, 2, axis=0)[::2]
    yield array[..., None]
    if written:
        copy = array.copy()
        copy.flags.writeable = False
        yield copy


def refuses_spoiled(call: Callable[..., Any], arguments: Sequence[Any], written: Sequence[int]) -> None:
    """Call with each array in turn spoiled: every call must be refused, none crash.

    Parameters
    ----------
    call : callable
        The native function.
    arguments : sequence
        Good arguments; the arrays among them have two rows or more.
    written : sequence of int
        The positions of the arrays that it writes to.
    """
    arrays = [at for at, argument in enumerate(arguments) if isinstance(argument, np.ndarray)]
    assert arrays
    for at in arrays:
        for bad in spoiled(arguments[at], at in written):
            with pytest.raises((ValueError, TypeError), match=REFUSED):
                call(*arguments[:at], bad, *arguments[at + 1 :])
