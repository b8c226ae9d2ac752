"""A process that is open: its descriptor is given back once, and stat says what kind of task it is."""

from __future__ import annotations

import os

import pytest

from pagewalk.openprocess import PF_KTHREAD, Process, ProcessStat, TextRoom


def test_a_process_is_closed_once() -> None:
    fd = os.open("/", os.O_PATH)
    with Process(7, fd) as process:
        assert (process.pid, process.tid) == (7, 7)
        assert os.fstat(process.fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    process.close()  # harmless, whoever has the number by now
    assert process.fd == -1


def test_a_thread_has_a_number_of_its_own() -> None:
    assert Process(7, -1, 9).tid == 9


@pytest.mark.parametrize(("state", "zombie"), [("R", False), ("Z", True), ("X", True), ("x", True), ("t", False)])
def test_what_stat_tells(state: str, zombie: bool) -> None:
    stat = ProcessStat(7, "a", state, 1, PF_KTHREAD | 64, 5, 0, 0, ())
    assert stat.is_zombie is zombie
    assert stat.is_kernel_thread
    assert not stat._replace(flags=64).is_kernel_thread


def test_room_for_a_text() -> None:
    assert len(TextRoom(10).text) == 10
