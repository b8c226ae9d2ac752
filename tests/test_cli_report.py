"""report, on a made snapshot: what is asked of the engine, what is shown, how it ends."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

import pagewalk.snapshot
from fakesnapshot import FakeSnapshot, walks_to
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.views import VIEWS
from pagewalk.errors import PagewalkError, PermissionRequired, Unsupported
from pagewalk.table import UNITS

Captured = pytest.CaptureFixture[str]
NO_ROOT = ("no root:", "report --kernel-pss", "demo")

# Rows of the made answers, where they are not five; and columns that no answer has, made of others for a screen.
ROWS = {"use": 12, "node": 2, "cgroup": 4, "charge": 6}
MADE_FOR_PEOPLE = {"sharing": {"sharers"}, "use": {"unmapped"}}


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every `walk` gives the made snapshot; what it was called with is noted."""
    noted: list[dict[str, Any]] = []
    monkeypatch.setattr(pagewalk.snapshot, "walk", walks_to(FakeSnapshot(), noted))
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PAGEWALK_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    return noted


def failing(error: BaseException) -> Any:
    def walk(**_how: Any) -> FakeSnapshot:
        raise error

    return walk


class TestShown:
    @pytest.mark.parametrize("words", [[], ["report"], ["--by", "summary"]])
    def test_the_summary(self, words: list[str], capsys: Captured) -> None:
        assert main(words) == Exit.OK
        out, err = capsys.readouterr()
        heads = [table.split("\n")[0].split()[:2] for table in out.split("\n\n")]
        assert heads == [
            ["use", "bytes"],
            ["processes", "pss"],
            ["charged_not_used", "charged"],
            ["bytes", "anon"],
        ]
        assert err == (
            "pagewalk: 90 processes read, 1 refused, 0 vanished; 1 hidden mapping of 48.0 KiB;"
            " all but 48.0 KiB of 1.14 GiB mapped explained; 0.21 s, longest lock hold 1.25 ms\n"
        )

    @pytest.mark.parametrize("view", VIEWS)
    def test_every_view_in_every_format(self, view: str, capsys: Captured) -> None:
        count = ROWS.get(view, 5)
        beside = 6 if view == "use" else 0
        for style in ("text", "plain", "json", "ndjson", "csv"):
            assert main(["--by", view, "-f", style]) == Exit.OK
            out = capsys.readouterr().out
            match style:
                case "json":
                    assert len(json.loads(out)[view]) == count
                case "ndjson":
                    views = [json.loads(line)["view"] for line in out.splitlines()]
                    assert views == [view] * count + ["balance"] * beside
                case "csv":
                    assert len(list(csv.reader(io.StringIO(out, newline="")))) == count + 1
                case "plain":
                    assert len(out.splitlines()) == count + 1 + (beside + 2 if beside else 0)
                case _:
                    assert "90 of 91 processes in 0.21 s" in out
                    assert "90 processes read" in out

    @pytest.mark.parametrize("view", VIEWS)
    def test_views_show_columns_that_there_are(self, view: str) -> None:
        row = VIEWS[view]
        known = {re.sub("N$", "*", column.name) for column in row.columns()} | MADE_FOR_PEOPLE.get(view, set())
        shown, wanted, plain = (set(text.split()) for text in (row.shown, row.wanted, row.plain))
        assert shown <= known
        assert wanted == shown
        assert plain <= known
        assert row.measure in plain
        with_spaces = {"name", "owners", "cmdline", "path", "used_by"}
        assert row.plain.split()[-1] in with_spaces or with_spaces.isdisjoint(row.plain.split())

    def test_json(self, capsys: Captured) -> None:
        assert main(["-f", "json", "-v"]) == Exit.OK
        out, err = capsys.readouterr()
        value = json.loads(out)
        assert list(value) == ["schema", "host", "coverage", "gaps", "use", "kinds", "program", "cgroup", "sharing"]
        assert value["host"]["hostname"] == "db7"
        assert value["coverage"]["refused"] == 1
        assert value["gaps"] == [{"pid": 1, "what": "memory", "reason": "Permission denied"}]
        assert err == "pagewalk: process 1: memory: Permission denied\n"

    def test_order_limit_columns_and_totals(self, capsys: Captured) -> None:
        assert main(["--by", "process", "-s", "comm", "-n", "2", "-t", "-b", "--columns", "pss,comm", "-q"]) == Exit.OK
        assert capsys.readouterr() == (
            "     pss comm\n 4194304 bash\n 3145728 nginx: worker\n15728640 total\n",
            "",
        )

    def test_reversed_and_without_a_header(self, capsys: Captured) -> None:
        assert main(["--by", "process", "-r", "-H", "--columns", "pss", "-n", "2"]) == Exit.OK
        assert capsys.readouterr().out == "1.00MiB\n2.00MiB\n"
        assert main(["--by", "process", "-s", "pid", "--columns", "pid", "-n", "1", "-H"]) == Exit.OK
        assert capsys.readouterr().out == "1\n"

    def test_a_selection_shows_processes(self, capsys: Captured) -> None:
        for words in (["-p", "1,2", "-p", "3", "-P", "post.*", "-u", "0", "-c", "/a"], ["--tree", "4"]):
            assert main([*words, "-f", "json"]) == Exit.OK
            assert len(json.loads(capsys.readouterr().out)["process"]) == 2

    def test_color_is_asked_for_or_not(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        def painted(*words: str) -> bool:
            assert main(["-f", "text", *words]) == Exit.OK
            return "\x1b[" in capsys.readouterr().out

        assert [painted(), painted("--color", "always"), painted("--color", "never")] == [False, True, False]
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert painted()
        monkeypatch.setenv("NO_COLOR", "1")
        assert not painted()
        assert painted("--color", "always")

    def test_text_follows_columns(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        widths = {}
        for columns in (60, 80, 160):
            monkeypatch.setenv("COLUMNS", str(columns))
            assert main(["--by", "process", "-f", "text"]) == Exit.OK
            lines = capsys.readouterr().out.splitlines()
            assert max(map(len, lines)) <= columns
            widths[columns] = len(lines[1].split())
        assert widths[60] < widths[80] < widths[160]


class TestAsked:
    def test_nothing_more_than_needed(self, calls: list[dict[str, Any]]) -> None:
        assert main(["--by", "process", "-q"]) == Exit.OK
        assert main(["-q"]) == Exit.OK
        assert [list(call) for call in calls] == [["progress"], ["progress", "freed", "frames"]]

    def test_mappings_and_threads(self, calls: list[dict[str, Any]]) -> None:
        assert main(["--by", "mapping", "--threads", "2"]) == Exit.OK
        assert main(["--by", "mapping", "-p", "7"]) == Exit.OK
        # Who descends from a process is known when all are read.
        assert main(["--by", "mapping", "-p", "7", "--tree", "8"]) == Exit.OK
        assert [(call["mappings"], call.get("threads")) for call in calls] == [(True, 2), ([7], None), (True, None)]

    def test_alone_walks_the_selected(self, calls: list[dict[str, Any]]) -> None:
        import os

        assert main(["--alone", "-p", str(os.getpid())]) == Exit.OK
        assert calls[0]["pids"] == [os.getpid()]

    def test_alone_looks_again_when_one_ended(self, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
        import os

        for failures, code in ((2, Exit.OK), (3, Exit.FAILURE)):
            left = [PagewalkError("no address space to walk for pid 7")] * failures

            def walk(left: list[PagewalkError] = left, **_how: Any) -> FakeSnapshot:
                if left:
                    raise left.pop()
                return FakeSnapshot()

            monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
            assert main(["--alone", "-p", str(os.getpid()), "-q"]) == code
        assert capsys.readouterr().err == "pagewalk: no address space to walk for pid 7\n"
        monkeypatch.setattr(pagewalk.snapshot, "walk", failing(PermissionRequired("hidden")))
        assert main(["--alone", "-p", str(os.getpid())]) == Exit.PRIVILEGE

    def test_alone_with_nobody(self, calls: list[dict[str, Any]], capsys: Captured) -> None:
        assert main(["--alone", "-P", "^no such program$"]) == Exit.NOTHING
        assert capsys.readouterr().err == "pagewalk: no process matches -P ^no such program$\n"
        assert not calls


class TestColumnHelp:
    def test_lists_the_columns_of_a_view_without_a_walk(self, calls: list[dict[str, Any]], capsys: Captured) -> None:
        for words in (["-s", "help", "--by", "process"], ["--columns", "help", "-p", "1"]):
            assert main(words) == Exit.OK
            lines = capsys.readouterr().out.splitlines()
            assert lines[0] == "columns of --by process:"
            assert [line.split()[0] for line in lines[1:]] == [column.name for column in VIEWS["process"].columns()]
            assert {line.split()[1] for line in lines[1:]} <= set(UNITS)
        assert not calls

    def test_lists_all_for_the_summary(self, capsys: Captured) -> None:
        assert main(["-s", "help"]) == Exit.OK
        out = capsys.readouterr().out
        assert [f"columns of --by {view}:" in out for view in VIEWS] == [True] * len(VIEWS)


class TestWrongUsage:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--by", "process", "-s", "size"], "-s size: process has no such column; it has pid, pids, comm, "),
            (["--by", "user", "--columns", "name,pid"], "--columns pid: user has no such column; it has name, "),
            (
                ["--by", "process", "--columns", "pid,,pss"],
                "argument --columns: 'pid,,pss' is no list of columns: give A,B",
            ),
            (["--by", "colour"], "argument --by: invalid choice: 'colour' (choose from "),
            (["-P", "("], "-P (: not a regular expression: missing ), unterminated subpattern at position 0"),
            (["-u", "no such user"], "-u no such user: no such user; give a name this machine knows, or a uid"),
            (["-p", "1,x"], "argument -p/--pid: 'x' is no process ID: give PID or PID,PID"),
            (["-p", ""], "argument -p/--pid: '' is no process ID"),
            (["-n", "0"], "argument -n/--limit: '0' is no number from 1 up"),
            (["--threads", "many"], "argument --threads: 'many' is no number from 1 up"),
            (
                ["-s", "pss"],
                "-s needs one view: add --by process, program, user, cgroup, mapping, sharing, charge, use, node",
            ),
            (["-r"], "-r needs one view"),
            (["--columns", "pss"], "--columns needs one view"),
            (["-f", "csv"], "-f csv holds one table, the summary has several: add --by process, "),
            (["-t", "-f", "json"], "-t is for people"),
            (["--alone"], "--alone needs a selection: -p, -P, -u, -c or --tree"),
            (["--kernel-pss", "--by", "user"], "--kernel-pss knows processes only, not user"),
            (["--depth", "-1"], "argument --depth: '-1' is no number from 0 up"),
            (["--depth", "1", "--by", "use"], "--depth is of cgroups: add --by cgroup or charge"),
            (["--depth", "1", "-p", "1"], "--depth is of cgroups"),
            (["--nodes"], "--nodes is of processes: add --by process, or see --by node"),
            (["--nodes", "--by", "user"], "--nodes is of processes"),
            (["--nodes", "--kernel-pss"], "--nodes is of processes: the kernel's estimate knows no nodes"),
            (["--kernel-pss", "-s", "node0"], "--nodes is of processes: the kernel's estimate knows no nodes"),
            (["--by", "user", "--columns", "node0"], "--columns node0: user has no such column"),
            (["--by", "use", "-p", "1,2"], "--by use is of the whole machine: leave -p 1,2 out"),
            (["--by", "charge", "-c", "/a"], "--by charge is of the whole machine: leave -c /a out"),
            (["--by", "node", "-u", "root"], "--by node is of the whole machine: leave -u root out"),
            (["--tree", "0"], "argument --tree: '0' is no process ID: give PID or PID,PID"),
            (["--by", "use", "--tree", "1"], "--by use is of the whole machine: leave --tree 1 out"),
            (["--by", "cgroup", "--tree", "1"], "--by cgroup takes -c only, not --tree 1: cgroups are "),
            (["--by", "cgroup", "-P", "x", "-c", "/a"], "--by cgroup takes -c only, not -P x -c /a: cgroups are "),
            (["--by", "cgroup", "-c", "/a", "--alone"], "--alone walks the selected only, --by cgroup needs all"),
            (["--frobnicate"], "unrecognized arguments: --frobnicate (see `pagewalk help report`)"),
            (["report", "a.pwz", "b.pwz"], "unrecognized arguments: b.pwz"),
            (["--pairs", "--by", "user"], "--pairs is of processes or programs, not user: use --by sharing or --by "),
            (["--pairs", "--by", "summary"], "--pairs is of processes or programs, not summary: use --by sharing "),
            (["--pairs", "--kernel-pss"], "--kernel-pss knows no owners: leave --pairs out"),
            (["--pairs", "-t"], "-t would add up pairs, which have frames in common: leave -t out"),
            (["--pairs", "-s", "pss"], "-s pss: sharing --pairs has no such column; it has pid, comm, with_pid, "),
            (["--pairs", "--by", "program", "--columns", "pid"], "--columns pid: program --pairs has no such column; "),
            (["--pairs=program"], "argument --pairs: ignored explicit argument 'program'"),
            (["--pairs", "--nodes"], "--nodes is of processes: add --by process, or see --by node"),
            (["--color", "blue"], "argument --color: invalid choice: 'blue'"),
        ],
    )
    def test_one_line_and_no_walk(
        self, words: list[str], message: str, calls: list[dict[str, Any]], capsys: Captured
    ) -> None:
        assert main(words) == Exit.USAGE
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"pagewalk: {message}")
        assert err.count("\n") == 1
        assert not calls


class TestEnds:
    def test_nothing_matched(self, capsys: Captured) -> None:
        assert main(["-P", "nothing"]) == Exit.NOTHING
        assert capsys.readouterr() == ("", "pagewalk: no process matches -P nothing\n")

    @pytest.mark.parametrize("option", ["-p", "--tree"])
    def test_no_such_pid(self, option: str, capsys: Captured) -> None:
        assert main([option, "99999"]) == Exit.NOTHING
        assert capsys.readouterr() == (
            "",
            "pagewalk: no address space was read for pid 99999 (there are 1, 2, 3)\n",
        )

    def test_gaps_under_strict(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        assert main(["--strict", "-q"]) == Exit.GAPS
        out, err = capsys.readouterr()
        assert out.startswith("use ")
        assert err == "pagewalk: 1 gap under --strict, so exit 4; -v says what could not be seen\n"
        monkeypatch.setattr(pagewalk.snapshot, "walk", walks_to(FakeSnapshot(gaps=0)))
        assert main(["--strict", "-q"]) == Exit.OK

    def test_no_privilege(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pagewalk.snapshot, "walk", failing(PermissionRequired("hidden")))
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        assert main(["--by", "process"]) == Exit.PRIVILEGE
        out, err = capsys.readouterr()
        assert out == ""
        lines = err.splitlines()
        assert lines[0] == "pagewalk: the kernel hides physical page numbers from uid 1000 (needs CAP_SYS_ADMIN)"
        assert lines[1].startswith("  run:        ")
        assert "--by process" in lines[1]
        assert lines[2] == "  container:  needs --privileged and the host's pid namespace"
        assert [words for words, line in zip(NO_ROOT, lines[3:], strict=False) if words not in line] == []

    def test_no_interface(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pagewalk.snapshot, "walk", failing(Unsupported("/proc/kpagecount does not exist")))
        assert main([]) == Exit.UNSUPPORTED
        assert capsys.readouterr().err == (
            "pagewalk: /proc/kpagecount does not exist (`pagewalk doctor` says what this kernel has)\n"
        )


class TestFile:
    def test_is_written_and_remarks_are_not_in_it(self, tmp_path: Any, capsys: Captured) -> None:
        path = tmp_path / "answer.json"
        assert main(["-f", "json", "-o", str(path)]) == Exit.OK
        assert json.loads(path.read_text())["schema"] == "pagewalk/1"
        assert capsys.readouterr().out == ""

    def test_is_not_written_over(self, tmp_path: Any, capsys: Captured, calls: list[dict[str, Any]]) -> None:
        path = tmp_path / "answer"
        path.write_text("mine")
        assert main(["-o", str(path)]) == Exit.FAILURE
        assert capsys.readouterr().err == f"pagewalk: -o {path}: exists already; --force replaces it\n"
        assert path.read_text() == "mine"
        assert not calls
        assert main(["-o", str(path), "--force", "-q"]) == Exit.OK
        assert path.read_text().startswith("use ")


class TestEnvironment:
    def test_sets_defaults(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAGEWALK_FORMAT", "json")
        monkeypatch.setenv("PAGEWALK_BY", "process")
        monkeypatch.setenv("PAGEWALK_LIMIT", "3")
        assert main([]) == Exit.OK
        assert len(json.loads(capsys.readouterr().out)["process"]) == 3
        assert main(["-f", "plain", "-n", "1", "-q"]) == Exit.OK
        assert len(capsys.readouterr().out.splitlines()) == 2

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("FORMAT", "yaml", "PAGEWALK_FORMAT=yaml: choose from text, plain, json, ndjson, csv"),
            ("LIMIT", "-1", "PAGEWALK_LIMIT=-1: '-1' is no number from 1 up"),
            ("BYTES", "maybe", "PAGEWALK_BYTES=maybe: choose from 1, yes, true, on, 0, no, false, off"),
        ],
    )
    def test_says_which_variable_is_wrong(
        self, name: str, text: str, message: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"PAGEWALK_{name}", text)
        assert main([]) == Exit.USAGE
        assert capsys.readouterr().err == f"pagewalk: {message}\n"
