"""Tables as notebooks show them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import HOSTILE
from pagewalk import notebook
from pagewalk.table import UNITS, Column, Table, objects
from test_render_safe import anything

# What may stand in what (HTML standard, 4.9): the parser is lenient, a page is not.
INSIDE = {
    "table": None,
    "thead": "table",
    "tbody": "table",
    "tfoot": "table",
    "tr": ("thead", "tbody", "tfoot"),
    "th": "tr",
    "td": "tr",
}
ATTRIBUTES = {"scope", "style", "title", "colspan"}


class Page(HTMLParser):
    """Reads a table strictly: only known elements, each where it belongs and closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.parts: list[str] = []
        self.rows: dict[str, list[list[tuple[str, dict[str, str | None]]]]] = {"thead": [], "tbody": [], "tfoot": []}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = self.open[-1] if self.open else None
        where = INSIDE[tag]
        assert parent in where if isinstance(where, tuple) else parent == where
        assert {name for name, _ in attrs} <= ATTRIBUTES
        assert len(dict(attrs)) == len(attrs)
        self.open.append(tag)
        if parent == "table":
            self.parts.append(tag)
        elif tag == "tr":
            self.rows[str(parent)].append([])
        elif tag in ("th", "td"):
            self.rows[self.open[1]][-1].append(("", dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert self.open[-1] in ("th", "td")
        row = self.rows[self.open[1]][-1]
        row[-1] = (row[-1][0] + data, row[-1][1])

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("a declaration")

    @property
    def texts(self) -> list[list[str]]:
        return [[text for text, _ in row] for row in self.rows["tbody"]]


def shown(unit: str, cells: list[Any], unknown: list[bool] | None = None, doc: str = "") -> Page:
    """A table of one column as a notebook gets it, read."""
    data = objects(cells) if UNITS[unit].kind == "O" else np.array(cells, UNITS[unit])
    mask = {"x": np.array(unknown, bool)} if unknown else None
    return Page(Table([Column("x", unit, doc)], {"x": data}, mask)._repr_html_())


def test_heads_tell_meaning_and_unit() -> None:
    page = shown("bytes", [1], doc='a "proportional" <set> & more')
    assert page.parts == ["thead", "tbody"]
    assert page.rows["thead"] == [
        [("x", {"scope": "col", "style": "text-align: right", "title": 'a "proportional" <set> & more (bytes)'})]
    ]
    assert shown("bytes", [1]).rows["thead"][0][0][1]["title"] == "bytes"


@pytest.mark.parametrize(
    ("unit", "cell", "text", "title"),
    [
        ("bytes", 5 << 30, "5.00 GiB", "5368709120 bytes"),
        ("bytes", -4096, "-4.00 KiB", "-4096 bytes"),
        ("bytes", 0, "0", "0 bytes"),
        ("frames", 1234567, "1234567", None),
        ("id", -1, "-1", None),
        ("inode", 2**64 - 1, "18446744073709551615", None),
        ("hex", 2**64 - 4096, "0xfffffffffffff000", None),
        ("share", 0.12345, "12.3%", "0.12345"),
        ("seconds", 1.25, "1.250000", "1.25"),
        ("flag", True, "yes", None),
        ("flag", False, "no", None),
        ("text", "", "", None),
        ("text", "x" * 300, "x" * 200 + "…", None),
        ("list", (1, "a"), "1, a", None),
        ("list", (), "", None),
        ("list", tuple(range(25)), ", ".join(map(str, range(20))) + ", … 5 more", None),
        ("list", ({"pid": 1, "comm": "é"},), '{"pid": 1, "comm": "é"}', None),
    ],
)
def test_cells(unit: str, cell: Any, text: str, title: str | None) -> None:
    side = "left" if unit in ("text", "list") else "right"
    expected = {"style": f"text-align: {side}"} | ({"title": title} if title else {})
    assert shown(unit, [cell]).rows["tbody"] == [[(text, expected)]]


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_the_unknown_is_no_figure(unit: str) -> None:
    by_unit: dict[str, list[Any]] = {"text": ["a", "b"], "list": [(), ()]}
    cells = by_unit.get(unit, [0, 1])
    (text, attributes), *_ = shown(unit, cells, [True, False]).rows["tbody"][0]
    assert (text, attributes["title"]) == ("?", "not known")
    assert shown(unit, cells, [True, False]).texts[1] != ["?"]


@pytest.mark.parametrize(
    ("rows", "foot"), [(0, "no rows"), (1, None), (50, None), (51, "1 more row"), (60, "10 more rows")]
)
def test_how_many_rows(rows: int, foot: str | None) -> None:
    page = shown("id", list(range(rows)))
    assert page.texts == [[str(row)] for row in range(min(rows, notebook.ROWS))]
    assert [row[0][0] for row in page.rows["tfoot"]] == ([foot] if foot else [])


def test_the_foot_is_as_wide_as_the_table() -> None:
    columns = [Column(name, "id", "") for name in "abc"]
    page = Page(Table(columns, {name: np.arange(60) for name in "abc"})._repr_html_())
    assert page.rows["tfoot"][0][0][1]["colspan"] == "3"


def test_no_columns() -> None:
    assert Page(Table([], {})._repr_html_()).rows["tfoot"][0][0][0] == "no rows"


def test_fits_any_theme_and_loads_nothing() -> None:
    html = Table([Column("x", "text", "")], {"x": objects(["a"])})._repr_html_()
    assert re.search(r"color|background|src|href|script|url|class", html) is None


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_text(name: str) -> None:
    for page in (shown("text", [name]), shown("list", [(name,)]), shown("id", [1], doc=name)):
        assert len(page.rows["tbody"]) == 1
    table = Table([Column(f"{name}<b>", "text", name)], {f"{name}<b>": objects([f"</td>{name}<script>"])})
    page = Page(table._repr_html_())
    assert "<script>" in page.texts[0][0] or len(name) >= 200


@given(st.lists(anything, min_size=1, max_size=4), anything, anything)
def test_any_text_is_valid_and_printable(cells: list[str], name: str, doc: str) -> None:
    html = Table([Column(name, "text", doc)], {name: objects(cells)})._repr_html_()
    html.encode()
    assert html.isprintable()
    assert len(Page(html).rows["tbody"]) == len(cells)
