"""Threads that take their turns."""

from __future__ import annotations

import threading
import time

import pytest

from pagewalk.threads import run_in_threads
from pagewalk.turns import Broken, Turns


def test_each_passes_after_the_one_before() -> None:
    turns, seen = Turns(), list[int]()
    todo = iter([3, 1, 0, 2])

    def work(_: int) -> None:
        for number in todo:
            time.sleep(0.001 * number)
            turns.wait(number)
            seen.append(number)
            turns.done(number)

    run_in_threads(work, 4)
    assert seen == [0, 1, 2, 3]


def test_done_waits_for_its_turn_too() -> None:
    """A number that had nothing to do must not let a later one pass before an earlier one."""
    turns = Turns()
    later = threading.Thread(target=turns.done, args=(1,))
    later.start()
    time.sleep(0.01)
    assert turns.now == 0
    turns.done(0)
    later.join(5)
    assert turns.now == 2


def test_when_one_gives_up_nobody_waits() -> None:
    turns = Turns()
    failed: list[type[BaseException]] = []

    def wait() -> None:
        try:
            turns.wait(7)
        except Broken as error:
            failed.append(type(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    turns.give_up()
    waiting.join(5)
    assert failed == [Broken]
    with pytest.raises(Broken):
        turns.wait(0)
    turns.done(3)  # nor does whoever is done
