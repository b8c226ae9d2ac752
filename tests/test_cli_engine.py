"""The command on the engine itself, over a made /proc: every view in every format, the figures of a fork."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fakebooks
import fakeproc
import pagewalk.snapshot
from books import Books, Cgroup, Leftover, Ram, Stretch
from fakebooks import FakeBooksFS
from fakeproc import FakeProcFS
from model import PAGE, Fate, Frame, Kind, Machine, Present, Process, Space, Vma
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.output import FORMATS
from pagewalk.cli.views import VIEWS

Captured = pytest.CaptureFixture[str]

PAYER, RIDER = 7, 8


def forked() -> Machine:
    """Two processes that share two frames and have one each of their own, and one that is refused.

    All is charged to the cgroup of the first but what the second has alone.
    """
    heap = {0: Present(16), 1: Present(17)}
    spaces = [Space((Vma(256, 4, entries={**heap, 2: Present(own)}),), layout=own) for own in (18, 19)]
    return Machine(
        frames={pfn: Frame(pfn, Kind.ANON, memcg=RIDER if pfn == 19 else PAYER) for pfn in (16, 17, 18, 19)},
        spaces=(*spaces, Space(())),
        processes=(
            Process(10, 0, comm=b"parent", cgroup="/payer.service"),
            Process(11, 1, comm=b"two\nlines", uid=70, cgroup="/rider.service"),
            Process(12, 2, comm=b"guard", fate=Fate.REFUSED),
        ),
        limit=64,
    )


def books() -> Books:
    """Its RAM: 64 frames on two nodes, some free, one of a page table that the second cgroup pays for."""
    free = {pfn: Leftover(pfn, "free") for pfn in range(32, 48)}
    return Books(
        machine=forked(),
        ram=Ram(((0, 64),), (Stretch(0, 17, 0, "Normal"), Stretch(17, 64, 1, "Normal"))),
        leftovers={**free, 20: Leftover(20, "pgtable", memcg=RIDER)},
        cgroups=(Cgroup("/", 1), Cgroup("/payer.service", PAYER, {"anon": 3 * PAGE}), Cgroup("/rider.service", RIDER)),
    )


def walked_through(procfs: FakeProcFS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every `walk` be one of this machine."""
    walk = pagewalk.snapshot.walk
    monkeypatch.setattr(pagewalk.snapshot, "walk", lambda **how: walk(procfs=procfs, **how))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine without its books: nothing says what is RAM."""
    made = forked()
    walked_through(FakeProcFS(made, fakeproc.write(made, tmp_path / "proc")), monkeypatch)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine with its books."""
    made = books()
    root = fakeproc.write(made.machine, tmp_path / "proc")
    fakebooks.write(made, root)
    walked_through(FakeBooksFS(made, root), monkeypatch)


def answer(capsys: Captured, *words: str) -> dict[str, Any]:
    """The JSON that the command writes."""
    assert main([*words, "-f", "json"]) == Exit.OK
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_in_every_format(view: str, style: str, capsys: Captured) -> None:
    assert main(["--by", view, "-f", style]) == Exit.OK
    assert capsys.readouterr().out


@pytest.mark.usefixtures("machine")
class TestMapped:
    def test_figures_of_a_fork(self, capsys: Captured) -> None:
        value = answer(capsys, "--by", "process", "-s", "pid")
        figures = [{name: row[name] // PAGE for name in ("rss", "pss", "uss", "shared")} for row in value["process"]]
        assert figures == [{"rss": 3, "pss": 2, "uss": 1, "shared": 2}] * 2
        assert [gap["pid"] for gap in value["gaps"]] == [12]
        assert value["coverage"]["mapped_frames"] == 4

    def test_nodes_of_processes(self, capsys: Captured) -> None:
        assert main(["--by", "process", "-s", "node1", "--columns", "node0,node1,pid", "-b", "-H", "-q"]) == Exit.OK
        rows = [[int(word) for word in line.split()] for line in capsys.readouterr().out.splitlines()]
        assert sorted(rows) == [[PAGE, 2 * PAGE, 10], [PAGE, 2 * PAGE, 11]]
        assert main(["--by", "process", "--columns", "node7"]) == Exit.USAGE
        assert "process has no such column here; it has pid, " in capsys.readouterr().err

    def test_a_selection(self, capsys: Captured) -> None:
        assert main(["-u", "70", "-H", "--columns", "pid,comm", "-q"]) == Exit.OK
        assert capsys.readouterr().out == "11 two\\nlines\n"

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["-p", "12"], Exit.NOTHING, "process 12 could not be read: "),
            (["-p", "99"], Exit.NOTHING, "no address space was read for pid 99 (there are 10, 11)"),
            (["-P", "^none$"], Exit.NOTHING, "no process matches -P ^none$"),
            (["--by", "cgroup", "-c", "/none"], Exit.NOTHING, "no cgroup matches -c /none"),
            (["--strict", "-q"], Exit.GAPS, "1 gap under --strict"),
        ],
    )
    def test_ends(self, words: list[str], code: Exit, message: str, capsys: Captured) -> None:
        assert main(words) == code
        assert capsys.readouterr().err.startswith(f"pagewalk: {message}")


@pytest.mark.usefixtures("machine")
class TestWholeRam:
    def test_summary(self, capsys: Captured) -> None:
        value = answer(capsys)
        assert list(value)[4:] == ["use", "kinds", "program", "cgroup", "sharing"]
        (shared,) = value["sharing"]
        assert (shared["owners"], shared["bytes"]) == ([10, 11], 2 * PAGE)

    def test_uses_add_up_to_ram(self, capsys: Captured) -> None:
        value = answer(capsys, "--by", "use")
        frames = {row["use"]: row["bytes"] // PAGE for row in value["use"] if row["bytes"]}
        assert frames == {"kernel": 43, "free": 16, "anon": 4, "pgtable": 1}
        assert sum(frames.values()) == 64
        assert {row["of"] for row in value["balance"]} >= {"kernel", "System RAM"}

    def test_nodes_add_up_to_ram(self, capsys: Captured) -> None:
        rows = answer(capsys, "--by", "node")["node"]
        assert [(row["node"], row["zone"], row["bytes"] // PAGE) for row in rows] == [
            (0, "Normal", 17),
            (1, "Normal", 47),
        ]

    def test_who_pays_for_whom(self, capsys: Captured) -> None:
        rows = answer(capsys, "--by", "charge")["charge"]
        assert {(row["charged_to"], tuple(row["used_by"])): row["bytes"] // PAGE for row in rows} == {
            ("/payer.service", ("/payer.service", "/rider.service")): 2,
            ("/payer.service", ("/payer.service",)): 1,
            ("/rider.service", ("/rider.service",)): 1,
            ("/rider.service", ()): 1,
        }
        (row,) = answer(capsys, "--by", "charge", "--depth", "0")["charge"][:1]
        assert (row["charged_to"], row["used_by"], row["bytes"] // PAGE) == ("/", ["/"], 4)

    def test_cgroups(self, capsys: Captured) -> None:
        rows = {row["path"]: row for row in answer(capsys, "--by", "cgroup")["cgroup"]}
        assert sorted(rows) == ["/", "/payer.service", "/rider.service"]
        figures = ("charged", "used", "used_not_charged", "processes")
        payer, rider = (rows[f"/{name}.service"] for name in ("payer", "rider"))
        assert [payer[name] for name in figures] == [3 * PAGE, 2 * PAGE, 0, 1]
        assert [rider[name] for name in figures] == [2 * PAGE, 2 * PAGE, 2 * PAGE, 1]
        assert [row["path"] for row in answer(capsys, "--by", "cgroup", "-c", "rider.service")["cgroup"]] == [
            "/rider.service"
        ]


@pytest.mark.usefixtures("bare")
class TestWithoutBooks:
    def test_the_summary_makes_do_and_says_so(self, capsys: Captured) -> None:
        value = answer(capsys)
        assert list(value)[4:] == ["kinds", "program", "sharing"]
        assert value["gaps"][-1]["pid"] is None
        assert value["gaps"][-1]["what"] == "all of RAM"
        assert main(["--color", "never", "-f", "text"]) == Exit.OK
        out = " ".join(capsys.readouterr().out.split())
        assert "Only mapped memory is shown, all of RAM could not be read: " in out
        assert "iomem" in out

    @pytest.mark.parametrize("view", ["use", "node", "cgroup", "charge"])
    def test_views_of_all_of_ram_do_not(self, view: str, capsys: Captured) -> None:
        assert main(["--by", view]) == Exit.UNSUPPORTED
        assert "iomem" in capsys.readouterr().err
