"""Where the answer goes."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from pagewalk.cli import output
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.output import FORMATS, MACHINE, check_new_file, colors_of, destination, renderer, screen_size


def stopped(path: Path | str, force: bool = False) -> str:
    with pytest.raises(Stop) as stop:
        check_new_file(str(path), force)
    assert stop.value.code == Exit.FAILURE
    return str(stop.value)


class TestCheck:
    def test_a_new_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        check_new_file(str(tmp_path / "new"), False)
        monkeypatch.chdir(tmp_path)
        check_new_file("new", False)

    def test_no_directory(self, tmp_path: Path) -> None:
        assert "no directory" in stopped(tmp_path / "none" / "new")

    def test_no_right(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda _path, _mode: False)
        assert f"may not write into '{tmp_path}'" in stopped(tmp_path / "new")

    def test_there_already(self, tmp_path: Path) -> None:
        path = tmp_path / "old"
        path.touch()
        assert "--force replaces it" in stopped(path)
        check_new_file(str(path), True)

    def test_what_is_no_regular_file_stays(self, tmp_path: Path) -> None:
        link, fifo = tmp_path / "link", tmp_path / "fifo"
        link.symlink_to("/dev/null")
        os.mkfifo(fifo)
        for path in ("/dev/null", "/dev/stdout", tmp_path, link, fifo):
            assert "not a regular file" in stopped(path, force=True)


class TestFile:
    def write(self, path: Path, force: bool = False) -> None:
        with destination(str(path), force, is_machine=True) as out:
            out.write("caf\xe9 \udcff\r\n")

    def test_has_its_name_only_when_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "answer"
        with destination(str(path), False, is_machine=False) as out:
            out.write("half")
            out.flush()
            assert not path.exists()
            assert len(list(tmp_path.iterdir())) == 1
        assert path.read_text() == "half"
        assert list(tmp_path.iterdir()) == [path]

    def test_leaves_nothing_behind_when_it_fails(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError), destination(str(tmp_path / "answer"), False, is_machine=False):
            raise RuntimeError
        assert list(tmp_path.iterdir()) == []

    def test_is_private_and_utf_8(self, tmp_path: Path) -> None:
        old = os.umask(0)
        try:
            self.write(tmp_path / "answer")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "answer").stat().st_mode) == 0o600
        assert (tmp_path / "answer").read_bytes() == b"caf\xc3\xa9 \\udcff\r\n"

    def test_force_replaces(self, tmp_path: Path) -> None:
        path = tmp_path / "answer"
        path.write_text("old")
        self.write(path, force=True)
        assert path.read_text() != "old"

    def test_a_file_made_meanwhile_is_not_lost(self, tmp_path: Path) -> None:
        path = tmp_path / "answer"
        with pytest.raises(Stop, match="exists already"), destination(str(path), False, is_machine=False):
            path.write_text("theirs")
        assert path.read_text() == "theirs"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_file_system_without_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def link(*_names: str) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "link", link)
        self.write(tmp_path / "answer")
        assert (tmp_path / "answer").exists()
        with pytest.raises(Stop, match="exists already"):
            self.write(tmp_path / "answer")

    @pytest.mark.parametrize(
        ("uid", "environment", "expected"),
        [
            (0, {"SUDO_UID": "1000", "SUDO_GID": "100"}, [(1000, 100)]),
            (0, {}, []),
            (0, {"SUDO_UID": "x", "SUDO_GID": "100"}, []),
            (1000, {"SUDO_UID": "1000", "SUDO_GID": "100"}, []),
        ],
    )
    def test_belongs_to_whom_sudo_was_called_by(
        self,
        uid: int,
        environment: dict[str, str],
        expected: list[tuple[int, int]],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        given: list[tuple[int, int]] = []
        for name in ("SUDO_UID", "SUDO_GID"):
            monkeypatch.delenv(name, raising=False)
        for name, text in environment.items():
            monkeypatch.setenv(name, text)
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        monkeypatch.setattr(os, "fchown", lambda _fd, owner, group: given.append((owner, group)))
        self.write(tmp_path / "answer")
        assert given == expected


class TestStdout:
    def test_is_made_unable_to_fail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
        with destination(None, False, is_machine=False) as out:
            out.write("caf\xe9")
            out.flush()
        assert raw.getvalue() == b"caf\\xe9"
        with destination(None, False, is_machine=True) as out:
            out.write("caf\xe9")
            out.flush()
        assert raw.getvalue() == b"caf\\xe9caf\xc3\xa9"

    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", None)
        with pytest.raises(OSError, match="standard output"), destination(None, False, is_machine=False):
            pass


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestTerminal:
    @pytest.mark.parametrize(
        ("environment", "size"),
        [
            ({}, (80, 24)),
            ({"COLUMNS": "132", "LINES": "50"}, (132, 50)),
            ({"COLUMNS": "0", "LINES": "x"}, (80, 24)),
            ({"COLUMNS": "-5"}, (80, 24)),
        ],
    )
    def test_size(self, environment: dict[str, str], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("COLUMNS", "LINES"):
            monkeypatch.setenv(name, environment.get(name, ""))
        assert screen_size(io.StringIO()) == size

    @pytest.mark.parametrize(
        ("wish", "environment", "colors"),
        [
            ("auto", {"TERM": "xterm"}, 16),
            ("auto", {"TERM": "xterm-256color"}, 256),
            ("auto", {"TERM": "xterm", "COLORTERM": "truecolor"}, 1 << 24),
            ("auto", {"TERM": "dumb"}, 0),
            ("auto", {}, 0),
            ("auto", {"TERM": "xterm", "NO_COLOR": "1"}, 0),
            ("auto", {"TERM": "xterm", "NO_COLOR": ""}, 16),
            ("auto", {"TERM": "dumb", "FORCE_COLOR": "1"}, 16),
            ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, 0),
            ("always", {"NO_COLOR": "1"}, 16),
            ("never", {"FORCE_COLOR": "1", "TERM": "xterm"}, 0),
        ],
    )
    def test_colors(self, wish: str, environment: dict[str, str], colors: int, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, text in environment.items():
            monkeypatch.setenv(name, text)
        assert colors_of(FakeTerminal(), wish) == colors
        if wish == "auto" and "FORCE_COLOR" not in environment:
            assert colors_of(io.StringIO(), wish) == 0


@pytest.mark.parametrize("name", [*FORMATS, "checklist"])
def test_every_format_has_its_renderer(name: str) -> None:
    assert callable(renderer(name))
    assert set(FORMATS) > MACHINE
    assert output.FORMATS is FORMATS
