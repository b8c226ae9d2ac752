"""The benchmark of how long the command takes to start. Never how long it took."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def startup(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmarks are a folder of the project, not a part of what is installed."""
    monkeypatch.syspath_prepend(REPOSITORY)
    from benchmarks import startup

    return startup


def test_table_and_bars(startup: ModuleType) -> None:
    what = [startup.Started("--help", ("x",), 60), startup.Started("report", ("x",), 250), startup.Started("y", ("x",))]
    found = {
        "--help": [{"wall": wall, "cpu": 0.02} for wall in (0.030, 0.059, 0.200)],
        "report": [{"wall": wall, "cpu": 0.2} for wall in (0.1, 0.26, 0.251)],
        "y": [{"wall": 1.5, "cpu": 2.5}],
    }
    lines = startup.table(what, found).splitlines()
    assert lines[1].split() == ["--help", "59", "30..200", "20", "60", "held"]
    assert lines[2].split() == ["report", "251", "100..260", "200", "250", "NOT", "held"]
    assert lines[3].split() == ["y", "1500", "1500..1500", "2500", "-"]


def test_what_is_started(startup: ModuleType) -> None:
    names = [one.name for one in startup.startups(["pagewalk"], True)]
    assert len(set(names)) == len(names)
    bars = {one.name: one.bar for one in startup.startups(["pagewalk"], True)}
    assert (bars["--version"], bars["--help"], bars["small, --by process"]) == (60, 60, 250)
    assert all("unshare" not in one.words for one in startup.startups(["pagewalk"], False))


def test_each_is_run_so_often_with_an_environment_of_its_own(
    startup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more than counted, and without what the user has set for Python or for pagewalk."""
    monkeypatch.setenv("PAGEWALK_FORMAT", "csv")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    log = tmp_path / "log"
    script = (
        "import os, sys; mine = sorted(n for n in os.environ if n.startswith(('PYTHON', 'PAGEWALK')));"
        f"open({str(log)!r}, 'a').write(' '.join(mine) + '\\n')"
    )
    found = startup.started([startup.Started("one", (sys.executable, "-c", script))], 2)
    assert log.read_text().splitlines() == ["PYTHONPYCACHEPREFIX"] * 3
    assert [sorted(run) for run in found["one"]] == [["cpu", "wall"]] * 2
    assert all(run["cpu"] > 0 and run["wall"] > 0 for run in found["one"])


def test_a_command_that_fails_says_why(startup: ModuleType) -> None:
    words = (sys.executable, "-c", "import sys; sys.exit('it is broken')")
    with pytest.raises(startup.Failure, match="broken one: it is broken"):
        startup.started([startup.Started("broken one", words)], 1)


def test_runs_that_make_no_sense(startup: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert startup.main(["--runs", "0"]) == 2
    assert capsys.readouterr().err == "benchmarks: --runs is at least 1\n"


def test_all_of_it_once(startup: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert startup.main(["--runs", "1", "--json", str(tmp_path / "run.json")]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert ("small, --by process" in out) == (os.geteuid() == 0 and startup.can_walk())
    assert '"benchmark": "startup"' in (tmp_path / "run.json").read_text()
