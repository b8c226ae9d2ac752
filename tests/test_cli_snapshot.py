"""``pagewalk snapshot``, and what every verb answers of its file."""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import pagewalk
import pagewalk.cli.snapshot
import pagewalk.snapshot
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.cli.views import VIEWS
from pagewalk.errors import PermissionRequired, Unsupported
from pagewalk.storage.redaction import REDACTIONS
from smallhost import walked

Captured = pytest.CaptureFixture[str]
OF_RAM = {name for name, view in VIEWS.items() if view.whole_ram}


@cache
def small_host() -> pagewalk.Snapshot:
    return walked(mappings=True, freed=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What walks are asked for; each is of the small host."""
    walks: list[dict[str, Any]] = []
    host = small_host()

    def walk(**how: Any) -> pagewalk.Snapshot:
        walks.append({name: value for name, value in how.items() if name != "progress"})
        return host

    monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
    monkeypatch.setenv("COLUMNS", "80")
    return walks


@pytest.fixture
def file(asked: list[dict[str, Any]], tmp_path: Path, capsys: Captured) -> str:
    path = tmp_path / "host.pwz"
    assert main(["snapshot", "-o", str(path), "-q"]) == Exit.OK
    assert capsys.readouterr() == ("", "")
    return str(path)


class TestSaving:
    def test_walks_for_every_question(self, asked: list[dict[str, Any]], tmp_path: Path, capsys: Captured) -> None:
        path = tmp_path / "a b.pwz"
        assert main(["snapshot", "-o", str(path)]) == Exit.OK
        whole = {"frames": "all", "mappings": True, "nodes": True, "freed": True, "vm_flags": False}
        assert asked == [whole]
        out, err = capsys.readouterr()
        assert out == ""
        first, *rest = err.splitlines()
        assert first.startswith(f"pagewalk: saved {path}: ")
        assert "KiB, 4 processes, " in first
        assert ", longest lock hold " in first
        assert f"report '{path}'" in rest[0]
        assert f"report '{path}' --by process" in rest[1]
        assert f"diff '{path}' LATER.pwz" in rest[2]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_options(self, asked: list[dict[str, Any]], tmp_path: Path) -> None:
        path = str(tmp_path / "x")
        assert main(["snapshot", "-o", path, "--threads", "3", "--smaps", "-q"]) == Exit.OK
        assert (asked[0]["threads"], asked[0]["vm_flags"]) == (3, True)

    def test_redacted(self, asked: list[dict[str, Any]], tmp_path: Path, capsys: Captured) -> None:
        path = str(tmp_path / "x")
        assert main(["snapshot", "-o", path, "--redact", "cmdline", "-q"]) == Exit.OK
        assert set(pagewalk.load(path).processes()["cmdline"]) == {"php", "redis"}
        assert main(["report", path, "--by", "program"]) == Exit.OK
        assert "without names (cmdline)" in capsys.readouterr().err

    def test_redactions_are_those_of_the_library(self) -> None:
        (option,) = [action for action in pagewalk.cli.snapshot.options()._actions if action.dest == "redact"]
        assert tuple(option.choices or ()) == tuple(REDACTIONS)
        assert all(f"\n  {name:<8} {what}\n" in pagewalk.cli.snapshot.help() for name, what in REDACTIONS.items())

    def test_no_file_is_replaced_without_force(
        self, asked: list[dict[str, Any]], tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "x"
        path.write_text("mine")
        assert main(["snapshot", "-o", str(path)]) == Exit.FAILURE
        assert capsys.readouterr().err == f"pagewalk: -o {path}: exists already; --force replaces it\n"
        assert asked == []
        assert main(["snapshot", "-o", str(path), "--force", "-q"]) == Exit.OK
        assert path.read_bytes() != b"mine"

    def test_a_file_made_meanwhile_is_not_lost(
        self, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, host = tmp_path / "x", small_host()

        def walk(**_how: Any) -> pagewalk.Snapshot:
            path.write_text("theirs")
            return host

        monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
        assert main(["snapshot", "-o", str(path)]) == Exit.FAILURE
        assert capsys.readouterr().err == f"pagewalk: -o {path}: exists already; --force replaces it\n"
        assert path.read_text() == "theirs"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "into which file? Say it by -o FILE"),
            (["host.pwz"], "unrecognized arguments: host.pwz"),
            (["-o", "x", "--redact", "names"], "invalid choice: 'names'"),
        ],
    )
    def test_wrong_usage(self, words: list[str], message: str, asked: list[dict[str, Any]], capsys: Captured) -> None:
        assert main(["snapshot", *words]) == Exit.USAGE
        assert message in capsys.readouterr().err
        assert asked == []

    @pytest.mark.parametrize("where", ["none/x", ".", "/dev/null"])
    def test_where_no_file_can_be(
        self, where: str, asked: list[dict[str, Any]], tmp_path: Path, capsys: Captured
    ) -> None:
        assert main(["snapshot", "-o", str(tmp_path / where)]) == Exit.FAILURE
        assert capsys.readouterr().err.startswith("pagewalk: -o ")
        assert asked == []

    def test_ram_that_cannot_be_read_is_a_gap(
        self, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def walk(**how: Any) -> pagewalk.Snapshot:
            if "frames" in how:
                raise Unsupported("no iomem")
            return host

        host = small_host()
        monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
        path = str(tmp_path / "x")
        assert main(["snapshot", "-o", path]) == Exit.OK
        assert "only mapped memory was saved, all of RAM could not be read: no iomem" in capsys.readouterr().err
        assert {"pid": None, "what": "all of RAM", "reason": "no iomem"} in pagewalk.load(path).gaps().to_dicts()

    def test_without_privilege(self, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        def walk(**_how: Any) -> pagewalk.Snapshot:
            raise PermissionRequired("the kernel hides it")

        monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert main(["snapshot", "-o", str(tmp_path / "x")]) == Exit.PRIVILEGE
        assert f"snapshot -o {tmp_path / 'x'}" in capsys.readouterr().err.splitlines()[1]
        assert list(tmp_path.iterdir()) == []


class TestTrouble:
    def test_a_full_disk(self, asked: list[dict[str, Any]], tmp_path: Path, capsys: Captured) -> None:
        path = tmp_path / "x"
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limit[1]))
        try:
            assert main(["snapshot", "-o", str(path)]) == Exit.FAILURE
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert capsys.readouterr().err == f"pagewalk: {path}: {os.strerror(errno.EFBIG)}\n"
        assert list(tmp_path.iterdir()) == []

    def test_an_interruption_while_it_is_written(self, tmp_path: Path) -> None:
        """SIGINT, as Ctrl-C sends it, in the middle of packing the columns."""
        script = f"""
import os, signal, sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
import pagewalk.snapshot, zipfile
from pagewalk.storage.redaction import REDACTIONS
from smallhost import walked
snapshot = walked(mappings=True)
pagewalk.snapshot.walk = lambda **how: snapshot
compress = zipfile.LZMACompressor.compress
def interrupted(*arguments):
    assert len(os.listdir({str(tmp_path)!r})) == 1
    os.kill(os.getpid(), signal.SIGINT)
    return compress(*arguments)
zipfile.LZMACompressor.compress = interrupted
from pagewalk.cli import main
sys.exit(main(["snapshot", "-o", {str(tmp_path / "x")!r}]))
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (Exit.INTERRUPTED, "")
        assert list(tmp_path.iterdir()) == []


class TestAsking:
    """Every verb and view of a file; that the answers are the live ones is in test_storage_codec.py."""

    @pytest.mark.parametrize("view", [*VIEWS, "summary"])
    def test_every_view(self, view: str, file: str, capsys: Captured) -> None:
        code = main(["report", file, "--by", view, "-f", "json"])
        out, err = capsys.readouterr()
        if view == "summary":
            assert code == Exit.OK
            assert {"kinds", "program", "sharing"} <= json.loads(out).keys()
        elif view in OF_RAM:
            # The small host has no books.
            assert (code, err.count("\n")) == (Exit.FAILURE, 1)
            assert "ask for all of RAM" in err
        else:
            assert code == Exit.OK
            assert json.loads(out)[view]

    def test_a_summary_without_books_says_so(self, file: str, capsys: Captured) -> None:
        assert main([file, "-f", "text"]) == Exit.OK
        said = " ".join(capsys.readouterr().out.split())
        assert "Only mapped memory is shown, all of RAM could not be read: the snapshot was taken without" in said

    def test_without_the_word_report(self, file: str, capsys: Captured) -> None:
        assert main([file, "--by", "process", "-q", "-H"]) == Exit.OK
        assert len(capsys.readouterr().out.splitlines()) == 3

    def test_says_what_it_is_and_of_when(self, file: str, capsys: Captured) -> None:
        assert main(["report", file, "--by", "process", "-f", "text"]) == Exit.OK
        assert " snapshot of 20" in capsys.readouterr().out.splitlines()[0]
        assert main(["report", file, "--by", "process", "-f", "plain"]) == Exit.OK
        assert capsys.readouterr().err.startswith(f"pagewalk: {file}: a snapshot of ")

    @pytest.mark.parametrize("words", [["-p", "11"], ["-P", "php"], ["-u", "33"], ["-c", "/web/a"], ["--tree", "10"]])
    def test_selections(self, words: list[str], file: str, capsys: Captured) -> None:
        assert main(["report", file, "--by", "process", "-f", "json", *words]) == Exit.OK
        assert json.loads(capsys.readouterr().out)["process"]

    @pytest.mark.parametrize("words", [["-u", "no-such-user"], ["-p", "999"], ["-P", "nothing"]])
    def test_what_is_not_in_it(self, words: list[str], file: str, capsys: Captured) -> None:
        assert main(["report", file, "--by", "process", *words]) == Exit.NOTHING
        assert capsys.readouterr().err.count("\n") == 1

    @pytest.mark.parametrize(
        "words", [["--alone", "-p", "10"], ["--kernel-pss"], ["--threads", "2"]], ids=["alone", "kernel", "threads"]
    )
    def test_what_only_a_walk_has(self, words: list[str], file: str, capsys: Captured) -> None:
        assert main(["report", file, "--by", "process", *words]) == Exit.USAGE
        err = capsys.readouterr().err
        assert err.startswith(f"pagewalk: {words[0]} is of a walk of this machine")
        assert err.count("\n") == 1

    def test_other_verbs(self, file: str, capsys: Captured) -> None:
        for words in (["maps", "10", file], ["freed", "-p", "10", file], ["freed", "-P", "php", file]):
            assert main([*words, "-f", "json"]) == Exit.OK, capsys.readouterr().err
            assert capsys.readouterr().out

    def test_files_that_are_none(self, tmp_path: Path, capsys: Captured) -> None:
        (tmp_path / "text.pwz").write_text("pagewalk")
        for name in ("text.pwz", "none.pwz", "."):
            assert main(["report", str(tmp_path / name)]) == Exit.FAILURE
            err = capsys.readouterr().err
            assert err.count("\n") == 1
            assert "internal error" not in err
