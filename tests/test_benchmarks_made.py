"""Made machines are what they say, their walks are held to that, and nothing of them is left."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import pagewalk
from benchstage import MIB, PAGE, REPOSITORY
from pagewalk.abi import PFRAME_MASK, PM
from pagewalk.procfs import ProcFS

if TYPE_CHECKING:
    from benchmarks.made_machine import MadeMachine
    from benchmarks.made_series import Series

NAMES = (
    *(
        "scattered",
        "in runs",
        "in order",
        "huge",
        "shared",
        "kept",
        "absent",
        "unowned",
        "all RAM",
        "processes",
        "VMAs",
    ),
    "owner sets",
)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Machines are made in the test's own folder, and are small."""
    from benchmarks import made_machine, made_series

    monkeypatch.setattr(made_machine, "MEMORY", tmp_path)
    for name, small in {"FRAMES": 1 << 14, "SHARED": 200, "FILE_PAGES": 64, "SHARERS": 7}.items():
        monkeypatch.setattr(made_series, name, small)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[MadeMachine]:
    from benchmarks.made_machine import made_machine

    with made_machine(1 << 12, MIB) as made:
        yield made


def series_of(name: str) -> Series:
    from benchmarks.made_series import SERIES

    return next(series for series in SERIES if series.name == name)


def walked(machine: MadeMachine, **options: Any) -> Any:
    places = (str(machine.directory / name) for name in ("proc", "cgroup", "sys"))
    root, cgroup, sys_ = places
    return pagewalk.walk(procfs=ProcFS(root, cgroup, sys=sys_), **options)


def entries_of(machine: MadeMachine) -> dict[int, np.ndarray[Any, np.dtype[np.uint64]]]:
    """The frame numbers that each pagemap has, read without pagewalk."""
    found = {}
    for folder in (machine.directory / "proc").iterdir():
        if folder.name.isdecimal():
            words = np.fromfile(folder / "pagemap", np.uint64)
            words = words[words & np.uint64(PM.PRESENT) != 0]
            found[int(folder.name)] = words & np.uint64(PFRAME_MASK)
    return found


def test_every_series_is_known() -> None:
    from benchmarks.made_series import SERIES

    assert tuple(series.name for series in SERIES) == NAMES
    assert all(list(series.sizes) == sorted(set(series.sizes)) and len(series.sizes) >= 4 for series in SERIES)


@pytest.mark.parametrize("name", NAMES)
def test_a_walk_finds_what_the_machine_says(name: str) -> None:
    from benchmarks.made_machine import made_machine
    from benchmarks.made_series import KINDS

    series, size = series_of(name), 40 if name == "processes" else 1500
    with made_machine(max(1 << 15, series.frames(size)), MIB) as machine:
        rss = series.make(machine, size)
        pfns = entries_of(machine)
        assert sum(map(len, pfns.values())) * PAGE == rss
        distinct = len(np.unique(np.concatenate(list(pfns.values())))) * PAGE
        for kind in series.kinds:
            table = walked(machine, **KINDS[kind]).processes()
            assert len(table) == machine.processes == len(pfns)
            assert {row["pid"]: row["rss"] for row in table} == {pid: len(of) * PAGE for pid, of in pfns.items()}
            # No mapping but those seen: each frame is shared out whole. A share is cut off to bytes.
            assert abs(int(table["pss"].sum()) - distinct) <= len(table)


def test_what_grows_is_what_is_counted() -> None:
    from benchmarks.made_machine import made_machine

    def grown(name: str, size: int) -> Any:
        with made_machine(1 << 15, MIB) as machine:
            series_of(name).make(machine, size)
            maps = (machine.directory / "proc" / "100" / "maps").read_text().splitlines()
            return machine.processes, len(maps), walked(machine, threads=1).sharing()

    assert grown("processes", 9)[0] == 9
    assert grown("VMAs", 33)[1] == 33
    # 3 groups of frames for each of 7 processes; in the end each group has another set of owners.
    processes, _, sharing = grown("owner sets", 21)
    assert processes == 7 + 2
    assert len(sharing) == 3


def test_huge_pages_are_huge(machine: MadeMachine) -> None:
    rss = series_of("huge").make(machine, 1024)
    assert [row["thp"] for row in walked(machine).processes()] == [rss]


def test_all_of_ram_is_page_cache() -> None:
    from benchmarks.made_machine import made_machine

    with made_machine(1 << 12, MIB) as machine:
        series_of("all RAM").make(machine, 1 << 12)
        uses = {row["use"]: row["bytes"] for row in walked(machine, frames="all").uses()}
    assert uses["file"] == ((1 << 12) - 1) * PAGE


def test_frames_beyond_the_machine_are_refused(machine: MadeMachine) -> None:
    from benchmarks.made_machine import ANON

    with pytest.raises(ValueError, match="frame 4096 is beyond"):
        machine.say(np.array([4096], np.uint64), ANON, 1)


def test_a_terabyte_takes_no_room(tmp_path: Path) -> None:
    from benchmarks.made_machine import made_machine

    with made_machine(1 << 28, MIB) as machine:
        sizes = [path.stat() for path in (machine.directory / "proc").glob("kpage*")]
    assert [each.st_size for each in sizes] == [8 << 28] * 3
    assert sum(each.st_blocks for each in sizes) * 512 < MIB


def test_a_machine_is_gone_when_it_is_left(tmp_path: Path) -> None:
    from benchmarks.made_machine import made_machine

    def fail_within() -> None:
        with made_machine(1 << 10, MIB) as machine:
            assert list(tmp_path.iterdir()) == [machine.directory]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_within()
    assert list(tmp_path.iterdir()) == []


def test_what_has_no_room_is_not_made() -> None:
    from benchmarks.made_machine import made_machine
    from benchmarks.programs import Failure

    with pytest.raises(Failure, match="which neither memory nor TMPDIR has room for"), made_machine(8, 1 << 60):
        pass


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_is_left_when_interrupted(tmp_path: Path, number: int, code: int) -> None:
    script = (
        "import sys, pathlib; from benchmarks import made, made_machine;"
        f"made_machine.MEMORY = pathlib.Path({str(tmp_path)!r}); sys.argv = ['made', '--series', 'processes'];"
        "sys.exit(made.main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob("*/proc/200")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(tmp_path.iterdir())
    finally:
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (code, b"")
    assert list(tmp_path.iterdir()) == []


def few(name: str, **changes: Any) -> Series:
    return dataclasses.replace(series_of(name), sizes=(300, 600), **changes)


def test_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import made, made_memory

    monkeypatch.setattr(made, "SERIES", (few("in order"),))
    monkeypatch.setattr(made_memory, "MACHINES", (1 << 36,))
    path = tmp_path / "run.json"
    monkeypatch.setattr(sys, "argv", ["made", "--rounds", "1", "--scale", "0.001", "--json", str(path)])
    monkeypatch.setattr(made, "SERIES", (few("in order"),))
    assert made.main() == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    run = json.loads(path.read_text())
    assert list(tmp_path.iterdir()) == [path]
    assert run["benchmark"] == "made"
    (series,) = run["series"]
    assert [point["size"] for point in series["points"]] == [1, 1]
    for point in series["points"]:
        assert set(point["walks"]) == {"columns", "default"}
        assert point["floor"]["found"]["bytes"] == 8 * point["size"]
        for answer in (*point["walks"].values(), point["floor"]):
            assert len(answer["readings"]) == 1
            assert answer["readings"][0]["cpu"] > 0
            assert answer["first"]["peak"] >= answer["first"]["before"] > MIB
    assert [set(machine["walks"]) for machine in run["memory"]] == [{"columns", "default", "everything", "audit"}]
    for machine in run["memory"]:
        for walk in machine["walks"].values():
            assert walk["readings"] == []
            assert walk["forecast"]["owner ids"] <= machine["ram"] // PAGE * 4
        assert machine["walks"]["audit"]["forecast"]["rows of frames"] > 0


def test_wrong_figures_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import made

    monkeypatch.setattr(made, "SERIES", (few("absent"),))
    monkeypatch.setattr(made, "read_machine", lambda *_, **__: {"found": {"rss": 7}})
    monkeypatch.setattr(sys, "argv", ["made", "--series", "absent"])
    assert made.main() == 1
    assert capsys.readouterr() == ("", f"benchmarks.made: absent: pagewalk (columns) says rss 7, it is {PAGE}\n")


def test_what_cannot_be_walked_is_told_in_a_line(tmp_path: Path) -> None:
    from benchmarks.made_reading import read_machine
    from benchmarks.programs import Failure

    with pytest.raises(Failure, match=r"^the walk failed: .*kpagecount.*") as told:
        read_machine(tmp_path, 1)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["", "nowhere/run.json"])
def test_where_nothing_can_be_written_nothing_is_measured(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import made

    monkeypatch.setattr(made, "measure", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(sys, "argv", ["made", "--json", str(tmp_path / name)])
    assert made.main() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"benchmarks.made: {tmp_path}")


@pytest.mark.parametrize("wrong", [["--series", "frogs"], ["--scale", "0"], ["--scale", "nan"], ["--rounds", "0"]])
def test_wrong_options(wrong: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import made

    monkeypatch.setattr(sys, "argv", ["made", *wrong])
    with pytest.raises(SystemExit) as exited:
        made.main()
    assert exited.value.code == 2


def test_the_table_says_what_a_word_costs() -> None:
    from benchmarks import growth_record, made_table

    def answer(cpu: float, peak: int) -> dict[str, Any]:
        reading = {"cpu": cpu, "wall": cpu, "phases": {}, "peak": peak, "before": 0}
        return {"first": reading, "readings": [reading], "forecast": {"owner ids": MIB}, "found": {}}

    sizes = (10**6, 2 * 10**6, 4 * 10**6)
    points = [
        {
            "size": size,
            "walks": {"columns": answer(1 + size * 5e-9, 4 * size), "default": answer(1 + size * 55e-9, 4 * size)},
            "floor": answer(1 + size * 1e-9, 1),
        }
        for size in sizes
    ]
    run = growth_record.begun("made", 1, 1.0)
    run["series"] = [{"name": "in order", "title": "x " * 60, "unit": "entries", "points": points}]
    machine = {
        "ram": 1 << 40,
        "processes": 10_000,
        "sets": 640_000,
        "walks": {kind: answer(5.0, 3 << 29) for kind in ("columns", "audit")},
    }
    run["memory"] = [machine]
    text = made_table.text(run)
    assert max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines()]
    assert ["in", "order", "columns", "4,000,000", "entries", "5.0", "ns", "1.0", "ns", "4.0", "0%"] in rows
    assert ["two", "words", "a", "frame", "50", "ns"] in rows
    assert ["1024", "GiB", "10,000", "640,000", "columns", "5.00", "1,536", "1", "50%"] in rows
    assert os.uname().nodename not in json.dumps(run)
