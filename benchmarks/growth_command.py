"""What the commands that measure growth have in common: their options, and where a run goes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import growth_record, record

__all__ = ["FAILURE", "INTERRUPTED", "PRIVILEGE", "TERMINATED", "add_options", "deliver", "progress", "unwritable"]

FAILURE, PRIVILEGE, INTERRUPTED, TERMINATED = 1, 77, 130, 143


def add_options(options: argparse.ArgumentParser, names: Sequence[str], rounds: int) -> None:
    """Add the options of a run of these series."""
    told = f"only this one, of {', '.join(names)}; repeatable"
    options.add_argument("--series", action="append", choices=names, metavar="NAME", help=told)
    options.add_argument("--scale", type=_positive, default=1.0, help="times all sizes (%(default)s)")
    options.add_argument("--rounds", type=_count, default=rounds, help="walks of each size (%(default)s)")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the raw run here")
    options.add_argument("--keep", action="store_true", help="keep the raw run in benchmarks/runs/")


def unwritable(wishes: argparse.Namespace) -> str:
    """Say why the run cannot be written where it is asked for, before minutes are spent on it; empty if it can."""
    path: Path | None = wishes.json
    if path is None:
        return ""
    if path.is_dir():
        return f"{path} is a directory"
    if not path.parent.is_dir():
        return f"{path}: there is no directory {path.parent}"
    return "" if os.access(path if path.exists() else path.parent, os.W_OK) else f"{path} cannot be written"


def deliver(run: dict[str, Any], text: str, wishes: argparse.Namespace) -> int:
    """Print a run, and write it where it is asked for; returns the exit code."""
    sys.stdout.write(text)
    if wishes.json is not None:
        try:
            with wishes.json.open("w") as file:
                record.write(run, file)
        except OSError as error:
            print(f"{wishes.json}: {error.strerror}", file=sys.stderr)
            return FAILURE
    if wishes.keep:
        print(f"\nkept as benchmarks/runs/{growth_record.keep(run).name}")
    return 0


def progress(text: str) -> None:
    """Say on a terminal what is done now."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return value
