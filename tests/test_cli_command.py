"""A command run as ``time`` runs it: found as execvp finds it, with signals and streams of its own."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pagewalk.cli.command import Command, Ending, Signals, candidates, promptly, signal_name
from pagewalk.cli.exits import Stop

SHELL = "/bin/sh"


def ended(*words: str) -> Ending:
    command = Command(words)
    command.start(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    return command.collect()


def script(path: Path, text: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


# How it ends


@pytest.mark.parametrize(("text", "code", "said"), [("exit 0", 0, "exit 0"), ("exit 3", 3, "exit 3")])
def test_its_exit_status(text: str, code: int, said: str) -> None:
    ending = ended(SHELL, "-c", text)
    assert (ending.code, str(ending), ending.status) == (code, said, code)


@pytest.mark.parametrize(("name", "number"), [("SIGKILL", 9), ("SIGTERM", 15), ("SIGUSR1", 10)])
def test_a_signal_that_killed_it(name: str, number: int) -> None:
    ending = ended(SHELL, "-c", f"kill -{number} $$")
    assert (ending.code, str(ending)) == (128 + number, f"killed by {name}")


def test_a_signal_without_a_name() -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    assert str(Ending(-40, usage)) == "killed by signal 40"
    assert Ending(-40, usage).code == 168
    assert (signal_name(9), signal_name(77)) == ("SIGKILL", "signal 77")


def test_what_it_used_is_its_own() -> None:
    ending = ended(sys.executable, "-c", "b = bytearray(200 << 20); sum(range(10 ** 6))")
    assert ending.usage.ru_maxrss > 200 << 10
    assert 0 < ending.usage.ru_utime < 30


def test_whether_it_has_ended_does_not_take_its_status() -> None:
    command = Command([SHELL, "-c", "read line; exit 5"])
    before, after = os.pipe()
    stdin = os.dup(0) if is_open(0) else None
    os.dup2(before, 0)
    try:
        command.start()
        assert not command.has_ended()
    finally:
        os.close(before)
        os.dup2(stdin, 0) if stdin is not None else os.close(0)
    os.close(after)
    waited(command.has_ended)
    assert command.has_ended()
    assert command.collect().code == 5


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def waited(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# How it is found


@pytest.mark.parametrize(
    ("word", "code", "why"),
    [
        ("pagewalk-nonesuch", 127, "No such file or directory"),
        ("/nonesuch/x", 127, "No such file or directory"),
        ("", 127, "No such file or directory"),
        ("/etc/passwd/x", 126, "Not a directory"),
        ("/", 126, "Permission denied"),
        ("/etc/passwd", 126, "Permission denied"),
        ("x" * 5000, 126, "File name too long"),
    ],
)
def test_what_cannot_be_run(word: str, code: int, why: str) -> None:
    with pytest.raises(Stop) as stopped:
        Command([word, "a"]).start()
    assert stopped.value.code == code
    assert str(stopped.value) == f"cannot run {word!r}: {why}"


def test_path_is_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "a" / "tool", "#!/bin/sh\nexit 1\n", 0o644)
    script(tmp_path / "b" / "tool", "#!/bin/sh\nexit 42\n")
    script(tmp_path / "c" / "tool", "#!/bin/sh\nexit 43\n")
    (tmp_path / "d").write_text("no folder")
    folders = [tmp_path / name for name in ("nonesuch", "d", "a", "b", "c")]
    monkeypatch.setenv("PATH", ":".join(map(str, folders)))
    # One that may not be run is passed over.
    assert ended("tool").code == 42
    monkeypatch.setenv("PATH", str(tmp_path / "a"))
    with pytest.raises(Stop) as stopped:
        ended("tool")
    assert (int(stopped.value.code), "Permission denied" in str(stopped.value)) == (126, True)


def test_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/a::/b")
    assert candidates("x") == ["/a/x", "./x", "/b/x"]
    assert candidates("./x") == ["./x"]
    assert candidates("") == []


def test_a_script_that_does_not_say_by_what(tmp_path: Path) -> None:
    assert ended(str(script(tmp_path / "plain", 'exit "$1"\n')), "7").code == 7


def test_a_script_whose_interpreter_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Stop) as stopped:
        ended(str(script(tmp_path / "odd", "#!/nonesuch/sh\n")))
    assert stopped.value.code == 127


def test_words_reach_it_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "words"
    odd = ["a b", "", "*", "\x1b[31m", "--", "-x", "\udcff"]
    assert ended(SHELL, "-c", 'printf "%s|" "$@" >"$0"', str(out), *odd).code == 0
    assert out.read_bytes() == b"|".join(os.fsencode(word) for word in odd) + b"|"


# What it is given


def test_its_signals_are_as_they_were_before_python() -> None:
    show = 'while read name value; do case $name in Sig[BI]*) echo $name $value;; esac; done </proc/self/status >"$0"'
    fd = os.memfd_create("signals")
    os.set_inheritable(fd, True)
    with Signals() as signals:
        command = Command([SHELL, "-c", show, f"/proc/self/fd/{fd}"])
        command.start(signals.mask)
        command.collect()
    lines = dict(line.split() for line in os.pread(fd, 1000, 0).decode().splitlines())
    os.close(fd)
    assert int(lines["SigBlk:"], 16) & mask_of(Signals.KEPT) == 0
    assert int(lines["SigIgn:"], 16) & mask_of([signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD]) == 0


def mask_of(numbers: object) -> int:
    return sum(1 << number - 1 for number in numbers)  # type: ignore[attr-defined]


def test_our_descriptors_are_not_its() -> None:
    with open(os.devnull) as file:
        assert ended(SHELL, "-c", f"! [ -e /proc/self/fd/{file.fileno()} ]").code == 0


def test_it_is_of_our_process_group() -> None:
    assert ended(SHELL, "-c", f"read -r _ _ _ _ group _ </proc/$$/stat; [ $group = {os.getpgrp()} ]").code == 0


# Signals


def send(number: int) -> None:
    """Send it to this thread, whatever other threads of the tests there are."""
    signal.pthread_kill(threading.get_ident(), number)


def test_signals_wait_for_their_turn() -> None:
    with Signals() as signals:
        assert signals.wait(0) is None
        send(signal.SIGTERM)
        came = signals.wait(5)
        assert came is not None
        assert (came.si_signo, came.si_pid) == (signal.SIGTERM, os.getpid())
        assert signals.wait(-1) is None


def test_one_that_comes_late_does_nothing() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Signals():
        send(signal.SIGTERM)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_releasing_twice_is_harmless() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Signals() as signals:
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before | Signals.KEPT
        signals.release()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_an_early_one_is_told() -> None:
    with Signals() as signals:
        assert signals.early() is None
        send(signal.SIGCHLD)
        send(signal.SIGHUP)
        assert signals.early() == signal.SIGHUP


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_one_sent_to_us_alone_is_passed_on(number: int) -> None:
    with Signals() as signals:
        command = Command(["sleep", "100"])
        command.start(signals.mask)
        send(number)
        while (came := signals.wait(5)) is not None and came.si_signo == signal.SIGCHLD:
            pass
        assert came is not None
        command.send(came)
        assert command.collect().status == -number


def test_one_of_the_terminal_is_not() -> None:
    # si_code of what the kernel sends by itself, include/uapi/asm-generic/siginfo.h: SI_KERNEL.
    came = signal.struct_siginfo((signal.SIGINT, 0x80, 0, 0, 0, 0, 0))
    command = Command(["sleep", "100"])
    command.start()
    command.send(came)
    time.sleep(0.05)
    assert not command.has_ended()
    os.kill(command.pid, signal.SIGKILL)
    waited(command.has_ended)
    # To one that has ended it is no error.
    command.send(signal.struct_siginfo((signal.SIGINT, 0, 0, 0, 0, 0, 0)))
    command.collect()


def test_we_come_before_others_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "getpriority", lambda which, who: 3)
    monkeypatch.setattr(os, "setpriority", lambda which, who, niceness: asked.append(niceness))
    with promptly():
        assert asked == [-7]
    assert asked == [-7, 3]

    def refuse(which: int, who: int, niceness: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    with promptly():
        pass


def test_the_adopted_are_buried_and_the_command_is_not() -> None:
    other = subprocess.Popen(["true"])
    command = Command(["true"])
    command.start()
    waited(command.has_ended)
    waited(lambda: os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
    command.bury([command.pid, other.pid, 999_999_999 % 2**22])
    with pytest.raises(ChildProcessError):
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOHANG)
    other.wait()
    assert command.collect().code == 0
