"""Named columns of equal length, with their units: what every view returns and every renderer takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagewalk.columns import SUMMABLE, UNITS, Column
from pagewalk.errors import PagewalkError

__all__ = ["SUMMABLE", "UNITS", "Column", "Table", "objects"]


class Table:
    """Immutable named 1-D numpy columns of equal length.

    Parameters
    ----------
    columns : sequence of Column
        The columns, in the order they are shown.
    data : mapping of str to ndarray
        One 1-D array a column, all of one length; converted to the type of the column's unit.
    unknown : mapping of str to ndarray of bool, optional
        For columns with figures that are not known: True where that is so. An unknown figure is ``None`` in
        `to_dicts`, null in JSON, ``?`` in text, and never 0.

    Raises
    ------
    ValueError
        A column is missing, unnamed, twice there, not 1-D or of another length.
    """

    __slots__ = ("_by_name", "_data", "_length", "_unknown")

    def __init__(
        self,
        columns: Sequence[Column],
        data: Mapping[str, NDArray[Any]],
        unknown: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> None:
        self._by_name = {column.name: column for column in columns}
        if len(self._by_name) != len(columns):
            raise ValueError("two columns have one name")
        if self._by_name.keys() != data.keys():
            raise ValueError(f"columns without data or data without a column: {set(self._by_name) ^ set(data)}")
        self._data = {name: frozen(np.asarray(data[name], UNITS[self._by_name[name].unit])) for name in self._by_name}
        lengths = {array.shape for array in self._data.values()} or {(0,)}
        if len(lengths) != 1 or len(shape := lengths.pop()) != 1:
            raise ValueError("columns must be 1-D and of one length")
        self._length: int = shape[0]
        self._unknown: dict[str, NDArray[np.bool_]] = {}
        for name, mask in (unknown or {}).items():
            if name not in self._by_name or np.shape(mask) != shape:
                raise ValueError(f"unknown figures of {name!r}: no such column, or another length")
            if np.any(mask):
                self._unknown[name] = frozen(np.asarray(mask, np.bool_))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows, each as `to_dicts` gives it."""
        cells = [self._cells(name) for name in self._by_name]
        for row in zip(*cells, strict=True):
            yield dict(zip(self._by_name, row, strict=True))

    def __getitem__(self, name: str) -> NDArray[Any]:
        self._check([name])
        return self._data[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __repr__(self) -> str:
        return f"<Table of {self._length} rows: {', '.join(self._by_name)}>"

    def _repr_html_(self) -> str:
        from pagewalk import notebook

        shown = self.head(notebook.ROWS)
        return notebook.html(self.columns, [shown._cells(name) for name in self._by_name], self._length)

    def __arrow_c_schema__(self) -> object:
        """Return the PyCapsule ``arrow_schema``: the columns as Arrow knows them."""
        from pagewalk import arrow

        return arrow.schema(self.columns, self._data, self._unknown)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the PyCapsule ``arrow_array_stream``: all rows in one batch, for pandas, polars, duckdb, pyarrow.

        Figures keep their types (``hex`` and ``inode`` uint64), ``text`` is UTF-8, ``list`` a list of integers, text or
        structs; what is not known is null. Unit and meaning of a column are the metadata of its field. Columns of
        numbers are not copied.

        Parameters
        ----------
        requested_schema : PyCapsule, optional
            Ignored, as the interface allows: who asks for other types gets these, and converts them.
        """
        from pagewalk import arrow

        return arrow.stream(self.columns, self._data, self._unknown)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self._by_name)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The heads of the columns, in order."""
        return tuple(self._by_name.values())

    def column(self, name: str) -> Column:
        """Return the head of one column.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Column
            Its name, unit and meaning.

        Raises
        ------
        PagewalkError
            There is no such column; the message names those there are.
        """
        self._check([name])
        return self._by_name[name]

    def unknown(self, name: str) -> NDArray[np.bool_]:
        """Say which figures of a column are not known.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        ndarray of bool, shape (len(self),)
            True where the figure is not known.
        """
        self._check([name])
        mask = self._unknown.get(name)
        return np.zeros(self._length, np.bool_) if mask is None else mask

    def sort(self, by: str, descending: bool = True) -> Table:
        """Return the rows ordered by one column; the order of equal rows is kept.

        Parameters
        ----------
        by : str
            The column.
        descending : bool
            The largest first. Unknown figures come last either way.

        Returns
        -------
        Table
            All rows.
        """
        values, mask = self[by], self.unknown(by)
        if values.dtype == object:
            known = np.flatnonzero(~mask).tolist()
            order = sorted(known, key=values.__getitem__, reverse=descending)
            return self._take(np.asarray(order + np.flatnonzero(mask).tolist(), np.intp))
        # ~x turns the order of integers and of bools around without the overflow that -x has.
        key = values if not descending else -values if values.dtype.kind == "f" else ~values
        # What stands in an unknown cell says nothing: it must not order those rows among themselves.
        return self._take(np.lexsort((np.where(mask, np.zeros_like(key), key), mask)))

    def head(self, n: int) -> Table:
        """Return the first rows.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        Table
            The first `n` rows, or all where there are fewer.
        """
        return self._take(slice(0, max(n, 0)))

    def where(self, mask: NDArray[np.bool_]) -> Table:
        """Return some of the rows.

        Parameters
        ----------
        mask : ndarray of bool, shape (len(self),)
            Which.

        Returns
        -------
        Table
            The rows where `mask` is True.
        """
        chosen = np.asarray(mask)
        if chosen.dtype != np.bool_ or chosen.shape != (self._length,):
            raise ValueError(f"a mask of bool[{self._length}] is needed, not {chosen.dtype}{list(chosen.shape)}")
        return self._take(chosen)

    def select(self, names: Sequence[str]) -> Table:
        """Return some of the columns.

        Parameters
        ----------
        names : sequence of str
            Their names.

        Returns
        -------
        Table
            These columns, in this order.

        Raises
        ------
        PagewalkError
            There is no such column; the message names those there are.
        """
        self._check(names)
        unique = list(dict.fromkeys(names))
        unknown = {name: self._unknown[name] for name in unique if name in self._unknown}
        return Table([self._by_name[name] for name in unique], {name: self._data[name] for name in unique}, unknown)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries of Python's own int, float, bool, str and list; None is unknown."""
        return list(self)

    def to_structured(self) -> NDArray[Any]:
        """Return one structured array, a field a column.

        A structured array has no room for *unknown*: such a cell is -1 (all bits set in uint64), NaN, None, or False in
        a column of flags. Ask `unknown` where that matters.

        Returns
        -------
        ndarray, shape (len(self),)
            A copy, which may be written to. Each field has the type of its column's unit; text and lists are objects.
        """
        array = np.empty(self._length, [(name, values.dtype) for name, values in self._data.items()])
        for name, values in self._data.items():
            array[name] = values
            if (mask := self._unknown.get(name)) is not None:
                array[name][mask] = MISSING[values.dtype.kind]
        return array

    def totals(self) -> dict[str, int | None]:
        """Add up each column.

        Returns
        -------
        dict
            The sum of the known figures of columns in bytes, frames, pages and counts; None for the others, and for
            columns with an unknown figure, of which no sum is known either.
        """
        return {
            name: int(self._data[name].sum()) if column.unit in SUMMABLE and name not in self._unknown else None
            for name, column in self._by_name.items()
        }

    def _cells(self, name: str) -> list[Any]:
        cells: list[Any] = self._data[name].tolist()
        if self._by_name[name].unit == "list":
            cells = [list(cell) if isinstance(cell, tuple) else cell for cell in cells]
        if (mask := self._unknown.get(name)) is not None:
            cells = [None if missing else cell for cell, missing in zip(cells, mask.tolist(), strict=True)]
        return cells

    def _take(self, which: NDArray[Any] | slice) -> Table:
        data = {name: values[which] for name, values in self._data.items()}
        return Table(self.columns, data, {name: mask[which] for name, mask in self._unknown.items()})

    def _check(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self._by_name:
                raise PagewalkError(f"no column {name!r}; there are {', '.join(self._by_name)}")


# What to_structured puts in a cell that is not known, by the kind of its numpy type.
MISSING: dict[str, object] = {"i": -1, "u": np.iinfo(np.uint64).max, "f": np.nan, "b": False, "O": None}


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of `array` that cannot be written through; its owner's stays as it is."""
    view = array.view()
    view.flags.writeable = False
    return view


def objects(values: Iterable[object]) -> NDArray[Any]:
    """Return a 1-D object array of `values`, for columns of ``text`` and ``list``.

    `numpy.array` would make a 2-D array of tuples of one length.
    """
    cells = list(values)
    array = np.empty(len(cells), object)
    array[:] = cells
    return array
