"""The command from outside: verbs, help, how it ends, terminals and pipes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import fakesnapshot
import pagewalk.cli
from fakesnapshot import NAMES
from pagewalk.cli import VERBS, main
from pagewalk.cli.exits import Exit
from pagewalk.errors import PagewalkError, ParseError

Captured = pytest.CaptureFixture[str]
FAKE = str(Path(__file__).with_name("fakesnapshot.py"))
CHECKOUT = str(Path(pagewalk.cli.__file__).resolve().parents[2])
QUIET = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in QUIET and "PAGEWALK" not in name}
ENVIRONMENT |= {"PYTHONPATH": os.pathsep.join([CHECKOUT, str(Path(FAKE).parent)]), "TERM": "xterm-256color"}

INTERNAL = (
    "internal error: ValueError: odd thing; please report it with the output of `pagewalk --version`"
    " (PAGEWALK_TRACEBACK=1 shows where)"
)


def fake(rows: int, *words: str) -> list[str]:
    """The command line of the command on a made snapshot."""
    return [sys.executable, FAKE, str(rows), *words]


def terminal(columns: int, lines: int) -> tuple[int, int]:
    """A terminal of this size: the end that shows, and the end of the command."""
    main_end, command_end = pty.openpty()
    fcntl.ioctl(command_end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    return main_end, command_end


def shown_on(main_end: int) -> list[str]:
    """The lines that a terminal shows by the time that the command has left it."""
    shown = b""
    try:
        while chunk := os.read(main_end, 65536):
            shown += chunk
    except OSError:
        pass  # EIO: the last end of the terminal was closed
    finally:
        os.close(main_end)
    return shown.decode().replace("\r\n", "\n").splitlines()


def on_terminal(words: Sequence[str], columns: int, lines: int, **environment: str) -> tuple[int, list[str]]:
    """Run on a terminal of this size; return the exit code and what was shown."""
    main_end, command_end = terminal(columns, lines)
    process = subprocess.Popen(
        words, stdin=command_end, stdout=command_end, stderr=command_end, env={**ENVIRONMENT, **environment}
    )
    os.close(command_end)
    shown = shown_on(main_end)
    return process.wait(), shown


Shown = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Like `on_terminal` on a made snapshot of so many rows, but in this process: many sizes in little time."""
    monkeypatch.setattr(pagewalk.snapshot, "walk", None)  # put back afterwards: what runs sets it
    for name in os.environ.keys() - ENVIRONMENT.keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", ENVIRONMENT["TERM"])

    def run(columns: int, lines: int, rows: int, *words: str) -> tuple[int, list[str]]:
        main_end, command_end = terminal(columns, lines)
        with ThreadPoolExecutor(1) as reader, monkeypatch.context() as streams:
            shown = reader.submit(shown_on, main_end)
            with open(command_end, "r+b", buffering=0) as raw, TextIOWrapper(raw, line_buffering=True) as stream:
                for name in ("stdin", "stdout", "stderr"):
                    streams.setattr(sys, name, stream)
                code = fakesnapshot.run(words, rows)
            return code, shown.result()

    return run


class TestHelp:
    @pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"], ["help", "help"]])
    def test_leads_with_examples_and_names_every_verb(self, words: list[str], capsys: Captured) -> None:
        assert main(words) == Exit.OK
        out, err = capsys.readouterr()
        assert out.index("examples:") < out.index("commands:")
        assert all(f"  {verb}  " in out for verb in VERBS)
        assert err == ""
        assert max(map(len, out.splitlines())) <= 80

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("form", [["help", "{}"], ["{}", "--help"], ["{}", "-h"]])
    def test_of_a_verb(self, verb: str, form: list[str], capsys: Captured) -> None:
        assert main([word.format(verb) for word in form]) == Exit.OK
        out = capsys.readouterr().out
        assert out.startswith(f"pagewalk {verb}: ")
        assert out.index("examples:") < out.index("usage:")
        assert max(map(len, out.splitlines())) <= 80

    def test_every_option_is_described(self, capsys: Captured) -> None:
        main(["help", "report"])
        out = capsys.readouterr().out
        for option in (
            "--by",
            "-s",
            "-r",
            "-n",
            "-t",
            "-b",
            "-H",
            "-p",
            "-P",
            "-u",
            "-c",
            "-f",
            "-o",
            "-q",
            "-v",
            "-V",
        ):
            assert re.search(rf"^  {option}\b", out, re.MULTILINE), option

    @pytest.mark.parametrize("words", [["--help"], ["help", "report"], ["--version"]])
    def test_needs_neither_numpy_nor_rich(self, words: list[str]) -> None:
        script = "import sys\nfrom pagewalk.cli import main\nmain(sys.argv[1:])\nprint(*sys.modules, file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, env=ENVIRONMENT)
        assert done.returncode == 0
        assert done.stdout
        assert {"numpy", "rich", "pagewalk.snapshot", "pagewalk.table"}.isdisjoint(done.stderr.split())

    @pytest.mark.parametrize("words", [["--version"], ["-V"], ["report", "-V"], ["-q", "--version"]])
    def test_version(self, words: list[str], capsys: Captured) -> None:
        assert main(words) == Exit.OK
        (line,) = capsys.readouterr().out.splitlines()
        assert re.fullmatch(r"pagewalk .+, Python 3\..+, numpy \d.+, Linux .+, page size \d+", line)


class TestDispatch:
    def test_an_unknown_verb(self, capsys: Captured) -> None:
        for words in (["repot"], ["help", "repot"], ["", "x"]):
            assert main(words) == Exit.USAGE
            out, err = capsys.readouterr()
            assert out == ""
            assert re.fullmatch(rf"pagewalk: no command '(repot)?'; there are {', '.join(VERBS)} and help\n", err)

    def test_help_takes_one(self, capsys: Captured) -> None:
        assert main(["help", "report", "doctor"]) == Exit.USAGE
        assert capsys.readouterr().err.count("\n") == 1

    def test_module(self) -> None:
        done = subprocess.run([sys.executable, "-m", "pagewalk", "--version"], capture_output=True, env=ENVIRONMENT)
        assert (done.returncode, done.stdout[:9]) == (0, b"pagewalk ")


class TestFailures:
    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (PagewalkError("the walk kept no mappings"), 1, "the walk kept no mappings"),
            (ParseError("/proc/7/maps", 3, "an address"), 1, "/proc/7/maps:3: cannot read an address"),
            (OSError(errno.EIO, "Input/output error", "/proc/kpageflags"), 1, "/proc/kpageflags: Input/output error"),
            (OSError(errno.ENOSPC, "No space left on device"), 1, "standard output: No space left on device"),
            (MemoryError(), 1, "not enough memory for this walk; --alone walks the selected processes only"),
            (KeyboardInterrupt(), 130, None),
            (BrokenPipeError(), 141, None),
            (
                ValueError("odd\nthing"),
                1,
                INTERNAL,
            ),
        ],
    )
    def test_one_line_and_a_code(
        self, error: BaseException, code: int, message: str | None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def dispatch(_words: list[str]) -> int:
            raise error

        monkeypatch.delenv("PAGEWALK_TRACEBACK", raising=False)
        monkeypatch.setattr(pagewalk.cli, "dispatch", dispatch)
        assert main([]) == code
        assert capsys.readouterr() == ("", f"pagewalk: {message}\n" if message else "")

    def test_a_traceback_for_those_who_ask(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def dispatch(_words: list[str]) -> int:
            raise ValueError("odd")

        monkeypatch.setenv("PAGEWALK_TRACEBACK", "1")
        monkeypatch.setattr(pagewalk.cli, "dispatch", dispatch)
        with pytest.raises(ValueError, match="odd"):
            main([])

    def test_a_file_name_cannot_repaint_the_screen(self, capsys: Captured) -> None:
        assert main(["\x1b[2J"]) == Exit.USAGE
        assert "\x1b" not in capsys.readouterr().err


class TestPipe:
    @pytest.mark.parametrize("style", ["plain", "json", "csv", "text"])
    def test_head_gets_its_line_and_nothing_is_said(self, style: str) -> None:
        words = fake(20_000, "--by", "process", "-f", style)
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait() == Exit.PIPE

    def test_nothing_is_cut_off(self) -> None:
        done = subprocess.run(fake(3000, "--by", "process"), capture_output=True, env=ENVIRONMENT)
        lines = done.stdout.decode().splitlines()
        assert len(lines) == 3001
        assert not any("…" in line or "..." in line or "\x1b" in line for line in lines)

    def test_a_full_disk(self) -> None:
        with open("/dev/full", "wb") as full:
            done = subprocess.run(fake(9, "--by", "process"), stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT)
        assert done.returncode == Exit.FAILURE
        assert done.stderr == b"pagewalk: standard output: No space left on device\n"

    def test_no_stdout_at_all(self) -> None:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *fake(9)],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        assert done.returncode == Exit.FAILURE
        assert done.stderr == b"pagewalk: standard output: Bad file descriptor\n"

    @pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
    def test_any_locale(self, locale: str) -> None:
        environment = {**ENVIRONMENT, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        for style in ("text", "plain", "csv", "ndjson"):
            done = subprocess.run(fake(9, "--by", "process", "-f", style), capture_output=True, env=environment)
            assert done.returncode == 0, done.stderr
        done = subprocess.run(fake(9, "-f", "json"), capture_output=True, env=environment)
        assert json.loads(done.stdout.decode())["host"]["hostname"] == "db7"


class TestTerminal:
    @pytest.mark.parametrize("size", [(80, 24), (132, 50), (60, 18), (80, 17), (80, 15)])
    @pytest.mark.parametrize("words", [(), ("--by", "process"), ("--by", "sharing"), ("--by", "mapping", "-t")])
    def test_fits(self, size: tuple[int, int], words: tuple[str, ...], here: Shown) -> None:
        columns, lines = size
        code, shown = here(columns, lines, 200, *words, "--color", "never")
        assert code == 0
        assert max(map(cell_len, shown)) <= columns
        # The prompt needs a line too, or the heading is scrolled away.
        assert len(shown) <= lines - 1
        assert len(shown) >= lines - 4
        assert shown[0].startswith("pagewalk on db7")
        assert any(re.match(r"\.\.\. \d+ more, [\d.]+ [KMGT]iB", line) for line in shown)

    @pytest.mark.parametrize("lines", [7, 8, 9, 10, 12, 14, 16, 18, 20, 30, 60])
    def test_summary_fits_any_height(self, lines: int, here: Shown) -> None:
        code, shown = here(80, lines, 200, "--color", "never")
        assert code == 0
        assert max(map(cell_len, shown)) <= 80
        assert len(shown) <= lines - 1
        assert any(line.startswith("USE ") for line in shown)
        assert any(line.startswith("total ") for line in shown)
        assert shown[-2].startswith("90 processes read, 1 refused, 0 vanished")

    @pytest.mark.parametrize("view", ["use", "cgroup", "charge", "node"])
    @pytest.mark.parametrize("size", [(80, 24), (80, 10), (132, 40)])
    def test_views_of_all_of_ram_fit(self, view: str, size: tuple[int, int], here: Shown) -> None:
        code, shown = here(*size, 9, "--by", view, "--color", "never")
        assert code == 0
        assert max(map(cell_len, shown)) <= size[0]
        assert len(shown) <= size[1] - 1

    def test_summary_is_whole_at_eighty_by_twenty_four(self) -> None:
        _, shown = on_terminal(fake(200), 80, 24, NO_COLOR="1")
        assert shown[0].split("  ")[0] == "pagewalk on db7, Linux 6.18.44, 23.5 GiB"
        assert shown[0].endswith("read 90 of 91 processes in 0.21 s")
        left, right = ([line.split("│")[side:] for line in shown if "▾" in line] for side in (0, 1))
        assert [parts[0].split()[0] for parts in left[:2]] == ["USE", "PROGRAM"]
        assert [parts[0].split()[0] for parts in right if parts] == ["CGROUP", "SHARED▾"]
        assert shown[-2].startswith("90 processes read, 1 refused, 0 vanished; 1 hidden mapping")

    def test_color_is_for_terminals(self) -> None:
        def painted(**environment: str) -> bool:
            return any("\x1b[" in line for line in on_terminal(fake(9), 80, 24, **environment)[1])

        assert painted()
        assert not painted(NO_COLOR="1")
        assert not painted(TERM="dumb")
        assert painted(TERM="dumb", FORCE_COLOR="1")

    def test_a_name_does_not_move_the_cursor(self) -> None:
        _, shown = on_terminal(fake(9, "--by", "process", "--color", "never"), 80, 24)
        assert all(line.isprintable() for line in shown)
        assert sum("two\\nlines" in line for line in shown) == 9 // len(NAMES) + 1

    def test_errors_are_one_line(self) -> None:
        code, shown = on_terminal(fake(9, "--by", "colour"), 80, 24)
        assert code == Exit.USAGE
        assert "".join(shown).startswith("pagewalk: argument --by: invalid choice")


def test_a_file_made_under_sudo_is_its_callers(tmp_path: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path = tmp_path / "answer"
    environment = {**ENVIRONMENT, "SUDO_UID": "65534", "SUDO_GID": "65533"}
    done = subprocess.run(fake(9, "-o", str(path)), capture_output=True, env=environment)
    assert done.returncode == 0
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65534, 65533, 0o600)
