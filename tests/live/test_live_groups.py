"""Programs, users and any set of processes: a frame counts once, however many of them map it."""

from __future__ import annotations

from typing import Any

import pytest

import pagewalk
import truth
from checks import Look, expect_kernel, process
from workloads import PAGE, Agent, Stage

STRANGER = 54_321  # a user that has no name


def crowd(stage: Stage, comm: bytes = b"pwgroup") -> list[Agent]:
    """Four relatives under one name, with 100 pages that each wrote a part of, and one under another."""
    parent = stage.start()
    memory = parent.map(100 * PAGE)
    parent.write(memory)
    agents = [parent] + [parent.fork() for _ in range(4)]
    for number, agent in enumerate(agents):
        agent.write(memory.part(number * 10, 15))
        agent.rename(comm if number < 4 else b"pwother")
    return agents


def row_of(table: pagewalk.Table, name: str) -> dict[str, Any]:
    (row,) = (row for row in table if row["name"] == name)
    return row


def expect_group(row: dict[str, Any], snapshot: pagewalk.Snapshot, agents: list[Agent]) -> None:
    """Hold a group's figures to the union of its members' pages."""
    pids = [agent.pid for agent in agents]
    picture = truth.Picture.of(pids)
    frames = picture.frames(pids)
    assert row["processes"] == len(agents)
    assert row["rss"] == len(frames) * PAGE
    assert row["anon"] == sum(PAGE for pfn in frames if picture.flags[pfn] & truth.KPF_ANON)
    assert row["uss"] == len(picture.closed(pids)) * PAGE
    assert row["shared"] == row["rss"] - row["uss"]
    assert row["pss"] == sum(process(snapshot, agent)["pss"] for agent in agents)


def test_a_program(stage: Stage, look: Look) -> None:
    agents = crowd(stage)
    snapshot = look()
    expect_group(row_of(snapshot.programs(), "pwgroup"), snapshot, agents[:4])
    expect_group(row_of(snapshot.programs(), "pwother"), snapshot, agents[4:])
    expect_kernel(snapshot, *agents)


def test_a_user(stage: Stage, look: Look) -> None:
    agents = crowd(stage)
    for agent in agents[:2]:
        agent.call("setresuid", STRANGER, STRANGER, STRANGER)
    snapshot = look()
    expect_group(row_of(snapshot.users(), str(STRANGER)), snapshot, agents[:2])
    for agent in agents[:2]:
        row = process(snapshot, agent)
        assert (row["uid"], row["user"]) == (STRANGER, str(STRANGER))
    assert process(snapshot, agents[2])["uid"] == 0


def test_twins_of_a_program_count_once(stage: Stage, look: Look) -> None:
    one = stage.start()
    memory = one.map(64 * PAGE)
    one.write(memory)
    one.rename(b"pwtwins")
    twin = one.twin()
    snapshot = look()
    row = row_of(snapshot.programs(), "pwtwins")
    assert row["rss"] == process(snapshot, twin)["rss"]
    assert row["pss"] == process(snapshot, one)["pss"]


def test_selecting_shows_some_and_counts_all(stage: Stage, look: Look) -> None:
    agents = crowd(stage)
    snapshot = look()
    for select in (
        snapshot.select(pids=[agent.pid for agent in agents[:4]]),
        snapshot.select(programs=["^pwgroup$"]),
        snapshot.select(programs=["pwgroup", "pwother"], pids=[agent.pid for agent in agents[:4]]),
    ):
        table = snapshot.processes(select=select)
        assert sorted(table["pid"].tolist()) == sorted(agent.pid for agent in agents[:4])
        for row in table:
            assert row == process(snapshot, row["pid"])
        (group,) = snapshot.programs(select=select)
        expect_group(group, snapshot, agents[:4])


def test_walking_some_leaves_the_rest_hidden(stage: Stage, look: Look) -> None:
    agents = crowd(stage)
    whole = look()
    alone = look(pids=[agent.pid for agent in agents[:4]])
    for agent in agents[:4]:
        one, other = process(whole, agent), process(alone, agent)
        for name in ("rss", "uss", "anon", "private"):
            assert one[name] == other[name], name
        assert abs(one["pss"] - other["pss"]) <= 1024
    expect_group(row_of(alone.programs(), "pwgroup"), alone, agents[:4])
    # Nothing of theirs changes: the kernel counts as many mappings of a frame as were seen, or more.
    coverage = alone.coverage()
    assert coverage["explained_frames"] + coverage["hidden_frames"] == coverage["mapped_frames"]


def test_what_is_not_there_is_said_in_one_line(stage: Stage, look: Look) -> None:
    agent = stage.start()
    snapshot = look(pids=[agent.pid])
    for wrong in ({"pids": [4_194_305]}, {"programs": ["("]}, {"users": ["no-such-user"]}):
        with pytest.raises(pagewalk.PagewalkError) as caught:
            snapshot.select(**wrong)
        assert "\n" not in str(caught.value)
