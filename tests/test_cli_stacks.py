"""The kernel stacks of threads, as a table."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pagewalk import raw
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.stacks import line_by_line, read_stacks, stack_section
from pagewalk.procfs import ProcFS

STAT = b"%d (%s) S 1 1 1 0 -1 0 " + b" ".join([b"0"] * 43) + b"\n"
SELECT = "[<0>] do_select+0x6c0/0x7c0\n[<0>] entry_SYSCALL_64+0x1\n"


@pytest.fixture
def procfs(tmp_path: Path) -> ProcFS:
    for tid, comm, stack in ((7, b"main", SELECT), (8, b"worker 1", "")):
        directory = tmp_path / "7" / "task" / str(tid)
        directory.mkdir(parents=True)
        (directory / "stat").write_bytes(STAT % (tid, comm))
        (directory / "stack").write_text(stack)
    return ProcFS(str(tmp_path))


def test_of_each_thread(procfs: ProcFS) -> None:
    assert read_stacks(procfs, 7).to_dicts() == [
        {"tid": 7, "comm": "main", "state": "S", "stack": ["do_select+0x6c0/0x7c0", "entry_SYSCALL_64+0x1"]},
        {"tid": 8, "comm": "worker 1", "state": "S", "stack": []},
    ]


def test_people_read_them_line_by_line(procfs: ProcFS) -> None:
    rows = [tuple(row.values()) for row in line_by_line(read_stacks(procfs, 7))]
    assert rows == [
        ("7", "main", "S", "do_select+0x6c0/0x7c0"),
        ("", "", "", "entry_SYSCALL_64+0x1"),
        ("8", "worker 1", "S", "(in user space)"),
    ]


def test_the_section(procfs: ProcFS) -> None:
    table = read_stacks(procfs, 7)
    assert stack_section(table, is_text=False).table is table
    section = stack_section(table, is_text=True)
    assert (section.key, len(section.table), len(section.shown)) == ("stacks", 3, 4)
    assert set(section.wanted) == set(section.shown)


def test_a_process_that_is_gone(procfs: ProcFS) -> None:
    with pytest.raises(Stop, match=r"^process 9 ended before its stacks were read$") as caught:
        read_stacks(procfs, 9)
    assert caught.value.code == Exit.NOTHING


def test_a_thread_that_ended_is_left_out(procfs: ProcFS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "read_stack", lambda pid, root: {7: ["f"], 8: ["g"], 9: ["h"]})
    (Path(procfs.root) / "7" / "task" / "8" / "stat").unlink()
    assert read_stacks(procfs, 7)["tid"].tolist() == [7]


def test_refused(procfs: ProcFS, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, root: str) -> dict[int, list[str]]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "stack")

    monkeypatch.setattr(raw, "read_stack", refuse)
    with pytest.raises(Stop, match="stack: Permission denied: it needs CAP_SYS_ADMIN; leave --stack out") as caught:
        read_stacks(procfs, 7)
    assert caught.value.code == Exit.PRIVILEGE


def test_a_kernel_that_does_not_tell(procfs: ProcFS, tmp_path: Path) -> None:
    for tid in (7, 8):
        (tmp_path / "7" / "task" / str(tid) / "stack").unlink()
    with pytest.raises(Stop, match="CONFIG_STACKTRACE") as caught:
        read_stacks(procfs, 7)
    assert caught.value.code == Exit.UNSUPPORTED
    # Where there is such a file, all threads may be in user space.
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "stack").write_text("")
    assert [row["stack"] for row in read_stacks(procfs, 7)] == [[], []]


def test_our_own() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: the stacks of threads need CAP_SYS_ADMIN")
    table = read_stacks(ProcFS(), os.getpid())
    assert os.getpid() in table["tid"].tolist()
    assert set(table["state"].tolist()) <= set("RSDTtZXxKWPI")
