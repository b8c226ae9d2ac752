"""The lines around the tables: what machine, and how much of it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pagewalk.render.units import duration, iec

if TYPE_CHECKING:
    from pagewalk.table import Table

__all__ = [
    "count",
    "coverage_line",
    "gap_lines",
    "heading",
    "hold",
    "machine_line",
    "moment",
    "read_line",
    "snapshot_line",
    "with_gap",
]


def heading(
    host: Mapping[str, Any], coverage: Mapping[str, Any], is_alone: bool = False, file: str | None = None
) -> tuple[str, str]:
    """Return the left and the right part of the first line of a screen; of a snapshot file, when it was taken."""
    if file is not None:
        return machine_line(host), f"snapshot of {moment(host)}"
    read = coverage["processes"]
    seen = read + coverage["refused"] + coverage["vanished"]
    processes = f"{read} of {count(seen, 'process')}" if seen != read else count(read, "process")
    only = "only " if is_alone else ""
    return machine_line(host), f"read {only}{processes} in {duration(host['seconds'])}"


def snapshot_line(host: Mapping[str, Any], file: str) -> str:
    """Return what a file is, for those formats that have no heading."""
    redacted = f", without names ({host['redacted']})" if host.get("redacted") else ""
    return f"{file}: a snapshot of {host.get('hostname') or 'a made /proc'}, taken {moment(host)}{redacted}"


def moment(host: Mapping[str, Any]) -> str:
    """Return when a walk began, to the minute."""
    date, _, clock = str(host.get("captured_at") or "").partition("T")
    zone = " UTC" if clock.endswith("+00:00") else ""
    return f"{date} {clock[:5]}{zone}" if clock else date or "an unknown time"


def machine_line(host: Mapping[str, Any]) -> str:
    """Return which machine it is: its name, kernel and memory."""
    kernel = str(host.get("kernel") or "").split("-")[0]
    machine = [
        f"pagewalk on {host['hostname']}" if host.get("hostname") else "pagewalk",
        f"Linux {kernel}" if kernel else "",
        size(host["ram"]) if host.get("ram") else "",
    ]
    return ", ".join(filter(None, machine))


def coverage_line(host: Mapping[str, Any], coverage: Mapping[str, Any]) -> str:
    """Return the line that every screen ends with: what was read, and what could not be seen."""
    page = host["page_size"]
    mapped, explained = coverage["mapped_frames"], coverage["explained_frames"]
    but = "all" if explained == mapped else f"all but {size((mapped - explained) * page)}"
    hidden = size(coverage["hidden_frames"] * page)
    verified = f"; verified by the counts of all {coverage['counted_frames']:,} frames" if host.get("verify") else ""
    return (
        f"{read_line(coverage)};"
        f" {count(coverage['hidden_mappings'], 'hidden mapping')} of {hidden};"
        f" {but} of {size(mapped * page)} mapped explained{verified};"
        f" {duration(host['seconds'])}, {hold(host)}"
    )


def hold(host: Mapping[str, Any]) -> str:
    """Return for how long a process was held up at most."""
    return f"longest lock hold {duration(host['longest_lock_hold_ns'] / 1e9)}"


def read_line(coverage: Mapping[str, Any]) -> str:
    """Return how many processes were read, and how many not."""
    read = count(coverage["processes"], "process")
    return f"{read} read, {coverage['refused']} refused, {coverage['vanished']} vanished"


def gap_lines(gaps: Table) -> list[str]:
    """Return one line for each thing that could not be seen."""
    lines = []
    for gap in gaps:
        whose = "" if gap["pid"] is None else f"process {gap['pid']}: "
        lines.append(f"{whose}{gap['what']}: {gap['reason']}")
    return lines


def with_gap(gaps: Table, what: str, reason: str) -> Table:
    """Return the gaps and one more, of the whole machine."""
    import numpy as np

    from pagewalk.table import Table, objects

    rows = [*gaps, {"pid": None, "what": what, "reason": reason}]
    data = {name: objects([row[name] for row in rows]) for name in ("what", "reason")}
    pids = np.array([row["pid"] or 0 for row in rows], np.int64)
    unknown = np.array([row["pid"] is None for row in rows], np.bool_)
    return Table(gaps.columns, {"pid": pids, **data}, {"pid": unknown})


def count(number: int, what: str) -> str:
    """Return a number of things, in the plural where it is one."""
    return f"{number} {what}" + ("" if number == 1 else "es" if what.endswith("s") else "s")


def size(number: int) -> str:
    """Return a number of bytes for a sentence."""
    return " ".join(iec(int(number)))
