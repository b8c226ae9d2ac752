"""A snapshot that was never walked, for tests of the command: made tables with the columns of the real views."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import pagewalk.snapshot
import wholeram
from answers import MIB
from pagewalk.cli import main
from pagewalk.errors import PagewalkError
from pagewalk.table import Column, Table, objects
from pagewalk.views import gap, group, kind, mapping, pairs, process, sharing

NAMES = ("postgres", "bash", "nginx: worker", "two\nlines", "python")
HOST = {
    "hostname": "db7",
    "kernel": "6.18.44-amd64",
    "boot_id": "0f",
    "page_size": 4096,
    "ram": 25_233_127_014,
    "captured_at": "2026-01-02T03:04:05+00:00",
    "seconds": 0.2104,
    "longest_lock_hold_ns": 1_250_000,
    "mapcount": "page",
}
COVERAGE = {
    "processes": 90,
    "address_spaces": 89,
    "refused": 1,
    "vanished": 0,
    "mapped_frames": 300_000,
    "explained_frames": 299_988,
    "hidden_frames": 12,
    "hidden_mappings": 1,
}


def cell(column: Column, row: int, names: Sequence[str]) -> object:
    """A value of the column's kind: names as given, figures that fall from row to row."""
    match column.unit:
        case "text":
            return {
                "kind": ("anon", "file", "swap")[row % 3],
                "perms": "rw-p",
                "cmdline": f"/usr/bin/{names[row]} -x",
            }.get(column.name, names[row])
        case "list":
            return tuple(names[: row + 1]) if column.name == "comms" else tuple(range(row + 1, row + 4))
        case "bytes":
            return (len(names) - row) * MIB
        case _:
            return row + 1


def table(columns: Sequence[Column], names: Sequence[str] = NAMES) -> Table:
    """A table of these columns, a row a name."""
    return Table(columns, {c.name: objects([cell(c, row, names) for row in range(len(names))]) for c in columns})


def made_pairs(by: str, names: Sequence[str]) -> Table:
    """Pairs of processes 1, 2, ... of these names: two share a MiB for each number that the lower one has.

    Alone the first has as many as there are, and each that follows one less.
    """
    two = [(i, j) for i in range(1, len(names) + 1) for j in range(i, len(names) + 1)]
    sizes = [(i if i < j else len(names) + 1 - i) * MIB for i, j in two]
    whose: dict[str, list[object]] = {
        "pid": [i for i, _ in two],
        "comm": [names[i - 1] for i, _ in two],
        "with_pid": [j for _, j in two],
        "with_comm": [names[j - 1] for _, j in two],
    }
    if by == "program":
        whose = {"program": whose["comm"], "with_program": whose["with_comm"]}
    figures: dict[str, list[object]] = {"bytes": [*sizes], "anon": [*sizes], "file": [0] * len(two)}
    data = {**whose, **figures, "shmem": figures["file"]}
    columns = pairs.PROGRAM_COLUMNS if by == "program" else pairs.COLUMNS
    return Table(columns, {name: objects(cells) for name, cells in data.items()}).sort("bytes")


class FakeSnapshot:
    """Answers every question of `Snapshot` with a made table; a selection is its number of rows."""

    def __init__(self, names: Sequence[str] = NAMES, gaps: int = 1) -> None:
        self.names = names
        self.host = dict(HOST)
        self.gaps_seen = gaps
        self.selected: dict[str, Any] = {}

    def select(self, **wishes: Any) -> int:
        self.selected = wishes
        if 99999 in [*wishes["pids"], *wishes["trees"]]:
            raise PagewalkError("no address space was read for pid 99999 (there are 1, 2, 3)")
        return 0 if "nothing" in wishes["programs"] else 2

    def rows(self, columns: Sequence[Column], select: int | None = None) -> Table:
        return table(columns, self.names[:select])

    def processes(self, select: int | None = None, nodes: bool = False) -> Table:
        return self.rows((*process.COLUMNS, *process.node_columns(range(2 if nodes else 0))), select)

    def programs(self, select: int | None = None) -> Table:
        return self.rows(group.COLUMNS, select)

    def users(self, select: int | None = None) -> Table:
        return self.rows(group.COLUMNS, select)

    def mappings(self, pid: int | None = None, select: int | None = None) -> Table:
        return self.rows(mapping.COLUMNS, select)

    def sharing(self, select: int | None = None, limit: int | None = None) -> Table:
        return self.rows(sharing.COLUMNS, select)

    def pairs(self, by: str = "process", select: int | None = None) -> Table:
        return made_pairs(by, self.names[:select])

    def kinds(self) -> Table:
        made = table(kind.COLUMNS, self.names[:3])
        return made.where(np.ones(len(made), np.bool_))

    def uses(self) -> Table:
        return wholeram.uses()

    def balance(self) -> Table:
        return wholeram.balance()

    def nodes(self) -> Table:
        return wholeram.nodes()

    def cgroups(self, depth: int | None = None) -> Table:
        return wholeram.cgroups(depth)

    def charges(self, depth: int | None = None) -> Table:
        return wholeram.charges(depth)

    def coverage(self) -> dict[str, int]:
        return dict(COVERAGE)

    def gaps(self) -> Table:
        rows = range(self.gaps_seen)
        data: dict[str, list[object]] = {
            "pid": [1 for _ in rows],
            "what": ["memory"] * len(rows),
            "reason": ["Permission denied"] * len(rows),
        }
        return Table(gap.COLUMNS, {name: objects(cells) for name, cells in data.items()})


def walks_to(snapshot: FakeSnapshot, calls: list[dict[str, Any]] | None = None) -> Callable[..., FakeSnapshot]:
    """A `walk` that gives `snapshot` and notes what it was called with."""

    def walk(**how: Any) -> FakeSnapshot:
        if calls is not None:
            calls.append(how)
        return snapshot

    return walk


def run(arguments: Sequence[str], rows: int = len(NAMES)) -> int:
    """Run the command on a made snapshot with so many rows, in a process of its own."""
    names = [NAMES[i % len(NAMES)] for i in range(rows)]
    pagewalk.snapshot.walk = walks_to(FakeSnapshot(names))  # type: ignore[assignment]
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[2:], int(sys.argv[1])))
