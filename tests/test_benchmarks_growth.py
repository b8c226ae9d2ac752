"""Growth is told straight or not by the measurements, and what cannot be had is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchstage import MIB, PAGE, REPOSITORY, compiled, unsanitized

if TYPE_CHECKING:
    from benchmarks.growth_series import Growth
    from benchmarks.programs import Programs
    from benchmarks.workloads import Workload

pytestmark = unsanitized


@pytest.fixture
def programs() -> Iterator[Programs]:
    with compiled() as programs:
        yield programs


def answer(cpu: float, processes: int = 10**6, rss: int = 1 << 60) -> dict[str, Any]:
    """What a walk of so many CPU seconds says; a second reading was slower."""
    readings = [
        {"cpu": cpu + more, "wall": cpu, "phases": {"processes": cpu / 2, "frames": 0.0}, "peak": MIB, "before": MIB}
        for more in (0.5, 0.0)
    ]
    found = {"processes": processes, "rss": rss, "pss": rss}
    return {"first": readings[0], "readings": readings, "forecast": {}, "found": found}


def grown(costs: dict[float, float], base: float = 0.0) -> dict[str, Any]:
    points = [
        {
            "size": size,
            "processes": 1,
            "base": {"columns": answer(base), "default": answer(base)},
            "walks": {"columns": answer(cpu), "default": answer(cpu)},
        }
        for size, cpu in costs.items()
    ]
    return {"name": "heap", "title": "a title " * 9, "unit": "GiB", "points": points, "unmet": ""}


def run_of(*series: dict[str, Any]) -> dict[str, Any]:
    from benchmarks import growth_record

    return {**growth_record.begun("growth", 2, 1.0), "audit": audit(), "series": list(series)}


def audit() -> dict[str, Any]:
    first = {"cpu": 1.0, "wall": 1.0, "phases": {}, "peak": 150 * MIB, "before": 40 * MIB}
    return {"first": first, "readings": [], "forecast": {"owner ids": 90 * MIB, "buffers": 1}, "found": {}}


# The line


def test_a_straight_line_is_found() -> None:
    from benchmarks.growth_line import fitted

    line = fitted([1, 2, 10], [5.0, 7.0, 23.0])
    assert [line.slope, line.base] == pytest.approx([2, 3])
    assert line.apart == pytest.approx(0, abs=1e-9)
    assert line.at(100) == pytest.approx(203)


def test_a_square_is_not_straight() -> None:
    from benchmarks.growth_line import fitted

    assert fitted([1, 2, 4, 8], [1.0, 4.0, 16.0, 64.0]).apart > 0.3


def test_small_sizes_count_as_much_as_large_ones() -> None:
    from benchmarks.growth_line import fitted

    # Twice the cost at the smallest: beside the largest the distance is nothing, as a part it is much.
    assert fitted([1, 2, 4, 1000], [2.0, 2.0, 4.0, 1000.0]).apart > 0.1


def test_costs_a_unit_are_those_beyond_the_base() -> None:
    from benchmarks.growth_line import unit_costs

    assert unit_costs([1, 2, 4], [5.0, 9.0, 12.0], [3.0, 5.0, 4.0]) == ([2.0, 2.0, 2.0], 0.0)
    each, apart = unit_costs([1, 2, 4], [1.0, 2.0, 8.0], [0.0, 0.0, 0.0])
    assert (each, apart) == ([1.0, 1.0, 2.0], 1.0)
    assert unit_costs([1, 2], [1.0, 1.0], [1.0, 1.0])[1] == float("inf")


# The text


def test_the_table_fits_and_judges() -> None:
    from benchmarks import growth_table

    straight = grown({1: 1.01, 2: 2.01, 4: 4.01}, base=0.01)
    text = growth_table.text(run_of(straight))
    assert max(map(len, text.splitlines())) <= 80
    assert "NOT STRAIGHT" not in text
    rows = [line.split() for line in text.splitlines()]
    # The least of the readings counts.
    assert ["4", "0.0100", "4.0100", "1", "s", "0.0100", "4.0100", "1", "s"] in rows
    joined = " ".join(text.split())
    assert "columns: line 1 s, apart 0%, straight; proportion 0%. One more GiB, by phase: processes 500 ms" in joined
    assert "the machine was not quiet" not in joined.lower()
    assert "took 110 MiB at most, beside 40 MiB that Python and numpy had before; foretold 90 (owner ids 90)." in joined
    assert "NOT STRAIGHT (beyond 15%)" in " ".join(growth_table.text(run_of(grown({1: 1, 2: 4, 4: 16, 8: 64}))).split())


def test_what_was_left_out_and_a_busy_machine_are_said() -> None:
    from benchmarks import growth_table

    series = grown({1: 1.01, 2: 2.01, 4: 4.01}, base=0.01)
    series["unmet"] = "W2a needs more"
    series["points"][1]["base"]["default"] = answer(0.9)
    text = " ".join(growth_table.text(run_of(series)).split())
    assert "left out: W2a needs more" in text
    assert "The machine was not quiet: without, a walk took 0.010 to 0.900 s." in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.5, "1.5 s"), (0.0125, "12.5 ms"), (-2e-6, "-2 us"), (3.14e-9, "3.14 ns"), (0.99999, "1 s"), (0.0, "0 ns")],
)
def test_times_have_a_unit_that_suits_them(seconds: float, text: str) -> None:
    from benchmarks.growth_table import time_text

    assert time_text(seconds) == text


# Measuring


def growth(start: Any, sizes: tuple[float, ...] = (1, 2, 3)) -> Growth:
    from benchmarks.growth_series import Growth

    return Growth("heap", "made up", "MiB", MIB, sizes, start)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Walks are only noted."""
    from benchmarks import growth as module

    asked: list[dict[str, Any]] = []

    def read_machine(directory: object, rounds: int, **options: Any) -> dict[str, Any]:
        asked.append(options)
        return answer(1.0 + len(asked), processes=1, rss=2 * MIB)

    monkeypatch.setattr(module, "read_machine", read_machine)
    return asked


@contextmanager
def holding(rss: int) -> Iterator[Workload]:
    from benchmarks.workloads import Known, Workload

    yield Workload("W", "", (1,), (Known(0, 1, {"rss": rss}),))


def test_each_size_is_measured_with_and_without(
    monkeypatch: pytest.MonkeyPatch, unmeasured: list[dict[str, Any]]
) -> None:
    from benchmarks import growth as module

    started = []

    def start(programs: object, size: int) -> AbstractContextManager[Workload]:
        started.append((size, len(unmeasured)))
        return holding(MIB)

    monkeypatch.setattr(module, "GROWTHS", (growth(start),))
    (series,) = module.measure(["heap"], 0.5, 1)["series"]
    # The audit, without in two ways, with in two ways, and so on.
    assert started == [(MIB // 2, 3), (MIB, 7), (3 * MIB // 2, 11)]
    assert [point["size"] for point in series["points"]] == [0.5, 1.0, 1.5]
    assert [point["walks"]["columns"]["readings"][1]["cpu"] for point in series["points"]] == [5.0, 9.0, 13.0]
    assert unmeasured[0] == {"frames": "all", "mappings": True, "freed": True}
    assert all(options["threads"] == 1 for options in unmeasured[1:])


def test_sizes_that_do_not_fit_are_left_out(monkeypatch: pytest.MonkeyPatch, unmeasured: object) -> None:
    from benchmarks import growth as module
    from benchmarks.held import Unavailable
    from benchmarks.programs import Failure

    def start(programs: object, size: int) -> AbstractContextManager[Workload]:
        if size > 3 * MIB:
            raise Unavailable("too much")
        return holding(MIB)

    monkeypatch.setattr(module, "GROWTHS", (growth(start, (1, 2, 3, 4)),))
    (series,) = module.measure(["heap"], 1, 1)["series"]
    assert (len(series["points"]), series["unmet"]) == (3, "too much")
    monkeypatch.setattr(module, "GROWTHS", (growth(start, (1, 2, 4)),))
    with pytest.raises(Failure, match="heap: fewer than 3 sizes can be had here: too much"):
        module.measure(["heap"], 1, 1)


def test_a_walk_that_misses_what_is_there_is_told(monkeypatch: pytest.MonkeyPatch, unmeasured: object) -> None:
    from benchmarks import growth as module
    from benchmarks.programs import Failure

    monkeypatch.setattr(module, "GROWTHS", (growth(lambda programs, size: holding(2 * MIB + 1)),))
    with pytest.raises(Failure, match=r"heap \(columns\): pagewalk found 1 processes and 2097152 bytes"):
        module.measure(["heap"], 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["processes", "heap", "reserved"])
def test_what_grows_is_there(programs: Programs, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import growth as module
    from benchmarks.growth_series import GROWTHS, STEP

    (mine,) = (each for each in GROWTHS if each.name == name)
    assert len(mine.sizes) >= 5
    size = {"processes": 3, "heap": 5 * PAGE, "reserved": 4 * STEP}[name]
    with mine.start(programs, size) as workload:
        assert len(workload.pids) == (4 if name == "processes" else 1)
        rss = sum(known.figures["rss"] for known in workload.known)
        # One page in each step, and the one that is dense at least.
        assert rss == {"processes": 0, "heap": 5 * PAGE, "reserved": 5 * PAGE}[name]
        answers = module._walks(1)
    assert set(answers) == {"columns", "default"}
    assert all(each["found"]["rss"] > rss for each in answers.values())
    assert all(set(each["readings"][0]["phases"]) >= {"listing", "processes", "frames"} for each in answers.values())


# The command


def test_without_root_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import growth as module

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["growth"])
    assert module.main() == 77
    assert capsys.readouterr() == ("", "benchmarks.growth: reading every process needs root\n")


def test_the_run_is_printed_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import growth as module
    from benchmarks import growth_record

    run = run_of(grown({1: 1.01, 2: 2.01, 4: 4.01}, base=0.01))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(module, "measure", lambda *_: run)
    kept = growth_record.keep
    monkeypatch.setattr(growth_record, "keep", lambda run: kept(run, tmp_path / "runs"))
    path = tmp_path / "run.json"
    monkeypatch.setattr(sys, "argv", ["growth", "--json", str(path), "--keep"])
    assert module.main() == module.main() == 0
    assert "heap: a title" in capsys.readouterr().out
    assert json.loads(path.read_text()) == run
    stem = f"{run['date'][:10]}-{run['host']['kernel']}-growth"
    assert sorted(os.listdir(tmp_path / "runs")) == [f"{stem}-2.json", f"{stem}.json"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_is_left_when_interrupted(programs: Programs, tmp_path: Path, number: int, code: int) -> None:
    script = (
        "import os, sys; from benchmarks import growth, growth_series;"
        "growth._walks = lambda rounds: {};"
        "growth._check = lambda *_: (print('there', flush=True), __import__('time').sleep(60));"
        "sys.argv = ['growth', '--series', 'processes', '--scale', '0.01']; sys.exit(growth.main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (code, b"")
    assert os.listdir(tmp_path) == []
