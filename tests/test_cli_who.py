"""who, on a made machine: what is found, how it is shown in each format, and how it ends."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fewframes
import pagewalk.procfs
import pagewalk.snapshot
from fakeproc import FakeProcFS
from model import Fate, Frame, Kind, Machine, Present, Process, Space, Vma
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.who import FRAME, PAGE
from smallhost import HOST, PROCESSES, host, walked

Captured = pytest.CaptureFixture[str]
MEMFD = "/memfd:w (deleted)"


class Real:
    """The command on a made machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys
        self.walks: list[list[int]] = []
        self.walk = pagewalk.walk  # kept by the package from now on, whatever stands in its place meanwhile

    def on(self, procfs: FakeProcFS) -> None:
        def walk(**how: Any) -> pagewalk.Snapshot:
            self.walks.append(list(how["pfns"]))
            return self.walk(procfs=procfs, **how)

        self.monkeypatch.setattr(pagewalk.procfs, "ProcFS", lambda: procfs)
        self.monkeypatch.setattr(pagewalk.snapshot, "walk", walk)

    def run(self, *words: str) -> tuple[int, str, list[str]]:
        """Exit code, stdout, the lines of stderr."""
        code = main(["who", *words])
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err.splitlines()

    def json(self, *words: str) -> dict[str, Any]:
        code, out, err = self.run(*words, "-f", "json")
        assert (code, err) == (Exit.OK, [])
        answer: dict[str, Any] = json.loads(out)
        return answer


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Real:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PAGEWALK_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    return Real(monkeypatch, capsys)


@pytest.fixture
def small(real: Real) -> Iterator[Real]:
    with host() as procfs:
        real.on(procfs)
        yield real


class TestFound:
    def test_an_address(self, small: Real) -> None:
        answer = small.json("11:2003000")
        assert answer["asked"] == [{"asked": "11:2003000", "pfn": 20, "why": None}]
        (row,) = answer["who"]
        assert [(one["pid"], one["addresses"], one["mapping"], one["perms"]) for one in row["owners"]] == [
            (11, ["0x2000000", "0x2003000"], MEMFD, "rw-s"),
            (20, ["0x3000000"], MEMFD, "r--s"),
        ]
        assert {*row} >= {"pfn", "mapcount", "flags", "memcg", "node", "owners"}
        assert small.walks == [[20]]

    def test_a_frame_in_either_notation(self, small: Real) -> None:
        assert small.json("20")["who"] == small.json("0x14")["who"]

    def test_several_at_once(self, small: Real) -> None:
        answer = small.json("10:400000", "20", "12:2000000", "5")
        assert [(one["asked"], one["pfn"]) for one in answer["asked"]] == [
            ("10:400000", 1),
            ("20", 20),
            ("12:2000000", 20),
            ("5", 5),
        ]
        assert [row["pfn"] for row in answer["who"]] == [1, 5, 20], "a frame asked about twice is told once"

    def test_hidden_owners_are_said(self, small: Real) -> None:
        _, _, err = small.run("10")
        assert err[0] == (
            "pagewalk: frame 10: 2 mappings of it are by a process that could not be read,"
            " or that came or went meanwhile"
        )

    def test_a_process_that_is_refused(self, real: Real) -> None:
        processes = tuple(
            dataclasses.replace(process, fate=Fate.REFUSED) if process.pid == 10 else process for process in PROCESSES
        )
        with host(dataclasses.replace(HOST, processes=processes)) as procfs:
            real.on(procfs)
            _, _, err = real.run("100")
            assert "1 mapping of it is by a process that could not be read" in err[0]
            assert real.run("100", "--strict")[0] == Exit.GAPS
            assert "process 10: memory:" in "".join(real.run("100", "-v")[2])

    def test_a_frame_without_an_owner(self, small: Real) -> None:
        (row,) = small.json("150")["who"]
        assert (row["use"], row["mapcount"], row["owners"]) == ("kernel", 0, [])
        assert small.run("150")[1].splitlines()[1].split()[:2] == ["150", "kernel"]

    def test_the_zero_page_is_looked_for_nowhere(self, real: Real) -> None:
        entries = {at: Present(40) for at in range(8)} | {9: Present(1)}
        frames = {40: Frame(40, Kind.ZERO), 1: Frame(1, Kind.ANON)}
        with host(Machine(frames, (Space((Vma(0x400, 16, entries=entries),)),), (Process(7, 0),), limit=64)) as procfs:
            real.on(procfs)
            code, _, err = real.run("7:400000")
            assert code == Exit.NOTHING
            assert "is on the zero page (frame 40)" in err[0]
            (row,) = real.json("40")["who"]
            assert (row["use"], row["owners"]) == ("zero", [])
            assert real.walks == [[]]


class TestNothing:
    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["5000"], Exit.NOTHING, "frame 5000 is no frame of System RAM: a hole, beyond its end, or memory of a"),
            (["10:402000"], Exit.NOTHING, "10:402000 has no frame in [heap]: never touched"),
            (["10:403000"], Exit.NOTHING, "10:403000 is in swap (type 0, slot 5) in [heap]"),
            (["10:403000", "10:0"], Exit.NOTHING, "in [heap]; 10:0 is not mapped: behind it"),
            (["10:403000", "5000"], Exit.NOTHING, "a device; 10:403000 is in swap"),
            ([], Exit.USAGE, "nothing is asked"),
            (["x", "1"], Exit.USAGE, "'x' is neither"),
            (["--slow", "1"], Exit.USAGE, "unrecognized arguments: --slow (see `pagewalk help who`)"),
            (["1", "no.pwz"], Exit.FAILURE, "no.pwz: No such file or directory"),
        ],
    )
    def test_one_line_says_why(self, small: Real, words: list[str], code: Exit, message: str) -> None:
        said = small.run(*words)
        assert said[:2] == (code, "")
        (line,) = said[2]
        assert message in line

    def test_what_is_there_is_answered_all_the_same(self, small: Real) -> None:
        code, out, err = small.run("10:400000", "10:403000", "5000")
        assert code == Exit.OK
        assert err[:3] == [
            "pagewalk: 10:400000 is in frame 1",
            "pagewalk: 10:403000 is in swap (type 0, slot 5) in [heap]",
            "pagewalk: frame 5000 is no frame of System RAM: a hole, beyond its end, or memory of a device",
        ]
        assert "[heap]" in out
        asked = small.json("10:400000", "10:403000")["asked"]
        assert asked[1] == {"asked": "10:403000", "pfn": None, "why": "10:403000 is in swap (type 0, slot 5) in [heap]"}


class TestMoved:
    """A page that is moved between being looked up and being met by the walk."""

    def moving(self, real: Real, times: int) -> None:
        with host() as procfs:
            real.on(procfs)
            walk, left = pagewalk.snapshot.walk, [times]

            def moved(**how: Any) -> pagewalk.Snapshot:
                # What the walk meets at 10:400000 is another frame, that of the next page.
                if left[0]:
                    left[0] -= 1
                    pagemap = Path(procfs.path("10/pagemap"))
                    words = bytearray(pagemap.read_bytes())
                    first = bytes(words[0x400 * 8 : 0x400 * 8 + 8])
                    words[0x400 * 8 : 0x400 * 8 + 8] = words[0x401 * 8 : 0x401 * 8 + 8]
                    words[0x401 * 8 : 0x401 * 8 + 8] = first
                    pagemap.write_bytes(words)
                return walk(**how)

            real.monkeypatch.setattr(pagewalk.snapshot, "walk", moved)
            self.code, self.out, self.err = real.run("10:400000")

    def test_once(self, real: Real) -> None:
        self.moving(real, 1)
        assert real.walks == [[1], [2]]
        assert self.code == Exit.OK
        assert self.err[0] == "pagewalk: 10:400000 is in frame 2"
        assert not any("was moved" in line for line in self.err)

    def test_all_the_time(self, real: Real) -> None:
        self.moving(real, 99)
        assert real.walks == [[1], [2], [1]]
        assert self.code == Exit.OK
        assert "pagewalk: 10:400000 was moved in each of 3 walks" in self.err


def test_one_of_two_processes_ends_meanwhile(real: Real) -> None:
    """What is left is answered."""
    with host() as procfs:
        real.on(procfs)
        walk = pagewalk.snapshot.walk

        def without(**how: Any) -> pagewalk.Snapshot:
            return walk(**how, pids=[20])

        real.monkeypatch.setattr(pagewalk.snapshot, "walk", without)
        code, out, err = real.run("10:400000", "20:400000")
        assert code == Exit.OK
        assert err[:2] == ["pagewalk: 20:400000 is in frame 8", "pagewalk: process 10 ended while it was read"]
        assert out.splitlines()[1].split()[0] == "8"
        assert real.run("10:400000")[::2] == (Exit.NOTHING, ["pagewalk: process 10 ended while it was read"])


class TestFormats:
    def test_plain(self, small: Real) -> None:
        code, out, err = small.run("11:2000000")
        assert code == Exit.OK
        frames, pages = out.split("\n\n")
        assert frames.splitlines()[0].split() == list(FRAME)
        assert frames.splitlines()[1].split()[:8] == ["20", "shmem", "3", "3", "0", "0", "?", "?"]
        lines = pages.splitlines()
        assert lines[0].split() == list(PAGE)
        assert [line.split()[:5:2] for line in lines[1:]] == [
            ["20", "php", "0x2000000"],
            ["20", "php", "0x2003000"],
            ["20", "redis", "0x3000000"],
        ]
        assert all(line.endswith(MEMFD) for line in lines[1:])
        assert err[0] == "pagewalk: 11:2000000 is in frame 20"
        assert "4 processes read" in err[-1]

    def test_a_screen(self, small: Real) -> None:
        _, out, err = small.run("20", "10", "-f", "text")
        assert err == []
        assert "frame 20: UPTODATE LRU MMAP SWAPBACKED" in out
        assert "frame 10: 2 mappings of it are by a process" in out
        assert out.splitlines()[5].split()[:4] == ["PFN", "PID", "COMM", "USER"]
        _, out, _ = small.run("20", "-f", "text")
        assert out.splitlines()[4].split()[:3] == ["PID", "COMM", "USER"], "of one frame it is not said again"

    def test_csv_is_one_table(self, small: Real) -> None:
        code, out, _ = small.run("20", "150", "-f", "csv")
        assert code == Exit.OK
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        assert [(row["pfn"], row["pid"], row["address"], row["mapping"]) for row in rows] == [
            ("20", "11", "0x2000000", MEMFD),
            ("20", "11", "0x2003000", MEMFD),
            ("20", "20", "0x3000000", MEMFD),
            ("150", "", "", ""),
        ]
        assert rows[0]["flags"] == "UPTODATE,LRU,MMAP,SWAPBACKED"
        assert [row["use"] for row in rows] == ["shmem"] * 3 + ["kernel"]

    def test_ndjson(self, small: Real) -> None:
        rows = [json.loads(line) for line in small.run("20", "1", "-f", "ndjson")[1].splitlines()]
        assert [(row["view"], row["pfn"], len(row["owners"])) for row in rows] == [("who", 1, 1), ("who", 20, 2)]

    def test_options_may_stand_between(self, small: Real, tmp_path: Path) -> None:
        out = tmp_path / "answer.json"
        assert small.run("20", "-q", "-f", "json", "1", "-o", str(out))[0] == Exit.OK
        assert [row["pfn"] for row in json.loads(out.read_text())["who"]] == [1, 20]

    def test_a_file_that_is_there_is_told_before_the_walk(self, small: Real, tmp_path: Path) -> None:
        out = tmp_path / "there"
        out.touch()
        code, _, err = small.run("20", "-o", str(out))
        assert code == Exit.FAILURE
        assert "exists already" in err[0]
        assert small.walks == []


class TestSaved:
    @pytest.fixture
    def file(self, tmp_path: Path) -> str:
        path = tmp_path / "host.pwz"
        walked(mappings=True).save(path)
        return str(path)

    def test_the_answer_is_that_of_the_walk(self, small: Real, file: str) -> None:
        live, saved = (small.json("11:2000000", "10:401000", *more) for more in ([], [file]))
        memcg = [{**row, "memcg": None} for row in live["who"]]
        assert [{**row, "memcg": None} for row in saved["who"]] == memcg
        assert saved["asked"] == live["asked"]

    def test_it_says_what_it_is(self, real: Real, file: str) -> None:
        code, out, err = real.run("20", file)
        assert code == Exit.OK
        assert MEMFD in out
        assert any(line.startswith(f"pagewalk: {file}: a snapshot of") for line in err)
        assert "snapshot of" in real.run("20", file, "-f", "text")[1].splitlines()[0]

    def test_what_it_does_not_know(self, real: Real, file: str) -> None:
        for word, message in (
            ("150", "says nothing of it, since no process that was read mapped it"),
            ("10:402000", "not mapped, never touched, or in swap"),
            ("99:0", "no process 99 in"),
        ):
            code, out, err = real.run(word, file)
            assert (code, out) == (Exit.NOTHING, "")
            assert len(err) == 1
            assert message in err[0]

    def test_of_all_of_ram_there_is_nothing_it_does_not_know(self, real: Real, tmp_path: Path) -> None:
        path = tmp_path / "whole.pwz"
        with fewframes.walked(mappings=True) as snapshot:
            snapshot.save(path)
        (row,) = real.json("22", str(path))["who"]
        assert (row["use"], row["node"], row["owners"]) == ("free", 0, [])
        for pfn in ("50", "5000"):
            code, _, err = real.run(pfn, str(path))
            assert code == Exit.NOTHING
            assert "is no frame of System RAM" in err[0]

    def test_a_snapshot_without_pages(self, real: Real, tmp_path: Path) -> None:
        path = tmp_path / "small.pwz"
        walked().save(path)
        code, _, err = real.run("20", str(path))
        assert code == Exit.FAILURE
        assert "holds no pages: make it anew" in err[0]

    def test_threads_are_of_a_walk(self, real: Real, file: str) -> None:
        code, _, err = real.run("20", "--threads", "2", file)
        assert code == Exit.USAGE
        assert "--threads" in err[0]


def test_threads_are_handed_on(small: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    walk = pagewalk.snapshot.walk

    def noting(**how: Any) -> pagewalk.Snapshot:
        calls.append(how)
        return walk(**how)

    monkeypatch.setattr(pagewalk.snapshot, "walk", noting)
    assert small.run("20", "--threads", "3")[0] == Exit.OK
    assert calls[0]["threads"] == 3
    assert small.run("20")[0] == Exit.OK
    assert "threads" not in calls[1]
