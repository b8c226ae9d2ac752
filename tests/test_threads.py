"""Work in several threads: all of it done, and an error of one raised where it was asked for."""

from __future__ import annotations

import threading

import pytest

from pagewalk.threads import run_in_threads


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_thread_has_its_number(count: int) -> None:
    seen: list[tuple[int, threading.Thread]] = []
    run_in_threads(lambda number: seen.append((number, threading.current_thread())), count)
    assert sorted(number for number, _ in seen) == list(range(count))
    mine = [thread is threading.current_thread() for _, thread in seen]
    assert mine == [count == 1] * count


def test_threads_run_side_by_side() -> None:
    """All must be there for any to go on."""
    barrier = threading.Barrier(3, timeout=10)
    passed: list[int] = []
    run_in_threads(lambda _: passed.append(barrier.wait()), 3)
    assert sorted(passed) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_is_raised_and_the_others_are_told(count: int) -> None:
    told = threading.Event()
    ended: list[int] = []

    def work(number: int) -> None:
        if number == count - 1:
            raise LookupError(str(number))
        assert told.wait(10)
        ended.append(number)

    before = threading.active_count()
    with pytest.raises(LookupError, match=str(count - 1)):
        run_in_threads(work, count, told.set)
    assert sorted(ended) == list(range(count - 1))
    assert threading.active_count() == before


def test_the_first_error_is_the_one_raised() -> None:
    first = threading.Event()

    def work(number: int) -> None:
        if number == 1:
            raise KeyError("first")
        assert first.wait(10)
        raise ValueError("second")

    with pytest.raises(KeyError):
        run_in_threads(work, 2, first.set)


def test_an_interrupt_stops_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while waiting: the threads are told and waited for, and the interrupt goes on."""
    told = threading.Event()
    ended: list[int] = []
    join, joined = threading.Thread.join, iter(range(99))

    def interrupted(thread: threading.Thread, timeout: float | None = None) -> None:
        if next(joined) == 0:
            raise KeyboardInterrupt
        join(thread, timeout)

    def work(number: int) -> None:
        assert told.wait(10)
        ended.append(number)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_in_threads(work, 2, told.set)
    assert sorted(ended) == [0, 1]


def test_threads_do_not_keep_the_process_alive() -> None:
    daemons: list[bool] = []
    run_in_threads(lambda _: daemons.append(threading.current_thread().daemon), 2)
    assert daemons == [True, True]
