"""What README.md shows is what the command says."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import pagewalk
from pagewalk.cli import VERBS
from pagewalk.views.freed import COLUMNS as FREED

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
MIB = 1 << 20


def screen(*words: str, lines: int, columns: int = 80) -> str:
    """What the command writes to a terminal of this size, without colours."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    # Handed over, since readline puts LINES and COLUMNS into C's environment behind Python's back.
    environment = {**kept, "TERM": "xterm", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    command = subprocess.Popen(
        [sys.executable, "-m", "pagewalk", *words], stdin=inside, stdout=inside, stderr=inside, env=environment
    )
    os.close(inside)
    said = b""
    try:
        while piece := os.read(terminal, 1 << 16):
            said += piece
    except OSError:  # the other side is closed
        pass
    finally:
        os.close(terminal)
        command.wait()
    return said.decode().replace("\r\n", "\n")


def test_the_first_screen_is_that_of_the_demo() -> None:
    shown = re.search(r"```\n\$ pagewalk demo\n(.*?)\n```", README, re.DOTALL)
    assert shown is not None
    assert [line.rstrip() for line in screen("demo", lines=25).splitlines()] == shown[1].splitlines()
    assert max(map(len, shown[1].splitlines())) <= 80


def test_the_answers_of_the_demo() -> None:
    snap = pagewalk.load(str(Path(pagewalk.__file__).with_name("demo.pwz")))
    programs = {row["name"]: row for row in snap.programs().to_dicts()}
    web = snap.processes(snap.select(programs=["^web"]))
    (shared,) = [row for row in snap.sharing().to_dicts() if set(row["comms"]) == {"web", "web-worker"}][:1]
    assert (len(shared["owners"]), round(shared["bytes"] / MIB, 1)) == (7, 40.6)
    assert int(web["rss"].sum()) > 3 * int(web["pss"].sum())
    assert round(programs["infer"]["uss"] / MIB, 1) == 82.4
    (freed,) = snap.freed(snap.select(programs=["^infer$"])).to_dicts()
    assert round(freed["bytes"] / MIB, 1) == 18.8
    stays = {row["why"]: row["bytes"] for row in snap.fates(snap.select(programs=["^infer$"])).to_dicts()}
    assert round(stays["cache"] / MIB, 1) == 64.0
    paid = [
        row for row in snap.charges().to_dicts() if row["foreign"] and row["charged_to"].endswith("/backup.service")
    ]
    assert {round(row["bytes"] / MIB, 1) for row in paid} == {24.0}
    assert all(user.endswith("/search.service") for row in paid for user in row["used_by"])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_named(verb: str) -> None:
    assert re.search(rf"pagewalk {verb}\b", README) or re.search(rf"`{verb} ", README)


def test_modules_that_the_map_names_are_there() -> None:
    root = Path(__file__).resolve().parent.parent
    named = re.findall(r"`((?:pagewalk|src_ext|tests|benchmarks)/[\w./]*)`", README)
    assert len(named) > 20
    assert [path for path in named if not (root / path).exists()] == []


def test_what_is_freed_is_told_by_the_words_of_the_columns() -> None:
    text = README[README.index("**What an end would free.**") :].split("\n\n")[0]
    assert all(f"`{name}`" in text for name in ("freed", "unmapped"))
    assert {"unmapped", "swap", "pgtable"} <= {column.name for column in FREED}
