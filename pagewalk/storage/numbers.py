"""How an array of numbers is kept in a file: in the smallest type that holds it, ascending ones as differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CODECS", "Kept", "keep", "kept_as", "restore"]

# In words, for whoever reads a file without pagewalk; each file says this of itself.
CODECS: Mapping[str, str] = {
    "plain": "the numbers themselves, in a smaller type",
    "ascending": "the first number, then how much is added for each next one: numpy.cumsum gives the numbers",
    "steps": "as ascending, but each difference d is kept as 2 * d, or as -2 * d - 1 where d < 0",
}

# The types of arrays, and those that a number of each may be kept in. Little-endian whatever the machine.
UNSIGNED = ("|u1", "<u2", "<u4", "<u8")
SIGNED = ("|i1", "<i2", "<i4", "<i8")
ITSELF = ("|b1", "<f8")
TYPES = (*UNSIGNED, *SIGNED, *ITSELF)

_Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file says of an array.

    Attributes
    ----------
    dtype : str
        Type of its numbers, as numpy writes it.
    length : int
        How many there are.
    codec : str
        One of CODECS.
    stored : str
        Type that they are kept in.
    """

    dtype: str
    length: int
    codec: str
    stored: str

    @property
    def nbytes(self) -> int:
        """Bytes of the array when it is read."""
        return self.length * np.dtype(self.dtype).itemsize

    @property
    def stored_nbytes(self) -> int:
        """Bytes of the array as it is kept."""
        return self.length * np.dtype(self.stored).itemsize


def kept_as(said: object) -> Kept | None:
    """Check what a file says of an array; None where it says nothing that could be true."""
    if not isinstance(said, dict) or said.keys() != set(Kept.__slots__):
        return None
    match said:
        case {"dtype": str(dtype), "length": int(length), "codec": str(codec), "stored": str(stored)}:
            kept = Kept(dtype, length, codec, stored)
        case _:
            return None
    if isinstance(length, bool) or not 0 <= length < 1 << 40:
        return None
    if dtype not in TYPES or codec not in CODECS:
        return None
    return kept if stored in _stored_types(dtype, codec) else None


def _stored_types(dtype: str, codec: str) -> tuple[str, ...]:
    if dtype in ITSELF:
        return (dtype,) if codec == "plain" else ()
    kinds = SIGNED if dtype in SIGNED and codec == "plain" else UNSIGNED
    at = (SIGNED if dtype in SIGNED else UNSIGNED).index(dtype)
    return kinds[: at + 1]


def keep(array: _Array) -> tuple[Kept, _Array]:
    """Choose how an array is kept.

    Parameters
    ----------
    array : ndarray
        1-D, of bool, float64 or integers.

    Returns
    -------
    kept : Kept
        What is to be said of it.
    stored : ndarray
        What is to be written.

    Raises
    ------
    TypeError
        It is of another type or shape.
    """
    dtype = array.dtype.newbyteorder("<").str
    if array.ndim != 1 or dtype not in TYPES:
        raise TypeError(f"an array of {array.dtype} and shape {array.shape} cannot be kept in a snapshot")
    if dtype in ITSELF:
        return Kept(dtype, len(array), "plain", dtype), array.astype(dtype)
    codec, numbers = _as_differences(array)
    if codec == "plain":
        numbers = array
    stored = _smallest(numbers, SIGNED if numbers.dtype.kind == "i" else UNSIGNED)
    return Kept(dtype, len(array), codec, stored.dtype.str), stored


def _as_differences(array: _Array) -> tuple[str, _Array]:
    """Return the differences where these are small; a wrap-around is undone by the sum, which wraps around too."""
    # Bytes have nothing to gain, and those of texts stay legible.
    if len(array) < 2 or array.dtype.itemsize == 1:
        return "plain", array
    wide = array.astype(np.int64) if array.dtype.kind == "i" else array.astype(np.uint64).view(np.int64)
    differences = np.diff(wide, prepend=np.int64(0))
    if (array[1:] >= array[:-1]).all() and array[0] >= 0:
        return "ascending", differences.view(np.uint64)
    folded = ((differences << 1) ^ (differences >> 63)).view(np.uint64)
    # Where most neighbours are far apart, equal stretches of numbers (of processes that were forked) say more.
    small = np.count_nonzero(folded < 256) * 2 > len(array)
    fits = array.dtype.itemsize == 8 or int(folded.max()) < 1 << (8 * array.dtype.itemsize)
    return ("steps", folded) if small and fits else ("plain", array)


def _smallest(numbers: _Array, types: tuple[str, ...]) -> _Array:
    if not len(numbers):
        return numbers.astype(types[0])
    low, high = int(numbers.min()), int(numbers.max())
    for name in types:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return numbers.astype(name)
    raise AssertionError("no type holds these numbers")


def restore(kept: Kept, stored: _Array) -> _Array:
    """Return the array that was kept.

    Parameters
    ----------
    kept : Kept
        As `keep` or `kept_as` returned it.
    stored : ndarray
        ``kept.length`` numbers of type ``kept.stored``.

    Returns
    -------
    ndarray
        Of type ``kept.dtype``, in the byte order of this machine.

    Raises
    ------
    ValueError
        The differences add up to what the type has no room for, or a truth is neither 0 nor 1.
    """
    dtype = np.dtype(kept.dtype).newbyteorder("=")
    if kept.dtype == "|b1":
        if stored.view(np.uint8).max(initial=0) > 1:
            raise ValueError("a truth that is neither 0 nor 1")
        return stored.astype(dtype)
    if kept.codec == "plain":
        return stored.astype(dtype)
    differences = stored.astype(np.uint64)
    if kept.codec == "steps":
        differences = (differences >> np.uint64(1)) ^ (np.uint64(0) - (differences & np.uint64(1)))
    np.cumsum(differences, out=differences)
    numbers = differences.view(np.int64) if dtype.kind == "i" else differences
    if dtype.itemsize == 8:
        return numbers
    limits = np.iinfo(dtype)
    if len(numbers) and (numbers.min() < limits.min or numbers.max() > limits.max):
        raise ValueError("numbers beyond their type")
    return numbers.astype(dtype)
