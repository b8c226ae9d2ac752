"""Running the same work in several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["run_in_threads"]


def run_in_threads(work: Callable[[int], None], count: int, give_up: Callable[[], None] | None = None) -> None:
    """Run ``work(0)`` to ``work(count - 1)``, each in a thread; the first alone in the caller's if there is only one.

    Parameters
    ----------
    work : callable
        Called with the thread's number. It is to return when there is nothing left to do.
    count : int
        How many threads.
    give_up : callable, optional
        Called when one fails or the caller is interrupted: tells the others to stop.

    Raises
    ------
    BaseException
        What the first thread that failed raised.
    """
    if count == 1:
        work(0)
        return
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 (raised again in the caller's thread)
            failures.append(error)
            if give_up is not None:
                give_up()

    threads = [threading.Thread(target=run, args=(k,), name=f"pagewalk-{k}", daemon=True) for k in range(count)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        if give_up is not None:
            give_up()
        for thread in threads:
            thread.join()
        raise
    if failures:
        raise failures[0]
