"""pagewalk run: the command keeps its streams, signals and status; what is said of it is whole, or said to lack."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import fakewalks
from pagewalk import sampling
from pagewalk.cli import main
from pagewalk.tree import adopting

PATIENCE = 30
PUT = "put -- before the command: pagewalk run [OPTIONS] -- COMMAND [ARG...]"


def run(*words: str, how: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        fakewalks.command("run", *words, how=how), capture_output=True, text=True, timeout=PATIENCE, **options
    )


def report(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text())
    return told


# The command's own


@pytest.mark.parametrize(
    ("text", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 77", 77), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
)
def test_its_status_is_passed_on(text: str, code: int) -> None:
    assert run("--", "sh", "-c", text).returncode == code


def test_its_streams_are_its_own() -> None:
    done = run("-q", "--", "sh", "-c", "tr a-z A-Z; echo beside >&2", input="some text\n")
    assert done.stdout == "SOME TEXT\n"
    assert done.stderr.startswith("beside\n")


def test_what_looks_like_our_options_is_its_own() -> None:
    assert run("--", "sh", "-c", "exit $#", "sh", "-f", "--", "-o").returncode == 3
    assert run("sh", "-c", "exit $#", "sh", "--force", "-q").returncode == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--", "pagewalk-nonesuch"], 127, "pagewalk: cannot run 'pagewalk-nonesuch': No such file or directory\n"),
        (["--", "/"], 126, "pagewalk: cannot run '/': Permission denied\n"),
        (["--", ""], 127, "pagewalk: cannot run '': No such file or directory\n"),
        (["--", "/\x1b[31m"], 127, "pagewalk: cannot run '/\\x1b[31m': No such file or directory\n"),
        ([], 2, f"pagewalk: {PUT}\n"),
        (["-f", "json", "true"], 2, f"pagewalk: {PUT}\n"),
        (["--"], 2, "pagewalk: no command: give one, such as `pagewalk run -- make -j8` (see `pagewalk help run`)\n"),
        (["--interval", "0", "--", "true"], 2, "give seconds, such as 0.5 or 60"),
        (["--budget", "200%", "--", "true"], 2, "is no share of one core"),
        (["--wrong", "--", "true"], 2, "unrecognized arguments: --wrong (see `pagewalk help run`)"),
        (["-o", "/nonesuch/file", "--", "true"], 1, "/nonesuch"),
    ],
)  # fmt: skip
def test_what_cannot_be_started(
    words: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sampling, "rehearse", lambda procfs: SimpleNamespace(host={}))
    kept_back = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert main(["run", *words]) == code
    out, errors = capsys.readouterr()
    assert said in errors
    assert errors.count("\n") == 1
    assert out == ""
    # As it was before.
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == kept_back
    assert adopting(False) is False


def test_who_is_refused_is_told_before_it_starts(tmp_path: Path) -> None:
    done = run("--", "touch", str(tmp_path / "started"), how="refused")
    assert done.returncode == 77
    assert "hides physical page numbers" in done.stderr
    assert f"run -- touch {tmp_path}" in done.stderr or os.geteuid() == 0
    assert not (tmp_path / "started").exists()


def test_a_file_that_is_there_is_told_before_it_starts(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    done = run("-o", str(there), "--", "touch", str(tmp_path / "started"))
    assert (done.returncode, there.read_text()) == (1, "precious")
    assert "--force" in done.stderr
    assert not (tmp_path / "started").exists()
    assert run("-o", str(there), "--force", "-f", "json", "--", "true").returncode == 0
    assert report(there)["run"]["command"] == ["true"]


def test_nothing_stays_of_a_report_whose_command_cannot_start(tmp_path: Path) -> None:
    assert run("-o", str(tmp_path / "new"), "--", "pagewalk-nonesuch").returncode == 127
    assert list(tmp_path.iterdir()) == []


# What is said


def test_json_says_all(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    done = run("-f", "json", "-o", str(path), "--", "sh", "-c", "sleep 0.3; exit 4")
    assert (done.returncode, done.stderr) == (4, "")
    told = report(path)
    assert list(told) == ["schema", "host", "run", "coverage", "gaps", "footprint", "process"]
    ran = told["run"]
    assert ran["command"] == ["sh", "-c", "sleep 0.3; exit 4"]
    assert (ran["exit_code"], ran["signal"], ran["outlived"], ran["trouble"]) == (4, None, [], None)
    assert 0.3 <= ran["seconds"] < PATIENCE
    assert ran["samples"] >= 1
    assert ran["polls"] >= ran["samples"]
    assert 0 < ran["cpu_seconds"] < ran["seconds"] + 1
    peak, last = told["footprint"]
    assert (peak["at"], last["at"]) == ("peak", "last")
    page = os.sysconf("SC_PAGESIZE")
    # The small host, counted by hand in test_sampling.py; a frame counts once.
    assert (peak["rss"], peak["uss"], peak["hugetlb"]) == (12 * page, 11 * page, 2 * page)
    assert peak["seconds"] <= last["seconds"] <= ran["seconds"]
    assert {row["pid"] for row in told["process"]} == {10, 11, 20}


def test_a_killed_command(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert run("-f", "json", "-o", str(path), "--", "sh", "-c", "kill -KILL $$").returncode == 137
    assert (report(path)["run"]["exit_code"], report(path)["run"]["signal"]) == (None, "SIGKILL")


def test_figures_of_what_was_not_sampled_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert run("-f", "json", "-o", str(path), "--", "true", how="slow").returncode == 0
    told = report(path)
    # A walk that began before the end and ends after it may have seen all; one that has not begun has seen nothing.
    assert told["host"]["page_size"] == os.sysconf("SC_PAGESIZE")
    if not told["run"]["samples"]:
        assert {value for row in told["footprint"] for name, value in row.items() if name != "at"} == {None}
        assert told["process"] == []
    done = run("-f", "plain", "--", "sh", "-c", "kill -KILL $$", how="broken")
    peak = done.stderr.splitlines()[1].split()
    assert peak == ["peak", *["?"] * 10]
    assert "nothing is known of it" in done.stderr


def test_plain_has_remarks_below() -> None:
    done = run("--", "sh", "-c", "sleep 0.2", "two words")
    lines = done.stderr.splitlines()
    assert lines[0].split()[:4] == ["at", "seconds", "processes", "rss"]
    assert [line.split()[0] for line in lines[1:3]] == ["peak", "last"]
    assert lines[4].split()[:3] == ["pid", "uss", "pss"]
    remarks = [line for line in lines if line.startswith("pagewalk: ")]
    assert remarks[0].startswith("pagewalk: run: sh -c 'sleep 0.2' 'two words': exit 0 after 0.2")
    assert any("longest lock hold" in line and "of one core" in line for line in remarks)
    quiet = run("-q", "--", "true").stderr
    assert "pagewalk: " not in quiet


def test_csv_is_a_row_a_sample_as_it_is_taken() -> None:
    done = run("-f", "csv", "--interval", "0.05", "--", "sh", "-c", "sleep 0.5")
    lines = done.stderr.split("\n")
    assert lines[0] == "seconds,processes,rss,uss,pss,swap,anon,file,shmem,cpu"
    rows = [line.split(",") for line in lines[1:] if line]
    assert all(len(row) == 10 and int(row[2]) == 12 * os.sysconf("SC_PAGESIZE") for row in rows)
    times = [float(row[0]) for row in rows]
    assert 4 <= len(rows) <= times[-1] / 0.05 + 2
    assert times == sorted(times)
    assert "pagewalk" not in done.stderr


def test_csv_of_nothing_is_a_header() -> None:
    done = run("-f", "csv", "--", "true", how="broken")
    assert done.stderr == "seconds,processes,rss,uss,pss,swap,anon,file,shmem,cpu\n"


def test_ndjson_has_samples_then_the_report() -> None:
    done = run("-f", "ndjson", "--interval", "0.05", "--", "sh", "-c", "sleep 0.3")
    rows = [json.loads(line) for line in done.stderr.splitlines()]
    views = [row["view"] for row in rows]
    assert views[0] == "sample"
    assert views.index("footprint") > max(at for at, view in enumerate(views) if view == "sample")
    assert views[-3:] == ["process"] * 3
    assert [row["exit_code"] for row in rows if row["view"] == "run"] == [0]


def test_a_screen_on_a_terminal() -> None:
    above, below = pty.openpty()
    process = subprocess.Popen(
        fakewalks.command("run", "--", "sh", "-c", "echo '\x1b]0;x\x07'; sleep 0.1"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=below, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    os.close(below)
    text = ""
    try:
        while chunk := os.read(above, 65536):
            text += chunk.decode()
    except OSError:  # EIO: the other end was closed
        pass
    os.close(above)
    assert process.communicate(timeout=PATIENCE)[0] == b"\x1b]0;x\x07\n"
    assert process.returncode == 0
    assert "pagewalk run: sh -c 'echo '" in text.splitlines()[0]
    assert "exit 0 after" in text
    assert "\x1b]0" not in text
    assert "CMDLINE" in text


# What goes wrong with the report is not the command's fault


def test_a_stderr_that_is_closed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    words = fakewalks.command("run", "--", "sh", "-c", 'echo done >"$0"; exit 6', str(mark))
    done = subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *words], timeout=PATIENCE)
    assert (done.returncode, mark.read_text()) == (6, "done\n")


def test_a_command_that_closes_its_streams() -> None:
    done = run("--", "sh", "-c", "exec >&- 2>&- <&-; sleep 0.1; exit 9")
    assert done.returncode == 9
    assert "exit 9" in done.stderr


@pytest.mark.parametrize("code", [0, 5])
def test_a_report_that_cannot_be_written(code: int) -> None:
    words = fakewalks.command("run", "-f", "json", "--", "sh", "-c", f"exit {code}")
    with open("/dev/full", "w") as full:
        assert subprocess.run(words, stderr=full, timeout=PATIENCE).returncode == (code or 1)


@pytest.mark.parametrize("code", [0, 5])
@pytest.mark.parametrize("name", ["json", "csv"])
def test_a_file_that_cannot_be_written(code: int, name: str, tmp_path: Path) -> None:
    script = f"sleep .1; exit {code}"
    done = run("-f", name, "-o", str(tmp_path / "new"), "--", "sh", "-c", script, how="full")
    assert done.returncode == (code or 1)
    assert done.stderr.splitlines()[-1] == f"pagewalk: -o {tmp_path}/new: File too large"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_command_makes_itself(tmp_path: Path) -> None:
    path = tmp_path / "new"
    done = run("-f", "json", "-o", str(path), "--", "sh", "-c", 'echo mine >"$0"; exit 3', str(path))
    assert (done.returncode, path.read_text()) == (3, "mine\n")
    assert done.stderr == f"pagewalk: -o {path}: exists already; --force replaces it\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


def test_sampling_that_breaks_does_not_touch_the_command(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    done = run("-f", "json", "-o", str(path), "--", "sh", "-c", "sleep 0.2; exit 8", how="broken")
    assert (done.returncode, done.stderr) == (8, "")
    told = report(path)["run"]
    assert told["trouble"] == "RuntimeError: \x1b[31mthe walk is broken; nothing was sampled from then on"
    assert told["seconds"] >= 0.2
    plain = run("--", "sleep", "0.1", how="broken")
    assert "\x1b" not in plain.stderr


# Orphans and many children


def test_what_outlives_it_is_named() -> None:
    done = run("--", "sh", "-c", "setsid sleep 1.3 </dev/null >/dev/null 2>&1 & sleep 0.2")
    assert done.returncode == 0
    outlived = [line for line in done.stderr.splitlines() if "outlived" in line]
    assert len(outlived) == 1
    assert outlived[0].endswith(" (sleep)")


def test_orphans_stay_in_the_tree_and_are_buried(tmp_path: Path) -> None:
    # Its parent is gone, and who adopts it is asked for its status.
    script = (
        "(sh -c 'sleep 0.2' & echo $! >orphan); (exit 3) & sleep 0.1; cat /proc/$(cat orphan)/stat >stat;"
        " sleep 0.6; cat /proc/$(cat orphan)/stat >after; true"
    )
    process = subprocess.Popen(
        fakewalks.command("run", "-f", "json", "-o", "report", "--", "sh", "-c", script),
        cwd=tmp_path, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.wait(PATIENCE) == 0
    parent = int((tmp_path / "stat").read_text().rpartition(")")[2].split()[1])
    assert parent == process.pid
    assert (tmp_path / "after").read_text() == ""
    assert report(tmp_path / "report")["run"]["outlived"] == []


def test_thousands_of_short_children() -> None:
    done = run("--", "sh", "-c", "i=0; while [ $i -lt 2000 ]; do (true) & i=$((i+1)); done; wait; exit 2")
    assert done.returncode == 2
    assert "a walk failed" not in done.stderr


# Signals


def start(*words: str, how: str = "") -> subprocess.Popen[str]:
    """Start it with a command that says so once it runs."""
    process = subprocess.Popen(
        fakewalks.command("run", *words, how=how),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("how", ["", "slow"])
def test_a_signal_to_us_alone_is_passed_on(number: int, how: str) -> None:
    process = start("--", "sh", "-c", "echo ready; exec sleep 100", how=how)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert f"killed by {signal.Signals(number).name}" in errors


def test_a_command_that_cares_for_a_signal_decides() -> None:
    process = start("--", "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 7
    assert "exit 7" in errors


def seen(terminal: int) -> bytes:
    """What comes next; nothing as long as nobody has opened the other end."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        time.sleep(0.01)
        return b""


def test_ctrl_c_reaches_it_once_and_is_reported() -> None:
    """A terminal's: the kernel sends it to all in the foreground."""
    script = "trap 'echo caught' INT; echo ready; i=0; while [ $i -lt 20 ]; do sleep 0.05; i=$((i+1)); done; exit 5"
    terminal, below = pty.openpty()
    # A leader of a session that opens a terminal has it as its own from then on.
    opened = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(below)]
    words = fakewalks.command("run", "-f", "plain", "--", "sh", "-c", script)
    process = subprocess.Popen([*opened, *words], start_new_session=True)
    os.close(below)
    text = b""
    try:
        while b"ready" not in text:
            text += seen(terminal)
        os.write(terminal, b"\x03")
        while chunk := os.read(terminal, 65536):
            text += chunk
    except OSError:  # EIO: everybody has closed it
        pass
    os.close(terminal)
    assert process.wait(PATIENCE) == 5
    assert text.count(b"caught\r\n") == 1
    assert b"exit 5" in text


def test_a_stopped_command_is_waited_for() -> None:
    process = start("--", "sh", "-c", "echo ready; echo $$; kill -STOP $$; exit 3")
    assert process.stdout is not None
    stopped = int(process.stdout.readline())
    deadline = time.monotonic() + PATIENCE
    while (state := state_of(stopped)) != "T" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state == "T"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    os.kill(stopped, signal.SIGCONT)
    assert process.wait(PATIENCE) == 3
    process.communicate()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


# The help


def test_the_help_leads_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["help", "run"], ["run", "--help"], ["run", "-f", "json", "-h"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert out.index("examples:") < out.index("--interval") < out.index("exit codes:")
        assert "5%" in out
        assert "%%" not in out
