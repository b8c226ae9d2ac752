"""The snapshot that comes with pagewalk: every view of it works, and nothing in it names where it was made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pagewalk
import pagewalk.cli.demo
from pagewalk.cli import main
from pagewalk.cli.demo import DEMO
from pagewalk.cli.exits import Exit
from pagewalk.cli.views import VIEWS

Captured = pytest.CaptureFixture[str]
MIB = 1 << 20


def test_it_is_small() -> None:
    assert os.path.getsize(DEMO) < 300 << 10


@pytest.mark.parametrize("view", ["summary", *VIEWS])
def test_every_view(view: str, capsys: Captured) -> None:
    assert main(["demo", view, "-f", "json"]) == Exit.OK
    value = json.loads(capsys.readouterr().out)
    assert value["host"]["hostname"] == "shop1"
    assert value["coverage"]["processes"] == 16
    assert all(value[key] for key in value if key in VIEWS)


def test_the_summary_and_options_of_report(capsys: Captured) -> None:
    assert main(["demo", "-f", "text"]) == Exit.OK
    assert "snapshot of 20" in capsys.readouterr().out
    assert main(["demo", "process", "-P", "infer", "--columns", "pid,rss", "-b", "-H", "-q"]) == Exit.OK
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 3
    assert main(["demo", "--by", "program", "-n", "1", "-q"]) == Exit.OK


@pytest.mark.parametrize("words", [["demo", "-h"], ["demo", "process", "--help"], ["help", "demo"]])
def test_help(words: list[str], capsys: Captured) -> None:
    assert main(words) == Exit.OK
    out = capsys.readouterr().out
    assert out.startswith("pagewalk demo: ")
    assert DEMO in out


@pytest.mark.parametrize(
    "words", [["maps", "159"], ["who", "--file", "/srv/infer/weights.bin"], ["freed", "-P", "web"]], ids=str
)
def test_the_other_questions_that_help_names(words: list[str], capsys: Captured) -> None:
    assert f"pagewalk {' '.join(words)} $FILE" in pagewalk.cli.demo.help()
    assert main([*words, DEMO, "-f", "json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["host"]["hostname"] == "shop1"


def test_wrong_usage(capsys: Captured) -> None:
    assert main(["demo", "procces"]) == Exit.USAGE
    assert capsys.readouterr().err.startswith("pagewalk: demo knows no view 'procces'; there are summary, process,")
    assert main(["demo", "process", "--alone", "-p", "1"]) == Exit.USAGE
    assert "--alone is of a walk" in capsys.readouterr().err


def test_it_shows_what_was_made() -> None:
    """Ground truth by construction: what tests/live/demo.py ordered its processes to have."""
    snap = pagewalk.load(DEMO)
    programs = {row["name"]: row for row in snap.programs()}
    assert programs["infer"]["processes"] == 3
    assert 3 * 6 * MIB <= programs["infer"]["anon"] < 20 * MIB
    shared = {tuple(row["comms"]): row for row in snap.sharing(limit=1)}
    assert 64 * MIB <= shared["infer",]["file"] < 65 * MIB
    workers = [row for row in snap.processes() if row["comm"] == "web-worker"]
    assert len(workers) == 6
    assert all(row["anon"] > 48 * MIB > 6 * row["uss"] for row in workers)
    (backup,) = [row for row in snap.processes() if row["comm"] == "backup"]
    assert backup["swap"] == 6 * MIB
    charged = {(row["charged_to"], tuple(row["used_by"])): row["bytes"] for row in snap.charges()}
    backup_cgroup, search_cgroup = (f"/services.slice/{name}.service" for name in ("backup", "search"))
    assert charged[backup_cgroup, (search_cgroup,)] == 24 * MIB
    assert charged[search_cgroup, (backup_cgroup, search_cgroup)] == 12 * MIB
    uses = snap.uses()
    assert int(uses["bytes"].sum()) == sum(row["bytes"] for row in snap.nodes())
    queue = snap.select(programs=["queue"])
    assert next(iter(snap.freed(queue)))["shmem"] >= 5 * MIB


def test_nothing_in_it_names_where_it_was_made() -> None:
    with np.load(DEMO, allow_pickle=False) as opened:
        blobs = [opened[name] for name in opened.files]
    content = b"\n".join(blob if isinstance(blob, bytes) else blob.tobytes() for blob in blobs)
    assert b"/srv/web/bin/web" in content
    for word in (b"/work", b"/root", b"/home", b"/tmp", b"/usr/local", b"python", b"venv", b"/lab", b"KERNEL_LAB"):
        assert word not in content
    kernel = os.uname()
    assert kernel.nodename.encode() + b'"' not in content
    assert {space for space in pagewalk.load(DEMO).processes()["cmdline"] if space and "/srv/" not in space} == {
        f"web: worker {number}" for number in range(6)
    }


def test_it_needs_no_root(tmp_path: Path) -> None:
    """Not even what /proc says of other processes: it is read as nobody, where root may change users."""
    # Once as root before: this Python's own modules may be root's to read, and are imported when they are needed.
    script = "import os, sys\nfrom pagewalk.cli import main\n"
    script += (
        "said, sys.stdout = sys.stdout, open(os.devnull, 'w')\nmain(['demo', 'process', '-q'])\nsys.stdout = said\n"
    )
    script += "if os.geteuid() == 0:\n    os.setgroups([])\n    os.setresuid(65534, 65534, 65534)\n"
    script += "sys.exit(main(['demo', 'process', '-q']))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    if "Permission denied" in done.stderr:
        pytest.skip("nobody may not read this checkout")
    assert done.returncode == 0, done.stderr
    assert "web-worker" in done.stdout
