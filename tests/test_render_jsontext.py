"""The JSON contract."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import GIB, HOSTILE, processes, screen, section
from pagewalk.render.jsontext import dumps, item_text, render
from pagewalk.render.screen import Screen, Style
from pagewalk.table import Column, Table, objects
from test_render_safe import anything


def written(made: Screen) -> str:
    out = io.StringIO()
    render(made, Style(), out)
    return out.getvalue()


def parsed(made: Screen) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(written(made).encode())
    return value


def test_golden() -> None:
    table = processes(["redis", "a\nb"], pss=[3 * GIB, 4096], unknown=[1])
    assert written(screen(section(table))) == (
        '{"schema": "pagewalk/1",\n'
        ' "host": {"hostname": "db7", "ram": 1073741824},\n'
        ' "gaps": [],\n'
        ' "process": [\n'
        '  {"pid": 1, "pids": [1, 1001], "pss": 3221225472, "uss": 1610612736, "start": "0x7f0000000000",'
        ' "comm": "redis"},\n'
        '  {"pid": 2, "pids": [2, 1002], "pss": 4096, "uss": null, "start": "0x7f0000000001", "comm": "a\\nb"}]}\n'
    )


def test_an_unknown_address_is_null() -> None:
    assert parsed(screen(section(processes([]))))["process"] == []


def test_limit_and_several_tables() -> None:
    table = processes(["a", "b", "c"])
    made = Screen((section(table, limit=2), section(table)), facts={"gaps": table})
    assert [len(rows) for key, rows in parsed(made).items() if key != "schema"] == [3, 3]


def test_a_list_of_objects() -> None:
    owners = ({"pid": 1, "comm": "a\u2028b", "addresses": ["0x1000"], "mapping": None},)
    table = Table(
        [Column("owners", "list", "")], {"owners": objects([owners, ()])}, {"owners": np.array([False, False])}
    )
    text = written(screen(section(table)))
    assert "\u2028" not in text
    assert json.loads(text)["process"] == [{"owners": list(owners)}, {"owners": []}]
    assert item_text(owners[0]) == dumps(owners[0])
    assert item_text(1) == "1"


def test_hostile_names_come_back() -> None:
    names = [row["comm"] for row in parsed(screen(section(processes(HOSTILE))))["process"]]
    for name, found in zip(HOSTILE, names, strict=True):
        assert found == name or found == r"caf\xe9\xff"


@given(st.lists(anything, max_size=5))
def test_any_name_is_valid_utf_8_and_valid_json(names: list[str]) -> None:
    text = written(screen(section(processes(names))))
    rows = json.loads(text.encode("utf-8"))["process"]
    assert len(rows) == len(names)
    assert text.count("\n") == len(names) + 4
    for name, row in zip(names, rows, strict=True):
        if not any("\ud800" <= char <= "\udfff" for char in name):
            assert row["comm"] == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(7), "7"),
        (np.array([1, 2]), "[1, 2]"),
        (1.5, "1.5"),
        (True, "true"),
        ({"a\udcff": [None]}, r'{"a\\xff": [null]}'),
        ("\x9b\u202e", r'"\u009b\u202e"'),
        (OSError("x"), '"x"'),
    ],
)
def test_dumps(value: object, text: str) -> None:
    assert dumps(value) == text
