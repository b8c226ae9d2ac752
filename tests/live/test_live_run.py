"""The footprint of real trees: sudden peaks under load, copies that no rss shows, and trees that come and go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pagewalk.procfs import ProcFS
from pagewalk.sampling import Sampler
from pagewalk.tree import Tree
from truth import Picture
from workloads import MADV_DONTNEED, PAGE, Stage

MIB = 1 << 20
GIB = 1 << 30
GROWER = Path(__file__).with_name("grower.py")
PATIENCE = 120


def pagewalk(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pagewalk", *words], capture_output=True, text=True, timeout=PATIENCE, **options
    )


def ran(*command: str) -> dict[str, Any]:
    """What `run` says of a command that ends well."""
    done = pagewalk("run", "-f", "json", "--", *command)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stderr)
    assert told["run"]["trouble"] is None
    return told


def grown(mode: str, size: int, seconds: float) -> dict[str, Any]:
    return ran(sys.executable, "-I", str(GROWER), mode, str(size), str(seconds))


def figures(told: dict[str, Any], at: str) -> dict[str, Any]:
    (row,) = [row for row in told["footprint"] if row["at"] == at]
    return dict(row)


@pytest.fixture
def load() -> Iterator[None]:
    """As many that do nothing but use a core as there are cores."""
    burning = [subprocess.Popen([sys.executable, "-I", "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for process in burning:
        process.kill()
        process.wait()


def room_for(size: int) -> None:
    """Skip where the machine has not so much memory to spare."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    if int(lines["MemAvailable"].split()[0]) << 10 < 2 * size:
        pytest.skip(f"needs {2 * size >> 20} MiB of available memory")


@pytest.mark.slow
@pytest.mark.usefixtures("root", "load")
@pytest.mark.parametrize("mode", ["small", "huge"])
def test_a_gibibyte_for_300_ms_in_a_grandchild(mode: str, request: pytest.FixtureRequest) -> None:
    room_for(GIB)
    if mode == "huge":
        request.getfixturevalue("huge")
    rest = figures(grown(mode, 0, 0.5), "peak")["rss"]
    told = grown(mode, GIB, 0.3)
    peak = figures(told, "peak")
    assert peak["rss"] == pytest.approx(GIB + rest, rel=0.01)
    assert peak["uss"] >= 0.99 * GIB
    assert peak["anon"] >= 0.99 * GIB
    assert (peak["thp"] >= 0.99 * GIB) == (mode == "huge")
    assert peak["processes"] == 3
    assert 0 < peak["seconds"] < told["run"]["seconds"]
    # Who had it, of the three.
    assert told["process"][0]["uss"] >= 0.99 * GIB
    assert [row["uss"] < GIB // 10 for row in told["process"]] == [False, True, True]
    assert figures(told, "last")["seconds"] >= peak["seconds"]


@pytest.mark.usefixtures("root")
def test_copies_on_write_that_no_rss_shows() -> None:
    size = 128 * MIB
    told = grown("copy", size, 1.0)
    peak = figures(told, "peak")
    assert peak["anon"] == pytest.approx(2 * size, rel=0.1)
    # Each of the two has had as much all the time; only page faults tell.
    assert [row["rss"] for row in told["process"]] == pytest.approx([size] * 2, rel=0.2)


@pytest.mark.usefixtures("root")
def test_what_is_there_is_in_the_report() -> None:
    told = ran("sh", "-c", "sleep 0.7 & exec sleep 0.6")
    assert [row["cmdline"] for row in sorted(told["process"], key=lambda row: row["cmdline"])] == [
        "sleep 0.6",
        "sleep 0.7",
    ]
    assert told["run"]["outlived"] != []
    peak = figures(told, "peak")
    assert 0 < peak["uss"] <= peak["pss"] <= peak["rss"]
    assert peak["rss"] == peak["anon"] + peak["file"] + peak["shmem"]
    assert told["run"]["longest_lock_hold_ns"] > 0


@pytest.mark.usefixtures("root")
def test_a_daemon_is_of_the_tree() -> None:
    daemon = (
        "import os, time\n"
        "if not os.fork():\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    memory = bytearray(64 << 20); time.sleep(1.2); os._exit(0)\n"
        "time.sleep(1.0)\n"
    )
    told = ran(sys.executable, "-I", "-c", daemon)
    assert figures(told, "peak")["anon"] >= 64 * MIB
    assert len(told["run"]["outlived"]) == 1
    assert told["run"]["outlived"] == [row["pid"] for row in told["process"] if row["anon"] >= 64 * MIB]


def test_a_watched_set_is_exact(stage: Stage) -> None:
    parent = stage.start()
    memory = parent.map(300 * PAGE)
    parent.write(memory)
    first, second = parent.fork(), parent.fork()
    first.write(memory.part(0, 50))
    second.read(memory)
    outside = parent.fork()
    pids = [parent.pid, first.pid, second.pid]
    done = pagewalk("watch", "-p", ",".join(map(str, pids)), "-n", "1", "-f", "json")
    told = json.loads(done.stdout)
    peak = figures(told, "peak")
    picture = Picture.of([*pids, outside.pid])
    frames = picture.frames(pids)
    assert peak["rss"] == len(frames) * PAGE
    assert peak["uss"] == len(picture.closed(pids)) * PAGE
    assert peak["processes"] == 3
    assert {row["pid"] for row in told["process"]} == set(pids)
    # With the one that was outside all is theirs but what the machine's other programs map.
    tree = json.loads(pagewalk("watch", "--tree", str(parent.pid), "-n", "1", "-f", "json").stdout)
    assert figures(tree, "peak")["processes"] == 4
    assert figures(tree, "peak")["uss"] == len(picture.closed([*pids, outside.pid])) * PAGE


@pytest.mark.usefixtures("root")
def test_a_tree_that_forks_and_calls_exec_all_the_time() -> None:
    script = "end=$(($(date +%s) + 2)); while [ $(date +%s) -lt $end ]; do sh -c 'exec true' & (:); done; wait; exit 4"
    done = pagewalk("run", "-f", "json", "--interval", "0.02", "--", "sh", "-c", script)
    told = json.loads(done.stderr)
    assert done.returncode == 4
    assert told["run"]["trouble"] is None
    assert told["run"]["samples"] >= 3
    assert figures(told, "peak")["rss"] > 0


@pytest.mark.usefixtures("root")
def test_neither_descriptors_nor_samples_pile_up() -> None:
    with Tree(ProcFS(), adopter=os.getpid()) as tree:
        sampler = Sampler(tree, interval=0.01)
        lasting = subprocess.Popen(["sleep", "100"])
        counts = []
        try:
            for _ in range(60):
                children = [subprocess.Popen(["true"]) for _ in range(5)]
                sampler.step()
                for child in children:
                    child.wait()
                sampler.step()
                counts.append(len(os.listdir("/proc/self/fd")))
        finally:
            lasting.kill()
            lasting.wait()
        assert sampler.samples > 50
        assert max(counts) - counts[0] <= 6
        assert counts[-1] <= counts[0] + 5
        tree.poll()
        assert len(tree) == 0


@pytest.mark.usefixtures("root")
def test_the_budget_is_kept(stage: Stage) -> None:
    agent = stage.start()
    memory = agent.map(128 * MIB)
    agent.write(memory)
    with Tree(ProcFS(), [agent.pid]) as tree:
        sampler = Sampler(tree, share=0.02)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            agent.advise(memory.part(0, 512), MADV_DONTNEED)
            agent.write(memory.part(0, 512))
            time.sleep(sampler.step())
    # Half of what may be used ahead, and the share; much less if nothing had stirred.
    assert sampler.cpu_seconds < 0.5 + 0.02 * 4 + sampler.longest_walk + 0.3
    assert sampler.samples >= 2
