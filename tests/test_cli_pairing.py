"""``--pairs``: a matrix on a screen, pair by pair elsewhere."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pagewalk.snapshot
from answers import MIB
from fakesnapshot import NAMES, FakeSnapshot, made_pairs, walks_to
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.pairing import COLUMNS, PAIRS, REMARK, matrix_section
from pagewalk.cli.views import Question

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every `walk` gives the made snapshot; what it was called with is noted."""
    noted: list[dict[str, Any]] = []
    monkeypatch.setattr(pagewalk.snapshot, "walk", walks_to(FakeSnapshot(), noted))
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "LINES", "PAGEWALK_FORMAT", "PAGEWALK_PAIRS"):
        monkeypatch.delenv(name, raising=False)
    return noted


def said(capsys: Captured, *words: str) -> str:
    assert main([*words, "--pairs"]) == Exit.OK
    return capsys.readouterr().out


class TestScreen:
    def test_who_shares_most_comes_first(self, capsys: Captured) -> None:
        lines = said(capsys, "--by", "sharing", "-f", "text").splitlines()
        assert lines[1:8] == [
            r"PID  COMM                  4          5          3          2          1",
            r"  4  two\nlines     2.00 MiB*  4.00 MiB   3.00 MiB   2.00 MiB   1.00 MiB",
            r"  5  python         4.00 MiB   1.00 MiB*  3.00 MiB   2.00 MiB   1.00 MiB",
            r"  3  nginx: worker  3.00 MiB   3.00 MiB   3.00 MiB*  2.00 MiB   1.00 MiB",
            r"  2  bash           2.00 MiB   2.00 MiB   2.00 MiB   4.00 MiB*  1.00 MiB",
            r"  1  postgres       1.00 MiB   1.00 MiB   1.00 MiB   1.00 MiB   5.00 MiB*",
            REMARK,
        ]

    def test_programs_by_name_as_it_is_and_cut_to_a_figure(self, capsys: Captured) -> None:
        lines = said(capsys, "--by", "program", "-f", "text").splitlines()
        assert lines[1:3] == [
            r"PROGRAM        two\nli…     python   nginx: …       bash   postgres",
            r"two\nlines     2.00 MiB*  4.00 MiB   3.00 MiB   2.00 MiB   1.00 MiB",
        ]

    def test_a_number_is_of_rows_and_columns(self, capsys: Captured) -> None:
        lines = said(capsys, "-f", "text", "-n", "2", "-b").splitlines()
        assert lines[1:5] == [
            r"PID  COMM              4         5",
            r"  4  two\nlines  2097152*  4194304",
            r"  5  python      4194304   1048576*",
            "... 3 more, 12582912 bytes of USS",
        ]

    def test_a_narrow_screen_has_fewer_columns(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "42")
        lines = said(capsys, "-f", "text").splitlines()
        assert lines[1].split() == ["PID", "COMM", "4", "5"]
        assert max(map(len, lines)) <= 42
        assert len(lines) >= 7

    @pytest.mark.parametrize("words", [["-s", "bytes"], ["-r"], ["--columns", "pid,with_pid,bytes"]])
    def test_an_order_or_columns_asked_for_are_of_pairs(self, words: list[str], capsys: Captured) -> None:
        out = said(capsys, "-f", "text", *words)
        assert "WITH PID" in out
        assert ("BYTES▴" if "-r" in words else "BYTES▾") in out
        assert REMARK not in out
        assert len([line for line in out.splitlines() if " MiB" in line]) == 15

    def test_what_is_left_out_is_not_added_up(self, capsys: Captured) -> None:
        assert "\n... 12 more\n" in said(capsys, "-f", "text", "-s", "bytes", "-n", "3")


class TestRecords:
    def test_plain(self, capsys: Captured) -> None:
        lines = said(capsys, "-n", "2", "-q").splitlines()
        assert lines[0].split() == ["bytes", "anon", "file", "shmem", "pid", "with_pid", "comm", "with_comm"]
        assert [line.split()[4:6] for line in lines[1:]] == [["1", "1"], ["2", "2"]]

    def test_json(self, capsys: Captured) -> None:
        value = json.loads(said(capsys, "-f", "json"))
        assert list(value) == ["schema", "host", "coverage", "gaps", "pairs"]
        assert len(value["pairs"]) == 15
        assert value["pairs"][0] == {
            "pid": 1,
            "comm": "postgres",
            "with_pid": 1,
            "with_comm": "postgres",
            "bytes": 5 * MIB,
            "anon": 5 * MIB,
            "file": 0,
            "shmem": 0,
        }
        assert list(json.loads(said(capsys, "-f", "json", "--by", "program"))["pairs"][0])[:2] == [
            "program",
            "with_program",
        ]

    def test_ndjson_and_csv(self, capsys: Captured) -> None:
        views = [json.loads(line)["view"] for line in said(capsys, "-f", "ndjson").splitlines()]
        assert views == ["pairs"] * 15
        rows = list(csv.reader(io.StringIO(said(capsys, "-f", "csv", "--by", "process"), newline="")))
        assert (len(rows), rows[0][0]) == (16, "pid")

    def test_a_selection_is_handed_on(self, capsys: Captured) -> None:
        assert len(json.loads(said(capsys, "-p", "1,2", "-f", "json"))["pairs"]) == 3
        assert main(["--pairs", "-P", "nothing", "-f", "text"]) == Exit.NOTHING
        assert capsys.readouterr().err == "pagewalk: no process matches -P nothing\n"


def test_columns_are_listed(calls: list[dict[str, Any]], capsys: Captured) -> None:
    for words, title in (
        (["--columns", "help"], "sharing --pairs"),
        (["-s", "help", "--by", "program"], "program --pairs"),
    ):
        lines = said(capsys, *words).splitlines()
        assert lines[0] == f"columns of --by {title}:"
        assert [line.split()[0] for line in lines[1:]] == [column.name for column in PAIRS[title.split()[0]].columns()]
    assert not calls


@pytest.mark.parametrize("by", ["sharing", "process", "program"])
def test_no_more_is_read_than_for_owners(by: str, calls: list[dict[str, Any]]) -> None:
    assert main(["--pairs", "--by", by, "-q"]) == Exit.OK
    assert [list(call) for call in calls] == [["progress"]]


def test_the_environment_may_ask_for_them(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWALK_PAIRS", "yes")
    assert main(["-f", "json", "--by", "program"]) == Exit.OK
    assert "pairs" in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("by", PAIRS)
def test_views_show_columns_that_there_are(by: str) -> None:
    view = PAIRS[by]
    answer = view.ask(FakeSnapshot(), Question(2))  # type: ignore[arg-type]
    assert answer.columns == view.columns()
    known = {column.name for column in view.columns()}
    assert set(view.shown.split()) == set(view.wanted.split()) == set(view.plain.split()) == known
    assert len(answer) == 3
    assert view.what


class TestMatrix:
    @given(st.integers(0, 60), st.integers(1, 50) | st.none())
    def test_every_cell_is_its_pair(self, n: int, limit: int | None) -> None:
        table = made_pairs("process", [NAMES[at % len(NAMES)] for at in range(n)])
        section = matrix_section(table, ("pid", "comm"), limit)
        matrix, across = section.table, min(n, limit or COLUMNS)
        assert (len(matrix), len(section.crossing), section.limit) == (n, across, limit)
        size = {frozenset([row["pid"], row["with_pid"]]): row["bytes"] for row in table}
        for name, at in section.crossing.items():
            assert section.labels[name] == str(matrix["pid"][at])
            column = [size[frozenset([int(matrix["pid"][at]), pid])] for pid in matrix["pid"].tolist()]
            assert matrix[name].tolist() == column
            assert matrix["uss"][at] == matrix[name][at]

    def test_who_shares_nothing_comes_last_by_what_is_its_own(self) -> None:
        table = made_pairs("program", NAMES)
        apart = table.where((table["program"] == table["with_program"]) | (table["with_program"] == "bash"))
        section = matrix_section(apart, ("program",), None)
        assert section.table["program"].tolist() == ["postgres", "bash", "nginx: worker", "two\nlines", "python"]
        assert np.array([section.table[name] for name in section.crossing]).sum() == (15 + 2) * MIB
