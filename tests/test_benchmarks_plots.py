"""Pictures of runs are the same bytes each time, show what was measured, and what cannot be drawn is one line."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchstage import MIB, REPOSITORY

PICTURES = REPOSITORY / "benchmarks" / "plots"


def answer(cpu: float, peak: int = 2 * MIB) -> dict[str, Any]:
    reading = {"cpu": cpu, "wall": cpu, "phases": {}, "peak": peak, "before": MIB}
    return {"first": reading, "readings": [reading], "forecast": {"owner ids": MIB, "buffers": MIB}, "found": {}}


def growth_run() -> dict[str, Any]:
    units = {"processes": "processes", "heap": "GiB", "reserved": "TiB"}
    series = [
        {
            "name": name,
            "unit": unit,
            "points": [
                {"size": size, "walks": {"columns": answer(1 + size), "default": answer(1 + 2 * size)}}
                for size in (1, 2, 4)
            ],
        }
        for name, unit in units.items()
    ]
    return {"benchmark": "growth", "series": series}


def made_run() -> dict[str, Any]:
    names = ("scattered", "in runs", "in order", "huge", "shared", "absent", "processes", "owner sets")
    series = [
        {
            "name": name,
            "points": [
                {"size": size, "walks": {"columns": answer(at + size / 1e6), "default": answer(at + size / 5e5)}}
                for size in (10**6, 2 * 10**6)
            ],
        }
        for at, name in enumerate(names, 1)
    ]
    memory = [
        {
            "ram": ram << 30,
            "processes": 100,
            "sets": 9,
            "walks": {"columns": answer(1.0, ram << 20), "audit": answer(1.0, ram << 21)},
        }
        for ram in (64, 1024)
    ]
    return {"benchmark": "made", "series": series, "memory": memory}


@pytest.fixture
def drawing() -> None:
    pytest.importorskip("matplotlib")


def main(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    from benchmarks import plots

    monkeypatch.setattr(sys, "argv", ["plots", *map(str, arguments)])
    return plots.main()


def kept(folder: Path, name: str, run: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(run))
    return path


@pytest.mark.usefixtures("drawing")
def test_pictures_are_the_same_bytes_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs = [kept(tmp_path, "growth.json", growth_run()), kept(tmp_path, "made.json", made_run())]
    for turn in "ab":
        assert main(monkeypatch, *runs, "--folder", tmp_path / turn) == 0
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["growth.svg", "memory.svg", "own-cost.svg"]
    for name in names:
        text = (tmp_path / "a" / name).read_text()
        assert (tmp_path / "b" / name).read_text() == text
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert "<dc:date>" not in text
        assert len(text) < MIB // 2


@pytest.mark.usefixtures("drawing")
def test_png_to_look_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert main(monkeypatch, kept(tmp_path, "run.json", growth_run()), "--folder", tmp_path, "--png") == 0
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("drawing")
def test_what_is_drawn_is_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from benchmarks import plots_growth, plots_made

    drawn: list[Any] = []
    for module in (plots_growth, plots_made):
        monkeypatch.setattr(module, "save", lambda figure, path: drawn.append(figure))
    assert [path.name for path in plots_growth.plot_growth(growth_run(), tmp_path)] == ["growth.svg"]
    assert [path.name for path in plots_made.plot_made(made_run(), tmp_path)] == ["own-cost.svg", "memory.svg"]
    growth, own_cost, memory = drawn
    points = [line for line in growth.axes[1].lines if line.get_marker() == "o"]
    assert [list(line.get_xydata()[-1]) for line in points] == [[4, 5], [4, 9]]
    assert [text.get_text() for text in growth.axes[1].texts] == ["1 s\na GiB", "2 s\na GiB"]
    assert [len(axes.texts) for axes in own_cost.axes] == [6, 2, 1]
    assert "in order: 1 us each" in [text.get_text() for text in own_cost.axes[0].texts]
    assert [bar.get_height() for bar in memory.axes[0].patches] == [64 / 1024, 1.0, 128 / 1024, 2.0]
    assert [text.get_text() for text in memory.axes[0].texts[:4]] == ["64 MiB", "1.00 GiB", "128 MiB", "2.00 GiB"]


@pytest.mark.usefixtures("drawing")
def test_labels_do_not_lie_on_each_other() -> None:
    from benchmarks.plots_style import end_labels, figure

    with figure(1, (4, 3)) as (_, (axes,)):
        axes.set_ylim(0, 100)
        end_labels(axes, [(99, "a", "k"), (98.5, "b", "k"), (99.5, "c", "k"), (10, "d", "k")], apart=0.1)
        places = {text.get_text(): text.xy[1] for text in axes.texts}
    assert places == pytest.approx({"d": 0.1, "b": 0.8, "a": 0.9, "c": 1.0})


@pytest.mark.usefixtures("drawing")
def test_a_run_of_some_series_has_the_pictures_of_these(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = made_run() | {"series": []}
    assert main(monkeypatch, kept(tmp_path, "run.json", run), "--folder", tmp_path / "plots") == 0
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["memory.svg"]


def test_without_matplotlib_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(monkeypatch, kept(tmp_path, "run.json", growth_run()), "--folder", tmp_path / "plots") == 1
    told = "benchmarks.plots: plots need matplotlib: pip install 'pagewalk[bench]'\n"
    assert capsys.readouterr() == ("", told)
    assert list((tmp_path / "plots").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not a run of the benchmarks"),
        ("[1]", "not a run of the benchmarks"),
        ("{}", "not a run of the benchmarks"),
        ('{"benchmark": "walk"}', "a run of 'walk' has no picture: there are those of growth, made"),
        ('{"benchmark": "made"}', "not a whole run of 'made': it lacks 'series'"),
        (None, "No such file or directory"),
    ],
)
def test_what_is_no_run_is_told_in_a_line(
    text: str | None, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    assert main(monkeypatch, path, "--folder", tmp_path / "plots") == 1
    assert capsys.readouterr() == ("", f"benchmarks.plots: {path}: {told}\n")


def test_two_runs_of_a_kind_are_one_too_many(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [kept(tmp_path, name, growth_run()) for name in ("a.json", "b.json")]
    assert main(monkeypatch, *paths, "--folder", tmp_path / "plots") == 1
    assert f"{paths[1]}: a second run of 'growth'" in capsys.readouterr().err
    assert not (tmp_path / "plots").exists()


def test_kept_pictures_are_pictures_without_a_date() -> None:
    for path in PICTURES.glob("*"):
        assert path.suffix == ".svg"
        text = path.read_text()
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert "<dc:date>" not in text
