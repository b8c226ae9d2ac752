"""The process that a verb is about: there, and with memory, or one line that says why not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.target import check_target, process_id, row_of
from pagewalk.facts import Gap
from pagewalk.procfs import ProcFS
from pagewalk.snapshot import Snapshot
from smallhost import host, walked


def stopped(code: Exit, message: str, call: object, *arguments: object) -> None:
    assert callable(call)
    with pytest.raises(Stop, match=message) as caught:
        call(*arguments)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_a_process_id() -> None:
    assert process_id("1") == 1
    assert process_id("0042") == 42
    for text in ("", "x", "-1", "0", "1.5", " 1", "²", "2147483648", "1,2"):
        stopped(Exit.USAGE, re.escape(repr(text)), process_id, text)


class TestListed:
    @pytest.fixture
    def procfs(self) -> Iterator[ProcFS]:
        with host() as made:
            yield ProcFS(made.root)

    def write(self, procfs: ProcFS, pid: int, name: str, old: bytes, new: bytes) -> None:
        path = Path(procfs.path(f"{pid}/{name}"))
        text = path.read_bytes()
        assert old in text
        path.write_bytes(text.replace(old, new, 1))

    def test_it_is_there(self, procfs: ProcFS) -> None:
        for pid in (10, 11, 12, 20):
            check_target(procfs, pid)

    def test_it_is_not(self, procfs: ProcFS) -> None:
        stopped(Exit.NOTHING, "^no process 99 here$", check_target, procfs, 99)

    def test_a_kernel_thread(self, procfs: ProcFS) -> None:
        path = Path(procfs.path("20/stat"))
        opening, closing, rest = path.read_bytes().partition(b") ")
        fields = rest.split()
        fields[6] = str(int(fields[6]) | 0x00200000).encode()  # PF_KTHREAD (include/linux/sched.h)
        path.write_bytes(opening + closing + b" ".join(fields))
        stopped(
            Exit.NOTHING, r"^20 \(redis\) is a kernel thread: it has no memory of its own$", check_target, procfs, 20
        )

    def test_a_zombie(self, procfs: ProcFS) -> None:
        Path(procfs.path("20/task/20")).mkdir(parents=True, exist_ok=True)
        self.write(procfs, 20, "stat", b") S ", b") Z ")
        stopped(Exit.NOTHING, r"^20 \(redis\) has ended, .* until process \d+ asks", check_target, procfs, 20)
        # While other threads of it run, it has memory still.
        Path(procfs.path("20/task/21")).mkdir()
        check_target(procfs, 20)


class TestOfThisMachine:
    def test_a_thread_names_its_process(self) -> None:
        done = threading.Event()
        started = threading.Thread(target=done.wait)
        started.start()
        try:
            tid = started.native_id
            assert tid is not None
            message = f"^{tid} is a thread of process {os.getpid()}: ask for {os.getpid()}, they have one memory$"
            stopped(Exit.NOTHING, message, check_target, ProcFS(), tid)
        finally:
            done.set()
            started.join()

    def test_a_zombie(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.DEVNULL)
        try:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            stopped(Exit.NOTHING, "zombie until process", check_target, ProcFS(), child.pid)
        finally:
            child.wait()
        stopped(Exit.NOTHING, "^no process", check_target, ProcFS(), child.pid)


class TestWalked:
    def gap(self, *gaps: Gap) -> Snapshot:
        return Snapshot(replace(walked(mappings=True).facts, gaps=gaps))

    def test_the_row_of_its_address_space(self) -> None:
        snapshot = self.gap(Gap(10, "open files", "no matter"))
        pids = [snapshot.facts.spaces.pids[row_of(snapshot, pid, "")] for pid in (10, 11, 12, 20)]
        assert pids == [(10,), (11, 12), (11, 12), (20,)]

    def test_it_was_refused(self) -> None:
        snapshot = self.gap(Gap(None, "ksm", "x"), Gap(1, "memory", "pagemap: Permission denied"))
        stopped(Exit.PRIVILEGE, "^process 1 could not be read: pagemap: Permission denied", row_of, snapshot, 1, "")

    def test_it_called_exec(self) -> None:
        snapshot = self.gap(Gap(7, "memory", "the process called exec while others were read"))
        stopped(Exit.FAILURE, "^process 7 began another program while it was read: try again$", row_of, snapshot, 7, "")

    def test_it_ended(self) -> None:
        stopped(Exit.NOTHING, "^process 7 ended while it was read$", row_of, self.gap(), 7, "")

    def test_it_is_not_in_the_file(self) -> None:
        snapshot = self.gap()
        stopped(Exit.NOTHING, r"^no process 7 in a\.pwz \(there are 10, 11, 20\)$", row_of, snapshot, 7, "a.pwz")
        spaces = replace(snapshot.facts.spaces, pids=[(pid,) for pid in range(9)])
        many = Snapshot(replace(snapshot.facts, spaces=spaces))
        stopped(Exit.NOTHING, r"\(there are 0, 1, 2, 3, 4, 5, 6, 7, \.\.\.\)", row_of, many, 99, "a.pwz")
