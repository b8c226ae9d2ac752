"""The whole machine, as it is: every process at rest has the kernel's figures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pagewalk
import truth
from checks import Look
from workloads import PAGE, Region, Stage

ATTEMPTS = 6
LARGE = 8 << 30
NAMES = ("rss", "anon", "private", "hugetlb", "swap")


def readable() -> dict[int, tuple[dict[str, int], tuple[str, ...]]]:
    """What the kernel says of the memory of every process that it says something of, and how long each thread ran."""
    out = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            # A kernel thread, a zombie, one gone, or one that is refused even to root.
            with suppress(ProcessLookupError, FileNotFoundError, PermissionError):
                ran = tuple(path.read_text() for path in sorted(Path(f"/proc/{name}/task").glob("*/schedstat")))
                out[int(name)] = truth.rollup(int(name)), ran
    return out


def at_rest(look: Look) -> Iterator[tuple[pagewalk.Snapshot, dict[int, dict[str, int]]]]:
    """Snapshots, each with the processes that did not run meanwhile, nor did the kernel's figures of them change."""
    for _ in range(ATTEMPTS):
        before = readable()
        snapshot = look()
        after = readable()
        # Our own figures change as we work.
        yield snapshot, {pid: was[0] for pid, was in before.items() if after.get(pid) == was and pid != os.getpid()}


def differences(row: dict[str, Any], kernel: dict[str, int], shmem_swap: int) -> dict[str, tuple[int, int]]:
    pairs = {name: (row[name], kernel[name]) for name in NAMES}
    pairs["swap"] = (row["swap"], kernel["swap"] - shmem_swap)
    pairs["file+shmem"] = (row["file"] + row["shmem"], kernel["rss"] - kernel["anon"])
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def own_aliases(pid: int) -> bool:
    """Whether a process maps some frame twice; also said of one too large to be read entry by entry."""
    seen: Counter[int] = Counter()
    for vma in truth.vmas(pid):
        if vma.stop - vma.start > LARGE:
            return True
        if vma.name != "[vsyscall]":
            seen.update(truth.present(pid, Region(vma.start, vma.stop - vma.start)))
    return any(n > 1 and not truth.flags(pfn) & truth.KPF_ZERO_PAGE for pfn, n in seen.items())


@pytest.fixture
def crowd(stage: Stage) -> set[int]:
    """A few processes that are at rest for sure, on a machine that may be busy."""
    parent = stage.start()
    memory = parent.map(300 * PAGE)
    parent.write(memory)
    children = [parent.fork() for _ in range(3)]
    for number, child in enumerate(children):
        child.write(memory.part(number * 50, 100))
    return {agent.pid for agent in (parent, *children)}


def test_every_process_at_rest_has_the_kernels_figures(crowd: set[int], look: Look) -> None:
    proven: set[int] = set()
    wrong: dict[int, object] = {}
    for snapshot, quiet in at_rest(look):
        rows = {pid: row for row in snapshot.processes() for pid in row["pids"]}
        for pid, kernel in quiet.items():
            if pid in proven:
                continue
            assert pid in rows, f"{pid} was there all the time and not read"
            if found := differences(rows[pid], kernel, _swapped_shmem(pid, kernel)):
                # Memory may have come and gone in between: it is wrong when it is so each time.
                wrong[pid] = (rows[pid]["comm"], found)
            else:
                proven.add(pid)
                wrong.pop(pid, None)
        if crowd <= proven and not wrong:
            break
    assert wrong == {}
    assert crowd <= proven
    assert len(proven) > len(crowd), "nobody else was at rest"


def _swapped_shmem(pid: int, kernel: dict[str, int]) -> int:
    """Bytes of swapped tmpfs, which the kernel adds to Swap and no pagemap shows."""
    if not kernel["swap"]:
        return 0
    own = 0
    for vma in truth.vmas(pid):
        if vma.name != "[vsyscall]":
            entries = truth.pagemap(pid, Region(vma.start, vma.stop - vma.start))
            own += PAGE * sum(truth.swapped(entry) for entry in entries)
    return kernel["swap"] - own


def test_pss_is_the_kernels_where_no_frame_is_mapped_twice_by_one(crowd: set[int], look: Look) -> None:
    proven: set[int] = set()
    wrong: dict[int, list[object]] = {}
    aliases: dict[int, bool] = {}
    for snapshot, quiet in at_rest(look):
        rows = {pid: row for row in snapshot.processes() for pid in row["pids"]}
        # A frame mapped twice by one divides otherwise for all its owners; two pids of one address space are one.
        for pid in quiet.keys() & rows.keys() - aliases.keys():
            with suppress(ProcessLookupError, FileNotFoundError):
                aliases[pid] = own_aliases(pid)
        twice = {pid for pid, has in aliases.items() if has}
        for pid in (quiet.keys() & rows.keys() & aliases.keys()) - twice - proven:
            found = {
                name: (rows[pid][name], quiet[pid][name])
                for name in ("pss", "swap_pss")
                if abs(rows[pid][name] - quiet[pid][name]) > 1024
            }
            if found:
                wrong.setdefault(pid, []).append((rows[pid]["comm"], found))
            else:
                proven.add(pid)
                wrong.pop(pid, None)
        if crowd <= proven and not wrong:
            break
    # Pss is of others too: who shares a library with it may come between and be gone again. Not each time, though.
    assert {pid: found for pid, found in wrong.items() if len(found) > ATTEMPTS // 2} == {}
    assert crowd <= proven


def test_the_books_close_to_the_byte(crowd: set[int], look: Look) -> None:
    snapshot = look()
    coverage = snapshot.coverage()
    assert int(snapshot.processes()["pss"].sum()) + coverage["hidden_pss"] == coverage["mapped_frames"] * PAGE
    for table in (snapshot.programs(), snapshot.users()):
        assert int(table["pss"].sum()) == int(snapshot.processes()["pss"].sum())
    # What is not shared is somebody's alone.
    alone = int(snapshot.processes()["uss"].sum())
    assert int(snapshot.sharing()["bytes"].sum()) == coverage["mapped_frames"] * PAGE - alone
    mappings = snapshot.mappings()
    for name in ("rss", "anon", "file", "shmem", "private", "hugetlb", "swap", "thp", "ksm", "vss"):
        assert int(mappings[name].sum()) == int(snapshot.processes()[name].sum()), name
    assert crowd <= set(mappings["pid"].tolist())


def test_a_process_that_even_root_may_not_read_is_reported(look: Look) -> None:
    refused = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with suppress(ProcessLookupError, FileNotFoundError):
                    os.close(os.open(f"/proc/{name}/pagemap", os.O_RDONLY))
            except PermissionError:
                refused.add(int(name))
    if not refused:
        pytest.skip("root may read every process of this machine")
    snapshot = look()
    gaps = {row["pid"]: row["reason"] for row in snapshot.gaps()}
    assert refused <= gaps.keys()
    assert all(gaps[pid] for pid in refused)
    coverage = snapshot.coverage()
    assert coverage["refused"] >= len(refused)
    assert coverage["hidden_mappings"] >= coverage["hidden_frames"] > 0
    assert coverage["hidden_pss"] > 0


@pytest.mark.unsanitized("walks in chunks of 64 pages, and the sanitizers' shadow makes this very process 16 TiB large")
def test_two_walks_of_a_machine_at_rest_agree(crowd: set[int], look: Look) -> None:
    rows = [
        {row["pid"]: row for row in snapshot.processes(select=snapshot.select(pids=sorted(crowd)))}
        for snapshot in (look(), look(chunk=64, threads=1))
    ]
    for pid in crowd:
        for name in ("vss", "rss", "uss", "anon", "file", "shmem", "private", "swap"):
            assert rows[0][pid][name] == rows[1][pid][name]
