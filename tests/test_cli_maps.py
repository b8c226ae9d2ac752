"""``pagewalk maps``: on the small host."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import pagewalk.cli.maps
from model import PAGE
from pagewalk import snapshot
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.errors import PagewalkError, PermissionRequired
from pagewalk.views import maps
from smallhost import walked

Captured = pytest.CaptureFixture[str]
Calls = list[dict[str, Any]]

SNAP = walked(mappings=True, vm_flags=True)


@pytest.fixture(autouse=True)
def walks(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """How the machine was asked to be walked."""
    calls: Calls = []

    def walk(**how: Any) -> object:
        calls.append(how)
        return SNAP

    monkeypatch.setattr(snapshot, "walk", walk)
    monkeypatch.setattr(pagewalk.cli.maps, "check_target", lambda procfs, pid: None)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PAGEWALK_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    return calls


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def walk(**_how: Any) -> object:
        raise error

    monkeypatch.setattr(snapshot, "walk", walk)


def said(capsys: Captured, *words: str) -> dict[str, Any]:
    assert main(["maps", *words, "-f", "json"]) == Exit.OK
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


class TestJson:
    def test_its_keys(self, capsys: Captured) -> None:
        answer = said(capsys, "20")
        assert list(answer) == ["schema", "host", "coverage", "gaps", "process", "totals", "mapping", "folios"]
        (process,) = answer["process"]
        assert (process["pid"], process["rss"]) == (20, 7 * PAGE)
        assert answer["totals"]["rss"] == process["rss"]
        assert answer["totals"]["kernel_referenced"] == 7 * PAGE
        assert "start" not in answer["totals"], "no sum of that means anything"

    def test_a_mapping_and_its_partners(self, capsys: Captured) -> None:
        rows = said(capsys, "11")["mapping"]
        assert [row["name"] for row in rows] == ["[heap]", "/memfd:w (deleted)", "/lib/libc.so"]
        heap, memfd, libc = rows
        assert (heap["pid"], heap["start"], heap["perms"], heap["partners"]) == (11, "0x400000", "rw-p", [])
        assert memfd["partners"] == [{"pid": 20, "comm": "redis", "bytes": 2 * PAGE}]
        assert [one["bytes"] // PAGE for one in libc["partners"]] == [4, 3]
        assert "rd" in heap["vm_flags"]
        assert heap["kernel_referenced"] == PAGE
        names = {column.name for column in maps.COLUMNS} - {"partner_comms", "partner_bytes"}
        assert set(heap) == names

    def test_by_object(self, capsys: Captured) -> None:
        answer = said(capsys, "11", "--group")
        assert "mapping" not in answer
        rows = answer["object"]
        assert [(row["name"], row["mappings"]) for row in rows] == [
            ("/memfd:w (deleted)", 1),
            ("/lib/libc.so", 1),
            ("[heap]", 1),
        ]
        assert [row["pss"] for row in rows] == sorted((row["pss"] for row in rows), reverse=True)

    def test_folios(self, capsys: Captured) -> None:
        (row,) = said(capsys, "20")["folios"]
        assert (row["start"], row["kind"], row["size"], row["aligned"]) == ("0x400000", "anon", 2 * PAGE, 2 * PAGE)
        (row,) = said(capsys, "10")["folios"]
        assert (row["kind"], row["aligned"], row["partial"]) == ("hugetlb", 2 * PAGE, 0)
        assert said(capsys, "11")["folios"] == []

    def test_the_legend(self, capsys: Captured) -> None:
        legend = {row["code"]: row["meaning"] for row in said(capsys, "11", "--legend")["legend"]}
        assert set(legend) == {code for row in said(capsys, "11")["mapping"] for code in row["vm_flags"]}
        assert legend["rd"] == "readable"

    def test_lines(self, capsys: Captured) -> None:
        assert main(["maps", "20", "-f", "ndjson", "-q"]) == Exit.OK
        views = [json.loads(line)["view"] for line in capsys.readouterr().out.splitlines()]
        assert views == ["mapping"] * 3 + ["folios"]


class TestText:
    def lines(self, capsys: Captured, *words: str) -> list[str]:
        assert main(["maps", *words, "-f", "text", "--color", "never"]) == Exit.OK
        return capsys.readouterr().out.splitlines()

    def test_eighty_columns(self, capsys: Captured) -> None:
        lines = self.lines(capsys, "11")
        assert lines[0].startswith("php (pids 11, 12) of ")
        assert lines[1].split() == ["START", "PERM", "PSS", "USS", "RSS", "WITH", "NAME"]
        assert lines[2].split() == ["400000", "rw-p", "4.00", "KiB", "4.00", "KiB", "4.00", "KiB", "0", "[heap]"]
        assert lines[3].endswith("1  /memfd:w (deleted)")
        assert lines[4].endswith("2  /lib/libc.so")
        assert lines[5].split()[0] == "total", "without being asked for"
        assert max(map(len, lines)) <= 80

    def test_a_wider_screen_names_the_largest_partner(self, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
        monkeypatch.setenv("COLUMNS", "100")
        lines = self.lines(capsys, "11")
        assert "1  redis 8.00 KiB" in lines[3]
        assert "php 16.0 KiB, +1" in lines[4]

    def test_folios_of_the_whole_address_space(self, capsys: Captured) -> None:
        lines = self.lines(capsys, "20")
        at = next(number for number, line in enumerate(lines) if line.startswith("FOLIOS"))
        assert lines[at].split() == ["FOLIOS", "SIZE", "ALIGNED", "UNALIGNED", "PARTIAL"]
        assert lines[at + 1].split() == ["anon", "8.00", "KiB", "8.00", "KiB", "0", "0"]
        assert not any("FOLIOS" in line for line in self.lines(capsys, "11"))
        assert not any("FOLIOS" in line for line in self.lines(capsys, "20", "--columns", "name,pss"))

    def test_all_partners_where_they_are_asked_for(self, capsys: Captured) -> None:
        lines = self.lines(capsys, "20", "--columns", "partners", "-H")
        assert lines[1] == "hidden 4.00 KiB"
        assert lines[3] == "php x2 12.0 KiB"

    def test_memory_without_a_name_has_a_word(self, capsys: Captured) -> None:
        snap = walked(mappings=True, vm_flags=True)
        assert "" not in snap.maps(20)["name"].tolist()
        assert any("[heap]" in line for line in self.lines(capsys, "20"))


class TestAsked:
    def plain(self, capsys: Captured, *words: str) -> list[list[str]]:
        assert main(["maps", *words, "-q"]) == Exit.OK
        return [line.split() for line in capsys.readouterr().out.split("\n\n")[0].splitlines()]

    def test_by_address_by_default(self, capsys: Captured) -> None:
        lines = self.plain(capsys, "11", "-b")
        assert lines[0][:6] == ["start", "end", "perms", "pss", "uss", "rss"]
        assert [line[0] for line in lines[1:]] == ["0x400000", "0x2000000", "0x7f000000"]
        assert [line[-1] for line in lines[1:]] == ["[heap]", "(deleted)", "/lib/libc.so"]

    @pytest.mark.parametrize(
        ("words", "order"),
        [
            (["-s", "uss"], ["[heap]", "memfd", "libc"]),
            (["-s", "rss"], ["libc", "memfd", "[heap]"]),
            (["-s", "rss", "-r"], ["[heap]", "memfd", "libc"]),
            (["-r"], ["libc", "memfd", "[heap]"]),
            (["-s", "partners"], ["libc", "memfd", "[heap]"]),
            (["-s", "others", "-r"], ["[heap]", "memfd", "libc"]),
            (["-s", "start", "-n", "1"], ["[heap]"]),
        ],
    )
    @pytest.mark.parametrize("form", ["plain", "json", "text"])
    def test_other_orders(self, capsys: Captured, words: list[str], order: list[str], form: str) -> None:
        assert main(["maps", "11", "-f", form, "-q", "--columns", "name,partners,others,uss,rss,start", *words]) == 0
        out = capsys.readouterr().out
        places = [out.index(name) for name in order]
        assert places == sorted(places)
        assert len(words) != 4 or "libc" not in out

    def test_totals(self, capsys: Captured) -> None:
        lines = self.plain(capsys, "11", "--columns", "rss,uss,name", "-t", "-b", "-H")
        assert lines[-1] == [str(8 * PAGE), str(2 * PAGE), "total"]

    def test_csv_is_one_table(self, capsys: Captured) -> None:
        assert main(["maps", "11", "-f", "csv", "-q"]) == Exit.OK
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [row["partners"] for row in rows] == ["", "20", "10,20"]
        assert rows[2]["partner_bytes"] == f"{4 * PAGE},{3 * PAGE}"

    def test_the_columns_there_are(self, capsys: Captured, walks: Calls) -> None:
        for words in (["-s", "help"], ["--columns", "help"]):
            assert main(["maps", "11", *words]) == Exit.OK
            out = capsys.readouterr().out
            assert out.startswith("columns of maps:\n")
            assert all(f"  {column.name} " in out for column in maps.COLUMNS)
        assert not walks

    def test_into_a_file(self, capsys: Captured, tmp_path: Path) -> None:
        path = tmp_path / "maps.json"
        assert main(["maps", "11", "-f", "json", "-o", str(path)]) == Exit.OK
        assert len(json.loads(path.read_text())["mapping"]) == 3
        assert main(["maps", "11", "-o", str(path)]) == Exit.FAILURE
        assert "--force" in capsys.readouterr().err


class TestWalk:
    def test_all_processes_and_smaps_of_this_one(self, walks: Calls) -> None:
        assert main(["maps", "20", "-q", "--threads", "2"]) == Exit.OK
        (how,) = walks
        assert {name: how[name] for name in how if name != "progress"} == {
            "mappings": [20],
            "vm_flags": True,
            "threads": 2,
        }

    def test_this_one_alone(self, walks: Calls) -> None:
        assert main(["maps", "20", "-q", "--alone", "--no-smaps"]) == Exit.OK
        assert (walks[0]["pids"], walks[0]["vm_flags"]) == ([20], False)

    def test_of_a_file(self, capsys: Captured, tmp_path: Path, walks: Calls) -> None:
        path = str(tmp_path / "host.pwz")
        SNAP.save(path)
        live = said(capsys, "11")
        filed = said(capsys, "11", path)
        assert (filed["mapping"], filed["folios"], filed["totals"]) == (live["mapping"], live["folios"], live["totals"])
        assert len(walks) == 1
        assert main(["maps", "99", path]) == Exit.NOTHING
        assert f"no process 99 in {path} (there are 10, 11, 20)" in capsys.readouterr().err


class TestWithoutSmaps:
    def test_nothing_of_the_kernels_on_a_screen(self, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
        monkeypatch.setattr(snapshot, "walk", lambda **how: walked(mappings=True))
        monkeypatch.setenv("COLUMNS", "400")
        assert main(["maps", "20", "--no-smaps", "-f", "text"]) == Exit.OK
        head = capsys.readouterr().out.splitlines()[1]
        assert "KERNEL" not in head
        assert "VMFLAGS" not in head
        row = said(capsys, "20", "--no-smaps")["mapping"][0]
        assert (row["kernel_referenced"], row["vm_flags"]) == (None, None)
        assert main(["maps", "20", "--no-smaps", "-q", "-H"]) == Exit.OK
        assert " ? " in capsys.readouterr().out


class TestRefused:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["x"], "'x' is no process ID"),
            (["-1"], "'-1' is no process ID"),
            (["0"], "'0' is no process ID"),
            (["99999999999"], "no process ID"),
            ([], "required: PID"),
            (["20", "-s", "wss"], "-s wss: maps has no such column; it has pid, start"),
            (["20", "--columns", "pss,wss"], "--columns wss"),
            (["20", "--group", "-s", "perms"], "-s perms: maps has no such column"),
            (["20", "--no-smaps", "--legend"], "--legend explains VmFlags"),
            (["20", "--no-smaps", "-s", "kernel_locked"], "kernel_locked is the kernel's own word"),
            (["20", "--no-smaps", "--columns", "vm_flags"], "vm_flags is the kernel's own word"),
            (["20", "-t", "-f", "json"], "-t is for people"),
            (["20", "-f", "csv", "--legend"], "-f csv holds one table: leave --legend out"),
            (["20", "-f", "csv", "--stack"], "-f csv holds one table: leave --stack out"),
            (["20", "host.pwz", "--stack"], "--stack is of a walk of this machine, host.pwz is a snapshot"),
            (["20", "host.pwz", "--alone"], "--alone is of a walk"),
            (["20", "host.pwz", "--no-smaps"], "--no-smaps is of a walk"),
        ],
    )
    def test_before_any_walk(self, words: list[str], message: str, capsys: Captured, walks: Calls) -> None:
        assert main(["maps", *words]) == Exit.USAGE
        out, err = capsys.readouterr()
        assert message in err
        assert (out, err.count("\n"), walks) == ("", 1, [])

    def test_ended_meanwhile(self, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
        assert main(["maps", "99"]) == Exit.NOTHING
        assert capsys.readouterr().err == "pagewalk: process 99 ended while it was read\n"
        failing(monkeypatch, PagewalkError("no address space to walk for pid 99"))
        assert main(["maps", "99"]) == Exit.NOTHING
        assert capsys.readouterr().err == "pagewalk: process 99 ended before it was read\n"

    def test_without_the_privilege_the_command_is_said_again(
        self, monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        failing(monkeypatch, PermissionRequired("the kernel hides"))
        assert main(["maps", "99"]) == Exit.PRIVILEGE
        assert "the kernel hides" in capsys.readouterr().err

    def test_it_is_looked_for_before_the_walk(self, monkeypatch: pytest.MonkeyPatch, walks: Calls) -> None:
        asked: list[int] = []
        monkeypatch.setattr(pagewalk.cli.maps, "check_target", lambda procfs, pid: asked.append(pid))
        assert main(["maps", "20", "-q"]) == Exit.OK
        assert (asked, len(walks)) == ([20], 1)
