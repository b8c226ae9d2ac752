"""What was sampled, as tables and sentences; what was not is unknown."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from model import Fate
from pagewalk.cli.footprint import (
    FOOTPRINT_COLUMNS,
    SERIES_COLUMNS,
    cost,
    footprint_screen,
    sampling_remarks,
    series_table,
    table_of,
)
from pagewalk.render import csvtext, jsontext, plain, text
from pagewalk.render.screen import Style
from pagewalk.table import Column
from samples import MIB, sample, sampler
from smallhost import HOST, walked

PEAK, LAST = sample(0.5, 8 * MIB), sample(1.75, 4 * MIB)


def test_a_series_has_its_columns_in_order() -> None:
    names = ["seconds", "processes", "rss", "uss", "pss", "swap", "anon", "file", "shmem", "cpu"]
    assert [column.name for column in SERIES_COLUMNS] == names
    assert series_table(PEAK).to_dicts() == [
        {
            "seconds": 0.5,
            "processes": 3,
            "rss": 8 * MIB,
            "uss": 4 * MIB,
            **dict.fromkeys(names[4:9], 7),
            "cpu": 0.012346,
        }
    ]


def test_what_a_row_lacks_is_unknown() -> None:
    columns = (Column("a", "bytes", "a"), Column("b", "text", "b"))
    table = table_of(columns, [{"a": 5}, {"b": "x"}])
    assert table.to_dicts() == [{"a": 5, "b": None}, {"a": None, "b": "x"}]
    assert len(table_of(columns, [])) == 0


def test_the_screen_has_peak_last_and_who() -> None:
    screen = footprint_screen(sampler(PEAK, LAST), {}, "run", ("left", "right"), ["a remark"], {"pid": 5}, False)
    footprint, who = screen.sections
    assert [row["rss"] for row in footprint.table] == [8 * MIB, 4 * MIB]
    assert [row["at"] for row in footprint.table] == ["peak", "last"]
    assert set(footprint.shown) <= {column.name for column in FOOTPRINT_COLUMNS}
    pss = [row["pss"] for row in who.table]
    assert pss == sorted(pss, reverse=True)
    assert {row["pid"] for row in who.table} == {10, 11, 20}
    assert list(screen.facts) == ["host", "run", "coverage", "gaps"]
    assert screen.facts["run"] == {"pid": 5, **cost(sampler(PEAK, LAST))}


@pytest.mark.parametrize("is_machine", [False, True])
def test_nothing_sampled(is_machine: bool) -> None:
    screen = footprint_screen(sampler(), {"ram": 5}, "run", ("", ""), [], {}, is_machine)
    footprint = screen.sections[0].table
    assert {value for row in footprint for name, value in row.items() if name != "at"} == {None}
    assert [section.key for section in screen.sections] == ["footprint", "process"][: 1 + is_machine]
    out = io.StringIO()
    jsontext.render(screen, Style(), out)
    told = json.loads(out.getvalue())
    assert (told["coverage"], told["gaps"], told["host"]) == (None, [], {"ram": 5})
    out = io.StringIO()
    plain.render(replace(screen, sections=screen.sections[:1]), Style(), out)
    assert out.getvalue().splitlines()[1].split() == ["peak", *["?"] * 10]


def test_a_terminal_shows_the_figures_that_matter_in_80_columns() -> None:
    out = io.StringIO()
    screen = footprint_screen(sampler(PEAK, LAST), {}, "run", ("pagewalk run: x", "exit 0"), [], {}, False)
    text.render(screen, Style(width=80, height=24), out)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for head in ("SECONDS", "PROCS", "RSS", "USS", "PSS", "SWAP"):
        assert head in lines[1]
    assert "8.00 MiB" in out.getvalue()


def test_the_cost() -> None:
    told = cost(sampler(PEAK, LAST))
    assert (told["samples"], told["polls"], told["share"], told["trouble"]) == (2, 100, 0.1, None)
    assert (told["kernel_rss_highest"], told["kernel_rss_highest_at"]) == (9 * MIB, 0.5)
    assert cost(sampler(seconds=0.0))["share"] == 0


def remarks(*taken: object, has_ended: bool = True, **how: object) -> str:
    return "\n".join(sampling_remarks(sampler(*taken, **how), 2.0, has_ended))  # type: ignore[arg-type]


def test_remarks() -> None:
    said = remarks(PEAK, LAST)
    assert "at 0.50 s of 2.00 s; last sample 0.25 s before the end, when all memory is gone" in said
    assert "2 walks, 100 polls, 0.20 s of CPU time (10.0% of one core)" in said
    assert "longest walk 0.12 s, longest lock hold 1.25 ms" in said
    assert said.count("\n") == 1
    assert "gone" not in remarks(PEAK, LAST, has_ended=False)
    assert "nothing is known of it" in remarks()
    assert "of one core" not in "".join(sampling_remarks(sampler(), 0.01, True))
    assert "a walk failed: why" in remarks(trouble="why")


def test_a_peak_that_may_have_been_missed_is_told() -> None:
    said = remarks(PEAK, LAST, highest=(90 * MIB, 1.5))
    assert "added up to 90.0 MiB at 1.50 s, and to 9.00 MiB at the peak" in said


def test_who_could_not_be_read_is_named() -> None:
    refused = tuple(replace(process, fate=Fate.REFUSED) if process.pid == 20 else process for process in HOST.processes)
    peak = sample(0.5, snapshot=walked(replace(HOST, processes=refused)))
    assert "process 20: memory: " in remarks(peak, LAST)


def test_a_series_as_csv() -> None:
    out = io.StringIO()
    csvtext.write_table(series_table(PEAK), Style(), out)
    assert out.getvalue().splitlines()[1].startswith("0.5,3,8388608,4194304,7,")
