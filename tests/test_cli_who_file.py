"""who --file: what may be looked at, what is said of it, and what of a snapshot cannot be known."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pagewalk
import pagewalk.procfs
import pagewalk.snapshot
from fakeproc import FakeProcFS
from model import PAGE
from pagewalk import residence
from pagewalk._native import residence as native
from pagewalk.cli import main
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.who_file import opened
from pagewalk.errors import PermissionRequired
from pagewalk.residence import Residence
from smallhost import host, walked

Captured = pytest.CaptureFixture[str]
LIBC = (100, 101, 102, 103)


class Machine:
    """The command on the small host, of which a real file plays the library."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: Captured, procfs: FakeProcFS) -> None:
        self.monkeypatch, self.capsys, self.procfs = monkeypatch, capsys, procfs
        self.walks: list[dict[str, Any]] = []
        self.looks: list[Residence] = []
        walk = pagewalk.walk  # kept by the package from now on, whatever stands in its place meanwhile

        def walking(**how: Any) -> pagewalk.Snapshot:
            self.walks.append(how)
            return walk(procfs=procfs, **how)

        monkeypatch.setattr(pagewalk.procfs, "ProcFS", lambda: procfs)
        monkeypatch.setattr(pagewalk.snapshot, "walk", walking)
        monkeypatch.setattr(residence, "resident_frames", lambda *_: self.looks.pop(0))

    def holds(self, *looks: dict[int, int], size: int = 6 * PAGE) -> None:
        """What is found at each look: frames by page of the file."""
        self.looks = [
            Residence(size, len(look), np.array([*look], np.int64), np.array([*look.values()], np.int64))
            for look in looks
        ]

    def run(self, *words: str) -> tuple[int, str, list[str]]:
        code = main(["who", *words])
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err.splitlines()

    def json(self, *words: str) -> dict[str, Any]:
        code, out, err = self.run(*words, "-f", "json")
        assert (code, err) == (Exit.OK, [])
        answer: dict[str, Any] = json.loads(out)
        return answer


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Iterator[Machine]:
    monkeypatch.delenv("PAGEWALK_FORMAT", raising=False)
    with host() as procfs:
        yield Machine(monkeypatch, capsys, procfs)


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "libc.so"
    path.write_bytes(bytes(6 * PAGE))
    return str(path)


class TestLive:
    def test_counted_by_hand(self, machine: Machine, path: str) -> None:
        # Four pages that are mapped, one that nobody maps.
        look = {**dict(enumerate(LIBC)), 5: 150}
        machine.holds(look, look)
        answer = machine.json("--file", path)
        (file,) = answer["file"]
        assert {name: figure // PAGE for name, figure in file.items() if name != "path" and figure} == {
            "size": 6,
            "resident": 5,
            "mapped": 4,
            "unmapped": 1,
            "shared": 4,
            "inactive": 4,
        }
        assert file["path"] == path
        assert [(row["pid"], row["bytes"] // PAGE) for row in answer["owners"]] == [(10, 4), (11, 4), (20, 3)]
        assert sum(row["pss"] for row in answer["owners"]) == 4 * PAGE
        assert [(row["charged_to"], row["bytes"] // PAGE) for row in answer["charged"]] == [("inode 1", 4), ("", 1)]
        assert [walk["pfns"].tolist() for walk in machine.walks] == [[*LIBC, 150]]

    def test_pages_that_came_and_went(self, machine: Machine, path: str) -> None:
        machine.holds({0: 100, 1: 101, 2: 102}, {0: 100, 1: 103, 4: 9})
        _, out, err = machine.run("--file", path, "-f", "json")
        (file,) = json.loads(out)["file"]
        assert (file["resident"], file["mapped"], file["moved"]) == (3 * PAGE, PAGE, 2 * PAGE)
        machine.holds({0: 100, 1: 101, 2: 102}, {0: 100, 1: 103, 4: 9})
        _, _, err = machine.run("--file", path)
        assert err[0] == f"pagewalk: {path}: 12.0 KiB of 24.0 KiB are in memory"
        assert err[1] == "pagewalk: 8.00 KiB came, went or changed frame during the walk: nothing is said of them"

    def test_hidden_owners(self, machine: Machine, path: str) -> None:
        machine.holds({0: 10}, {0: 10})
        _, _, err = machine.run("--file", path)
        assert "4.00 KiB of it are mapped by processes that could not be read" in err[1]

    def test_nothing_of_it_is_in_memory(self, machine: Machine, path: str) -> None:
        machine.holds({}, {})
        code, out, err = machine.run("--file", path)
        assert code == Exit.OK
        assert err[0] == f"pagewalk: {path}: 0 B of 24.0 KiB are in memory"
        assert len(out.splitlines()) == 2, "one table: nobody maps it, nobody is charged"

    def test_formats(self, machine: Machine, path: str) -> None:
        look = dict(enumerate(LIBC))
        for how in ("text", "plain", "csv", "ndjson"):
            machine.holds(look, look)
            code, out, err = machine.run("--file", path, "-f", how)
            assert code == Exit.OK
            match how:
                case "csv":
                    rows = list(csv.DictReader(io.StringIO(out, newline="")))
                    assert [row["pid"] for row in rows] == ["10", "11", "20"]
                    assert any("csv holds one table" in line for line in err)
                case "ndjson":
                    views = [json.loads(line)["view"] for line in out.splitlines()]
                    assert views == ["file", "owners", "owners", "owners", "charged"]
                case "plain":
                    assert [table.split()[0] for table in out.split("\n\n")] == ["size", "pid", "bytes"]
                case _:
                    assert "RESIDENT" in out
                    assert "16.0 KiB of 24.0 KiB are in memory" in " ".join(out.split())

    def test_hugetlbfs_is_not_touched(self, machine: Machine, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its pages are found by who maps them; how many there are it counts itself."""
        monkeypatch.setattr(residence, "is_hugetlbfs", lambda fd: True)
        real = os.fstat

        def fstat(fd: int) -> os.stat_result:
            # The file is the library of the small host; 8 blocks of 512 bytes are a page.
            if not os.path.samestat(real(fd), os.stat(path)):
                return real(fd)
            found = list(real(fd))
            found[1], found[2], found[6] = 77, os.makedev(0xFE, 0), 6 * PAGE
            return os.stat_result(found, {"st_blocks": 6 * PAGE // 512, "st_blksize": PAGE})

        with monkeypatch.context() as patched:
            patched.setattr(os, "fstat", fstat)
            (file,) = machine.json("--file", path)["file"]
        assert machine.walks[0]["mappings"] is True
        assert (file["resident"], file["mapped"], file["unmapped"]) == (6 * PAGE, 4 * PAGE, 2 * PAGE)
        assert file["moved"] is None


class TestSaved:
    @pytest.fixture
    def file(self, tmp_path: Path) -> str:
        path = tmp_path / "host.pwz"
        walked(mappings=True).save(path)
        return str(path)

    def test_what_was_mapped_under_its_name(self, machine: Machine, file: str) -> None:
        answer = machine.json("--file", "/lib/libc.so", file)
        (whole,) = answer["file"]
        assert (whole["mapped"], whole["shared"]) == (4 * PAGE, 4 * PAGE)
        assert [name for name, figure in whole.items() if figure is None] == ["size", "resident", "unmapped", "moved"]
        assert [row["pid"] for row in answer["owners"]] == [10, 11, 20]
        assert machine.walks == []
        _, _, err = machine.run("--file", "/lib/libc.so", file)
        assert "a snapshot knows only the pages that processes mapped" in err[0]
        assert f"{file}: a snapshot of" in err[1]

    def test_a_name_nobody_mapped(self, machine: Machine, file: str) -> None:
        code, out, err = machine.run("--file", "/lib/other.so", file)
        assert (code, out) == (Exit.NOTHING, "")
        assert err == [f"pagewalk: no page of /lib/other.so was mapped under this name when {file} was taken"]

    def test_a_snapshot_without_pages(self, machine: Machine, tmp_path: Path) -> None:
        path = tmp_path / "small.pwz"
        walked().save(path)
        code, _, err = machine.run("--file", "/lib/libc.so", str(path))
        assert code == Exit.FAILURE
        assert "holds no pages" in err[0]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


class TestOpened:
    @pytest.mark.parametrize(
        ("make", "what"),
        [(Path.mkdir, "a directory"), (fifo, "a FIFO"), (unix_socket, "a socket")],
        ids=["directory", "fifo", "socket"],
    )
    def test_what_is_no_file(self, make: Callable[[Path], None], what: str, tmp_path: Path) -> None:
        path = tmp_path / "made"
        make(path)
        with pytest.raises(Stop, match=f"made is {what}: --file takes a regular file") as stop:
            opened(str(path))
        assert stop.value.code == Exit.FAILURE

    def test_a_device(self) -> None:
        with pytest.raises(Stop, match="/dev/null is a character device"):
            opened("/dev/null")

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(Stop, match="gone: no such file") as stop:
            opened(str(tmp_path / "gone"))
        assert stop.value.code == Exit.NOTHING
        with pytest.raises(OSError, match="Not a directory"):
            opened(f"{__file__}/x")

    def test_no_name(self) -> None:
        with pytest.raises(Stop, match="give the name of a file") as stop:
            opened("")
        assert stop.value.code == Exit.USAGE

    def test_another_file_that_has_its_name_by_now(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        regular = os.stat(path)
        monkeypatch.setattr(os, "stat", lambda name: regular)
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(Stop, match="a character device"):
            opened("/dev/null")
        assert len(os.listdir("/proc/self/fd")) == before

    @pytest.mark.parametrize(("uid", "message"), [(1000, "by uid 1000"), (0, "needs CAP_FOWNER")])
    def test_another_users(self, path: str, uid: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*_: object) -> int:
            raise PermissionError(1, "Operation not permitted", path)

        monkeypatch.setattr(os, "open", refused)
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        with pytest.raises(PermissionRequired, match=message):
            opened(path)

    def test_looking_leaves_no_trace(self, path: str) -> None:
        os.utime(path, (1, 2))
        fd = opened(path)
        assert not os.get_inheritable(fd)
        native.resident_words(
            fd, os.open("/proc/self/pagemap", os.O_RDONLY), 0, PAGE, np.zeros(6, np.uint8), np.zeros(6, np.uint64)
        )
        assert os.fstat(fd).st_atime == 1
        os.close(fd)


def test_a_question_of_both_kinds(machine: Machine, path: str) -> None:
    code, _, err = machine.run("--file", path, "20")
    assert code == Exit.USAGE
    assert "leave one out" in err[0]
