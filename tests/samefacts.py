"""Whether two walks found out the same: field by field, and question by question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from pagewalk.errors import PagewalkError
from pagewalk.snapshot import Snapshot
from pagewalk.table import Table


def differences(left: Any, right: Any, where: str = "facts") -> Iterator[str]:
    """Yield where two values differ; a list is the same as a tuple."""
    if isinstance(left, Table) and isinstance(right, Table):
        yield from differences(contents(left), contents(right), where)
    elif isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        yield from _differences_of_arrays(left, right, where)
    elif is_dataclass(left) and type(left) is type(right):
        for one in fields(left):
            yield from differences(getattr(left, one.name), getattr(right, one.name), f"{where}.{one.name}")
    elif isinstance(left, Mapping) and isinstance(right, Mapping):
        yield from differences(list(left), list(right), f"keys of {where}")
        for key in left.keys() & right.keys():
            yield from differences(left[key], right[key], f"{where}[{key!r}]")
    elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
        if len(left) != len(right):
            yield f"{where}: {len(left)} and {len(right)} of them"
        for at, (one, other) in enumerate(zip(left, right, strict=False)):
            yield from differences(one, other, f"{where}[{at}]")
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        yield f"{where}: {left!r} and {right!r}"


def _differences_of_arrays(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any], where: str) -> Iterator[str]:
    if left.dtype != right.dtype or left.shape != right.shape:
        yield f"{where}: {left!r} and {right!r}"
    elif left.dtype == object:
        yield from differences(left.tolist(), right.tolist(), where)
    elif left.tobytes() != right.tobytes():
        yield f"{where}: {left} and {right}"


def contents(table: Table) -> dict[str, Any]:
    heads = [(column.name, column.unit, column.doc) for column in table.columns]
    return {"heads": heads, **{name: (table[name], table.unknown(name)) for name in table.names}}


def answers(snapshot: Snapshot) -> dict[str, Any]:
    """Every answer of a snapshot to every question that can be asked of it, or why it has none."""
    spaces = snapshot.facts.spaces
    some = snapshot.select(pids=[pids[0] for pids in spaces.pids[:2]])
    pids = [pids[0] for pids in spaces.pids[:3]]
    frames = [] if snapshot.facts.frames is None else snapshot.facts.frames.pfn[:4].tolist()
    asked: dict[str, Callable[[], Any]] = {
        "host": lambda: snapshot.host,
        "processes": snapshot.processes,
        "some": lambda: snapshot.processes(some),
        "nodes of processes": lambda: snapshot.processes(nodes=True),
        "programs": snapshot.programs,
        "users": lambda: snapshot.users(some),
        "mappings": snapshot.mappings,
        "sharing": snapshot.sharing,
        "pairs": snapshot.pairs,
        "kinds": snapshot.kinds,
        "freed": lambda: snapshot.freed(some),
        "fates": lambda: snapshot.fates(some),
        "uses": snapshot.uses,
        "balance": snapshot.balance,
        "nodes": snapshot.nodes,
        "cgroups": snapshot.cgroups,
        "cgroups at 1": lambda: snapshot.cgroups(depth=1),
        "charges": snapshot.charges,
        "charges at 1": lambda: snapshot.charges(depth=1),
        "coverage": snapshot.coverage,
        "gaps": snapshot.gaps,
        "maps": lambda: [snapshot.maps(pid, group) for pid in pids for group in (False, True)],
        "folios": lambda: [snapshot.folios(pid) for pid in pids],
        "partners": lambda: [snapshot.partners(pid) for pid in pids],
        "who": lambda: [snapshot.who(frames), snapshot.places(frames)],
        "states": lambda: [snapshot.frame_states(frames), snapshot.frame_owners(frames)],
        "payers": lambda: snapshot.frame_charges(frames),
    }
    found: dict[str, Any] = {}
    for name, ask in asked.items():
        try:
            found[name] = ask()
        except PagewalkError as error:
            found[name] = str(error)
    return found
