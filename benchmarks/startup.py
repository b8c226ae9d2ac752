"""``python -m benchmarks.startup``: how long the command takes to answer what needs no walk, and a small walk.

Each is run as a user runs it, in a process of its own, a number of times; medians. Modules are compiled beforehand, as
those of an installed package are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import record
from benchmarks.programs import FOLDER, Failure, last_line

__all__ = ["Started", "started", "startups", "table"]

WIDTH = 80
# What must hold of the median, in milliseconds of wall time.
QUICK, REPORT = 60, 250
# A machine of few processes: those of a namespace of its own.
APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")

LEGEND = """\
ms: medians of the runs; CPU is user and system of all threads. small: in a PID namespace of its own, so that there is
one process to read. bar: what the median of the wall time must be below. The two lines of Python are the least there
can be."""


@dataclass(frozen=True, slots=True)
class Started:
    """A command to be started again and again.

    Attributes
    ----------
    name : str
        What the table calls it.
    words : tuple of str
        The command.
    bar : int or None
        Milliseconds that the median must be below.
    """

    name: str
    words: tuple[str, ...]
    bar: int | None = None


def startups(pagewalk: Sequence[str], can_walk: bool) -> list[Started]:
    """Return what is started.

    Parameters
    ----------
    pagewalk : sequence of str
        The command.
    can_walk : bool
        Whether this user may walk a machine.
    """
    python = sys.executable
    found = [
        Started("python -c pass", (python, "-c", "pass")),
        Started("python -c 'import numpy'", (python, "-c", "import numpy")),
        Started("--version", (*pagewalk, "--version"), QUICK),
        Started("--help", (*pagewalk, "--help"), QUICK),
        Started("help report", (*pagewalk, "help", "report")),
        Started("demo process", (*pagewalk, "demo", "process")),
    ]
    if can_walk:
        small = (*APART, *pagewalk, "-q")
        found += [
            Started("small, --by process", (*small, "--by", "process"), REPORT),
            Started("small, --columns pid,pss", (*small, "--by", "process", "--columns", "pid,pss"), REPORT),
            Started("this machine, --by process", (*pagewalk, "-q", "--by", "process")),
        ]
    return found


def command() -> list[str]:
    """Return the command as it is installed beside this Python, or else as a module."""
    beside = Path(sys.executable).with_name("pagewalk")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "pagewalk"]


def started(what: Sequence[Started], runs: int) -> dict[str, list[dict[str, float]]]:
    """Start each so often, in turn, after once that is not counted.

    Parameters
    ----------
    what : sequence of Started
        The commands.
    runs : int
        How often.

    Returns
    -------
    dict of str to list of dict
        By name, a run each: ``wall`` and ``cpu`` in seconds.

    Raises
    ------
    Failure
        One of them fails.
    """
    found: dict[str, list[dict[str, float]]] = {one.name: [] for one in what}
    with tempfile.TemporaryDirectory(prefix="pagewalk-startup-") as compiled:
        given = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PAGEWALK_"))}
        given["PYTHONPYCACHEPREFIX"] = compiled
        for number in range(runs + 1):
            for one in what:
                took = once(one, given)
                if number:
                    found[one.name].append(took)
    return found


def once(one: Started, given: Mapping[str, str]) -> dict[str, float]:
    """Start a command, and wait for its end."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(one.words, stdout=subprocess.DEVNULL, stderr=said, env=given, cwd=FOLDER.parent)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise Failure(f"{one.name}: {last_line(said.read().decode(errors='replace'))}")
    return {"wall": wall, "cpu": used.ru_utime + used.ru_stime}


def table(what: Sequence[Started], found: Mapping[str, list[dict[str, float]]]) -> str:
    """Return the figures as a table of 80 columns.

    Parameters
    ----------
    what : sequence of Started
        The commands.
    found : mapping
        As `started` returns it.
    """
    rows = [("started", "wall ms", "least..most", "CPU ms", "bar")]
    for one in what:
        wall = [1e3 * each["wall"] for each in found[one.name]]
        middle = median(wall)
        bar = "-" if one.bar is None else f"{one.bar} {'held' if middle < one.bar else 'NOT held'}"
        cpu = median(1e3 * each["cpu"] for each in found[one.name])
        rows.append((one.name, f"{middle:.0f}", f"{min(wall):.0f}..{max(wall):.0f}", f"{cpu:.0f}", bar))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        figures = (cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True))
        lines.append("  ".join((row[0].ljust(widths[0]), *figures, row[-1])))
    return "\n".join(lines)


def can_walk() -> bool:
    """Whether this user may walk a machine, and make one of few processes."""
    if os.geteuid() != 0 or shutil.which(APART[0]) is None:
        return False
    return subprocess.run([*APART, "true"], capture_output=True).returncode == 0


def main(arguments: list[str]) -> int:
    """Measure, and print the table; returns the exit code."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.startup", description="How long the command takes to answer what needs no walk."
    )
    options.add_argument("--runs", type=int, default=15, help="of each command (%(default)s)")
    options.add_argument("--json", type=Path, metavar="FILE", help="write what was measured here")
    wishes = options.parse_args(arguments)
    if wishes.runs < 1:
        print("benchmarks: --runs is at least 1", file=sys.stderr)
        return 2
    host = record.host()
    what = startups(command(), can_walk())
    try:
        found = started(what, wishes.runs)
    except Failure as failure:
        print(f"benchmarks: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    said = f"Python {host['python']}, numpy {host['numpy']}, {host['cpu']}, load {host['load']:.1f}; {wishes.runs} runs"
    print(textwrap.fill(said, WIDTH), table(what, found), textwrap.fill(" ".join(LEGEND.split()), WIDTH), sep="\n\n")
    if wishes.json is not None:
        run: dict[str, Any] = {"benchmark": "startup", "host": host, "runs": found}
        wishes.json.write_text(json.dumps(run, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
