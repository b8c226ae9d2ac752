"""What peers print is understood, bars are judged by what was measured, and a run is told in 80 columns."""

from __future__ import annotations

import io
import json
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from benchstage import PAGE, REPOSITORY, compiled, made_run, unsanitized

MIB = 1 << 20

PMAP = """\
7:   sh -c x: y
         Address Perm   Offset Device Inode Size Rss Pss Referenced Mapping
    55550000b000 r--p 00000000  00:01   104  188  180  26  188 sh
    55550000f000 rw-p 00000000  00:00     0   8    8   8    8
                                             ==== ==== === ==========
                                              196  188  34        196 KB
9:   [kthreadd]
8:   sleep 20
         Address Perm   Offset Device Inode Size  Rss Pss Referenced Mapping
    55550000b000 r--p 00000000  00:01   104    8    4   2          8 a file - of words
                                            ==== ==== === ==========
                                             204  192  36        204 KB
"""
PS_MEM = """\
 Private  +   Shared  =  RAM used\tProgram

  1.5 MiB +   0.5 KiB =   1.5 MiB\tsleep [8]
  2.0 GiB +   0.0 KiB =   2.0 GiB\tsh [7]
---------------------------------
                          2.0 GiB
=================================
"""
PAGE_TYPES = """\
pid 7
             flags\tpage-count       MB  symbolic-flags\t\t\tlong-symbolic-flags
0x0000000000005828\t       105        0  ___U_l_____Ma_b____\tuptodate,lru,mmap,anonymous,swapbacked
             total\t       128        0
pid 9
pid 8
             total\t         2        0
"""


def totals(name: str, output: str, *pids: int) -> tuple[int | None, int | None, int]:
    from benchmarks.commands import ALL

    command = next(command for command in ALL if command.name == name)
    return command.totals(output, frozenset(pids))


def test_commands_are_understood() -> None:
    assert totals("pmap -X", PMAP, 7) == (188 * 1024, 34 * 1024, 0)
    assert totals("pmap -X", PMAP, 8, 9) == (4 * 1024, 2 * 1024, 0)
    assert totals("ps_mem", PS_MEM, 8) == (None, 3 * MIB // 2, MIB // 20)
    assert totals("ps_mem", PS_MEM, 7, 8, 99)[1:] == (2 * 1024 * MIB + 3 * MIB // 2, 1024 * MIB // 20 + MIB // 20)
    assert totals("smem", "8 100 50\n7 10 5\n", 8) == (100 * 1024, 50 * 1024, 0)
    assert totals("page-types", PAGE_TYPES, 7, 9) == (128 * PAGE, None, 0)


@unsanitized
def test_a_whole_command_is_measured() -> None:
    from benchmarks.commands import Command, Totals, reader
    from benchmarks.programs import Failure
    from benchmarks.workloads import Workload

    def command(script: str, well: tuple[int, ...] = (0,)) -> Command:
        return Command(
            "it", "", lambda program, pids: (program, "-c", script, *pids), lambda said, _: Totals(int(said), 0), well
        )

    workload = Workload("W", "", ())
    with compiled() as programs:
        reading = reader(programs, command("echo 17; exit 3", (3,)), "sh").read((), workload)
        assert (reading.rss, reading.pss) == (17, 0)
        assert not (programs.folder / "output").exists()
        assert reading.peak is not None
        assert 0 < reading.peak < 8 * MIB  # the shell's: not that of the interpreter that started it
        busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
        children = reader(programs, command(f"({busy}); echo 1"), "sh").read((), workload)
        assert children.cpu > reading.cpu  # of what it waited for, too
        with pytest.raises(Failure, match="it ended with 3: so it is"):
            reader(programs, command("echo 'so it is' >&2; exit 3"), "sh").read((), workload)
        with pytest.raises(Failure, match="it ended with 127"):
            reader(programs, command(""), "/no/such/program").read((), workload)
        with pytest.raises(Failure, match="it says nothing of the workload's processes"):
            reader(programs, command("echo 0"), "sh").read((1,), Workload("W", "", (1,)))


def test_every_bar_and_limit_is_of_readers_there_are() -> None:
    from benchmarks.bars import BARS
    from benchmarks.programs import Programs
    from benchmarks.readers import LIMITS, readers_of
    from benchmarks.workloads import WORKLOADS

    with Programs() as programs:
        names = {}
        for workload in WORKLOADS:
            there, left_out = readers_of(workload, programs)
            names[workload] = {reader.name for reader in there} | {name for name, _ in left_out}
            for reader in there:
                limit = LIMITS.get((workload, reader.name))
                assert reader.rounds == (limit.rounds if limit else None)
    for bar in BARS:
        assert {bar.reader, bar.base} <= names[bar.workload], bar
        assert bar.cost in ("cpu", "wall")
    assert all(name in names[workload] for workload, name in LIMITS)


def test_bars_are_judged_round_by_round() -> None:
    from benchmarks.bars import measured

    def reader(name: str, *costs: float) -> dict[str, Any]:
        return {"name": name, "readings": [{"cpu": cost, "wall": 2 * cost} for cost in costs]}

    result = {
        "workload": "W1",
        "readers": [
            reader("floor", 1, 2, 4),
            reader("smaps_rollup", 1, 1),
            reader("pagewalk, columns", 1.2, 2.4, 4.8),
        ],
    }
    floor, rollup, wall = measured([result, {"workload": "W6", "unavailable": "no"}])
    assert (floor["base"], floor["most"], floor["met"]) == ("floor", 1.25, True)
    assert floor["ratio"] == pytest.approx(1.2)
    assert rollup["met"] is False
    assert [rollup[name] for name in ("ratio", "least", "greatest")] == pytest.approx([1.8, 1.2, 2.4])
    # The reader with two threads was not there.
    assert (wall["reader"], wall["ratio"], wall["met"]) == ("pagewalk, 2 threads", None, None)


def test_the_table_fits_and_tells_what_differs() -> None:
    from benchmarks import table

    text = table.text(made_run(0.5))
    assert max(map(len, text.splitlines())) <= 80
    rows = {line[:14].strip(): line.split() for line in reversed(text.splitlines())}
    assert rows["floor"][-1] == rows["adaptive floor"][-1] == "none"
    assert rows["smaps_rollup"][-2:] == ["rss", "+2.1%"]
    assert rows["pagewalk"][-1] == "ours"
    assert rows["columns"][-1] == "equal"
    said = " ".join(text.split())
    assert "psutil left out: not installed" in said
    assert "CPU of columns by phase: frames 52.025;" in said  # the median of 103.999996 and 0.0505
    assert "W6 left out: no KSM here" in said
    assert "this run is of scale 0.5" in said
    assert "scale 1, and" not in " ".join(table.text(made_run()).split())


def bar_lines(text: str) -> list[list[str]]:
    behind = text.partition("What must hold")[2].splitlines()
    return [line.split() for line in behind if line.startswith("W1 ")]


def test_the_table_of_bars() -> None:
    from benchmarks import table

    run = made_run()
    floor, rollup, wall = bar_lines(table.text(run))
    # 103.999996/99.999996 and 0.0505/0.0101: the middle of 1.04 and 5.
    assert floor == ["W1", "columns", "floor", "CPU", "1.25", "3.02", "1.04..5.00", "NOT", "MET"]
    assert rollup[-2:] == ["NOT", "MET"]
    assert wall[:6] == ["W1", "2", "threads", "smaps_rollup", "WALL", "0.5"]
    run["bars"][0].update(met=True)
    run["bars"][1].update(ratio=None, least=None, greatest=None, met=None)
    floor, rollup, _ = bar_lines(table.text(run))
    assert floor[-1] == "met"
    assert rollup[-4:] == ["-", "-", "not", "measured"]


def test_rounded_output_is_not_called_equal() -> None:
    from benchmarks import table

    run = made_run()
    peer = run["workloads"][0]["readers"][2]
    for each in peer["readings"]:
        each.update(rss=None, pss=4096 * 1000 + 70000, more={"rounded": 70000})
    assert any(line.startswith("smaps_rollup") and line.endswith("about") for line in table.text(run).splitlines())
    for each in peer["readings"]:
        each["more"] = {"rounded": 69999}
    assert any(line.startswith("smaps_rollup") and line.endswith("pss +1.7%") for line in table.text(run).splitlines())


def test_the_table_does_without_git() -> None:
    from benchmarks import table

    run = made_run()
    run["pagewalk"] = {"version": "1.2", "commit": None, "changed": None}
    assert "pagewalk 1.2, Linux" in table.text(run)


def test_a_kept_run_is_never_written_over_and_names_nobody(tmp_path: Path) -> None:
    from benchmarks import record

    run = made_run()
    paths = [record.keep(run, tmp_path) for _ in range(3)]
    assert len(set(paths)) == 3
    assert paths[0].name == f"{run['date'][:10]}-{platform.release()}.json"
    assert json.loads(paths[2].read_text()) == json.loads(paths[0].read_text()) == run
    written = io.StringIO()
    record.write(run, written)
    for name in (f'{platform.node()}"', str(REPOSITORY), sys.prefix):
        assert f'"{name}' not in written.getvalue()
