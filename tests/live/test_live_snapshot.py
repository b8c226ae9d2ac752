"""Snapshots of the running kernel: the same answers as live, small, quick to load, and whole or not there at all."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pagewalk
from benchmarks.programs import Programs
from benchmarks.workloads import sleepers
from pagewalk import Snapshot
from samefacts import answers, differences
from workloads import MAP_SHARED, PAGE, Stage

NOBODY = 65534


def walk_all() -> Snapshot:
    return pagewalk.walk(frames="all", mappings=True, nodes=True, freed=True, vm_flags=True)


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pagewalk as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "pagewalk", *words], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_every_answer_is_the_live_one(stage: Stage, tmp_path: Path) -> None:
    """Of the whole machine, and of known pages: a heap, a child that wrote some of it, a memfd of both."""
    parent = stage.start()
    heap = parent.map(300 * PAGE)
    parent.write(heap)
    parent.write(parent.map(40 * PAGE, flags=MAP_SHARED, fd=parent.memfd(40 * PAGE)))
    child = parent.fork()
    child.write(heap.part(0, 100))
    live = walk_all()
    live.save(tmp_path / "host.pwz")
    parent.end()
    child.end()
    loaded = pagewalk.load(tmp_path / "host.pwz")
    assert list(differences(live.facts, loaded.facts)) == []
    assert list(differences(answers(live), answers(loaded), "answers")) == []
    rows = {row["pid"]: row for row in loaded.processes()}
    assert rows[child.pid]["uss"] >= 100 * PAGE
    shared = {tuple(row["owners"]): row for row in loaded.sharing()}
    both = shared[parent.pid, child.pid]
    assert (both["anon"] // PAGE, both["shmem"] // PAGE) >= (200, 40)


@pytest.fixture
def programs(root: None) -> Iterator[Programs]:
    with Programs() as programs:
        yield programs


@pytest.mark.unsanitized("measures time and memory")
def test_of_500_processes_it_is_small_and_quick(programs: Programs, tmp_path: Path) -> None:
    path = tmp_path / "host.pwz"
    with sleepers(programs, 500):
        live = walk_all()
    assert len(live.facts.spaces) > 500
    assert live.save(path) < 5 << 20
    seconds = []
    for _ in range(3):
        began = time.process_time()
        assert len(pagewalk.load(path).facts.spaces) == len(live.facts.spaces)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 1


@pytest.fixture
def small_disk(root: None, tmp_path: Path) -> Iterator[Path]:
    """A file system that is full after 16 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {os.fsdecode(mounted.stderr).strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing(small_disk: Path) -> None:
    path = small_disk / "host.pwz"
    done = command("snapshot", "-o", str(path))
    assert (done.returncode, done.stderr) == (1, f"pagewalk: {path}: No space left on device\n")
    assert list(small_disk.iterdir()) == []


def test_under_sudo_it_belongs_to_who_called_and_nobody_reads_it(root: None, tmp_path: Path) -> None:
    path = tmp_path / "host.pwz"
    done = command("snapshot", "-o", str(path), SUDO_UID="1234", SUDO_GID="56")
    assert done.returncode == 0, done.stderr
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 56, 0o600)
    assert done.stderr.startswith(f"pagewalk: saved {path}: ")


def test_without_root_it_answers(root: None) -> None:
    """As nobody, who may not even look into pytest's folders."""
    live = pagewalk.walk()
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        path = folder / "host.pwz"
        live.save(path)
        os.chown(path, NOBODY, NOBODY)
        script = (
            "import os, sys\nfrom pagewalk.cli import main\n"
            f"words = ['report', {str(path)!r}, '--by', 'process', '-q', '-b', '-H']\n"
            # Once as root before: this Python's own modules may be root's to read, and are imported when needed.
            "said, sys.stdout = sys.stdout, open(os.devnull, 'w')\nmain(words)\nsys.stdout = said\n"
            f"os.setgroups([]); os.setresuid({NOBODY}, {NOBODY}, {NOBODY})\n"
            "sys.exit(main(words))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    finally:
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(live.facts.spaces)
