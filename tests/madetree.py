"""A made ``/proc`` of which only ``stat`` and ``loadavg`` are there: processes that come, grow, part and go as told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pagewalk.procfs import ProcFS


@dataclass
class Made:
    """One process as its ``stat`` has it."""

    ppid: int = 1
    session: int = 1
    state: str = "S"
    faults: int = 0
    exit_signal: int = 17
    start_time: int = 5
    rss: int = 0
    comm: str = "a) R 1 (b"

    def text(self, pid: int) -> str:
        fields = dict.fromkeys(range(4, 53), 0)
        fields |= {4: self.ppid, 6: self.session, 8: -1, 9: 0x400000, 10: self.faults, 22: self.start_time}
        fields |= {24: self.rss, 25: 2**64 - 1, 38: self.exit_signal}
        return f"{pid} ({self.comm}) {self.state} {' '.join(str(fields[number]) for number in range(4, 53))}\n"


class MadeTree:
    """The directory, and what happens to its processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: dict[int, Made] = {}
        self.last = 0
        root.mkdir()
        self.give(0)

    @property
    def procfs(self) -> ProcFS:
        return ProcFS(str(self.root))

    def give(self, pid: int) -> None:
        """A number is given away, whether or not a process with it can be seen."""
        self.last = pid
        (self.root / "loadavg").write_text(f"0.25 0.56 0.57 2/97 {pid}\n")

    def start(self, pid: int, ppid: int = 1, is_told: bool = True, **how: object) -> None:
        """A process appears, and its number is the one given last."""
        self.made[pid] = Made(ppid, **how)  # type: ignore[arg-type]
        (self.root / str(pid)).mkdir()
        self._write(pid)
        if is_told:
            self.give(pid)

    def change(self, pid: int, **how: object) -> None:
        for name, value in how.items():
            assert hasattr(self.made[pid], name)
            setattr(self.made[pid], name, value)
        self._write(pid)

    def end(self, pid: int) -> None:
        """It is gone: a descriptor of its ``stat`` reads no process any more."""
        del self.made[pid]
        (self.root / str(pid) / "stat").write_text("")
        (self.root / str(pid) / "stat").unlink()
        (self.root / str(pid)).rmdir()

    def _write(self, pid: int) -> None:
        (self.root / str(pid) / "stat").write_text(self.made[pid].text(pid))


@pytest.fixture
def made(tmp_path: Path) -> MadeTree:
    return MadeTree(tmp_path / "proc")
