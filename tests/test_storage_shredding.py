"""Dataclasses as arrays and JSON, by the types of their fields; the facts themselves are in test_storage_codec.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pagewalk.errors import SnapshotError
from pagewalk.storage.shredding import join, shred
from pagewalk.table import Column, Table, objects
from samefacts import differences

numbers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=5)


@dataclass(frozen=True)
class Leaf:
    number: int
    text: str
    perhaps: int | None
    truth: bool
    many: Mapping[str, int]


@dataclass(frozen=True)
class Tree:
    """A field of each type that facts may have."""

    said: dict[str, Any]
    number: int
    truth: bool
    part: float
    text: str
    array: NDArray[np.uint32]
    names: Sequence[str]
    some: list[str | None]
    rows: Sequence[tuple[int, ...]]
    pairs: tuple[tuple[int, str], ...]
    set: frozenset[int]
    by_number: Mapping[int, str]
    nested: Mapping[str, Mapping[str, int | None]]
    arrays: Mapping[str, NDArray[np.int64]]
    leaf: Leaf
    leaves: tuple[Leaf, ...]
    perhaps: Leaf | None
    table: Table | None
    derived: int = field(init=False, default=7)


leaves = st.builds(
    Leaf,
    numbers,
    texts,
    st.none() | numbers,
    st.booleans(),
    st.dictionaries(texts, st.integers(0, 2**64 - 1), max_size=2),
)
arrays = st.lists(st.integers(0, 2**32 - 1), max_size=4).map(lambda values: np.array(values, np.uint32))
longs = st.lists(numbers, max_size=3).map(lambda values: np.array(values, np.int64))


def table_of(names: list[str]) -> Table:
    columns = [Column("name", "text", "a name"), Column("share", "share", "of all"), Column("free", "bytes", "free")]
    n = len(names)
    data = {"name": objects(names), "share": np.full(n, 0.5), "free": np.arange(n)}
    return Table(columns, data, {"free": np.arange(n) % 2 == 1})


trees = st.builds(
    Tree,
    said=st.dictionaries(texts, st.none() | numbers | texts | st.booleans(), max_size=3),
    number=numbers,
    truth=st.booleans(),
    part=st.floats(allow_nan=False, allow_infinity=False),
    text=texts,
    array=arrays,
    names=st.lists(texts, max_size=4),
    some=st.lists(st.none() | texts, max_size=4),
    rows=st.lists(st.lists(numbers, max_size=3).map(tuple), max_size=4),
    pairs=st.lists(st.tuples(numbers, texts), max_size=3).map(tuple),
    set=st.frozensets(numbers, max_size=3),
    by_number=st.dictionaries(st.integers(0, 2**64 - 1), texts, max_size=3),
    nested=st.dictionaries(texts, st.dictionaries(texts, st.none() | numbers, max_size=3), max_size=3),
    arrays=st.dictionaries(texts, longs, max_size=3),
    leaf=leaves,
    leaves=st.lists(leaves, max_size=3).map(tuple),
    perhaps=st.none() | leaves,
    table=st.none() | st.lists(texts, max_size=3).map(table_of),
)


@given(trees)
def test_what_is_joined_is_what_was_shredded(tree: Tree) -> None:
    said, made = shred(tree)
    assert list(differences(tree, join(Tree, json.loads(json.dumps(said)), made))) == []
    assert all(array.ndim == 1 and array.dtype != object for array in made.values())


@given(st.lists(texts, max_size=6))
def test_a_text_is_kept_once(names: list[str]) -> None:
    _, made = shred(TextsOnly([*names, *names]))
    assert len(made["texts"]) == sum(len(name.encode("utf-8", "surrogatepass")) for name in set(names))
    assert made["names"].tolist() == made["names"].tolist()[: len(names)] * 2


@dataclass(frozen=True)
class TextsOnly:
    names: Sequence[str]


@dataclass(frozen=True)
class Odd:
    value: complex


def test_a_type_that_no_file_has() -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        shred(Odd(1j))


def test_names_of_the_arrays_are_those_of_the_fields() -> None:
    said, made = shred(TextsOnly(["a", "b"]))
    assert said == {"names": 2}
    assert list(made) == ["names", "texts", "texts.ends"]
    assert bytes(made["texts"].tobytes()) == b"ab"


class TestRefused:
    def made(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return shred(TextsOnly(["a", "b"]))

    @pytest.mark.parametrize(
        ("name", "array", "message"),
        [
            ("names", np.array([0, 2], np.uint32), "names a text beyond the 2 there are"),
            ("names", np.array([0, 1, 1], np.uint32), "has 3 numbers instead of 2"),
            ("names", np.array([0, 1], np.int64), "is of int64, not of uint32"),
            ("texts", np.array([97, 255], np.uint8), "what is no text"),
            ("texts", np.array([97], np.uint8), "do not end where"),
            ("texts.ends", np.array([2, 1, 2]), "do not end where"),
            ("texts.ends", np.array([-1, 2]), "do not end where"),
            ("more", np.zeros(1), "belongs to nothing"),
        ],
    )
    def test_arrays(self, name: str, array: Any, message: str) -> None:
        said, arrays = self.made()
        with pytest.raises(SnapshotError, match=message):
            join(TextsOnly, said, {**arrays, name: array})

    @pytest.mark.parametrize("name", ["names", "texts", "texts.ends"])
    def test_a_missing_array(self, name: str) -> None:
        said, arrays = self.made()
        del arrays[name]
        with pytest.raises(SnapshotError, match=f"'{name}' is missing"):
            join(TextsOnly, said, arrays)

    @pytest.mark.parametrize(
        "said", [None, [], {}, {"names": None}, {"names": True}, {"names": -1}, {"names": 1 << 41}]
    )
    def test_trees(self, said: Any) -> None:
        with pytest.raises(SnapshotError):
            join(TextsOnly, said, self.made()[1])

    def test_lengths(self) -> None:
        said, arrays = shred(Ragged([(1, 2), (3,)]))
        for lengths in ([-1, 4], [2, 2], [1 << 40, 1 << 40], [2]):
            with pytest.raises(SnapshotError):
                join(Ragged, said, {**arrays, "rows.length": np.array(lengths)})

    def test_a_key_twice(self) -> None:
        said, arrays = shred(Mapped({1: "a", 2: "b"}))
        with pytest.raises(SnapshotError, match="has something twice"):
            join(Mapped, said, {**arrays, "by_number.key": np.array([1, 1])})

    def test_tables(self) -> None:
        said, arrays = shred(Tabled(table_of(["a"])))
        for heads in ([["name"]], [["name", "no unit", ""]], [["name", "text", 1]], 5, [["name", "text", ""]] * 2):
            with pytest.raises(SnapshotError):
                join(Tabled, {"table": heads}, dict(arrays))
        assert join(Tabled, said, arrays).table["name"].tolist() == ["a"]


@dataclass(frozen=True)
class Ragged:
    rows: Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Mapped:
    by_number: Mapping[int, str]


@dataclass(frozen=True)
class Tabled:
    table: Table


@dataclass(frozen=True)
class Before:
    number: int
    leaf: Leaf


@dataclass(frozen=True)
class Grown:
    """The same once fields were added, each with what stands for *not known*."""

    number: int
    leaf: Leaf
    names: tuple[str, ...] = ()
    found: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


def test_a_field_that_came_later_has_its_default() -> None:
    before = Before(5, Leaf(1, "a", None, True, {"b": 2}))
    assert join(Grown, *shred(before)) == Grown(5, before.leaf)
    now = Grown(5, before.leaf, ("x",), 3, {"y": 4})
    assert join(Grown, *shred(now)) == now
    # A file that is newer than its version says has what nobody here knows.
    with pytest.raises(SnapshotError, match="not the fields"):
        join(Before, *shred(now))


def test_a_field_without_a_default_must_be_there() -> None:
    tree, arrays = shred(Before(5, Leaf(1, "a", None, True, {})))
    for lacking in ({"leaf": tree["leaf"]}, {"number": 5, "leaf": {"number": 1}}, {}, [], None):
        with pytest.raises(SnapshotError, match="not the fields"):
            join(Before, lacking, arrays)
