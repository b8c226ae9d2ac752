"""Made answers about all of RAM, for tests of the command: small, and with totals that add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from answers import GIB, KIB, MIB
from pagewalk.table import Column, Table, objects
from pagewalk.uses import STATES, USES
from pagewalk.views import balance as balance_view
from pagewalk.views import cgroup, charge, node
from pagewalk.views import use as use_view

ORDERS = 3
# Bytes by use and state; what is not named is 0.
BOOKS: Mapping[str, Mapping[str, int]] = {
    "free": {"none": 8 * GIB},
    "pgtable": {"none": 32 * MIB},
    "slab": {"none": 512 * MIB},
    "zero": {"mapped_several": 4 * KIB},
    "anon": {"mapped_one": 6 * GIB, "mapped_several": GIB, "mapped_hidden": 12 * MIB, "inactive": 20 * MIB},
    "shmem": {"mapped_several": 256 * MIB, "dirty": 64 * MIB},
    "file": {"mapped_one": 200 * MIB, "dirty": 16 * MIB, "active": 2 * GIB, "inactive": 3 * GIB},
    "reserved": {"none": 470 * MIB},
    "kernel": {"none": 700 * MIB},
}
KERNELS = {"poison": 0, "free": 8 * GIB - 14 * MIB, "slab": 518 * MIB, "anon": 7 * GIB + 12 * MIB, "hugetlb": 0}
RAM = sum(sum(states.values()) for states in BOOKS.values())
PARTS = (
    ("kernel", "free, on per-CPU lists", 100 * MIB, "zoneinfo pagesets"),
    ("kernel", "else: drivers, modules, pages of networking", 600 * MIB, "kernel - the above"),
    ("anon", "mapped", 7 * GIB + 12 * MIB, "frames with owners or a mapcount"),
    ("anon", "unmapped: swap cache, parts of large folios", 20 * MIB, "frames without"),
    ("System RAM", "MemTotal", RAM - 470 * MIB, "meminfo"),
    ("System RAM", "reserved at boot, never handed out", 470 * MIB, "iomem - MemTotal"),
)
DB, WEB, JOB = "/system.slice/db.service", "/system.slice/web.service", "/jobs/a b"
CHARGES = (
    (DB, (DB,), 5 * GIB, 0),
    (WEB, (WEB,), GIB, 0),
    (DB, (), 900 * MIB, 12 * MIB),
    (DB, (WEB,), 300 * MIB, 0),
    (JOB, (DB, WEB), 8 * MIB, 0),
    ("/", (), 4 * KIB, 0),
)


def rows_of(columns: Sequence[Column], rows: Sequence[Mapping[str, object]]) -> Table:
    """A table of these rows; what a row does not say, or says is None, is unknown."""
    unsaid = {"text": "", "list": ()}
    cells = {c.name: [row.get(c.name) for row in rows] for c in columns}
    data = {c.name: objects([unsaid.get(c.unit, 0) if v is None else v for v in cells[c.name]]) for c in columns}
    unknown = {name: np.array([value is None for value in values], np.bool_) for name, values in cells.items()}
    return Table(columns, data, unknown)


def uses() -> Table:
    """The matrix of uses and states; it adds up to RAM."""
    rows = []
    for use in USES:
        states = {state: BOOKS.get(use, {}).get(state, 0) for state in STATES}
        total = sum(states.values())
        row: dict[str, object] = {"use": use, **states, "bytes": total}
        if use in KERNELS:
            row |= {"kernel_bytes": KERNELS[use], "difference": total - KERNELS[use]}
        rows.append(row)
    return rows_of(use_view.COLUMNS, rows)


def balance() -> Table:
    """What lies between."""
    names = [column.name for column in balance_view.COLUMNS]
    return rows_of(balance_view.COLUMNS, [dict(zip(names, part, strict=True)) for part in PARTS])


def nodes() -> Table:
    """Two nodes: the first has all but the free memory of the second."""
    totals = {use: sum(BOOKS.get(use, {}).values()) for use in USES}
    first = {**totals, "free": totals["free"] - 2 * GIB}
    second = {**dict.fromkeys(USES, 0), "free": 2 * GIB}
    rows = [
        {"node": number, "zone": "Normal", "bytes": sum(uses.values()), **uses, "managed": sum(uses.values())}
        | {"small": uses["free"] // 4, "fragmentation": 0.25, **{f"order{k}": 10 - k for k in range(ORDERS)}}
        for number, uses in enumerate((first, second))
    ]
    return rows_of(node.columns(ORDERS), rows)


def charges(depth: int | None = None) -> Table:
    """Who is charged for whom."""
    rows: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for payer, users, size, hidden in CHARGES:
        sums = rows.setdefault((folded(payer, depth), tuple(sorted({folded(one, depth) for one in users}))), [0, 0])
        sums[0] += size
        sums[1] += hidden
    made = [
        {"charged_to": payer, "used_by": users, "bytes": size, "hidden": hidden}
        | {"foreign": bool(users) and payer not in users}
        for (payer, users), (size, hidden) in rows.items()
    ]
    return rows_of(charge.COLUMNS, made).sort("bytes")


def cgroups(depth: int | None = None) -> Table:
    """The cgroups of the charges; what they use is said of three only."""
    labels = {DB: "db.service", WEB: "web.service"}
    made: list[dict[str, object]] = []
    for path in sorted({folded(one, depth) for one in (DB, WEB, JOB, "/")}):
        mine = [row for row in charges(depth) if row["charged_to"] == path]
        charged = sum(row["bytes"] for row in mine)
        row: dict[str, object] = {c.name: 0 for c in cgroup.COLUMNS if c.unit in ("bytes", "count")}
        row |= {"path": path, "name": labels.get(path, path), "charged": charged, "charged_anon": charged}
        row |= {"charged_not_used": sum(one["bytes"] for one in mine if one["foreign"]), "kernel_anon": charged}
        if path != "/":
            row |= {"inode": len(made) + 2, "processes": 3}
        del row["kernel_slab"]
        made.append(row)
    return rows_of(cgroup.COLUMNS, made)


def folded(path: str, depth: int | None) -> str:
    """The ancestor at this depth."""
    return path if depth is None else "/" + "/".join(path.split("/")[1 : depth + 1])
