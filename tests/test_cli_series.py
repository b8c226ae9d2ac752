"""Where samples and the report go."""

from __future__ import annotations

import errno
import io
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from pagewalk.cli.exits import Stop
from pagewalk.cli.footprint import footprint_screen
from pagewalk.cli.series import Report
from pagewalk.render.screen import Screen
from samples import sample, sampler

SAMPLE = sample(0.5)


def options(**given: Any) -> Namespace:
    made = {"format": "csv", "output": None, "force": False, "no_header": False, "color": "auto", "bytes": False}
    return Namespace(**{**made, **given})


def screen() -> Screen:
    return footprint_screen(sampler(SAMPLE, SAMPLE), {}, "run", ("left", "right"), [], {"exit_code": 0}, True)


class Full(io.StringIO):
    """A stream on a disk that is full."""

    tries = 0

    def write(self, text: str) -> int:
        self.tries += 1
        raise OSError(errno.ENOSPC, "No space left on device")


def test_rows_are_there_at_once_under_one_header() -> None:
    out = io.StringIO()
    with Report(options(), out) as report:
        report.sample(SAMPLE)
        assert out.getvalue().count("\n") == 2
        report.sample(SAMPLE)
        report.finish(screen())
    lines = out.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["seconds", "0.5", "0.5"]


@pytest.mark.parametrize(("no_header", "lines"), [(False, 1), (True, 0)])
def test_a_csv_without_rows(no_header: bool, lines: int) -> None:
    out = io.StringIO()
    with Report(options(no_header=no_header), out) as report:
        report.finish(screen())
    assert out.getvalue().count("\n") == lines


def test_ndjson_ends_with_the_report() -> None:
    out = io.StringIO()
    with Report(options(format="ndjson"), out) as report:
        report.sample(SAMPLE)
        report.finish(screen())
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["view"] for row in rows] == ["sample", "run", "footprint", "footprint", *["process"] * 3]
    assert rows[1]["exit_code"] == 0


@pytest.mark.parametrize("name", ["text", "plain", "json"])
def test_a_report_is_written_in_the_end(name: str) -> None:
    out = io.StringIO()
    with Report(options(format=name), out) as report:
        report.sample(SAMPLE)
        assert out.getvalue() == ""
        report.finish(screen())
    assert "redis" in out.getvalue()


def test_a_stream_that_fails_is_left_alone() -> None:
    out = Full()
    with Report(options(), out) as report:
        report.sample(SAMPLE)
        assert isinstance(report.error, OSError)
        assert report.error.errno == errno.ENOSPC
        tries = out.tries
        report.sample(SAMPLE)
        report.finish(screen())
    assert out.tries == tries


@pytest.mark.parametrize("name", ["csv", "json"])
def test_no_stream(name: str) -> None:
    with Report(options(format=name), None) as report:
        report.sample(SAMPLE)
        report.finish(screen())
    assert report.error is None


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    with Report(options(output=str(path)), None) as report:
        report.sample(SAMPLE)
        assert not path.exists()
        # Aside it is there, and can be followed.
        (aside,) = tmp_path.iterdir()
        assert aside.read_text().count("\n") == 2
    assert path.read_text().count("\n") == 2
    with pytest.raises(Stop, match="--force"), Report(options(output=str(path)), None):
        pass
    with pytest.raises(KeyboardInterrupt), Report(options(output=str(tmp_path / "other")), None):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [path]
