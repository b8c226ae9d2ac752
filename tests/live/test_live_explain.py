"""What is told of a walk before it begins and after it: of real ones."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import pagewalk
from workloads import PAGE, Stage

PAGES = 1 << 16
# It is an estimate: nobody knows before how many owner sets and runs there are. Others' memory comes and goes beside.
FACTOR, LEEWAY = 1.5, 32 << 20

SCRIPT = """
import json, sys
import pagewalk.snapshot
told = []
how = json.loads(sys.argv[1])
if how.get("mappings") is not True:
    pagewalk.walk(pids=[1])  # what is imported when it is needed is none of the walk's
host = pagewalk.walk(explain=told.append, **how).host
json.dump({"told": told[0], "host": host}, sys.stdout)
"""


def explained(**how: Any) -> dict[str, Any]:
    """A walk in a process of its own: its plan, and the host."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(how)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.unsanitized("a sanitizer takes memory of its own")
@pytest.mark.parametrize("how", [{}, {"columns": ["pid", "pss"]}, {"mappings": True}, {"freed": True}])
def test_memory_is_about_what_was_foretold(root: None, stage: Stage, how: dict[str, Any]) -> None:
    agent = stage.start()
    agent.write(agent.map(PAGES * PAGE))
    said = explained(**how)
    memory = said["host"]["memory"]
    took = memory["peak_after"] - memory["resident_before"]
    assert took <= FACTOR * said["told"]["memory"] + LEEWAY
    assert said["told"]["pages"] >= PAGES


def phase(host: dict[str, Any], name: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [row for row in host["phases"] if row["phase"] == name]
    (row,) = rows
    return row


def test_phases_of_a_heap(root: None, stage: Stage) -> None:
    """Every page of it is an entry read, and a frame whose words are read, or spared; in more reads if gently."""
    agent = stage.start()
    agent.write(agent.map(PAGES * PAGE))
    hosts = {}
    for gentle in (False, True):
        snapshot = pagewalk.walk(pids=[agent.pid], gentle=gentle, explain=lambda told: None)
        host = hosts[gentle] = snapshot.host
        assert phase(host, "processes")["entries"] >= PAGES
        assert phase(host, "frames")["words"] >= 2 * PAGES
        assert abs(sum(row["seconds"] for row in host["phases"]) - host["seconds"]) < 0.1 * host["seconds"] + 0.01
    lean = pagewalk.walk(pids=[agent.pid], columns=("pid", "uss")).host
    assert phase(lean, "frames")["words"] < PAGES
    assert phase(lean, "frames")["reads"] is None
    plain, gently = (phase(hosts[gentle], "processes")["reads"] for gentle in (False, True))
    if plain is None:
        pytest.skip("this kernel does not count reads (CONFIG_TASK_IO_ACCOUNTING)")
    assert gently - plain >= PAGES // 8192 - PAGES // 32768 - 1
