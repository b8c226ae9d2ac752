"""``python -m benchmarks.victim``: what reading a process does to it: its own mmap + munmap, beside each reader.

A process with a heap of 4K pages maps and unmaps a page in a loop, and each pair's time is counted, while a reader on
another CPU reads its heap again and again: nobody, the kernel's files, one unbounded PAGEMAP_SCAN, and pagewalk.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import record
from benchmarks.programs import FOLDER, Failure, Programs

__all__ = ["BASE", "READERS", "measure", "table"]

GIB = 1 << 30
WIDTH = 80
PATIENCE = 60.0
# Of the memory that is available the heap may take so much.
FRACTION = 0.5
# A reader runs for so long before the victim is measured.
AHEAD = 0.1

BASE = "smaps_rollup"
GENTLE = ("pagewalk --gentle", "pagemap --gentle")
READERS = ("none", BASE, "smaps", "one scan", "pagewalk", "pagemap", *GENTLE)
FIGURES = ("p50", "p99", "p999", "max")
BAR = 0.01

LEGEND = f"""\
p50 to max: microseconds of the victim's mmap + munmap of one page, quantiles of all pairs in a round; the figures are
the medians of the rounds. The victim has one CPU, the reader another, both before all else that runs there. pairs/s:
how many it gets done. /rollup: p99 against that of {BASE}, the median of the ratios within a round. pass ms: how long
the reader takes for the heap once. one scan: one PAGEMAP_SCAN of all. pagewalk: walk(pids=[PID], columns=(pid, pss,
uss)). pagemap: its reads of the heap alone, without a pause for anything else."""


class Peer:
    """A program that does what each line sent to it says, and answers with names and numbers."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=FOLDER.parent,
            start_new_session=True,  # a Ctrl-C reaches it through here only
        )
        self.first = self._line().split()
        if self.first[:1] != ["ready"]:
            said = self.end().strip().splitlines()
            raise Failure(f"{Path(command[0]).name} {' '.join(command[1:3])}: {(said or ['it ended'])[-1]}")

    def send(self, line: str) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        try:
            print(line, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise Failure(f"a process of the benchmark ended: {self.end().strip() or 'it does not say why'}") from None

    def answer(self, line: str) -> dict[str, int]:
        """Send a line, and return what is answered."""
        self.send(line)
        words = self._line().split()
        if not words:
            raise Failure(f"a process of the benchmark ended: {self.end().strip() or 'it does not say why'}")
        return dict(zip(words[::2], map(int, words[1::2]), strict=True))

    def end(self) -> str:
        """End it; return what it said on stderr."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said = "" if self.process.stderr.closed else self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return said

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@contextmanager
def running(command: Sequence[str]) -> Iterator[Peer]:
    """A program for as long as the block lasts."""
    peer = Peer(command)
    try:
        yield peer
    finally:
        peer.end()


def measure(
    size: int, seconds: float, rounds: int, readers: Sequence[str] = READERS
) -> dict[str, list[dict[str, Any]]]:
    """Measure the victim beside each reader, the readers in turn, so that what changes meanwhile meets all alike.

    Parameters
    ----------
    size : int
        Bytes of the heap.
    seconds : float
        How long each is measured in a round.
    rounds : int
        How often.
    readers : sequence of str
        Some of `READERS`.

    Returns
    -------
    dict of str to list of dict
        For each reader a reading a round: ``pairs``, ``p50``, ``p99``, ``p999``, ``max`` in ns, ``seconds``,
        ``passes`` of the reader, its ``wall_ns`` and ``cpu_ns``.

    Raises
    ------
    Failure
        There are not two CPUs, or not enough memory.
    """
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Failure("the victim and its reader need a CPU each, and there is one")
    if size > available() * FRACTION:
        raise Failure(f"a heap of {size / GIB:.1f} GiB needs twice that available: choose a smaller --size")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in readers}
    with Programs() as programs:
        program = str(programs.path("victim"))
        with running([program, "heap", str(size), str(cpus[0])]) as victim:
            for _ in range(rounds):
                for name in readers:
                    command = command_of(name, program, victim, size, cpus[1])
                    found[name].append(beside(victim, command, seconds))
    return found


def command_of(name: str, program: str, victim: Peer, size: int, cpu: int) -> list[str] | None:
    """Return what reads the victim; None for nobody."""
    pid = str(victim.process.pid)
    match name:
        case "none":
            return None
        case "one scan":
            return [program, "scan", pid, victim.first[1], str(size), str(cpu)]
        case "smaps" | "smaps_rollup":
            return [program, name, pid, str(cpu)]
    words = [sys.executable, "-m", "benchmarks.victim", "--read", pid, str(cpu), *name.split()[1:]]
    return words if name.startswith("pagewalk") else [*words, victim.first[1], str(size)]


def beside(victim: Peer, command: list[str] | None, seconds: float) -> dict[str, Any]:
    """Measure the victim for a while beside a reader."""
    if command is None:
        return {**suffered(victim, seconds), "passes": 0, "wall_ns": 0, "cpu_ns": 0}
    with running(command) as reader:
        reader.send("go")
        time.sleep(AHEAD)
        said = suffered(victim, seconds)
        return {**said, **reader.answer("stop")}


def suffered(victim: Peer, seconds: float) -> dict[str, Any]:
    """Let the victim count for a while."""
    began = time.monotonic()
    victim.send("go")
    time.sleep(seconds)
    said = victim.answer("stop")
    return {**said, "seconds": time.monotonic() - began}


def walks(pid: int, gentle: bool) -> Callable[[], None]:
    """Return what walks a process once."""
    import pagewalk

    def once() -> None:
        pagewalk.walk(pids=[pid], columns=("pid", "pss", "uss"), threads=1, gentle=gentle)

    return once


def reads(pid: int, start: int, size: int, gentle: bool) -> Callable[[], None]:
    """Return what reads the pagemap of a process once, as a walk does."""
    import numpy as np

    from pagewalk._native.pagemap import Reader
    from pagewalk.pagemap import CHUNK
    from pagewalk.plan import GENTLE_CHUNK, Plan

    page, plan = os.sysconf("SC_PAGESIZE"), Plan(gentle=gentle)
    fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
    starts, stops = (np.array([at // page], np.uint64) for at in (start, start + size))
    room = GENTLE_CHUNK if gentle else CHUNK
    entries, seg_page, seg_len = np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.uint32)
    scan, pause = plan.scan_pages, plan.pause_ns

    def once() -> None:
        reader = Reader(fd, starts, stops, entries, seg_page, seg_len, page, scan_pages=scan, pause_ns=pause)
        while reader.next():
            pass

    return once


def read(once: Callable[[], None], cpu: int) -> None:
    """Be a reader as those in C are: read until there is a line, which is not taken; say how often."""
    import select

    os.sched_setaffinity(0, {cpu})
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)

    once()
    print("ready", flush=True)
    # Not through sys.stdin, whose buffer poll does not know of.
    while os.read(0, 64):
        passes, began, cpu_began = 0, time.perf_counter_ns(), time.process_time_ns()
        while not select.select([0], [], [], 0)[0]:
            once()
            passes += 1
        wall, used = time.perf_counter_ns() - began, time.process_time_ns() - cpu_began
        if not os.read(0, 64):
            break
        print(f"passes {passes} wall_ns {wall} cpu_ns {used}", flush=True)


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Return the figures as a table of 80 columns.

    Parameters
    ----------
    found : dict
        As `measure` returns it.
    """
    heads = ("reader", "p50", "p99", "p99.9", "max", "pairs/s", "pass ms", "/rollup")
    rows = [heads, *(row_of(name, readings, found.get(BASE)) for name, readings in found.items())]
    widths = [max(len(row[k]) for row in rows) for k in range(len(heads))]
    lines = []
    for row in rows:
        figures = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join((row[0].ljust(widths[0]), *figures)).rstrip())
    return "\n".join(lines)


def row_of(name: str, readings: list[dict[str, Any]], base: list[dict[str, Any]] | None) -> tuple[str, ...]:
    """Return the cells of a reader."""
    quantiles = (median(each[figure] for each in readings) / 1e3 for figure in FIGURES)
    passes = [each["wall_ns"] / each["passes"] / 1e6 for each in readings if each["passes"]]
    return (
        name,
        *(f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in quantiles),
        f"{median(each['pairs'] / each['seconds'] for each in readings):,.0f}",
        f"{median(passes):,.1f}" if passes else "-",
        "-" if base is None or name == "none" else f"{100 * share_of(readings, base):.3f}%",
    )


def share_of(readings: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]]) -> float:
    """Return p99 against that of another reader, the median of the ratios within a round."""
    return float(median(mine["p99"] / other["p99"] for mine, other in zip(readings, base, strict=True)))


def available() -> int:
    """Return the bytes of memory that are available."""
    with open("/proc/meminfo") as meminfo:
        return next(int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemAvailable:"))


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.victim",
        description="What reading a process does to it: its own mmap + munmap beside each reader. Needs root.",
    )
    options.add_argument("--size", type=float, default=4.0, metavar="GIB", help="the victim's heap (%(default)s)")
    options.add_argument("--seconds", type=float, default=4.0, help="of each reader in a round (%(default)s)")
    options.add_argument("--rounds", type=int, default=3, help="of all readers (%(default)s)")
    options.add_argument("--reader", action="append", choices=READERS, help="only this one (may be repeated)")
    options.add_argument("--json", type=Path, metavar="FILE", help="write what was measured here")
    return options


def main(arguments: list[str]) -> int:
    """Measure, and print the table; returns the exit code."""
    if arguments[:1] == ["--read"]:
        gentle = "--gentle" in arguments
        pid, cpu, *heap = (int(word) for word in arguments[1:] if word != "--gentle")
        read(reads(pid, heap[0], heap[1], gentle) if heap else walks(pid, gentle), cpu)
        return 0
    wishes = parser().parse_args(arguments)
    if wishes.size <= 0 or wishes.seconds <= 0 or wishes.rounds < 1:
        print("benchmarks: --size and --seconds are above 0, --rounds at least 1", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("benchmarks: reading another process needs root", file=sys.stderr)
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    host = record.host()
    size = int(wishes.size * GIB) // 4096 * 4096
    try:
        found = measure(size, wishes.seconds, wishes.rounds, wishes.reader or READERS)
    except Failure as failure:
        print(f"benchmarks: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    lines = [f"Linux {host['kernel']}, {host['cpu']}, load {host['load']:.1f};"]
    lines += [f"a heap of {wishes.size:g} GiB of 4K pages; {wishes.rounds} rounds of {wishes.seconds:g} s a reader"]
    print(textwrap.fill(" ".join(lines), WIDTH), table(found), sep="\n\n")
    print(textwrap.fill(" ".join(LEGEND.split()), WIDTH), "\n".join(verdict(found)), sep="\n\n")
    if wishes.json is not None:
        run = {"benchmark": "victim", "host": host, "size": size, "seconds": wishes.seconds, "readers": found}
        wishes.json.write_text(json.dumps(run, indent=1) + "\n")
    return 0


def verdict(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return whether the bar is held, if both of its sides were measured."""
    lines = []
    for name in GENTLE if BASE in found else ():
        if name in found:
            share = share_of(found[name], found[BASE])
            held = "held" if share < BAR else "NOT held"
            lines.append(f"{name}: p99 is {100 * share:.3f} % of that of {BASE}; below {100 * BAR:.0f} %: {held}")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
