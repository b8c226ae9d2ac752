"""Pairs and trees of processes on the running kernel: known pages, and an independent reading of pagemap."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

import truth
from checks import Look
from pagewalk.cli import main
from pagewalk.snapshot import Snapshot
from workloads import MAP_SHARED, PAGE, Agent, Stage


def pages_of(snapshot: Snapshot, agents: list[Agent], column: str = "bytes") -> dict[frozenset[int], int]:
    """Pages of every pair among the agents."""
    table = snapshot.pairs(select=snapshot.select(pids=[agent.pid for agent in agents]))
    return {frozenset([row["pid"], row["with_pid"]]): row[column] // PAGE for row in table}


def test_what_every_two_of_a_family_share(stage: Stage, look: Look) -> None:
    parent = stage.start()
    memory = parent.map(64 * PAGE)
    parent.write(memory)
    first, second = parent.fork(), parent.fork()
    for child in (first, second):
        child.write(memory.part(63, 1))  # what the command itself touches is there from now on
    before = pages_of(look(), [parent, first, second], "anon")
    first.write(memory.part(0, 16))
    second.write(memory.part(8, 16))
    after = pages_of(look(), [parent, first, second], "anon")
    lost = {pair: before[pair] - after[pair] for pair in before}
    # Pages 0-7 are still those of parent and second, 16-23 of parent and first; 8-15 are the parent's alone.
    assert lost == {
        frozenset([parent.pid, first.pid]): 16,
        frozenset([parent.pid, second.pid]): 16,
        frozenset([first.pid, second.pid]): 24,
        frozenset([parent.pid]): -8,
        frozenset([first.pid]): -16,
        frozenset([second.pid]): -16,
    }


def test_pairs_are_what_pagemap_says(stage: Stage, look: Look) -> None:
    parent = stage.start()
    memory = parent.map(200 * PAGE)
    parent.write(memory)
    family = [parent, parent.fork(), parent.fork(), stage.start()]
    for number, agent in enumerate(family[:3]):
        agent.write(memory.part(number * 20, 30))
    fd = parent.memfd(24 * PAGE)
    parent.write(parent.map(24 * PAGE, flags=MAP_SHARED, fd=fd))
    stranger = family[3]
    theirs = stranger.open(f"/proc/{parent.pid}/fd/{fd}")
    once, again = (stranger.map(12 * PAGE, flags=MAP_SHARED, fd=theirs) for _ in range(2))
    stranger.read(once)
    stranger.read(again)
    said = pages_of(look(), family)
    pids = [agent.pid for agent in family]
    picture = truth.Picture.of(pids)
    assert said == {
        **{frozenset([pid]): len(picture.closed([pid])) for pid in pids},
        **{
            frozenset(two): len(both)
            for two in combinations(pids, 2)
            if (both := picture.frames(two[:1]) & picture.frames(two[1:]))
        },
    }
    assert said[frozenset([parent.pid, stranger.pid])] >= 12


def test_a_tree_is_a_process_with_all_that_descend_from_it(
    stage: Stage, look: Look, capsys: pytest.CaptureFixture[str]
) -> None:
    root, stranger = stage.start(), stage.start()
    child = root.fork()
    grandchild = child.fork()
    for agent in (root, child, grandchild, stranger):
        agent.rename(b"pwtree")
    snapshot = look()
    for top, family in ((root, [root, child, grandchild]), (child, [child, grandchild]), (grandchild, [grandchild])):
        chosen = snapshot.select(trees=[top.pid])
        assert sorted(snapshot.processes(chosen)["pid"].tolist()) == sorted(agent.pid for agent in family)
    for alone in ([], ["--alone"]):
        assert main(["--tree", str(child.pid), "--pairs", "-f", "json", *alone]) == 0
        said = {frozenset([row["pid"], row["with_pid"]]) for row in json.loads(capsys.readouterr().out)["pairs"]}
        assert {pid for pair in said for pid in pair} == {child.pid, grandchild.pid}
    grandchild.end()
    for alone in ([], ["--alone"]):
        assert main(["--tree", str(grandchild.pid), *alone]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("pagewalk: no ")
        assert str(grandchild.pid) in err
        assert err.count("\n") == 1
