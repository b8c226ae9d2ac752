"""What a word of who means: a frame, an address and what is there, or one line that says why nothing is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import fakeproc
from fakeproc import FakeProcFS
from model import (
    GUARD,
    SOFT_DIRTY_HOLE,
    UFFD_MARKER,
    Fate,
    Frame,
    Kind,
    Machine,
    Migrating,
    Present,
    Process,
    Space,
    Swapped,
    Vma,
)
from pagewalk.cli.addressing import Asked, frame_now, frame_then, is_still_there, read_words
from pagewalk.cli.exits import Exit, Stop
from pagewalk.errors import PermissionRequired
from pagewalk.procfs import ProcFS
from pagewalk.snapshot import Snapshot
from smallhost import FRAMES, HOST, host, walked


def asked(word: str) -> Asked:
    (one,), _ = read_words([word], False)
    return one


class TestWords:
    @pytest.mark.parametrize(
        ("word", "number", "pid"),
        [
            ("1234:7f5c3a200000", 0x7F5C3A200000, 1234),
            ("1:0x10", 16, 1),
            ("1:0XfF", 255, 1),
            ("1:10", 16, 1),
            ("12:ffffffffff600000", 0xFFFFFFFFFF600000, 12),
            ("0", 0, None),
            ("1542166", 1542166, None),
            ("0x188816", 0x188816, None),
            ("007", 7, None),
        ],
    )
    def test_what_is_asked(self, word: str, number: int, pid: int | None) -> None:
        assert asked(word) == Asked(word, number, pid)

    @pytest.mark.parametrize(
        ("words", "is_file_asked", "file"),
        [
            (["1", "2:3"], False, None),
            (["1", "2:3", "host.pwz"], False, "host.pwz"),
            (["1", "./1234"], False, "./1234"),
            (["1", "./12:34"], False, "./12:34"),
            (["host.pwz"], True, "host.pwz"),
            ([], True, None),
        ],
    )
    def test_the_last_may_be_a_snapshot(self, words: list[str], is_file_asked: bool, file: str | None) -> None:
        some, found = read_words(words, is_file_asked)
        assert found == file
        assert [one.text for one in some] == words[: len(words) - (file is not None)]

    @pytest.mark.parametrize(
        ("words", "is_file_asked", "message"),
        [
            ([], False, "nothing is asked: give PID:ADDRESS"),
            (["host.pwz"], False, "'host.pwz' is no PID:ADDRESS and no frame number"),
            (["host.pwz", "1"], False, "'host.pwz' is neither PID:ADDRESS nor a frame number; only the last word"),
            (["1"], True, "--file asks about a file, 1 about a frame"),
            (["1:zz"], False, "1:zz: the address is no hexadecimal number"),
            (["1:"], False, "no hexadecimal"),
            (["1:-5"], False, "no hexadecimal"),
            (["0:10"], False, "0 is no process ID"),
            ([f"{1 << 31}:10"], False, "is no process ID"),
            (["1:" + "f" * 17], False, "more than 16"),
            ([str(1 << 55)], False, r"below 2\^55"),
            (["0x" + "f" * 40], False, r"below 2\^55"),
            (["-5"], False, "no PID:ADDRESS"),
            (["²"], False, "no PID:ADDRESS"),
            ([""], False, "no PID:ADDRESS"),
        ],
    )
    def test_what_makes_no_sense(self, words: list[str], is_file_asked: bool, message: str) -> None:
        with pytest.raises(Stop, match=message) as stop:
            read_words(words, is_file_asked)
        assert stop.value.code == Exit.USAGE
        assert "\n" not in str(stop.value)


PLACES = Space(
    (
        Vma(0x100, 1, name=b"/bin/app", inode=5, entries={}),
        Vma(
            0x400,
            9,
            name=b"[heap]",
            entries={
                0: Present(1),
                1: GUARD,
                2: UFFD_MARKER,
                3: Migrating(26, 1),
                4: Swapped(3, 77),
                5: SOFT_DIRTY_HOLE,
                6: Present(40),
            },
        ),
        Vma(0x500, 1),
        Vma(0x600, 1, "rw-s", inode=4, name=b"/memfd:w (deleted)"),
        Vma(0x700, 1, "rw-s", inode=4, name=b"/dev/dri/card0"),
        Vma(0x800, 1, name=b"[vvar]"),
        Vma(0xFFFFFFFFFF600, 1, "--xp", name=b"[vsyscall]"),
    )
)
PROCESSES = (
    Process(7, 0),
    Process(8, 0, fate=Fate.KTHREAD),
    Process(10, 1, fate=Fate.REFUSED),
    Process(11, 1, fate=Fate.GONE_PAGEMAP),
    Process(12, 2),
)
MADE = Machine(
    {1: Frame(1, Kind.ANON), 40: Frame(40, Kind.ZERO)},
    (PLACES, Space((Vma(0x400, 1, entries={0: Present(1)}),)), Space(())),
    PROCESSES,
    limit=64,
)


@contextmanager
def made(machine: Machine = MADE) -> Iterator[FakeProcFS]:
    with fakeproc.made(machine) as root:
        yield FakeProcFS(machine, root)


class TestNow:
    @pytest.mark.parametrize(
        ("word", "pfn"),
        [("10:400000", 1), ("10:0x400fff", 1), ("10:401000", 2), ("11:2003000", 20), ("12:2000000", 20)],
    )
    def test_a_page_that_is_there(self, word: str, pfn: int) -> None:
        with host() as procfs:
            assert frame_now(procfs, asked(word)) == pfn

    def test_a_frame_is_itself(self) -> None:
        with host() as procfs:
            assert frame_now(procfs, asked("99999")) == 99999

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("100000", "has no frame in /bin/app: never touched by this process, or memory of a device"),
            ("401000", r"is in a guard region in \[heap\]: to touch it is a fault"),
            ("402000", r"has no frame just now in \[heap\]: it is being moved, .* \(entry of type 31\)"),
            ("403000", r"has no frame just now in \[heap\]: it is being moved, .* \(entry of type 26\)"),
            ("404123", r"is in swap \(type 3, slot 77\) in \[heap\]"),
            ("405000", r"has no frame in \[heap\]: never touched$"),
            ("406000", r"is on the zero page \(frame 40\): read but never written"),
            ("408fff", r"has no frame in \[heap\]: never touched$"),
            ("500000", "has no frame: never touched$"),
            ("600000", r"has no frame in /memfd:w \(deleted\): .* swapped, which pagemap does not tell"),
            ("700000", "has no frame in /dev/dri/card0: .* memory of a device"),
            ("800000", r"is a page of the kernel's in \[vvar\]"),
            ("ffffffffff600000", r"is a page of the kernel's in \[vsyscall\]"),
            ("0", "is not mapped: behind it 100000-101000 /bin/app$"),
            ("409000", r"is not mapped: before it 400000-409000 \[heap\], behind it 500000-501000$"),
            ("ffffffffffffffff", r"is not mapped: before it ffffffffff600000-ffffffffff601000 \[vsyscall\]$"),
        ],
    )
    def test_a_page_that_is_not(self, address: str, message: str) -> None:
        with made() as procfs, pytest.raises(Stop, match=f"^7:{address} {message}") as stop:
            frame_now(procfs, asked(f"7:{address}"))
        assert stop.value.code == Exit.NOTHING

    @pytest.mark.parametrize(
        ("pid", "code", "message"),
        [
            (8, Exit.NOTHING, "is a kernel thread"),
            (10, Exit.PRIVILEGE, "process 10 could not be read: Permission denied"),
            (11, Exit.NOTHING, "process 11 ended while it was asked"),
            (12, Exit.NOTHING, "is not mapped: the process maps nothing"),
        ],
    )
    def test_a_process_that_has_none(self, pid: int, code: Exit, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 0)
        with made() as procfs, pytest.raises(Stop, match=re.escape(message)) as stop:
            frame_now(procfs, asked(f"{pid}:400000"))
        assert stop.value.code == code

    def test_no_process(self) -> None:
        with made() as procfs, pytest.raises(Stop, match="no process 99 here"):
            frame_now(ProcFS(procfs.root), asked("99:400000"))

    def test_no_privilege(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        with made() as procfs, pytest.raises(PermissionRequired, match="Permission denied"):
            frame_now(procfs, asked("10:400000"))

    def test_hidden_frame_numbers(self) -> None:
        with fakeproc.made(HOST) as root:
            fakeproc.hide_frame_numbers(HOST, root)
            with pytest.raises(PermissionRequired, match="read as 0"):
                frame_now(FakeProcFS(HOST, root), asked("10:400000"))


class TestThen:
    @pytest.fixture
    def snapshot(self) -> Snapshot:
        return walked(mappings=True)

    @pytest.mark.parametrize(
        ("word", "pfn"), [("10:400000", 1), ("20:401fff", 9), ("11:2003000", 20), ("12:2000000", 20), ("5000", 5000)]
    )
    def test_a_page_that_was_there(self, snapshot: Snapshot, word: str, pfn: int) -> None:
        assert frame_then(snapshot, asked(word), "host.pwz") == pfn

    @pytest.mark.parametrize(
        ("word", "message"),
        [
            ("10:402000", "10:402000 had no frame when host.pwz was taken: not mapped, never touched, or in swap"),
            ("10:2000000", "10:2000000 had no frame"),
            ("99:400000", r"no process 99 in host\.pwz \(there are 10, 11, 20\)"),
        ],
    )
    def test_a_page_that_was_not(self, snapshot: Snapshot, word: str, message: str) -> None:
        with pytest.raises(Stop, match=message) as stop:
            frame_then(snapshot, asked(word), "host.pwz")
        assert stop.value.code == Exit.NOTHING

    def test_no_pages(self) -> None:
        with pytest.raises(Stop, match="kept no pages") as stop:
            frame_then(walked(), asked("10:400000"), "host.pwz")
        assert stop.value.code == Exit.FAILURE


def test_a_page_that_the_walk_met() -> None:
    snapshot = walked(pfns=[1, 2])
    assert is_still_there(snapshot, asked("10:400000"), 1)
    assert not is_still_there(snapshot, asked("10:400000"), 2)
    assert not is_still_there(snapshot, asked("10:402000"), 2)
    assert is_still_there(snapshot, asked("77"), 77)


def test_a_process_that_the_walk_did_not_meet() -> None:
    with pytest.raises(Stop, match="process 10 ended while it was read"):
        is_still_there(walked(pids=[20], pfns=[1]), asked("10:400000"), 1)
    processes = tuple(
        dataclasses.replace(process, fate=Fate.REFUSED) if process.pid == 10 else process for process in HOST.processes
    )
    refused = walked(Machine(FRAMES, HOST.spaces, processes, limit=200), pfns=[1])
    with pytest.raises(Stop, match="process 10 could not be read") as stop:
        is_still_there(refused, asked("10:400000"), 1)
    assert stop.value.code == Exit.PRIVILEGE
