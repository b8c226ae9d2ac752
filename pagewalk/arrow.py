"""Columns in the layout of Arrow, so that pandas, polars, duckdb and pyarrow take a table with no dependency of ours.

https://arrow.apache.org/docs/format/Columnar.html. Columns of numbers are handed over as they lie in memory; flags are
packed into bits, text is put end to end. What is not known is null. Offsets have 64 bits: no column
is too long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagewalk._native import arrow as native
from pagewalk.columns import Column
from pagewalk.legible import written_out

__all__ = ["schema", "stream"]

FORMATS = {"i": b"l", "u": b"L", "f": b"g"}
LARGEST = {b"l": (-(1 << 63), (1 << 63) - 1), b"L": (0, (1 << 64) - 1)}
# A bool is an int too, and is asked for first.
KINDS: dict[type, type] = {bool: bool, int: int, float: float, str: str, tuple: list, list: list, dict: dict}
# Names keep bytes that are no UTF-8 as lone surrogates, and Arrow's text is UTF-8: written out, as in JSON.
SURROGATES = re.compile("[\ud800-\udfff]")


class Laid(NamedTuple):
    """A column as the native code takes it."""

    format: bytes
    name: bytes
    metadata: bytes
    length: int
    nulls: int
    buffers: tuple[NDArray[Any] | bytes | None, ...]
    below: tuple[Laid, ...]


def schema(
    columns: Sequence[Column], data: Mapping[str, NDArray[Any]], unknown: Mapping[str, NDArray[np.bool_]]
) -> object:
    """Describe columns to a reader of Arrow.

    Parameters
    ----------
    columns : sequence of Column
        Their heads; unit and meaning become the metadata of the fields.
    data : mapping of str to ndarray
        Their figures, 1-D and of one length.
    unknown : mapping of str to ndarray of bool
        Which of them are not known, for columns where some are not.

    Returns
    -------
    PyCapsule
        ``arrow_schema``, of the Arrow PyCapsule interface.
    """
    return native.schema(table(columns, data, unknown))


def stream(
    columns: Sequence[Column], data: Mapping[str, NDArray[Any]], unknown: Mapping[str, NDArray[np.bool_]]
) -> object:
    """Hand columns to a reader of Arrow, who may keep them for as long as he likes.

    Parameters
    ----------
    columns : sequence of Column
        Their heads.
    data : mapping of str to ndarray
        Their figures, 1-D and of one length.
    unknown : mapping of str to ndarray of bool
        Which of them are not known, for columns where some are not.

    Returns
    -------
    PyCapsule
        ``arrow_array_stream``, of the Arrow PyCapsule interface: one record batch.
    """
    return native.stream(table(columns, data, unknown))


def table(
    columns: Sequence[Column], data: Mapping[str, NDArray[Any]], unknown: Mapping[str, NDArray[np.bool_]]
) -> Laid:
    laid = tuple(named(figures(column, data[column.name], unknown.get(column.name)), column) for column in columns)
    return struct(laid, laid[0].length if laid else 0)


def named(laid: Laid, column: Column) -> Laid:
    """Return a column with its name and, as metadata, its unit and meaning."""
    return laid._replace(name=c_string(column.name), metadata=metadata({"unit": column.unit, "doc": column.doc}))


def figures(column: Column, values: NDArray[Any], mask: NDArray[np.bool_] | None) -> Laid:
    match values.dtype.kind:
        case "O":
            cells: list[object] = values.tolist()
            if mask is not None:
                cells = [None if missing else cell for cell, missing in zip(cells, mask.tolist(), strict=True)]
            of_lists = column.unit == "list" and all(cell is None or isinstance(cell, list | tuple) for cell in cells)
            # Not `inferred` for these: a column of lists is one where it has no row, too.
            return text(cells) if column.unit == "text" else lists(cells) if of_lists else inferred(cells)
        case "b":
            held: NDArray[Any] = packed(values)
            return primitive(b"b", len(values), held, mask)
        case number:
            # No copy of what lies in memory as Arrow wants it.
            return primitive(FORMATS[number], len(values), np.require(values, requirements=["C", "A"]), mask)


def primitive(form: bytes, length: int, values: NDArray[Any], mask: NDArray[np.bool_] | None) -> Laid:
    nulls, validity = valid(mask)
    return Laid(form, b"", b"", length, nulls, (validity, values), ())


def inferred(cells: list[object]) -> Laid:
    """Lay out Python's own values by what they are: of one kind, or else as the JSON text of each."""
    cells = [cell.tolist() if isinstance(cell, np.generic | np.ndarray) else cell for cell in cells]
    kinds = {kind(cell_type) for cell_type in set(map(type, cells)) - {type(None)}}
    if not kinds:
        return Laid(b"n", b"", b"", len(cells), len(cells), (), ())
    if kinds == {str}:
        return text(cells)
    if kinds == {bool}:
        mask = missing(cells)
        return primitive(b"b", len(cells), packed(np.array([cell is True for cell in cells], np.bool_)), mask)
    if kinds == {list}:
        return lists(cells)
    if kinds == {dict}:
        return structs(cells)
    if kinds <= {int, float}:
        return numbers(cells, float in kinds)
    return text([None if cell is None else json.dumps(cell, ensure_ascii=False, default=str) for cell in cells])


def kind(cell_type: type) -> type:
    """Return the one of `KINDS` that values of a type are laid out as; `object` for those of none."""
    return next((kind for base, kind in KINDS.items() if issubclass(cell_type, base)), object)


def numbers(cells: list[Any], fractions: bool) -> Laid:
    """Lay out int64, uint64 where that is too small and nothing is negative, float64, or text of what fits nowhere."""
    mask = missing(cells)
    known = [0 if cell is None else cell for cell in cells]
    if fractions:
        return primitive(b"g", len(cells), np.array(known, np.float64), mask)
    least, most = min(known), max(known)
    for form, (low, high) in LARGEST.items():
        if low <= least and most <= high:
            dtype = np.int64 if form == b"l" else np.uint64
            return primitive(form, len(cells), np.array(known, dtype), mask)
    return text([None if cell is None else str(cell) for cell in cells])


def text(cells: list[Any]) -> Laid:
    mask = missing(cells)
    words = ["" if cell is None else str(cell) for cell in cells]
    joined = "".join(words)
    if joined.isascii():
        lengths, held = list(map(len, words)), joined.encode()
    else:
        encoded = list(map(utf8 if SURROGATES.search(joined) else str.encode, words))
        lengths, held = list(map(len, encoded)), b"".join(encoded)
    nulls, validity = valid(mask)
    return Laid(b"U", b"", b"", len(cells), nulls, (validity, offsets(lengths), held), ())


def lists(cells: list[Any]) -> Laid:
    """Lay out lists of whatever their items are; of items without a type where there is none."""
    mask = missing(cells)
    items = inferred(list(chain.from_iterable(cell for cell in cells if cell is not None)))
    lengths = [0 if cell is None else len(cell) for cell in cells]
    nulls, validity = valid(mask)
    return Laid(b"+L", b"", b"", len(cells), nulls, (validity, offsets(lengths)), (items._replace(name=b"item"),))


def structs(cells: list[Any]) -> Laid:
    """Lay out dictionaries as one column a key, in the order in which the keys are met; null where one has it not."""
    keys = dict.fromkeys(key for cell in cells if cell is not None for key in cell)
    below = tuple(
        inferred([None if cell is None else cell.get(key) for cell in cells])._replace(name=c_string(str(key)))
        for key in keys
    )
    nulls, validity = valid(missing(cells))
    return struct(below, len(cells), nulls, validity)


def struct(below: tuple[Laid, ...], length: int, nulls: int = 0, validity: NDArray[np.uint8] | None = None) -> Laid:
    return Laid(b"+s", b"", b"", length, nulls, (validity,), below)


def missing(cells: list[Any]) -> NDArray[np.bool_]:
    return np.fromiter((cell is None for cell in cells), np.bool_, len(cells))


def valid(mask: NDArray[np.bool_] | None) -> tuple[int, NDArray[np.uint8] | None]:
    """Return how many figures are not known, and the bitmap of those that are; no bitmap where all are."""
    nulls = 0 if mask is None else int(np.count_nonzero(mask))
    return nulls, packed(~mask) if mask is not None and nulls else None


def packed(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(flags, bitorder="little")


def offsets(lengths: list[int]) -> NDArray[np.int64]:
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends


def utf8(word: str) -> bytes:
    return SURROGATES.sub(lambda match: written_out(match[0]), word).encode()


def c_string(name: str) -> bytes:
    r"""Return a name that C may end at its first NUL: one inside is written out as ``\x00``."""
    return utf8(name).replace(b"\0", rb"\x00")


def metadata(pairs: Mapping[str, str]) -> bytes:
    """Return what Arrow keeps beside a field: their number, then each with its length before it, as 32-bit integers."""
    words = [utf8(word) for word in chain.from_iterable(pairs.items())]
    return np.int32(len(pairs)).tobytes() + b"".join(np.int32(len(word)).tobytes() + word for word in words)
