"""Names as processes and files have them: any bytes but NUL and, in a path, the slash."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checks import Look, expect_kernel, process
from workloads import MAP_PRIVATE, PAGE, PROT_READ, Agent, Region, Stage

FileMaker = Callable[[int, bytes], Path]

# fs/proc/task_mmu.c:show_map_vma escapes a newline in a path as \012, and nothing else.
FILES = [
    pytest.param(b"with some  spaces ", b"with some  spaces ", id="spaces"),
    pytest.param(b"new\nline", b"new\\012line", id="newline"),
    pytest.param(b"looks (deleted)", b"looks (deleted)", id="deleted"),
    pytest.param(b"latin-\xe9\xff\xfe", b"latin-\xe9\xff\xfe", id="not-utf-8"),
    pytest.param("ünï→😀".encode(), "ünï→😀".encode(), id="utf-8"),
    pytest.param(b"tab\tand\\back\x1bslash", b"tab\tand\\back\x1bslash", id="control"),
    pytest.param(b"[heap]", b"[heap]", id="heap"),
    pytest.param(b"7f00-7f01 r-xp 0 00:00 0 [vdso]", b"7f00-7f01 r-xp 0 00:00 0 [vdso]", id="a-line-of-maps"),
]
COMMS = [b"a b", b"new\nline", b"x) S 1 (y", b"\xff\xfe\xe9", b"(deleted)", b"", b"0123456789abcde", b"\x1b[31m"]


def mapped(agent: Agent, path: Path) -> Region:
    memory = agent.map(4 * PAGE, prot=PROT_READ, flags=MAP_PRIVATE, fd=agent.open(path, os.O_RDONLY))
    agent.read(memory)
    return memory


def name_of(snapshot: object, agent: Agent, memory: Region) -> str:
    table = snapshot.mappings(pid=agent.pid)  # type: ignore[attr-defined]
    (row,) = table.where(table["start"] == memory.start)
    assert row["file"] == 4 * PAGE
    return str(row["name"])


@pytest.mark.parametrize(("name", "shown"), FILES)
def test_a_file(stage: Stage, look: Look, file: FileMaker, name: bytes, shown: bytes) -> None:
    path = file(4, name)
    agent = stage.start()
    memory = mapped(agent, path)
    snapshot = look(pids=[agent.pid])
    assert name_of(snapshot, agent, memory) == os.fsdecode(os.fsencode(path.parent) + b"/" + shown)
    table = snapshot.mappings(pid=agent.pid)
    (row,) = table.where(table["start"] == memory.start)
    assert row["inode"] == path.stat().st_ino
    assert row["perms"] == "r--p"


@pytest.mark.parametrize("name", [b"plain", b"looks (deleted)", b"new\nline"])
def test_a_deleted_file(stage: Stage, look: Look, file: FileMaker, name: bytes) -> None:
    path = file(4, name)
    agent = stage.start()
    memory = mapped(agent, path)
    path.unlink()
    shown = os.fsdecode(os.fsencode(path).replace(b"\n", b"\\012")) + " (deleted)"
    assert name_of(look(pids=[agent.pid]), agent, memory) == shown


@pytest.mark.parametrize("comm", COMMS)
def test_a_process(stage: Stage, look: Look, comm: bytes) -> None:
    agent = stage.start()
    agent.rename(comm)
    snapshot = look()
    row = process(snapshot, agent)
    assert row["comm"] == os.fsdecode(comm)
    assert os.fsdecode(comm) in list(snapshot.programs()["name"])
    expect_kernel(snapshot, agent)


def test_a_program_file_and_its_arguments(stage: Stage, look: Look, tmp_path: Path) -> None:
    program = os.fsencode(tmp_path) + b"/odd \n) \xe9 (deleted)"
    shutil.copy(stage.program, os.fsdecode(program))
    agent = stage.start(program, "an argument", "", "néw\nline")
    snapshot = look()
    row = process(snapshot, agent)
    assert row["comm"] == os.fsdecode(os.path.basename(program)[:15])
    assert row["cmdline"].startswith(os.fsdecode(program) + " ")
    assert row["cmdline"].endswith(" an argument  néw\nline")
    expect_kernel(snapshot, agent)
