"""The lines around the tables."""

from __future__ import annotations

from typing import Any

import pytest

from fakesnapshot import COVERAGE, HOST, FakeSnapshot
from pagewalk.cli.remarks import (
    count,
    coverage_line,
    gap_lines,
    heading,
    machine_line,
    moment,
    read_line,
    size,
    snapshot_line,
)
from pagewalk.table import Column, Table, objects


def test_heading() -> None:
    assert heading(HOST, COVERAGE) == ("pagewalk on db7, Linux 6.18.44, 23.5 GiB", "read 90 of 91 processes in 0.21 s")
    assert heading(HOST, COVERAGE, True)[1] == "read only 90 of 91 processes in 0.21 s"
    assert heading(HOST, {**COVERAGE, "refused": 0, "processes": 1})[1] == "read 1 process in 0.21 s"


def test_of_a_file_it_says_of_when() -> None:
    host = {**HOST, "captured_at": "2026-11-23T13:24:59+00:00"}
    assert heading(host, COVERAGE, file="host.pwz")[1] == "snapshot of 2026-11-23 13:24 UTC"
    assert snapshot_line(host, "host.pwz") == "host.pwz: a snapshot of db7, taken 2026-11-23 13:24 UTC"
    redacted = {**host, "redacted": "cmdline"}
    assert snapshot_line(redacted, "x").endswith("taken 2026-11-23 13:24 UTC, without names (cmdline)")
    times = ["2026-11-23T13:24:59+01:00", "2026-11-23", "", None]
    said = ["2026-11-23 13:24", "2026-11-23", "an unknown time", "an unknown time"]
    assert [moment({"captured_at": time}) for time in times] == said


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ({"hostname": "", "kernel": "", "ram": None}, "pagewalk"),
        ({}, "pagewalk"),
        ({"hostname": "a", "kernel": "7.3.0-rc1", "ram": 4096}, "pagewalk on a, Linux 7.3.0, 4.00 KiB"),
    ],
)
def test_what_is_not_known_is_not_said(host: dict[str, Any], line: str) -> None:
    assert machine_line(host) == line


def test_coverage() -> None:
    line = coverage_line(HOST, COVERAGE)
    assert line == (
        "90 processes read, 1 refused, 0 vanished; 1 hidden mapping of 48.0 KiB;"
        " all but 48.0 KiB of 1.14 GiB mapped explained; 0.21 s, longest lock hold 1.25 ms"
    )
    whole = {**COVERAGE, "explained_frames": COVERAGE["mapped_frames"], "hidden_mappings": 0, "hidden_frames": 0}
    assert "; 0 hidden mappings of 0 B; all of 1.14 GiB mapped explained;" in coverage_line(HOST, whole)
    said = coverage_line({**HOST, "verify": "all"}, {**whole, "counted_frames": 300_000})
    assert "all of 1.14 GiB mapped explained; verified by the counts of all 300,000 frames; " in said


def test_gaps() -> None:
    assert gap_lines(FakeSnapshot(gaps=1).gaps()) == ["process 1: memory: Permission denied"]
    columns = (Column("pid", "id", ""), Column("what", "text", ""), Column("reason", "text", ""))
    data = {"pid": objects([0]), "what": objects(["ksm"]), "reason": objects(["a bug"])}
    assert gap_lines(Table(columns, data, {"pid": objects([True])})) == ["ksm: a bug"]


def test_words() -> None:
    assert [count(1, "process"), count(2, "process"), count(0, "gap")] == ["1 process", "2 processes", "0 gaps"]
    assert read_line({"processes": 1, "refused": 2, "vanished": 3}) == "1 process read, 2 refused, 3 vanished"
    assert size(1536) == "1.50 KiB"
