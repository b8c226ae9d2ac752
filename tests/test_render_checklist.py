"""A list of checks for people."""

from __future__ import annotations

import io
import re

import pytest

from answers import HOSTILE
from pagewalk.render.checklist import render
from pagewalk.render.screen import Screen, Section, Style
from pagewalk.table import Column, Table, objects

COLUMNS = tuple(Column(name, "text", "") for name in ("what", "value", "verdict", "advice"))
ROWS = (
    ("user", "uid 1000", "ok", ""),
    ("capabilities", "none that matter here", "no", "run it as root: the kernel shows frame numbers only with it"),
    ("swap", "none", "warn", "a short one"),
)


def made(rows: tuple[tuple[str, ...], ...] = ROWS) -> Screen:
    cells = zip(*rows, strict=True)
    table = Table(COLUMNS, {column.name: objects(values) for column, values in zip(COLUMNS, cells, strict=True)})
    return Screen((Section("doctor", table, shown=table.names),), remarks=("pagewalk cannot run here.",))


def shown(screen: Screen, encoding: str = "utf-8", width: int = 80, colors: int = 0) -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    render(screen, Style(width=width, colors=colors), out)
    out.seek(0)
    return out.read().split("\n")


def test_golden() -> None:
    assert shown(made(), width=60) == [
        "✓ ok    user          uid 1000",
        "✗ no    capabilities  none that matter here",
        "        run it as root: the kernel shows frame numbers only",
        "        with it",
        "! warn  swap          none",
        "        a short one",
        "pagewalk cannot run here.",
        "",
    ]


def test_ascii() -> None:
    lines = shown(made(), encoding="ascii")
    assert [line[:1] for line in lines if line[:1].strip()] == ["+", "x", "!", "p"]


def test_colour_repeats_the_word() -> None:
    painted = shown(made(), colors=16)
    assert "\x1b[32m" in painted[0]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in painted] == shown(made())


@pytest.mark.parametrize("width", [20, 40, 80])
def test_nothing_is_cut_off_and_nothing_obeyed(width: int) -> None:
    lines = shown(made(tuple((name or "-", name, "warn", name) for name in HOSTILE)), width=width)
    assert all(line.isprintable() for line in lines)
    assert "x" * 300 in re.sub(r"\s", "", "".join(lines))
