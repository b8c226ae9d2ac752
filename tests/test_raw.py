"""The raw readers: the kernel's words as they are, of a made machine and of this one."""

from __future__ import annotations

import mmap
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import fakeproc
import pagewalk
from model import PAGE, Frame, Kind, Machine, Present, Process, Space, Swapped, Vma
from pagewalk import KPF, PM, ParseError, PermissionRequired, Unsupported
from pagewalk.raw import (
    read_kpagecgroup,
    read_kpagecount,
    read_kpageflags,
    read_maps,
    read_pagemap,
    read_smaps,
    read_smaps_rollup,
    read_stack,
)

VMAS = (
    Vma(0x400, 1, "r-xp", offset=0x1000, device=(0xFE, 3), inode=2**64 - 2, name=b"/bin/two  words"),
    Vma(0x1000, 3, name=b"[heap]", entries={0: Present(5), 2: Swapped(1, 9)}),
    Vma(0x2000, 2, "rw-s", name=b"/tmp/a\nline \xff (deleted)", inode=9, entries={1: Present(6)}),
)
TRUTH = Machine(
    {5: Frame(5, Kind.ANON, memcg=77), 6: Frame(6, Kind.SHMEM, hidden=2)}, (Space(VMAS),), (Process(10, 0),), limit=64
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(fakeproc.write(TRUTH, tmp_path_factory.mktemp("raw") / "proc"))


# VMAs


def test_maps(root: str) -> None:
    table = read_maps(10, root)
    assert table.names == ("start", "end", "perms", "offset", "major", "minor", "inode", "name")
    assert table.to_dicts()[0] == {
        "start": 0x400 * PAGE,
        "end": 0x401 * PAGE,
        "perms": "r-xp",
        "offset": 0x1000,
        "major": 0xFE,
        "minor": 3,
        "inode": 2**64 - 2,
        "name": "/bin/two  words",
    }
    assert table["name"].tolist() == ["/bin/two  words", "[heap]", "/tmp/a\\012line \udcff (deleted)"]


def test_maps_of_ourselves() -> None:
    names = [line.split(None, 5)[5:] for line in Path("/proc/self/maps").read_text().splitlines()]
    assert set(read_maps(os.getpid())["name"].tolist()) >= {name[0] for name in names if name and "python" in name[0]}


@pytest.mark.parametrize("read", [read_maps, read_smaps, read_smaps_rollup, read_stack])
def test_a_process_that_is_not_there(root: str, read: object) -> None:
    with pytest.raises(FileNotFoundError):
        read(11, root)  # type: ignore[operator]


READERS = {"maps": read_maps, "smaps": read_smaps, "smaps_rollup": read_smaps_rollup}


@pytest.mark.parametrize(("name", "read"), READERS.items())
def test_what_is_not_the_kernels_is_told(tmp_path: Path, name: str, read: object) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / name).write_bytes(b"nonsense\n")
    with pytest.raises(ParseError) as caught:
        read(7, str(tmp_path))  # type: ignore[operator]
    assert (caught.value.path, caught.value.line) == (str(tmp_path / "7" / name), 1)


# Entries and words


def test_pagemap(root: str) -> None:
    entries = read_pagemap(10, 0x1000 * PAGE, 0x1003 * PAGE, root)
    assert entries.dtype == np.uint64
    assert entries.tolist() == [PM.PRESENT | 5, 0, PM.SWAP | 9 << 5 | 1]
    assert len(read_pagemap(10, 0x2000 * PAGE, 0x9000 * PAGE, root)) == 2
    with pytest.raises(ValueError, match="multiples"):
        read_pagemap(10, 0, PAGE - 1, root)


def test_words_of_frames(root: str) -> None:
    assert read_kpagecount([6, 5, 5], root).tolist() == [3, 1, 1]
    assert read_kpagecgroup([5, 6, 7], root).tolist() == [77, 1, 0]
    anon, shmem, beyond = read_kpageflags(np.array([5, 6, 64]), root).tolist()
    assert KPF(anon) & KPF.ANON
    assert KPF(shmem) & (KPF.ANON | KPF.SWAPBACKED) == KPF.SWAPBACKED
    assert beyond == 0


@pytest.mark.parametrize("read", [read_kpagecount, read_kpageflags, read_kpagecgroup])
def test_words_that_are_not_there(tmp_path: Path, read: object) -> None:
    with pytest.raises(Unsupported, match=getattr(read, "__name__", "").removeprefix("read_")):
        read([1], str(tmp_path))  # type: ignore[operator]


def test_a_page_of_our_own() -> None:
    """From its address to its frame to what the kernel says of it."""
    with mmap.mmap(-1, 4 * PAGE) as memory:
        memory[PAGE] = 1
        address = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
        entries = read_pagemap(os.getpid(), address, address + 4 * PAGE)
        assert [bool(entry & PM.PRESENT) for entry in entries.tolist()] == [False, True, False, False]
        pfn = int(entries[1]) & (2**55 - 1)
        try:
            flags, count = read_kpageflags([pfn])[0], read_kpagecount([pfn])[0]
        except (PermissionRequired, Unsupported) as reason:
            pytest.skip(str(reason))
        if not pfn:
            pytest.skip("needs CAP_SYS_ADMIN in the first user namespace: frame numbers read as 0")
        # Shared anonymous memory (MAP_SHARED is mmap's default) is shmem.
        assert KPF(int(flags)) & (KPF.ANON | KPF.SWAPBACKED) == KPF.SWAPBACKED
        assert count == 1


# The kernel's account


def test_smaps(root: str) -> None:
    table = read_smaps(10, root)
    assert table.names[:6] == ("start", "end", "perms", "offset", "inode", "name")
    assert table.names[-1] == "VmFlags"
    assert table["Rss"].tolist() == [0, PAGE, PAGE]
    assert table["Size"].tolist() == [vma.pages * PAGE for vma in VMAS]
    assert {table.column(name).unit for name in ("Rss", "Pss", "Swap")} == {"bytes"}
    assert all(codes for codes in table["VmFlags"])


def test_what_a_vma_lacks_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    header = b"%d000-%d000 rw-p 00000000 00:00 0 \n"
    blocks = (header % (1, 2) + b"Rss: 4 kB\nProtectionKey: 3\n", header % (2, 3) + b"Rss: 8 kB\nTHPeligible: 1\n")
    (tmp_path / "7" / "smaps").write_bytes(b"".join(blocks))
    rows = read_smaps(7, str(tmp_path)).to_dicts()
    assert [row["Rss"] for row in rows] == [4096, 8192]
    assert [row["ProtectionKey"] for row in rows] == [3, None]
    assert [row["THPeligible"] for row in rows] == [None, True]


def test_no_vmas_no_rows(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    for name in ("maps", "smaps"):
        (tmp_path / "7" / name).write_bytes(b"")
    assert len(read_maps(7, str(tmp_path))) == len(read_smaps(7, str(tmp_path))) == 0


def test_smaps_of_a_process_at_rest_add_up() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        while read_stat(child.pid) != "S":
            time.sleep(0.01)
        table, rollup = read_smaps(child.pid), read_smaps_rollup(child.pid)
        mine = [name != "[vsyscall]" for name in table["name"].tolist()]
        assert int(table["Rss"][mine].sum()) == rollup["Rss"]
        assert {"Rss", "Pss", "Private_Dirty"} <= set(rollup)
        assert read_maps(child.pid)["start"].tolist() == table["start"].tolist()
    finally:
        child.kill()
        child.wait()


def read_stat(pid: int) -> str:
    """The state of a process that runs sleep; empty before it does."""
    name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition(") ")
    return rest[:1] if name.endswith("(sleep") else ""


def test_smaps_rollup(root: str) -> None:
    rollup = read_smaps_rollup(10, root)
    assert (rollup["Rss"], rollup["Swap"], rollup["Anonymous"]) == (2 * PAGE, PAGE, PAGE)


# Kernel stacks


def test_stacks_of_threads(tmp_path: Path) -> None:
    stacks = {7: "[<0>] do_select+0x6c0/0x7c0\n[<0>] entry_SYSCALL_64+0x1\n", 8: "", 9: None, 10: "odd\n"}
    for tid, text in stacks.items():
        directory = tmp_path / "7" / "task" / str(tid)
        directory.mkdir(parents=True)
        if text is not None:
            (directory / "stack").write_text(text)
    assert read_stack(7, str(tmp_path)) == {
        7: ["do_select+0x6c0/0x7c0", "entry_SYSCALL_64+0x1"],
        8: [],
        9: [],  # gone since it was listed
        10: ["odd"],
    }


def test_our_own_stack() -> None:
    try:
        stacks = read_stack(os.getpid())
    except (PermissionError, FileNotFoundError) as reason:
        pytest.skip(f"needs CAP_SYS_ADMIN and CONFIG_STACKTRACE: {reason}")
    assert os.getpid() in stacks
    assert not any("[<" in line for stack in stacks.values() for line in stack)


def test_they_are_public() -> None:
    from pagewalk import raw

    assert set(raw.__all__) <= set(pagewalk.__all__)
    assert all(getattr(pagewalk, name) is getattr(raw, name) for name in raw.__all__)
