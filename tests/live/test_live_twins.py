"""Processes that are more, or less, than one address space each."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

import truth
from checks import Look, expect, expect_kernel, process
from workloads import PAGE, Agent, Stage, until


def state(pid: int) -> str:
    """The letter of /proc/PID/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_two_processes_with_one_address_space(stage: Stage, look: Look) -> None:
    one = stage.start()
    memory = one.map(50 * PAGE)
    one.write(memory)
    twin = one.twin()
    child = one.fork()
    child.write(memory.part(0, 10))
    snapshot = look()
    row = process(snapshot, one)
    assert row["pids"] == sorted([one.pid, twin.pid])
    assert row["pid"] == min(one.pid, twin.pid)
    assert process(snapshot, twin) == row
    expect(snapshot, memory, {(one, child): 40, (one,): 10, (child,): 10})
    # The kernel counts the memory of either in full.
    assert truth.rollup(twin.pid) == truth.rollup(one.pid)
    expect_kernel(snapshot, one, twin, child)


def test_a_family_of_twins_is_one_owner(stage: Stage, look: Look) -> None:
    one = stage.start()
    memory = one.map(30 * PAGE)
    one.write(memory)
    twins = [one.twin() for _ in range(3)]
    twins.append(twins[0].twin())
    snapshot = look()
    assert process(snapshot, one)["pids"] == sorted(agent.pid for agent in (one, *twins))
    expect(snapshot, memory, {(one,): 30})
    coverage = snapshot.coverage()
    assert coverage["processes"] - coverage["address_spaces"] >= 4


def test_vfork(stage: Stage, look: Look) -> None:
    parent = stage.start()
    memory = parent.map(50 * PAGE)
    parent.write(memory)
    child = parent.vfork()
    snapshot = look()
    assert process(snapshot, parent)["pids"] == sorted([parent.pid, child.pid])
    expect(snapshot, memory, {(parent,): 50})
    expect_kernel(snapshot, parent)
    child.end()
    assert parent.answer() == child.pid
    snapshot = look()
    assert process(snapshot, parent)["pids"] == [parent.pid]
    expect(snapshot, memory, {(parent,): 50})


def test_threads_are_one_process(stage: Stage, look: Look) -> None:
    agent = stage.start()
    memory = agent.map(50 * PAGE)
    threads = [agent.thread() for _ in range(3)]
    for number, thread in enumerate(threads):
        assert thread.pid == agent.pid
        thread.write(memory.part(number * 10, 10))
    snapshot = look()
    assert process(snapshot, agent)["pids"] == [agent.pid]
    expect(snapshot, memory, {(agent,): 30})
    expect_kernel(snapshot, agent)


def test_a_twin_with_another_program_name_is_found_by_the_pid_of_either(stage: Stage, look: Look) -> None:
    one = stage.start()
    twin = one.twin()
    twin.rename(b"other-name")
    snapshot = look()
    for agent in (one, twin):
        assert len(snapshot.processes(select=snapshot.select(pids=[agent.pid]))) == 1


def zombie(stage: Stage) -> tuple[Agent, int]:
    """A parent that does not wait, and its dead child."""
    parent = stage.start()
    parent.call("reap", 0)
    child = parent.fork()
    child.end()
    until(lambda: state(child.pid) == "Z", "a zombie")
    return parent, child.pid


def gaps_of(snapshot: object, pid: int) -> list[str]:
    return [f"{row['what']}: {row['reason']}" for row in snapshot.gaps() if row["pid"] == pid]  # type: ignore[attr-defined]


def test_a_zombie_has_no_memory_and_is_no_gap(stage: Stage, look: Look) -> None:
    parent, dead = zombie(stage)
    snapshot = look()
    assert all(dead not in row["pids"] for row in snapshot.processes())
    assert gaps_of(snapshot, dead) == []
    assert process(snapshot, parent)["pids"] == [parent.pid]


def test_a_zombie_leader_whose_other_thread_still_runs(stage: Stage, look: Look) -> None:
    leader = stage.start()
    memory = leader.map(40 * PAGE)
    leader.write(memory)
    thread = leader.thread()
    child = thread.fork()  # a child of the leader would be killed as that ends (PR_SET_PDEATHSIG)
    leader.send("exit", 0)  # of the thread, not of the process
    until(lambda: state(leader.pid) == "Z", "a zombie leader")
    # Its own pagemap cannot be opened any more, or on older kernels is empty; the other thread's is neither.
    with suppress(ProcessLookupError):
        assert not truth.pagemap(leader.pid, memory)
    assert sum(1 for entry in truth.pagemap(f"{leader.pid}/task/{thread.tid}", memory) if entry & truth.PRESENT) == 40
    thread.write(memory.part(0, 8))
    snapshot = look()
    row = process(snapshot, leader)
    assert row["pids"] == [leader.pid]
    assert row["rss"] >= 40 * PAGE
    assert gaps_of(snapshot, leader.pid) == []
    expect(snapshot, memory, {(leader, child): 32, (leader,): 8, (child,): 8})
    expect_kernel(snapshot, child)


def test_a_kernel_thread_has_no_memory_and_is_no_gap(look: Look) -> None:
    kthreads = [
        int(name)
        for name in os.listdir("/proc")
        if name.isdigit() and name != str(os.getpid()) and _is_kernel_thread(int(name))
    ]
    if not kthreads:
        pytest.skip("no kernel thread is to be seen: this is a pid namespace")
    snapshot = look()
    table = snapshot.processes()
    for pid in kthreads:
        assert all(pid not in row["pids"] for row in table)
        assert gaps_of(snapshot, pid) == []


def _is_kernel_thread(pid: int) -> bool:
    try:
        flags = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6])
    except (FileNotFoundError, ProcessLookupError):
        return False
    return bool(flags & 0x00200000)  # PF_KTHREAD (include/linux/sched.h)
