"""A tree of processes: who belongs to it, whatever becomes of parents, and how much each has by now."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madetree import Made, MadeTree, made
from pagewalk._native import tree as native
from pagewalk.procfs import ProcFS
from pagewalk.tree import LOOKS, MOST_NEWCOMERS, Tree, TreeView, adopting, file_room

__all__ = ["made"]

PAGE = os.sysconf("SC_PAGESIZE")
ME = 4
WORDS = [b"1", b"(a)", b")", b"S", b"-1", b"9" * 20, b"18446744073709551615", b"-9223372036854775808", b"", b"x", b"\n"]


def members(tree: Tree) -> list[int]:
    tree.poll()
    return sorted(tree.members)


# The text of stat


def read(text: bytes) -> list[int]:
    fd = os.memfd_create("stat")
    try:
        os.write(fd, text)
        rows = np.zeros((1, len(native.FIELDS)), np.int64)
        native.read_stats(np.array([fd], np.int32), rows)
        fields: list[int] = rows[0].tolist()
        return fields
    finally:
        os.close(fd)


@given(
    st.text(max_size=20),
    *[st.integers(0, 2**31 - 1)] * 3,
    st.sampled_from([-1, 0, 17]),
    st.integers(0, 2**63 - 1),
    st.sampled_from("RSDZTtXxI"),
)
def test_stat_is_taken_apart(
    comm: str, ppid: int, session: int, faults: int, exit_signal: int, start: int, state: str
) -> None:
    process = Made(ppid, session, state, faults, exit_signal, start, 7, comm.replace("\0", ""))
    text = process.text(1).encode(errors="surrogatepass")
    assert read(text) == [ord(state), ppid, session, faults, exit_signal, start, 7]


@pytest.mark.parametrize(
    "text",
    [b"", b"1", b"1 (a", b"1 (a)", b"1 (a) S", b"1 (a) S ", b"1 (a)S 1 2", b"1 (a) S x", b"1 (a) S " + b"1 " * 30]
    + [b"1 (a) S " + b"1 " * 10 + b"- " + b"1 " * 40],
)
def test_what_is_no_stat_is_told(text: bytes) -> None:
    assert read(text)[0] == -errno.EBADMSG


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(WORDS), max_size=60).map(b" ".join)))
def test_no_text_is_more_than_it_can_take(text: bytes) -> None:
    state = read(text)[0]
    assert state == -errno.EBADMSG or 0 <= state < 256


def test_a_descriptor_that_is_none_is_told() -> None:
    rows = np.zeros((2, len(native.FIELDS)), np.int64)
    with open("/proc/self/stat", "rb") as good:
        assert native.read_stats(np.array([-1, good.fileno()], np.int32), rows) == 1
    assert rows[0, 0] == -errno.EBADF
    assert rows[1, native.FIELDS.index("ppid")] == os.getppid()


def test_a_process_that_was_reaped_is_told() -> None:
    child = subprocess.Popen(["sleep", "100"])
    with open(f"/proc/{child.pid}/stat", "rb") as stat:
        child.kill()
        child.wait()
        rows = np.zeros((1, len(native.FIELDS)), np.int64)
        assert native.read_stats(np.array([stat.fileno()], np.int32), rows) == 0
    assert rows[0, 0] == -errno.ESRCH


@pytest.mark.parametrize("shape", [(1, 7), (3, 7), (2, 6), (2, 8)])
def test_rows_must_fit(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a row of 7 words"):
        native.read_stats(np.array([-1, -1], np.int32), np.zeros(shape, np.int64))


def test_adopting_is_turned_on_and_off() -> None:
    script = "from pagewalk.tree import adopting; print(adopting(True), adopting(False), adopting(False))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True", "False"], done.stderr
    assert adopting(False) is False


# Who belongs to it


def test_descendants_are_members(made: MadeTree) -> None:
    for pid, ppid in ((10, 1), (11, 10), (12, 11), (20, 1), (21, 20)):
        made.start(pid, ppid)
    with Tree(made.procfs, [10]) as tree:
        assert members(tree) == [10, 11, 12]
        made.start(30, 12)
        made.start(31, 20)
        assert members(tree) == [10, 11, 12, 30]


def test_a_family_that_came_at_once_is_taken_whole_whatever_its_numbers(made: MadeTree) -> None:
    made.start(10)
    with Tree(made.procfs, [10]) as tree:
        made.start(13, 12, is_told=False)
        made.start(12, 14, is_told=False)
        made.start(14, 10)
        assert members(tree) == [10, 12, 13, 14]


def test_a_thread_is_no_process(made: MadeTree) -> None:
    made.start(10)
    with Tree(made.procfs, [10]) as tree:
        made.start(11, 10, exit_signal=-1)
        made.start(12, 10, exit_signal=0)
        assert members(tree) == [10, 12]


def test_an_orphan_stays(made: MadeTree) -> None:
    for pid, ppid in ((10, 1), (11, 10), (12, 11)):
        made.start(pid, ppid)
    with Tree(made.procfs, [10]) as tree:
        assert members(tree) == [10, 11, 12]
        made.end(11)
        made.change(12, ppid=1)
        made.start(13, 12)
        assert members(tree) == [10, 12, 13]


def test_children_of_the_adopter_are_members_but_for_those_it_had(made: MadeTree) -> None:
    made.start(ME)
    made.start(8, ME)
    with Tree(made.procfs, adopter=ME) as tree:
        assert members(tree) == []
        made.start(10, ME)
        made.start(12, 10)
        assert members(tree) == [10, 12]
        # Its parent came and went between two looks.
        made.start(14, ME)
        assert members(tree) == [10, 12, 14]
        tree.refresh()
        assert members(tree) == [10, 12, 14]
        # The number of one that it had is given to another.
        made.end(8)
        made.start(8, ME, start_time=99)
        tree.refresh()
        assert members(tree) == [8, 10, 12, 14]


def test_whoever_is_in_the_session_of_a_member_descends_from_it(made: MadeTree) -> None:
    made.start(10)
    made.start(11, 10, session=11)
    with Tree(made.procfs, [10]) as tree:
        assert members(tree) == [10, 11]
        made.start(13, 1, session=11)
        made.start(14, 1, session=1)
        made.end(11)
        assert members(tree) == [10, 13]
        # Nobody is in it any more: its number may be that of a stranger.
        made.end(13)
        assert members(tree) == [10]
        made.start(11, 1, session=11)
        assert members(tree) == [10]


def test_loners_have_no_family(made: MadeTree) -> None:
    made.start(10, session=10)
    made.start(20)
    with Tree(made.procfs, [10, 20], loners=[10]) as tree:
        made.start(30, 10, session=10)
        made.start(31, 20)
        assert members(tree) == [10, 20, 31]
    with Tree(made.procfs, [10, 20], loners=[10, 20]) as tree:
        made.start(32, 20)
        tree.refresh()
        assert members(tree) == [10, 20]


def test_a_number_given_before_it_can_be_seen_is_looked_at_again(made: MadeTree) -> None:
    made.start(10)
    with Tree(made.procfs, [10]) as tree:
        made.give(11)
        for _ in range(LOOKS - 1):
            assert members(tree) == [10]
        made.start(11, 10, is_told=False)
        assert members(tree) == [10, 11]
        made.give(12)
        for _ in range(LOOKS):
            tree.poll()
        made.start(12, 10, is_told=False)
        # It is not looked for for ever; a look at all finds it.
        assert members(tree) == [10, 11]
        tree.refresh()
        assert members(tree) == [10, 11, 12]


@pytest.mark.parametrize("last", [3, 100 + MOST_NEWCOMERS + 1])
def test_numbers_that_began_anew_or_are_many_are_not_gone_through(made: MadeTree, last: int) -> None:
    made.start(10)
    made.give(100)
    with Tree(made.procfs, [10]) as tree:
        made.start(7, 10, is_told=False)
        assert members(tree) == [10]
        made.give(last)
        assert members(tree) == [7, 10]


@pytest.mark.parametrize("text", [None, "", "no numbers"])
def test_without_loadavg_all_are_looked_at(made: MadeTree, text: str | None) -> None:
    made.start(10)
    path = made.root / "loadavg"
    path.unlink() if text is None else path.write_text(text)
    with Tree(made.procfs, [10]) as tree:
        made.start(11, 10, is_told=False)
        assert members(tree) == [10, 11]


@pytest.mark.parametrize("room", [0, 100])
def test_a_number_used_again_is_another_process(made: MadeTree, room: int) -> None:
    made.start(10)
    made.start(11, 10)
    with Tree(made.procfs, [10], room=room) as tree:
        assert members(tree) == [10, 11]
        made.end(11)
        made.start(11, 1, is_told=False, start_time=77)
        assert members(tree) == [10]


def test_a_list_says_who_is_meant(made: MadeTree) -> None:
    for pid in (10, 11, 12):
        made.start(pid)
    meant = [10, 11]
    with Tree(made.procfs, meant, listed=lambda: meant) as tree:
        made.start(20, 10)
        assert members(tree) == [10, 11]
        meant = [11, 12, 99]
        assert members(tree) == [10, 11]
        tree.refresh()
        assert members(tree) == [11, 12]


def test_zombies_that_the_adopter_must_bury(made: MadeTree) -> None:
    made.start(ME)
    with Tree(made.procfs, adopter=ME) as tree:
        made.start(10, ME, rss=5)
        made.start(11, 10, rss=5)
        made.start(12, ME, rss=5)
        assert tree.poll().processes == 3
        assert tree.zombies() == []
        made.change(11, state="Z")
        made.change(12, state="Z", rss=0)
        assert (tree.poll().processes, tree.poll().rss) == (1, 5 * PAGE)
        assert tree.zombies() == [12]


# How much each has


def test_growth_and_stir(made: MadeTree) -> None:
    made.start(10, rss=100, faults=1000)
    made.start(11, 10, rss=50, faults=10)
    with Tree(made.procfs, [10]) as tree:
        first = tree.poll()
        assert (first.processes, first.rss, first.growth) == (2, 150 * PAGE, 150 * PAGE)
        tree.mark()
        assert (tree.poll().growth, tree.poll().stir) == (0, 0)
        made.change(10, rss=130, faults=1030)
        made.change(11, rss=30)
        poll = tree.poll()
        assert (poll.rss, poll.growth, poll.stir) == (160 * PAGE, 30 * PAGE, (30 + 20 + 30) * PAGE)
        made.start(12, 11, rss=7, faults=3)
        assert (tree.poll().growth, tree.poll().stir) == (37 * PAGE, 90 * PAGE)
        # What ended had 50 pages at the mark; what was copied on write shows in page faults alone.
        made.end(11)
        assert (tree.poll().growth, tree.poll().stir) == (37 * PAGE, (30 + 30 + 10 + 50) * PAGE)
        tree.mark()
        made.change(10, faults=1035)
        assert (tree.poll().growth, tree.poll().stir) == (0, 5 * PAGE)


def test_who_has_something_to_do(made: MadeTree) -> None:
    made.start(10)
    for pid, state in enumerate("RDSITtZ", 11):
        made.start(pid, 10, state=state)
    with Tree(made.procfs, [10]) as tree:
        poll = tree.poll()
        assert (poll.processes, poll.busy) == (7, 2)


# Its descriptors


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("room", [0, 3, 100])
def test_descriptors_are_bounded_and_given_back(made: MadeTree, room: int) -> None:
    before = open_files()
    made.start(10)
    with Tree(made.procfs, [10], room=room) as tree:
        for pid in range(11, 21):
            made.start(pid, 10, rss=1)
        assert members(tree) == list(range(10, 21))
        assert open_files() - before == min(room, 11)
        for pid in range(11, 19):
            made.end(pid)
        assert members(tree) == [10, 19, 20]
        assert open_files() - before <= min(room, 3)
        for pid in range(21, 24):
            made.start(pid, 10)
        assert len(members(tree)) == 6
        assert open_files() - before == min(room, 6)
    assert open_files() == before
    assert len(tree) == 0


def test_room_for_files_is_part_of_what_there_may_be() -> None:
    script = (
        "import resource; from pagewalk.tree import file_room\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "for soft in (64, 256, 1024, 4096):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)); print(file_room())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["0", "64", "448", "1984"], done.stderr
    assert file_room() <= 4096


# The view


def test_a_view_has_nobody_else(made: MadeTree) -> None:
    for pid, ppid in ((10, 1), (20, 1), (11, 10)):
        made.start(pid, ppid)
    for name in ("kpagecgroup", "kpageflags"):
        (made.root / name).write_bytes(b"")
    with Tree(made.procfs, [10]) as tree:
        view = TreeView(tree)
        assert view.pids() == [10, 11]
        made.end(10)
        made.start(12, 11)
        assert view.pids() == [11, 12]
        assert [view.has(name) for name in ("kpageflags", "kpagecgroup", "nothing")] == [True, False, False]
        assert (view.root, view.is_real) == (str(made.root), False)


def test_a_view_compares_address_spaces_as_its_source_does(tmp_path: Path) -> None:
    source = ProcFS(str(tmp_path), same_space=lambda a, b: a * 100 + b)
    assert TreeView(Tree(source)).same_space(3, 4) == 304
