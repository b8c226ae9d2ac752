"""Frozen dataclasses taken apart into arrays and JSON by the types of their fields, and put together again.

The types say how: an array is kept as it is, single numbers and texts go to the JSON, and what there is any number
of becomes columns. A column of texts is one of numbers in the pool of all texts, each kept once; a column of tuples,
or of mappings, is one of their lengths and one (or two) of all that is in them, one after the other; a column of
dataclasses is one for each field; what may be None has a column that says where it is known. So a field that is added
to the facts is in the file as well, and a file that does not fit the types is told before anything is made of it.

`Table` alone is taken apart by its columns instead.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from itertools import accumulate, chain, pairwise
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import SnapshotError
from pagewalk.table import UNITS, Column, Table, objects

__all__ = ["join", "shred"]

TEXTS = "texts"
# Columns of numbers that are no array of their own; an inode may have its highest bit set.
INTEGERS = (np.dtype(np.int64), np.dtype(np.uint64))
KNOWN, LENGTH, KEY, VALUE, EACH = ".known", ".length", ".key", ".value", ".each"

# Rows of any column: lengths below this cannot add up to what no integer holds.
MOST = 1 << 40
# Texts and numbers that become Python objects, of 30 to 60 bytes each whatever they take in a file. Arrays do not.
MOST_OBJECTS = 1 << 21

_Array = NDArray[Any]
_Made = TypeVar("_Made")


def _optional(hint: Any) -> Any:
    """Return T of ``T | None``; None of any other type."""
    if get_origin(hint) not in (Union, types.UnionType):
        return None
    rest = [one for one in get_args(hint) if one is not types.NoneType]
    return rest[0] if len(rest) == 1 and len(get_args(hint)) == 2 else None


def _dtype(hint: Any) -> np.dtype[Any] | None:
    """Return the dtype of ``NDArray[T]``: in newer numpy an alias (PEP 695), else what it stands for."""
    if get_origin(hint) is NDArray:
        (scalar,) = get_args(hint)
    elif get_origin(hint) is np.ndarray:
        (scalar,) = get_args(get_args(hint)[1])
    else:
        return None
    dtype: np.dtype[Any] = np.dtype(scalar)
    return dtype


def _fields(kind: type) -> dict[str, Any]:
    """Return the fields that make a dataclass, with their types."""
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind) if one.init}


def _fields_said(kind: type, said: Mapping[str, object], name: str) -> dict[str, Any]:
    """Return the fields that a file has of a dataclass.

    One that was written before a field came to be lacks it: that field has a default, which says that it is not known.
    """
    inside = _fields(kind)
    needed = {
        one.name for one in fields(kind) if one.init and one.default is MISSING and one.default_factory is MISSING
    }
    if not needed <= said.keys() <= inside.keys():
        raise SnapshotError(f"{name}: not the fields that should be there")
    return {one: hint for one, hint in inside.items() if one in said}


def _items(hint: Any) -> tuple[type, tuple[Any, ...]]:
    """Return what a container is made as, and the types of what is in it: one, or those of keys and values."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Mapping, dict):
        return dict, inner
    if origin in (tuple, Sequence) and inner[-1:] != (Ellipsis,) and len(inner) > 1:
        raise TypeError(f"{hint} is a row of its own, not a container")
    if origin in (tuple, Sequence, list, frozenset):
        return (tuple if origin in (tuple, Sequence) else origin), inner[:1]
    raise TypeError(f"a snapshot cannot hold {hint}")


def _is_record(hint: Any) -> bool:
    return is_dataclass(hint)


def _is_row(hint: Any) -> bool:
    """Whether this is a tuple of a fixed length."""
    return get_origin(hint) is tuple and get_args(hint)[-1:] != (Ellipsis,)


class _Shredder:
    """Takes values apart."""

    def __init__(self) -> None:
        self.arrays: dict[str, _Array] = {}
        self.texts: dict[str, int] = {}

    def one(self, value: Any, hint: Any, name: str) -> Any:
        """Keep a single value; return what stands for it in the JSON."""
        if (inner := _optional(hint)) is not None:
            return None if value is None else self.one(value, inner, name)
        if hint in (Any, dict[str, Any]) or hint in (bool, int, float, str):
            return value.item() if isinstance(value, np.generic) else value
        if (dtype := _dtype(hint)) is not None:
            self.arrays[name] = np.ascontiguousarray(value, dtype)
            return len(value)
        if hint is Table:
            return self.table(value, name)
        if _is_record(hint):
            inside = _fields(hint)
            return {one: self.one(getattr(value, one), kind, f"{name}.{one}") for one, kind in inside.items()}
        self.content([value], hint, name)
        return len(value)

    def table(self, value: Table, name: str) -> list[list[str]]:
        for column in value.columns:
            if UNITS[column.unit] == np.dtype(object):
                self.column(value[column.name].tolist(), str, f"{name}.{column.name}")
            else:
                self.arrays[f"{name}.{column.name}"] = value[column.name]
            self.arrays[f"{name}.{column.name}{KNOWN}"] = ~value.unknown(column.name)
        return [[column.name, column.unit, column.doc] for column in value.columns]

    def column(self, values: Sequence[Any], hint: Any, name: str) -> None:
        """Keep any number of values of one type."""
        if (inner := _optional(hint)) is not None:
            self.arrays[name + KNOWN] = np.array([value is not None for value in values], np.bool_)
            self.column([value for value in values if value is not None], inner, name)
        elif hint is int:
            numbers = [int(value) for value in values]
            self.arrays[name] = np.array(numbers, np.uint64 if max(numbers, default=0) >= 1 << 63 else np.int64)
        elif hint in (bool, float):
            self.arrays[name] = np.array(values, hint)
        elif hint is str:
            pool = self.texts
            self.arrays[name] = np.array([pool.setdefault(text, len(pool)) for text in values], np.uint32)
        elif (dtype := _dtype(hint)) is not None:
            self.arrays[name + LENGTH] = np.array([len(value) for value in values], np.int64)
            self.arrays[name] = np.concatenate([np.zeros(0, dtype), *values])
        elif _is_row(hint):
            for at, inner in enumerate(get_args(hint)):
                self.column([value[at] for value in values], inner, f"{name}.{at}")
        elif _is_record(hint):
            for one, inner in _fields(hint).items():
                self.column([getattr(value, one) for value in values], inner, f"{name}.{one}")
        else:
            self.arrays[name + LENGTH] = np.array([len(value) for value in values], np.int64)
            self.content(values, hint, name, many=True)

    def content(self, values: Sequence[Any], hint: Any, name: str, many: bool = False) -> None:
        """Keep what is in containers, one after the other."""
        made, inner = _items(hint)
        if made is dict:
            self.column([key for value in values for key in value], inner[0], name + KEY)
            self.column([each for value in values for each in value.values()], inner[1], name + VALUE)
        else:
            parts = map(sorted, values) if made is frozenset else values
            self.column(list(chain.from_iterable(parts)), inner[0], name + EACH if many else name)

    def pool(self) -> None:
        """Keep the texts: their bytes one after the other, and where each ends."""
        # Names of the kernel hold any bytes, as surrogates; each text comes back as it was.
        blobs = [text.encode("utf-8", "surrogatepass") for text in self.texts]
        self.arrays[TEXTS] = np.frombuffer(b"".join(blobs), np.uint8)
        self.arrays[f"{TEXTS}.ends"] = np.cumsum([len(blob) for blob in blobs], dtype=np.int64)


def shred(value: Any) -> tuple[dict[str, Any], dict[str, _Array]]:
    """Take a dataclass apart.

    Parameters
    ----------
    value : dataclass
        Of fields whose types this module knows.

    Returns
    -------
    tree : dict
        Its single values, for JSON.
    arrays : dict of str to ndarray
        All else, by dotted names.
    """
    shredder = _Shredder()
    tree = {name: shredder.one(getattr(value, name), hint, name) for name, hint in _fields(type(value)).items()}
    shredder.pool()
    return tree, shredder.arrays


class _Joiner:
    """Puts values together; everything it is given may be made up by an enemy."""

    def __init__(self, arrays: Mapping[str, _Array]) -> None:
        self.arrays = dict(arrays)
        self.objects = 0
        self.texts = self.pool()

    def array(self, name: str, *dtypes: np.dtype[Any], length: int | None = None) -> _Array:
        """Take an array; each is taken once."""
        if name not in self.arrays:
            raise SnapshotError(f"the array {name!r} is missing")
        array = self.arrays.pop(name)
        if array.dtype not in dtypes:
            raise SnapshotError(f"the array {name!r} is of {array.dtype}, not of {dtypes[0]}")
        if length is not None and len(array) != length:
            raise SnapshotError(f"the array {name!r} has {len(array)} numbers instead of {length}")
        return array

    def pool(self) -> _Array:
        """Return the texts, by their numbers."""
        blob = self.array(TEXTS, np.dtype(np.uint8)).tobytes()
        ends = self.array(f"{TEXTS}.ends", np.dtype(np.int64))
        if (np.diff(ends, prepend=0) < 0).any() or int(ends[-1] if len(ends) else 0) != len(blob):
            raise SnapshotError(f"the texts do not end where {TEXTS}.ends says")
        self.count(len(ends))
        try:
            return objects(
                blob[start:stop].decode("utf-8", "surrogatepass") for start, stop in pairwise([0, *ends.tolist()])
            )
        except UnicodeDecodeError as error:
            raise SnapshotError(f"{TEXTS} holds what is no text") from error

    def lengths(self, name: str, n: int) -> list[int]:
        """Take the lengths of containers."""
        lengths = self.array(name + LENGTH, np.dtype(np.int64), length=n)
        if len(lengths) and (lengths.min() < 0 or lengths.max() > MOST or int(lengths.sum()) > MOST):
            raise SnapshotError(f"the array {name + LENGTH!r} holds what is no length")
        return self.listed(lengths)

    def one(self, said: Any, hint: Any, name: str) -> Any:
        """Return a single value."""
        if (inner := _optional(hint)) is not None:
            return None if said is None else self.one(said, inner, name)
        if hint is Any or hint == dict[str, Any]:
            return _fitting(said, dict if hint != Any else object, name)
        if hint in (bool, int, float, str):
            return _fitting(said, hint, name)
        if hint is Table:
            return self.table(said, name)
        if _is_record(hint):
            said = _fitting(said, dict, name)
            inside = _fields_said(hint, said, name)
            return hint(**{one: self.one(said[one], kind, f"{name}.{one}") for one, kind in inside.items()})
        length = _fitting(said, int, name)
        if not 0 <= length <= MOST:
            raise SnapshotError(f"{name} cannot have {length} rows")
        if (dtype := _dtype(hint)) is not None:
            return self.array(name, dtype, length=length)
        return self.content([length], hint, name)[0]

    def table(self, said: Any, name: str) -> Table:
        columns, data, unknown = [], {}, {}
        for head in _fitting(said, list, name):
            match head:
                case [str(column), str(unit), str(doc)] if unit in UNITS and column not in data:
                    columns.append(Column(column, unit, doc))
                case _:
                    raise SnapshotError(f"{name} has a column that no table has")
            known = self.array(f"{name}.{column}{KNOWN}", np.dtype(np.bool_))
            if UNITS[unit] == np.dtype(object):
                data[column] = objects(self.column(len(known), str, f"{name}.{column}"))
            else:
                data[column] = self.array(f"{name}.{column}", UNITS[unit], length=len(known))
            unknown[column] = ~known
        try:
            return Table(columns, data, unknown)
        except ValueError as error:
            raise SnapshotError(f"{name}: {error}") from error

    def column(self, n: int, hint: Any, name: str) -> list[Any]:
        """Return so many values of one type."""
        if (inner := _optional(hint)) is not None:
            known = self.array(name + KNOWN, np.dtype(np.bool_), length=n).tolist()
            rest = iter(self.column(sum(known), inner, name))
            return [next(rest) if is_known else None for is_known in known]
        if hint is int:
            return self.listed(self.array(name, *INTEGERS, length=n))
        if hint in (bool, float):
            return self.listed(self.array(name, np.dtype(hint), length=n))
        if hint is str:
            numbers = self.array(name, np.dtype(np.uint32), length=n)
            if len(numbers) and int(numbers.max()) >= len(self.texts):
                raise SnapshotError(f"the array {name!r} names a text beyond the {len(self.texts)} there are")
            named: list[Any] = self.texts[numbers].tolist()
            return named
        if (dtype := _dtype(hint)) is not None:
            lengths = self.lengths(name, n)
            whole = self.array(name, dtype, length=sum(lengths))
            return [whole[start:stop].copy() for start, stop in pairwise(accumulate(lengths, initial=0))]
        if _is_row(hint):
            parts = [self.column(n, inner, f"{name}.{at}") for at, inner in enumerate(get_args(hint))]
            return list(zip(*parts, strict=True))
        if _is_record(hint):
            parts = [self.column(n, inner, f"{name}.{one}") for one, inner in _fields(hint).items()]
            return [hint(*row) for row in zip(*parts, strict=True)]
        return self.content(self.lengths(name, n), hint, name, many=True)

    def content(self, lengths: Sequence[int], hint: Any, name: str, many: bool = False) -> list[Any]:
        """Return containers of these lengths."""
        made, inner = _items(hint)
        total = sum(lengths)
        items: Iterable[Any]
        if made is dict:
            keys, values = self.column(total, inner[0], name + KEY), self.column(total, inner[1], name + VALUE)
            items = list(zip(keys, values, strict=True))
        else:
            items = self.column(total, inner[0], name + EACH if many else name)
        cut = [made(items[start:stop]) for start, stop in pairwise(accumulate(lengths, initial=0))]
        if made in (dict, frozenset) and sum(map(len, cut)) != total:
            raise SnapshotError(f"{name} has something twice")
        return cut

    def listed(self, array: _Array) -> list[Any]:
        """Return the numbers of an array as Python has them."""
        self.count(len(array))
        made: list[Any] = array.tolist()
        return made

    def count(self, objects: int) -> None:
        """Count what is made, and stop before it is more than any machine gives cause for."""
        self.objects += objects
        if self.objects > MOST_OBJECTS:
            raise SnapshotError(f"it holds {self.objects} texts and single numbers or more, which no snapshot does")


def _fitting(said: Any, kind: type, name: str) -> Any:
    """Return a value of the JSON if it is of this type."""
    if kind is float and type(said) is int:
        return float(said)
    is_number = kind is not int or (type(said) is int and abs(said) < 1 << 64)
    if not isinstance(said, kind) or not is_number:
        raise SnapshotError(f"{name} is not what it should be")
    return said


def join(kind: type[_Made], tree: object, arrays: Mapping[str, _Array]) -> _Made:
    """Put a dataclass together.

    Parameters
    ----------
    kind : type
        The dataclass.
    tree : dict
        As `shred` returned it, or anything else.
    arrays : dict of str to ndarray
        As `shred` returned them, or any others.

    Returns
    -------
    dataclass
        With the same content. What its numbers mean is not checked.

    Raises
    ------
    SnapshotError
        The tree and the arrays do not fit the dataclass and each other.
    """
    joiner = _Joiner(arrays)
    if not isinstance(tree, dict):
        raise SnapshotError("the facts: not the fields that should be there")
    inside = _fields_said(kind, tree, "the facts")
    made = kind(**{name: joiner.one(tree[name], hint, name) for name, hint in inside.items()})
    if joiner.arrays:
        raise SnapshotError(f"the array {next(iter(joiner.arrays))!r} belongs to nothing")
    return made
