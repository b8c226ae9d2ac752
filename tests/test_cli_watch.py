"""pagewalk watch: who is meant, when it ends, and what it says."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fakewalks
from pagewalk import sampling
from pagewalk.cli import main
from smallhost import walked

PATIENCE = 30
PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process to watch, with a name of its own and a child."""
    process = subprocess.Popen(["sh", "-c", "sleep 100 & echo $!; wait"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    while Path(f"/proc/{child}/comm").read_text() != "sleep\n":
        time.sleep(0.005)
    yield process
    for pid in (child, process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
    process.stdout.close()


@pytest.fixture
def _walks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "walk", fakewalks.finds(walked()))


def start(*words: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        fakewalks.command("watch", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.usefixtures("_walks")
class TestInProcess:
    def watch(self, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
        code = main(["watch", *words])
        out, errors = capsys.readouterr()
        return code, out, errors

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            ([], 2, "whom? give -p, -P, -u, -c or --tree (see `pagewalk help watch`)"),
            (["-P", "("], 2, "-P (: not a regular expression"),
            (["-u", "pagewalk-nobody"], 2, "no such user"),
            (["-n", "0", "-p", "1"], 2, "'0' is no number from 1 up"),
            (["--duration", "-1", "-p", "1"], 2, "give seconds"),
            (["-p", "4194303"], 3, "no process 4194303 with memory of its own"),
            (["-p", f"{os.getpid()},4194303"], 3, "no process 4194303 with memory of its own"),
            (["--tree", "4194303"], 3, "no process 4194303 with memory of its own"),
            (["-P", "^pagewalk-nonesuch$"], 3, "no process matches -P ^pagewalk-nonesuch$"),
            (["-p", "1", "-o", "/nonesuch/x"], 1, "/nonesuch"),
        ],
    )
    def test_what_cannot_be_watched(
        self, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ended, out, errors = self.watch(capsys, *words)
        assert (ended, out, errors.count("\n")) == (code, "", 1)
        assert said in errors

    def test_so_many_samples(self, capsys: pytest.CaptureFixture[str], sleeper: subprocess.Popen[bytes]) -> None:
        code, out, errors = self.watch(capsys, "-p", str(sleeper.pid), "-n", "1", "-f", "json")
        told = json.loads(out)
        assert (code, errors) == (0, "")
        assert list(told) == ["schema", "host", "watch", "coverage", "gaps", "footprint", "process"]
        assert told["watch"]["select"] == f"-p {sleeper.pid}"
        assert (told["watch"]["ended"], told["watch"]["samples"]) == ("enough samples", 1)
        assert [row["rss"] for row in told["footprint"]] == [12 * PAGE] * 2

    def test_so_long(self, capsys: pytest.CaptureFixture[str], sleeper: subprocess.Popen[bytes]) -> None:
        began = time.monotonic()
        code, out, errors = self.watch(capsys, "--tree", str(sleeper.pid), "--duration", "0.3")
        assert 0.3 <= time.monotonic() - began < PATIENCE
        assert code == 0
        assert [line.split()[0] for line in out.splitlines() if line][:3] == ["at", "peak", "last"]
        assert "the time is up after 0.3" in errors
        assert "when all memory is gone" not in errors

    def test_a_series(self, capsys: pytest.CaptureFixture[str], sleeper: subprocess.Popen[bytes]) -> None:
        words = ["-p", str(sleeper.pid), "-f", "csv", "--interval", "0.02", "-n", "4", "-q"]
        code, out, errors = self.watch(capsys, *words)
        assert (code, errors) == (0, "")
        assert len(out.splitlines()) == 5
        assert self.watch(capsys, *words, "-H")[1].count("\n") == 4

    def test_a_file(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        path = tmp_path / "samples"
        words = ["-p", str(os.getpid()), "-f", "ndjson", "-n", "2", "--interval", "0.01", "-o", str(path)]
        assert self.watch(capsys, *words)[:2] == (0, "")
        views = [json.loads(line)["view"] for line in path.read_text().splitlines()]
        assert views == ["sample", "sample", "watch", "footprint", "footprint", *["process"] * 3]
        assert path.stat().st_mode & 0o777 == 0o600
        assert self.watch(capsys, *words)[0] == 1

    def test_by_name(self, capsys: pytest.CaptureFixture[str], sleeper: subprocess.Popen[bytes]) -> None:
        code, out, _ = self.watch(capsys, "-P", "^sleep$", "-n", "1", "-f", "json")
        assert (code, json.loads(out)["watch"]["select"]) == (0, "-P ^sleep$")

    def test_stdout_that_is_closed(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdout", None)
        assert main(["watch", "-p", "1"]) == 1
        assert "standard output" in capsys.readouterr().err

    def test_the_help_leads_with_examples(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = self.watch(capsys, "--help")
        assert code == 0
        assert out.index("examples:") < out.index("--tree PID") < out.rindex("--duration") < out.index("exit codes:")


def test_it_ends_when_all_have_ended() -> None:
    script = "sleep 100 >&- & echo $!; read line"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            process = start("--tree", str(parent.pid), "-f", "ndjson")
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["view"] == "sample"
            parent.communicate("go on")
            # The child lives on without its parent, and is watched on.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
        finally:
            os.kill(child, signal.SIGKILL)
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["ended"] for row in rows if row["view"] == "watch"] == ["all have ended"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_with_the_report(number: int, code: int, sleeper: subprocess.Popen[bytes]) -> None:
    process = start("-p", str(sleeper.pid), "-f", "ndjson")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["view"] == "sample"
    process.send_signal(number)
    out, errors = process.communicate(timeout=PATIENCE)
    rows = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == code
    assert [row["ended"] for row in rows if row["view"] == "watch"] == [f"ended by {signal.Signals(number).name}"]
    assert "pagewalk: watch" in errors


def test_a_reader_that_goes_away_ends_it(sleeper: subprocess.Popen[bytes]) -> None:
    process = start("-p", str(sleeper.pid), "-f", "csv", "--interval", "0.05")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("seconds,")
    process.stdout.close()
    assert process.wait(PATIENCE) == 141
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_on_a_terminal_it_says_how_to_end_it(sleeper: subprocess.Popen[bytes]) -> None:
    above, below = pty.openpty()
    process = subprocess.Popen(
        fakewalks.command("watch", "-p", str(sleeper.pid), "-n", "1"), stdout=below, stderr=below
    )
    os.close(below)
    text = b""
    try:
        while chunk := os.read(above, 65536):
            text += chunk
    except OSError:  # EIO: the other end was closed
        pass
    os.close(above)
    assert process.wait(PATIENCE) == 0
    lines = text.decode().splitlines()
    assert lines[0] == f"pagewalk: watching -p {sleeper.pid}; ctrl-C ends it and reports"
    assert "enough samples after" in lines[1]
