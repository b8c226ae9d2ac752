"""diff, on made snapshots: what is loaded or walked, what is shown, how it ends."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

import fewframes
import pagewalk.snapshot
from laterhost import LATER
from pagewalk.cli import main
from pagewalk.cli.changes import CHANGES
from pagewalk.cli.diff import span
from pagewalk.cli.exits import Exit
from pagewalk.errors import SnapshotError
from pagewalk.facts import Gap
from pagewalk.snapshot import Snapshot
from smallhost import walked

Captured = pytest.CaptureFixture[str]


def on(snapshot: Snapshot, gaps: tuple[Gap, ...] = (), **host: Any) -> Snapshot:
    """The snapshot as if taken of db7, with what a file would say of it."""
    told = {**snapshot.facts.host, "hostname": "db7", "kernel": "6.18.44-amd64", **host}
    return Snapshot(replace(snapshot.facts, host=told, gaps=gaps))


OLD = on(walked(mappings=True), captured_at="2026-01-02T03:04:05+00:00")
NEW = on(walked(LATER, mappings=True), captured_at="2026-01-02T04:06:45+00:00")
with fewframes.walked(mappings=True) as few:
    BOOKS = on(few, captured_at="2026-01-02T03:04:05+00:00")
FILES = {
    "old.pwz": OLD,
    "new.pwz": NEW,
    "bare.pwz": on(walked()),
    "other.pwz": on(walked(LATER, mappings=True), hostname="db8", boot_id="another"),
    "books.pwz": BOOKS,
    "gaps.pwz": on(walked(), (Gap(7, "memory", "Permission denied"), Gap(None, "ksm", "not told"))),
}


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Files are the made ones; every `walk` gives the later one, and what it was called with is noted."""
    noted: list[dict[str, Any]] = []

    def load(path: str) -> Snapshot:
        if path not in FILES:
            raise SnapshotError(f"{path}: no such file")
        return FILES[path]

    def walk(progress: object, **how: Any) -> Snapshot:
        noted.append(how)
        return BOOKS if "frames" in how else NEW

    monkeypatch.setattr(pagewalk.snapshot, "load", load)
    monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PAGEWALK_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    return noted


def ran(words: str, code: Exit, capsys: Captured) -> tuple[str, str]:
    assert main(["diff", *words.split()]) == code
    out, err = capsys.readouterr()
    return out, err


class TestShown:
    def test_a_screen(self, capsys: Captured) -> None:
        out, err = ran("old.pwz new.pwz -f text", Exit.OK, capsys)
        assert err == ""
        lines = out.splitlines()
        assert lines[0].startswith("pagewalk on db7, Linux 6.18.44")
        assert lines[0].endswith("changes in 1 h 2 min")
        assert lines[-2:] == [
            "old: 2026-01-02 03:04 UTC, 4 processes read, 0 refused, 0 vanished",
            "new: 2026-01-02 04:06 UTC, 3 processes read, 0 refused, 0 vanished",
        ]
        assert "UNSHARED" in out
        assert "+16.0 KiB" in out  # cron is new
        assert all(len(line) <= 80 for line in lines)

    def test_signs_are_for_people(self, capsys: Captured) -> None:
        words = "old.pwz new.pwz --by program --columns name,rss -q"
        assert ran(f"{words} -f text", Exit.OK, capsys)[0].splitlines()[1:-2] == [
            "PROGRAM        RSS",
            "cron     +16.0 KiB",
            "php      -12.0 KiB",
            "redis    +4.00 KiB",
        ]
        assert ran(f"{words} -b -s name", Exit.OK, capsys)[0].splitlines() == [
            "name     rss",
            "cron   16384",
            "php   -12288",
            "redis   4096",
        ]

    @pytest.mark.parametrize("view", [view for view in CHANGES if not CHANGES[view].whole_ram])
    def test_every_view_in_every_format(self, view: str, capsys: Captured) -> None:
        counts: dict[str, int] = {}
        for style in ("text", "plain", "json", "ndjson", "csv"):
            out, _ = ran(f"old.pwz new.pwz --by {view} -f {style} -a", Exit.OK, capsys)
            match style:
                case "json":
                    counts[style] = len(json.loads(out)[view])
                case "ndjson":
                    rows = [json.loads(line) for line in out.splitlines()]
                    assert {row["view"] for row in rows} == {view}
                    counts[style] = len(rows)
                case "csv":
                    counts[style] = len(list(csv.reader(io.StringIO(out, newline="")))) - 1
                case "plain":
                    counts[style] = len(out.splitlines()) - 1
                case _:
                    counts[style] = len(out.splitlines()) - 4
        assert len(set(counts.values())) == 1
        assert counts["json"] > 0

    @pytest.mark.parametrize("view", ["use", "cgroup"])
    def test_views_of_all_of_ram(self, view: str, capsys: Captured) -> None:
        out, _ = ran(f"books.pwz books.pwz --by {view} -f json -a", Exit.OK, capsys)
        rows = json.loads(out)[view]
        assert rows
        assert {row["state"] for row in rows} == {"same"}
        out, _ = ran(f"books.pwz books.pwz --by {view} -f text", Exit.OK, capsys)
        assert "Nothing changed between the two." in out

    def test_json(self, capsys: Captured) -> None:
        out, err = ran("old.pwz new.pwz -f json", Exit.OK, capsys)
        assert err == ""
        value = json.loads(out)
        assert list(value) == ["schema", "old", "new", "seconds", "remarks", "gaps", "program", "unshared", "process"]
        assert value["old"]["coverage"]["processes"] == 4
        assert value["new"]["host"]["captured_at"] == "2026-01-02T04:06:45+00:00"
        assert value["seconds"] == 3760
        (gone,) = (row for row in value["process"] if row["state"] == "gone")
        assert (gone["pid"], gone["rss"], gone["rss_old"], gone["rss_new"], gone["copied"]) == (
            11,
            -32768,
            32768,
            0,
            None,
        )
        assert [(row["pid"], row["start"], row["copied"], row["left"]) for row in value["unshared"]] == [
            (10, "0x7f000000", 8192, 4096),
            (20, "0x3000000", 0, 4096),
        ]

    def test_only_what_changed_unless_all_is_asked(self, capsys: Captured) -> None:
        words = "old.pwz new.pwz --by mapping -f ndjson -q"
        some, every = (ran(f"{words}{more}", Exit.OK, capsys)[0].splitlines() for more in ("", " -a"))
        assert len(some) < len(every)
        assert set(some) < set(every)

    def test_totals_order_and_limit(self, capsys: Captured) -> None:
        words = "old.pwz new.pwz --by process --columns rss,pid -b -q -s rss -n 1 -t"
        assert ran(words, Exit.OK, capsys)[0] == "   rss   pid\n 16384    11\n-12288 total\n"

    def test_nothing_changed(self, capsys: Captured) -> None:
        for style in ("text", "plain", "json", "ndjson"):
            out, err = ran(f"old.pwz old.pwz -f {style}", Exit.OK, capsys)
            assert ("Nothing changed between the two." in (out if style == "text" else err)) == (style != "json")
        out, _ = ran("old.pwz old.pwz --by process -f csv -q", Exit.OK, capsys)
        assert len(out.splitlines()) == 1


class TestAsked:
    def test_two_files_are_no_walk(self, calls: list[dict[str, Any]], capsys: Captured) -> None:
        assert "longest lock hold" not in ran("old.pwz new.pwz", Exit.OK, capsys)[1]
        assert not calls
        assert "longest lock hold" in ran("old.pwz", Exit.OK, capsys)[1]

    @pytest.mark.parametrize(
        ("words", "how"),
        [
            ("old.pwz", {"mappings": True}),
            ("books.pwz", {"mappings": True, "frames": "all"}),
            ("books.pwz -P php", {"mappings": True}),
            ("books.pwz --by use", {"frames": "all"}),
            ("books.pwz --by program", {}),
            ("books.pwz --by unshared --threads 2", {"mappings": True, "threads": 2}),
            ("bare.pwz", {}),
            ("bare.pwz --by process", {}),
        ],
    )
    def test_no_second_file_is_this_machine_now(
        self, calls: list[dict[str, Any]], capsys: Captured, words: str, how: dict[str, Any]
    ) -> None:
        assert main(["diff", *words.split()]) in (Exit.OK, Exit.NOTHING)
        assert calls == [how]
        capsys.readouterr()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("bare.pwz --by unshared", "bare.pwz: holds no mappings, which --by unshared compares"),
            ("bare.pwz --by cgroup", "bare.pwz: holds mapped memory only, --by cgroup compares all of RAM"),
        ],
    )
    def test_no_walk_for_nothing(self, calls: list[dict[str, Any]], capsys: Captured, words: str, said: str) -> None:
        assert said in ran(words, Exit.FAILURE, capsys)[1]
        assert not calls

    def test_a_selection_shows_its_processes(self, capsys: Captured) -> None:
        out, _ = ran("old.pwz new.pwz -P php -f json", Exit.OK, capsys)
        assert sorted(row["pid"] for row in json.loads(out)["process"]) == [10, 11]
        out, _ = ran("old.pwz new.pwz -p 20 --by unshared -f json", Exit.OK, capsys)
        assert [row["pid"] for row in json.loads(out)["unshared"]] == [20]
        out, _ = ran("old.pwz new.pwz -P php --by summary -f json", Exit.OK, capsys)
        assert [row["name"] for row in json.loads(out)["program"]] == ["php"]

    def test_cgroups_below_one(self, capsys: Captured) -> None:
        out, _ = ran("books.pwz books.pwz --by cgroup -c /db -a -f json", Exit.OK, capsys)
        assert {row["path"] for row in json.loads(out)["cgroup"]} == {"/db", "/db/worker"}

    def test_columns_are_listed_without_a_file(self, capsys: Captured) -> None:
        out, _ = ran("--by unshared -s help", Exit.OK, capsys)
        assert out.startswith("columns of --by unshared:\n")
        assert "copied" in out
        out, _ = ran("--columns help", Exit.OK, capsys)
        assert [line for line in out.splitlines() if line.startswith("columns of")] == [
            f"columns of --by {view}:" for view in CHANGES
        ]


class TestEnds:
    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            ("", Exit.USAGE, "diff needs a snapshot: pagewalk diff OLD [NEW]"),
            ("old.pwz new.pwz -s pss", Exit.USAGE, "-s needs one view: add --by process, program"),
            ("old.pwz new.pwz -a", Exit.USAGE, "-a needs one view"),
            ("old.pwz new.pwz -f csv", Exit.USAGE, "-f csv holds one table"),
            ("old.pwz new.pwz -t -f json", Exit.USAGE, "-t is for people"),
            (
                "old.pwz new.pwz --by program -s pid",
                Exit.USAGE,
                "-s pid: program has no such column; it has name",
            ),
            ("old.pwz new.pwz --by program --columns x", Exit.USAGE, "--columns x: program has no such column"),
            (
                "old.pwz new.pwz --threads 2",
                Exit.USAGE,
                "--threads is of a walk of this machine, new.pwz is",
            ),
            ("old.pwz new.pwz --by user --depth 1", Exit.USAGE, "--depth is of cgroups"),
            ("old.pwz new.pwz --by cgroup -p 1", Exit.USAGE, "--by cgroup takes -c only, not -p 1"),
            ("old.pwz new.pwz --by use -P php", Exit.USAGE, "leave -P php out"),
            ("old.pwz new.pwz -P ^none$", Exit.NOTHING, "no process matches -P ^none$"),
            ("old.pwz new.pwz -p 99", Exit.NOTHING, "neither snapshot has an address space of pid 99"),
            ("old.pwz new.pwz -u nobody-at-all", Exit.NOTHING, "no such user: 'nobody-at-all'"),
            ("books.pwz books.pwz --by cgroup -c /nope", Exit.NOTHING, "no cgroup matches -c /nope"),
            ("old.pwz nope.pwz", Exit.FAILURE, "nope.pwz: no such file"),
            ("old.pwz new.pwz --by use", Exit.FAILURE, "the old snapshot holds mapped memory only"),
            ("old.pwz bare.pwz --by mapping", Exit.FAILURE, "the new snapshot holds no mappings"),
            ("old.pwz other.pwz --by process", Exit.FAILURE, "two machines (db7 and db8), so no process is in both"),
        ],
    )
    def test_in_one_line(self, words: str, code: Exit, said: str, capsys: Captured) -> None:
        out, err = ran(words, code, capsys)
        assert out == ""
        assert err.startswith("pagewalk: ")
        assert said in err
        assert err.count("\n") == 1

    def test_two_machines(self, capsys: Captured) -> None:
        out, err = ran("old.pwz other.pwz", Exit.OK, capsys)
        assert "two machines (db7 and db8)" in err
        assert out.startswith("state processes")
        assert "\n\n" not in out  # programs only
        out, _ = ran("old.pwz other.pwz -f text", Exit.OK, capsys)
        assert out.startswith("from db7 to db8")

    def test_without_mappings_the_rest_is_shown(self, capsys: Captured) -> None:
        out, err = ran("bare.pwz new.pwz", Exit.OK, capsys)
        assert "what stopped being shared is not known: the old snapshot holds no mappings" in err
        assert [table.split()[0] for table in out.split("\n\n")] == ["state", "state"]

    def test_of_pages_only_where_these_are_asked_for(self, capsys: Captured) -> None:
        assert "what stopped being shared" not in ran("bare.pwz new.pwz --by program", Exit.OK, capsys)[1]
        assert "what stopped being shared" in ran("bare.pwz new.pwz --by process", Exit.OK, capsys)[1]

    def test_gaps(self, capsys: Captured) -> None:
        _, err = ran("gaps.pwz bare.pwz -q -v", Exit.OK, capsys)
        assert err.splitlines() == [
            "pagewalk: process 7: memory (in the old snapshot): Permission denied",
            "pagewalk: ksm (in the old snapshot): not told",
        ]
        assert "2 gaps under --strict" in ran("bare.pwz gaps.pwz -q --strict", Exit.GAPS, capsys)[1]

    def test_into_a_file(self, capsys: Captured, tmp_path: Any) -> None:
        path = tmp_path / "changes.csv"
        ran(f"old.pwz new.pwz --by process -f csv -o {path} -q", Exit.OK, capsys)
        assert path.read_text().startswith("pid,pids,comm,cmdline,user,uid,cgroup,state,vss,vss_old,vss_new")
        assert "exists already" in ran(f"old.pwz new.pwz --by process -f csv -o {path}", Exit.FAILURE, capsys)[1]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "an unknown time"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3661, "1 h 1 min"),
        (90061, "1 d 1 h"),
        (-5, "-5 s"),
    ],
)
def test_times_as_people_say_them(seconds: float | None, said: str) -> None:
    assert span(seconds) == said
