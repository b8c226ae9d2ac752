"""Plain records for pipes."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from answers import GIB, HOSTILE, processes, screen, section
from pagewalk.render.plain import render
from pagewalk.render.screen import Screen, Style
from pagewalk.table import Column, Table, objects

SMALL = processes(["redis server", "", "init"], pss=[3 * GIB // 2, 4096, 0], unknown=[1])


def shown(made: Screen, **wishes: object) -> list[str]:
    out = io.StringIO()
    render(made, Style(**wishes), out)  # type: ignore[arg-type]
    return out.getvalue().splitlines()


def test_golden() -> None:
    assert shown(screen(section(SMALL, totals=True))) == [
        "  pid pids       pss    uss          start comm",
        "    1 1,1001 1.50GiB 768MiB 0x7f0000000000 redis server",
        "    2 2,1002 4.00KiB      ? 0x7f0000000001 -",
        "    3 3,1003       0      0 0x7f0000000002 init",
        "total -      1.50GiB      ?              - -",
    ]


def test_bytes_and_no_header() -> None:
    assert shown(screen(section(SMALL, shown=("pss", "comm"))), exact=True, header=False) == [
        "1610612736 redis server",
        "      4096 -",
        "         0 init",
    ]


def test_two_tables() -> None:
    made = screen(section(SMALL, shown=("pid",), limit=1), section(SMALL, shown=("comm", "pid"), limit=1))
    assert shown(made) == ["pid", "  1", "", "comm            pid", r"redis\x20server   1"]


def test_an_empty_table_is_its_header() -> None:
    assert shown(screen(section(processes([])))) == ["pid pids pss uss start comm"]


def test_every_unit() -> None:
    cells = {"ns": 1_250_000, "seconds": 0.21, "flag": False, "share": 0.25, "list": ("a b", "c"), "text": "x y"}
    table = Table([Column(unit, unit, "") for unit in cells], {unit: objects([cell]) for unit, cell in cells.items()})
    assert shown(screen(section(table, shown=table.names)))[1] == r"1250000 0.210000   no 0.250000 a\x20b,c x y"


def test_a_list_of_objects() -> None:
    owners = objects([({"pid": 1, "comm": "two words"}, {"pid": 2, "comm": "\x1b"})])
    table = Table([Column("owners", "list", ""), Column("n", "id", "")], {"owners": owners, "n": objects([3])})
    (_, line) = shown(screen(section(table, shown=table.names)))
    assert line.split() == [
        r"""{"pid":\x201,\x20"comm":\x20"two\x20words"},{"pid":\x202,\x20"comm":\x20"\u001b"}""",
        "3",
    ]


def test_nothing_is_cut_off() -> None:
    lines = shown(screen(section(processes(HOSTILE))), width=40, height=5)
    assert len(lines) == len(HOSTILE) + 1
    assert "x" * 300 in lines[4]


@given(st.lists(st.text(st.characters(codec=None, categories=None), max_size=20), max_size=8))
def test_a_record_has_as_many_words_as_columns(names: list[str]) -> None:
    lines = shown(screen(section(processes(names), shown=("comm", "pid", "pids", "pss"))))
    assert len(lines) == len(names) + 1
    assert all(line.isprintable() for line in lines)
    assert [len(line.split()) for line in lines] == [4] * len(lines)
    assert [line.split()[1] for line in lines[1:]] == [str(i + 1) for i in range(len(names))]
