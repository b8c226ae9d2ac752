"""A run as it was measured, and the machine it was measured on: no paths, no names of hosts or users."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.programs import FOLDER

__all__ = ["host", "keep", "record"]

RUNS = FOLDER / "runs"
FORMAT = 2


def host() -> dict[str, Any]:
    """What the figures depend on: kernel, processor, memory, and how busy it is."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _line("/proc/cpuinfo", "model name") or _line("/proc/cpuinfo", "Model") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": int((_line("/proc/meminfo", "MemTotal") or "0").split()[0]) * 1024,
        "page_size": os.sysconf("SC_PAGESIZE"),
        "transparent_hugepages": _chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "psutil": _version("psutil"),
        "ps_mem": _version("ps_mem"),
        "load": os.getloadavg()[0],
    }


def record(
    results: list[dict[str, Any]], bars: list[dict[str, Any]], began: dict[str, Any], rounds: int, scale: float
) -> dict[str, Any]:
    """Put a run together.

    Parameters
    ----------
    results : list of dict
        What was measured, a workload each.
    bars : list of dict
        What must hold, and what was measured of it.
    began : dict
        The host when the run began.
    rounds, scale
        As asked for.
    """
    return {
        "format": FORMAT,
        "benchmark": "walk",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "pagewalk": {"version": _version("pagewalk"), "commit": _git("rev-parse", "HEAD"), "changed": _changed()},
        "host": began,
        "rounds": rounds,
        "scale": scale,
        "workloads": results,
        "bars": bars,
    }


def keep(run: dict[str, Any], folder: Path = RUNS) -> Path:
    """Write a run to ``DATE-KERNEL.json``, beside those that are there."""
    folder.mkdir(exist_ok=True)
    stem = f"{run['date'][:10]}-{run['host']['kernel']}"
    number = 1
    while True:
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.json"
        try:
            with path.open("x") as file:
                write(run, file)
            return path
        except FileExistsError:
            number += 1


def write(run: dict[str, Any], file: Any) -> None:
    """Write a run as JSON."""
    json.dump(run, file, indent=1)
    file.write("\n")


def _line(path: str, name: str) -> str | None:
    """The value of the first line ``name: value`` of a file; None where there is none."""
    try:
        with open(path) as file:
            values = (rest.strip() for key, _, rest in (line.partition(":") for line in file) if key.strip() == name)
            return next(values, None)
    except OSError:
        return None


def _chosen(path: str) -> str | None:
    """The word in brackets."""
    try:
        words = Path(path).read_text().split()
    except OSError:
        return None
    return next((word.strip("[]") for word in words if word.startswith("[")), None)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=FOLDER, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _changed() -> bool | None:
    """Whether the sources differ from that commit."""
    status = _git("status", "--porcelain", "--", "../pagewalk", "../src_ext", "../setup.py", ".")
    return None if status is None else bool(status)
