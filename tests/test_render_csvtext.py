"""CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import HOSTILE, processes, screen, section
from pagewalk.render.csvtext import FORMULA, field, render
from pagewalk.render.screen import Style
from test_render_safe import anything


def written(names: list[str], header: bool = True, unknown: tuple[int, ...] = ()) -> str:
    out = io.StringIO(newline="")
    render(screen(section(processes(names, unknown=unknown))), Style(header=header), out)
    return out.getvalue()


def test_golden() -> None:
    assert written(["redis", 'say "x", y'], unknown=(1,)) == (
        "pid,pids,pss,uss,start,comm\r\n"
        '1,"1,1001",8192,4096,0x7f0000000000,redis\r\n'
        '2,"2,1002",4096,,0x7f0000000001,"say ""x"", y"\r\n'
    )
    assert written(["redis"], header=False) == '1,"1,1001",4096,2048,0x7f0000000000,redis\r\n'


@pytest.mark.parametrize("begin", FORMULA)
def test_formulas_are_text(begin: str) -> None:
    (row,) = csv.reader(io.StringIO(written([f"{begin}1+1"], header=False), newline=""))
    assert row[-1].startswith("'")
    assert row[-1].endswith("1+1")


def test_figures_are_figures() -> None:
    assert [field(-4096, "bytes"), field(True, "flag"), field(1.5, "seconds"), field((7,), "list")] == [
        -4096,
        1,
        1.5,
        "7",
    ]
    assert field(("=cmd()", "b"), "list") == "'=cmd(),b"


def test_a_list_of_objects_is_json() -> None:
    owners = ({"pid": 1, "comm": "=a, b"}, {"pid": 2, "comm": "\x1b[2J"})
    text = field(owners, "list")
    assert isinstance(text, str)
    assert json.loads(text) == list(owners)
    assert "\x1b" not in text
    assert field((), "list") == ""


@given(st.lists(anything, max_size=6))
def test_reads_back_as_one_record_a_row(names: list[str]) -> None:
    text = written(names)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [len(row) for row in rows] == [6] * (len(names) + 1)
    assert text.count("\r\n") == len(names) + 1
    assert not any(row[-1].startswith(FORMULA) for row in rows)
    text.encode()


def test_hostile_names_stay_on_their_line() -> None:
    assert len(written(list(HOSTILE)).split("\r\n")) == len(HOSTILE) + 2


def test_one_table_only() -> None:
    table = section(processes(["a"]))
    with pytest.raises(ValueError, match="too many"):
        render(screen(table, table), Style(), io.StringIO())
