"""Running a command as ``time`` does: its streams, its terminal and its exit status stay its own."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pagewalk.cli.blas import environment
from pagewalk.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from resource import struct_rusage

__all__ = ["ENDING", "Command", "Ending", "Signals", "promptly", "signal_name"]

# Signals that end a program which does not care for them.
ENDING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


# Nine times the weight of a process of the same niceness (kernel/sched/core.c:sched_prio_to_weight).
URGENCY = 10


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Parameters
    ----------
    status : int
        Its exit code; minus the number of the signal that killed it.
    usage : struct_rusage
        What the kernel says that it and its descendants used, those that nobody asked after left out.
    """

    status: int
    usage: struct_rusage

    @property
    def code(self) -> int:
        """The exit code to pass on: 128 and the signal's number where one killed it, as the shell has it."""
        return 128 - self.status if self.status < 0 else self.status

    def __str__(self) -> str:
        return f"killed by {signal_name(-self.status)}" if self.status < 0 else f"exit {self.status}"


def signal_name(number: int) -> str:
    """Return ``SIGKILL`` for 9; a number that has no name as it is."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Signals:
    """Signals that come while a command runs: kept back, and handed out one by one.

    To be entered before anything starts a thread: a thread that does not keep them back would die of them, and the
    process with it.
    """

    KEPT = frozenset({*ENDING, signal.SIGCHLD})

    def __init__(self) -> None:
        self.mask: set[int] = set()
        self.is_kept = False

    def __enter__(self) -> Signals:
        # Where it is ignored, the kernel buries our children before we can ask after them.
        self.on_child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.KEPT)
        self.is_kept = True
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let them do again what they do; those that came late came for nothing that is still to be stopped."""
        if not self.is_kept:
            return
        while self.wait(0) is not None:
            pass
        self.is_kept = False
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        signal.signal(signal.SIGCHLD, self.on_child if self.on_child is not None else signal.SIG_DFL)

    def wait(self, seconds: float) -> signal.struct_siginfo | None:
        """Wait so long at most for the next of them."""
        return signal.sigtimedwait(self.KEPT, max(seconds, 0))

    def early(self) -> int | None:
        """Return the signal that asked us to end before there was anything to end, None if none did."""
        while (came := self.wait(0)) is not None:
            if came.si_signo in ENDING:
                return came.si_signo
        return None


def is_for_us_alone(came: signal.struct_siginfo) -> bool:
    """Whether a process sent it: what the terminal sends (SI_KERNEL) goes to all in the foreground by itself."""
    return came.si_code <= 0


@contextmanager
def promptly() -> Iterator[None]:
    """Let this thread, and those that it starts, run before others while it has something to do.

    On a machine that is busy a peak is over before its turn comes else. What it may use in all is bounded by the
    budget. Without CAP_SYS_NICE nothing changes.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, before - URGENCY)
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


class Command:
    """A command to run.

    Parameters
    ----------
    words : sequence of str
        The program and its arguments.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.pid = 0

    def start(self, mask: Iterable[int] = ()) -> None:
        """Start it in our process group, so that the terminal's job control sees one job.

        Parameters
        ----------
        mask : iterable of int
            The signals that it is to keep back.

        Raises
        ------
        Stop
            127 if there is no such program, 126 if it cannot be run.
        """
        failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        for path in candidates(self.words[0]):
            try:
                self.pid = spawn(path, self.words, mask)
                return
            except OSError as error:
                # As execvp: a folder without it is passed over, and so is one where it may not be run.
                if error.errno not in (errno.ENOENT, errno.ENOTDIR) or "/" in self.words[0]:
                    failure = error
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                    break
        code = Exit.NOT_FOUND if failure.errno == errno.ENOENT else Exit.NOT_EXECUTABLE
        raise Stop(code, f"cannot run {self.words[0]!r}: {failure.strerror}") from failure

    def has_ended(self) -> bool:
        """Whether it has ended; its exit status stays to be collected."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def send(self, came: signal.struct_siginfo) -> None:
        """Pass on a signal that was sent to us alone."""
        if came.si_signo in ENDING and is_for_us_alone(came):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, came.si_signo)

    def bury(self, pids: Iterable[int]) -> None:
        """Ask after orphans that we adopted, so that nothing stays of them."""
        for pid in pids:
            if pid != self.pid:
                with suppress(ChildProcessError):
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)

    def collect(self) -> Ending:
        """Return how it ended."""
        _, status, usage = os.wait4(self.pid, 0)
        return Ending(os.waitstatus_to_exitcode(status), usage)


def candidates(name: str) -> list[str]:
    """Return the files that a command's name may mean, in the order of PATH."""
    if not name:
        return []
    if "/" in name:
        return [name]
    return [os.path.join(folder or ".", name) for folder in os.get_exec_path()]


def spawn(path: str, words: Sequence[str], mask: Iterable[int]) -> int:
    """Start a program; a script that does not say by what is run by the shell, as execvp does."""
    # SIGPIPE and SIGXFSZ are ignored by Python, not by whoever started it.
    start = partial(os.posix_spawn, setsigmask=list(mask), setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    try:
        return start(path, list(words), environment())
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return start("/bin/sh", ["sh", path, *words[1:]], environment())
