"""Tables as text, 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

__all__ = ["WIDTH", "aligned", "head", "paragraphs", "percent"]

WIDTH = 80
GIB = 1 << 30


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows as columns, the first ``left`` of them flush left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if k < left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def paragraphs(*lines: str) -> str:
    """Return each line filled, one below the other."""
    return "\n".join(textwrap.fill(line, WIDTH) for line in lines)


def head(run: dict[str, Any]) -> str:
    """Return what was measured where."""
    facts, ours = run["host"], run["pagewalk"]
    commit = f" ({ours['commit'][:10]}{', changed' if ours['changed'] else ''})" if ours["commit"] else ""
    return paragraphs(
        f"pagewalk {ours['version'] or '?'}{commit}, Linux {facts['kernel']}, {facts['cpu']}, {facts['cores']} cores, "
        f"{facts['memory'] / GIB:.1f} GiB, load {facts['load']:.1f}; {run['rounds']} rounds"
    )


def percent(part: float) -> str:
    """Return a part as whole percents."""
    return f"{100 * part:.0f}%"
