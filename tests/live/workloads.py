"""Processes that touch memory only when told: ground truth by construction.

A :class:`Stage` starts agents (``agent.c``), each a small process that obeys one command at a time over a
socket. What a test knows of their memory it knows because it ordered every page of it.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PAGE = os.sysconf("SC_PAGE_SIZE")
GIB = 1 << 30
PATIENCE = 20.0  # seconds to wait for an agent's answer before calling the test broken

# Numbers of include/uapi, which Python's mmap and os modules name only in part.
PROT_NONE, PROT_READ, PROT_RW = 0, 1, 3
MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS = 0x01, 0x02, 0x20
MAP_NORESERVE, MAP_HUGETLB, MAP_FIXED_NOREPLACE = 0x4000, 0x40000, 0x100000
MFD_HUGETLB = 0x4
MADV_DONTNEED, MADV_MERGEABLE = 4, 12
MADV_HUGEPAGE, MADV_NOHUGEPAGE = 14, 15
MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE, MADV_GUARD_INSTALL = 20, 21, 25, 102
CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND = 0x100, 0x200, 0x400, 0x800
CLONE_VFORK, CLONE_THREAD, CLONE_SYSVSEM = 0x4000, 0x10000, 0x40000
PR_SET_NAME = 15
AT_FDCWD = (1 << 64) - 100

# Where agents map their memory: far from the program and the libraries, and such that no two
# mappings touch, since neighbours alike merge to one VMA.
FIRST_ADDRESS = 64 * GIB
_BATCH = 200  # commands sent before their answers are read: less than a socket buffer


@dataclass(frozen=True)
class Region:
    """A range of addresses; one and the same in an agent and in all its descendants."""

    start: int
    length: int

    @property
    def stop(self) -> int:
        return self.start + self.length

    @property
    def pages(self) -> int:
        return self.length // PAGE

    def page(self, index: int) -> int:
        """The address of a page of the region."""
        return self.start + index * PAGE

    def part(self, first: int, count: int) -> Region:
        """Some of its pages."""
        return Region(self.page(first), count * PAGE)


class AgentDied(AssertionError):
    """An agent ended before it answered."""


class Agent:
    """One process (or, as a thread, a part of one) that obeys."""

    def __init__(self, stage: Stage, connection: socket.socket) -> None:
        self.stage = stage
        self._socket = connection
        self._inbox = b""
        self.pid, self.tid = (int(word) for word in self._line().split())

    def __repr__(self) -> str:
        return f"Agent({self.pid})"

    # -- talking

    def _line(self) -> bytes:
        while b"\n" not in self._inbox:
            got = self._socket.recv(1 << 16)
            if not got:
                raise AgentDied(f"{self} ended")
            self._inbox += got
        line, _, self._inbox = self._inbox.partition(b"\n")
        return line

    def send(self, *words: object) -> None:
        """Give a command without waiting for the answer (:meth:`answer`)."""
        self._socket.sendall(" ".join(map(str, words)).encode() + b"\n")

    def answer(self, command: str = "") -> int:
        """The answer to the oldest command that has none."""
        result = int(self._line())
        if -4096 < result < 0:
            raise OSError(-result, os.strerror(-result), command or None)
        return result

    def call(self, *words: object) -> int:
        """One command of ``agent.c``; an errno becomes an OSError."""
        self.send(*words)
        return self.answer(str(words[0]))

    def calls(self, commands: Iterable[Sequence[object]]) -> None:
        """Many commands, without waiting for each."""
        for batch in _batched(commands):
            self._socket.sendall(b"".join(" ".join(map(str, words)).encode() + b"\n" for words in batch))
            for words in batch:
                self.answer(str(words[0]))

    # -- memory

    def map(
        self,
        length: int,
        prot: int = PROT_RW,
        flags: int = MAP_PRIVATE | MAP_ANONYMOUS,
        fd: int = -1,
        offset: int = 0,
        huge: bool = False,
    ) -> Region:
        """Map `length` bytes at an address of its own; in base pages unless `huge`, whatever the machine's habit."""
        region = self.stage.room(length)
        fixed = flags | MAP_FIXED_NOREPLACE
        got = self.call("mmap", region.start, length, prot, fixed, fd & (1 << 64) - 1, offset)
        assert got == region.start
        if flags & MAP_ANONYMOUS and not flags & MAP_HUGETLB:
            try:
                self.advise(region, MADV_HUGEPAGE if huge else MADV_NOHUGEPAGE)
            except OSError:  # a kernel without transparent huge pages has no such advice
                assert not huge
        return region

    def unmap(self, region: Region) -> None:
        self.call("munmap", region.start, region.length)

    def advise(self, region: Region, advice: int) -> None:
        self.call("madvise", region.start, region.length, advice)

    def protect(self, region: Region, prot: int) -> None:
        self.call("mprotect", region.start, region.length, prot)

    def write(self, region: Region, stride: int = PAGE, value: int | None = None, step: int = 1) -> None:
        """Store a word in each page: by default one that no other page of the machine is likely to hold."""
        if value is None:
            value = int.from_bytes(os.urandom(7), "little")
        self.call("write", region.start, -(-region.length // stride), stride, value, step)

    def read(self, region: Region, stride: int = PAGE) -> int:
        """Load a word of each page; their sum."""
        self.send("read", region.start, -(-region.length // stride), stride)
        return int(self._line())

    def poke(self, address: int, data: bytes) -> int:
        """Put bytes into its memory."""
        return self.call("poke", address, data.hex())

    def peek(self, address: int, count: int) -> bytes:
        """Take bytes out of its memory."""
        self.send("peek", address, count)
        return bytes.fromhex(self._line().decode())

    # -- files

    def string(self, text: bytes) -> int:
        """The address of a string in its memory."""
        region = self.map(PAGE)
        self.poke(region.start, text + b"\0")
        return region.start

    def open(self, path: str | bytes | Path, flags: int = os.O_RDWR) -> int:
        return self.call("openat", AT_FDCWD, self.string(os.fsencode(path)), flags, 0o600)

    def memfd(self, length: int, name: bytes = b"pagewalk-test", flags: int = 0) -> int:
        fd = self.call("memfd_create", self.string(name), flags)
        self.call("ftruncate", fd, length)
        return fd

    def rename(self, comm: bytes) -> None:
        """Give the process another ``comm``."""
        self.call("prctl", PR_SET_NAME, self.string(comm))

    # -- descendants

    def fork(self) -> Agent:
        """A child: another address space, copy on write."""
        self.send("fork")
        return self._child()

    def clone(self, flags: int) -> Agent:
        self.send("clone", flags)
        return self._child()

    def twin(self) -> Agent:
        """A process of its own in the same address space."""
        return self.clone(CLONE_VM | signal.SIGCHLD)

    def vfork(self) -> Agent:
        """A twin while whose life this agent stands still; call :meth:`answer` after its end."""
        self.send("clone", CLONE_VM | CLONE_VFORK | signal.SIGCHLD)
        return self.stage.accept()

    def thread(self) -> Agent:
        """Another thread of this process."""
        return self.clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

    def _child(self) -> Agent:
        child = self.stage.accept()
        assert self.answer("fork") == child.tid
        return child

    # -- the end

    def end(self) -> None:
        """Kill the process and wait until its memory is gone."""
        if self._socket.fileno() < 0:
            return
        try:
            # A socket still open on the other side means that the pid is still this process.
            self._socket.settimeout(PATIENCE)
            os.kill(self.pid, signal.SIGKILL)
            # Files are closed after the memory is (kernel/exit.c:do_exit: exit_mm, then exit_files).
            while self._socket.recv(1 << 16):
                pass
        except (ConnectionError, ProcessLookupError):
            pass
        finally:
            self._socket.close()


class Stage:
    """Holds agents, and ends every one of them by its pid.

    Parameters
    ----------
    program : Path
        The compiled ``agent.c``.
    """

    _serial = itertools.count()

    def __init__(self, program: Path) -> None:
        self.program = program
        self._address = f"pagewalk-live-{os.getpid()}-{next(self._serial)}"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind("\0" + self._address)
        self._listener.listen(64)
        self._listener.settimeout(PATIENCE)
        self._agents: list[Agent] = []
        self._started: list[subprocess.Popen[bytes]] = []
        self._next = FIRST_ADDRESS

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def room(self, length: int) -> Region:
        """Addresses that no other mapping of any agent of this stage uses, nor touches."""
        start = self._next
        self._next = (start + length + 2 * GIB - 1) // GIB * GIB
        return Region(start, length)

    def accept(self) -> Agent:
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        agent = Agent(self, connection)
        self._agents.append(agent)
        return agent

    def spawn(self, *arguments: str, program: str | bytes | Path | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [self.program if program is None else program, *arguments],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def start(self, program: str | bytes | Path | None = None, *arguments: str) -> Agent:
        """A new process, related to no other agent but by the program's file."""
        process = self.spawn(self._address, *arguments, program=program)
        agent = self.accept()
        assert agent.pid == process.pid
        return agent

    def close(self) -> None:
        # The youngest first: an orphan would be killed all the same (PR_SET_PDEATHSIG), but later.
        for agent in reversed(self._agents):
            agent.end()
        for process in self._started:
            process.kill()
            process.wait()
        self._listener.close()


def _batched(commands: Iterable[Sequence[object]]) -> Iterable[tuple[Sequence[object], ...]]:
    """itertools.batched, which Python 3.11 lacks."""
    rest = iter(commands)
    while batch := tuple(itertools.islice(rest, _BATCH)):
        yield batch


def until(true: object, what: str, patience: float = PATIENCE, pause: float = 0.02) -> None:
    """Wait until a condition holds; fail with `what` when it does not in time."""
    assert callable(true)
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}"
        time.sleep(pause)
