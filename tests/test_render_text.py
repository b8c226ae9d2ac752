"""The screen of a terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from answers import GIB, HOSTILE, KIB, MIB, processes, screen, section
from pagewalk.render.screen import Screen, Style
from pagewalk.render.text import counted, render
from pagewalk.table import Column, Table, objects

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def shown(made: Screen, **wishes: object) -> list[str]:
    out = io.StringIO()
    render(made, Style(**wishes), out)  # type: ignore[arg-type]
    text = out.getvalue()
    assert text.endswith("\n")
    return text[:-1].split("\n")


SMALL = processes(["redis server", "bash", "init"], pss=[3 * GIB // 2, 1023 * KIB + 600, 0], unknown=[1])


class TestGolden:
    def test_eighty_columns(self) -> None:
        assert shown(screen(section(SMALL, sorted_by="pss", totals=True))) == [
            "pagewalk on db7, Linux 6.18.44, 23.5 GiB       read 90 of 91 processes in 0.21 s",
            "  PID  PIDS         PSS▾      USS         START  COMM",
            "    1  1, 1001  1.50 GiB  768 MiB  7f0000000000  redis server",
            "    2  2, 1002  1.00 MiB        ?  7f0000000001  bash",
            "    3  3, 1003         0        0  7f0000000002  init",
            "total           1.50 GiB        ?",
            "3 processes read",
        ]

    def test_forty_columns_and_six_lines(self) -> None:
        assert shown(screen(section(SMALL, sorted_by="pss", descending=False)), width=40, height=6) == [
            "pagewalk on db7, Linux 6.18.44, 23.5 Gi…",
            "PID      PSS▴      USS  COMM",
            "  1  1.50 GiB  768 MiB  redis server",
            "... 2 more, 1.00 MiB of PSS",
            "3 processes read",
        ]

    def test_two_tables_a_limit_and_no_header(self) -> None:
        made = screen(section(SMALL, limit=1), section(SMALL, shown=("comm",), wanted=(), measure=None, limit=2))
        assert shown(made, header=False, exact=True)[1:-1] == [
            "1  1, 1001  1610612736  805306368  7f0000000000  redis server",
            "... 2 more, 1048152 bytes of PSS",
            "",
            "redis server",
            "bash",
            "... 1 more",
        ]

    def test_no_footer_sum_of_what_is_not_known(self) -> None:
        made = screen(section(SMALL, limit=1, measure="uss"))
        assert "... 2 more" in shown(made)

    def test_columns_asked_for_that_have_no_room_are_named(self) -> None:
        made = screen(section(SMALL, shown=("start", "pids", "pss", "uss", "comm"), wanted=()))
        lines = shown(made, width=40)
        assert lines[1] == "       START  PIDS          PSS      USS"
        assert lines[-2] == "(no room for comm)"

    def test_labels(self) -> None:
        made = screen(section(SMALL, labels={"comm": "program"}))
        assert shown(made)[1].endswith("PROGRAM")

    def test_every_unit(self) -> None:
        cells = {"ns": 1_250_000, "seconds": 0.21, "flag": True, "count": 7, "share": 0.1234, "hex": 255}
        table = Table(
            [Column(unit, unit, "") for unit in cells], {unit: objects([cell]) for unit, cell in cells.items()}
        )
        made = screen(section(table, shown=table.names, wanted=(), measure=None))
        assert shown(made)[2] == "1.25 ms   0.21 s   yes      7  12.3%   ff"

    def test_a_list_says_how_often(self) -> None:
        table = Table([Column("comms", "list", "")], {"comms": objects([("php", "sh", "php", "php")])})
        assert shown(screen(section(table, shown=("comms",), wanted=(), measure=None)))[2] == "php x3, sh"

    def test_long_remarks_are_wrapped(self) -> None:
        lines = shown(screen(section(SMALL), coverage="word " * 30), width=50)
        assert max(map(len, lines)) <= 50
        assert "".join(lines[5:]).count("word") == 30


class TestHostile:
    @pytest.mark.parametrize("width", [1, 12, 40, 80, 200])
    def test_never_wider_nor_obeyed(self, width: int) -> None:
        lines = shown(screen(section(processes(HOSTILE), totals=True), coverage="12 processes read"), width=width)
        assert all(cell_len(line) <= max(width, 1) for line in lines if " " in line)
        assert all(line.isprintable() for line in lines)

    @given(
        st.lists(st.text(st.characters(codec=None, categories=None), max_size=40), max_size=8),
        st.integers(20, 200),
        st.integers(4, 40),
    )
    def test_any_name_at_any_size(self, names: list[str], width: int, height: int) -> None:
        lines = shown(screen(section(processes(names), sorted_by="pss")), width=width, height=height)
        assert all(cell_len(line) <= width for line in lines)
        assert all(line.isprintable() for line in lines)
        assert len(lines) <= max(height - 1, 7)

    def test_a_stream_without_the_signs(self) -> None:
        out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        render(screen(section(processes(["記" * 90, "café"]), sorted_by="pss")), Style(width=50), out)
        out.seek(0)
        lines = out.read().splitlines()
        assert max(map(len, lines)) <= 50
        assert lines[1].split() == ["PID", "PSSv", "USS", "COMM"]
        assert lines[2].endswith("~")
        assert lines[3].endswith(r"caf\xe9")


class TestColor:
    @pytest.mark.parametrize("colors", [16, 256, 1 << 24])
    def test_only_repeats_what_the_text_says(self, colors: int) -> None:
        made = screen(section(SMALL, sorted_by="pss", totals=True))
        painted = shown(made, colors=colors)
        assert any(ESCAPE.search(line) for line in painted)
        assert [ESCAPE.sub("", line).rstrip() for line in painted] == shown(made)

    def test_none(self) -> None:
        assert not any("\x1b" in line for line in shown(screen(section(SMALL))))


def test_huge_figures_keep_their_columns() -> None:
    lines = shown(screen(section(processes(["a", "b"], pss=[2**63 - 1, 4096 * MIB]))), exact=True)
    assert all(cell_len(line) <= 80 for line in lines)
    assert str(2**63 - 1) in lines[2]


class TestMatrix:
    TABLE = Table(
        [Column("name", "text", ""), Column("a", "bytes", ""), Column("b", "bytes", "")],
        {
            "name": objects(["Xorg", "a long name", "c"]),
            "a": objects([3 * KIB, 2 * KIB, 0]),
            "b": objects([2 * KIB, 1, 7]),
        },
    )
    MADE = section(
        TABLE,
        shown=("name", "a", "b"),
        wanted=("name", "a", "b"),
        measure=None,
        labels={"a": "Xorg", "b": "a long name"},
        crossing={"a": 0, "b": 1},
    )

    def test_the_crossing_is_marked_and_names_stay_as_they_are(self) -> None:
        assert shown(screen(self.MADE))[1:5] == [
            "NAME             Xorg   a long …",
            "Xorg         3.00 KiB*  2.00 KiB",
            "a long name  2.00 KiB      1   B*",
            "c                   0      7   B",
        ]

    def test_without_a_header_and_in_ascii(self) -> None:
        lines = shown(screen(self.MADE), header=False, exact=True)
        assert lines[1:4] == ["Xorg         3072*  2048", "a long name  2048      1*", "c               0      7"]
        assert shown(screen(self.MADE), width=24)[1] == "NAME             Xorg"


class TestSigned:
    CHANGES = processes(["grew", "shrank", "stayed"], pss=[3 * MIB, -5 * MIB, 0], unknown=[1])

    def test_more_has_a_sign_too(self) -> None:
        made = section(self.CHANGES, shown=("pss", "uss", "comm"), wanted=(), signed=frozenset({"pss"}), totals=True)
        assert shown(screen(made))[1:-1] == [
            "      PSS       USS  COMM",
            "+3.00 MiB  1.50 MiB  grew",
            "-5.00 MiB         ?  shrank",
            "        0         0  stayed",
            "-2.00 MiB         ?  total",
        ]

    @pytest.mark.parametrize(("rest", "said"), [(2 * MIB, "+2.00 MiB"), (-2 * MIB, "-2.00 MiB"), (0, "0 B")])
    def test_the_rest_has_one(self, rest: int, said: str) -> None:
        table = processes(["a", "b"], pss=[9 * MIB, rest])
        lines = shown(screen(section(table, limit=1, signed=frozenset({"pss"}))))
        assert f"... 1 more, {said} of PSS" in lines
        exact = shown(screen(section(table, limit=1, signed=frozenset({"pss"}))), exact=True)
        assert f"... 1 more, {'+' * (rest > 0)}{rest} bytes of PSS" in exact


def test_a_list_of_objects_is_json() -> None:
    assert counted(({"pid": 1}, {"pid": 1}, "b")) == '{"pid": 1} x2, b'
