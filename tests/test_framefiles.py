"""The kpage files themselves: opening them, the words of single frames, and the native module's refusals."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fakeproc
from pagewalk import framefiles
from pagewalk._native import frames as native
from pagewalk.errors import PermissionRequired, Unsupported
from pagewalk.framefiles import FrameFiles, words_of
from pagewalk.procfs import ProcFS
from spoiled import refuses_spoiled

NAMES = ("kpagecount", "kpageflags", "kpagecgroup")
LAST = 200


@pytest.fixture
def made(tmp_path: Path) -> ProcFS:
    for name in NAMES:
        fakeproc.write_words(tmp_path / name, [(pfn, pfn * 3 + 1) for pfn in range(LAST)], LAST)
    return ProcFS(str(tmp_path))


def descriptors() -> list[str]:
    return os.listdir("/proc/self/fd")


class Refusing(ProcFS):
    """One of the files is root's alone."""

    refused = ""

    def open_words(self, name: str) -> int:
        if name == self.refused:
            raise PermissionRequired(f"{name} is root's")
        return super().open_words(name)


# Opening


def test_all_three_are_opened_and_closed(made: ProcFS) -> None:
    before = descriptors()
    with FrameFiles(made) as files:
        assert files.frames == LAST
        assert min(files.count, files.flags, files.cgroup) > 2
    assert (files.count, files.flags, files.cgroup) == (-1, -1, -1)
    files.close()
    assert descriptors() == before


def test_no_memcg_without_kpagecgroup(made: ProcFS) -> None:
    Path(made.path("kpagecgroup")).unlink()
    with FrameFiles(made) as files:
        assert files.cgroup == -1


@pytest.mark.parametrize("name", NAMES[:2])
def test_one_that_is_not_there(made: ProcFS, name: str) -> None:
    Path(made.path(name)).unlink()
    before = descriptors()
    with pytest.raises(Unsupported, match=f"{name} does not exist"):
        FrameFiles(made)
    assert descriptors() == before


@pytest.mark.parametrize("name", NAMES)
def test_one_that_may_not_be_read(made: ProcFS, name: str) -> None:
    refusing = Refusing(made.root)
    refusing.refused = name
    before = descriptors()
    with pytest.raises(PermissionRequired, match=name):
        FrameFiles(refusing)
    assert descriptors() == before


# Words of single frames


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pfns=st.lists(
        st.one_of(
            st.integers(0, LAST + 20),
            st.sampled_from([2**32, 2**52, 2**60 - 1, 2**60, 2**61, 2**61 + 1, 2**63, 2**64 - 1]),
        ),
        max_size=30,
    ),
    block=st.sampled_from([1, 5, 65536]),
)
def test_words_of_frames_in_any_order(made: ProcFS, pfns: list[int], block: int) -> None:
    """As often as asked for; 0 beyond the last frame, however far."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framefiles, "BLOCK", block)
        assert words_of(made, "kpageflags", pfns).tolist() == [pfn * 3 + 1 if pfn < LAST else 0 for pfn in pfns]


@pytest.mark.parametrize("pfns", [[], (), np.array([], np.int32), np.array([7, 3]), range(3, 5), [[1, 2], [3, 4]], 5])
def test_words_of_whatever_numpy_takes(made: ProcFS, pfns: Any) -> None:
    flat = np.asarray(pfns).reshape(-1).tolist()
    found = words_of(made, "kpagecount", pfns)
    assert found.dtype == np.uint64
    assert found.tolist() == [pfn * 3 + 1 for pfn in flat]


def test_a_negative_frame_is_refused(made: ProcFS) -> None:
    with pytest.raises(OverflowError):
        words_of(made, "kpagecount", [-1])


def test_words_of_a_file_that_is_not_there(made: ProcFS) -> None:
    Path(made.path("kpagecgroup")).unlink()
    with pytest.raises(Unsupported, match="kpagecgroup"):
        words_of(made, "kpagecgroup", [1])


def test_far_frames_are_not_read_up_to(made: ProcFS) -> None:
    """A word at either end of a petabyte: two reads, not all between."""
    assert words_of(made, "kpagecount", [2**40, 1]).tolist() == [0, 4]


# The native module


def read_wanted(made: ProcFS, base: int, owner: list[int], bridge: int) -> tuple[list[int], tuple[int, int, int]]:
    fd = made.open_words("kpagecount")
    out = np.full(len(owner), 99, np.uint64)
    told = native.read_wanted(fd, base, (np.array(owner) > 0).astype(np.uint8) * 6, 2, out, bridge)
    os.close(fd)
    return out.tolist(), told


@pytest.mark.parametrize(
    ("bridge", "read", "reads"),
    [(0, [1, 4, 5, 9], 3), (1, [1, 4, 5, 9], 3), (2, [1, 2, 3, 4, 5, 9], 2), (9, list(range(1, 10)), 1)],
)
def test_wanted_words_are_read_in_runs(made: ProcFS, bridge: int, read: list[int], reads: int) -> None:
    owner = [0, 1, 0, 0, 7, 1, 0, 0, 0, 2, 0]
    words, told = read_wanted(made, 10, owner, bridge)
    assert words == [(10 + k) * 3 + 1 if k in read else 99 for k in range(len(owner))]
    assert told == (len(read), reads, 0)


def test_wanted_words_past_the_end_are_missing(made: ProcFS) -> None:
    words, told = read_wanted(made, LAST - 2, [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1], 4)
    assert words[:4] == [(LAST - 2) * 3 + 1, (LAST - 1) * 3 + 1, 0, 0]
    assert words[10] == 0
    assert told == (2, 2, 3)


def test_an_error_while_reading_is_raised(made: ProcFS) -> None:
    with pytest.raises(OSError, match="kpage file") as caught:
        native.read_wanted(-1, 0, np.ones(2, np.uint8), 1, np.zeros(2, np.uint64), 4)
    assert caught.value.errno == errno.EBADF
    with pytest.raises(ValueError, match="less room"):
        native.read_wanted(-1, 0, np.ones(2, np.uint8), 1, np.zeros(1, np.uint64), 4)


def tables(room: int = 4) -> tuple[native.Interned, native.Interned]:
    words, rows = native.Interned(), native.Interned()
    for table in (words, rows):
        table.use(np.full(2 << room.bit_length(), 77, np.uint32), np.zeros((room, 3), np.uint64))
    return words, rows


def arguments(n: int = 2, start: int = 0) -> list[Any]:
    columns = [np.zeros(n, np.uint64) for _ in range(3)]
    return [
        0, start, np.ones(n, np.uint32), *columns, 0, False, -1, -1, np.zeros(4, np.int64), np.zeros(n, np.uint32),
    ]  # fmt: skip


def test_arrays_of_another_kind_are_refused() -> None:
    u8, u4 = np.zeros(2, np.uint64), np.zeros(2, np.uint32)
    u1 = np.zeros(2, np.uint8)
    refuses_spoiled(native.read_wanted, [-1, 0, u1, 1, u8, 4], written=[4])
    refuses_spoiled(native.ask, [u4, u1, u1.copy(), u1.copy(), 0], written=[2])
    refuses_spoiled(native.ask_huge, [-1, 0, u4, u1, u1.copy()], written=[3])
    refuses_spoiled(native.ask_flags, [u4, u4.copy(), u8, u1], written=[3])
    refuses_spoiled(native.Interned().use, [np.zeros(4, np.uint32), np.zeros((2, 3), np.uint64)], written=[0, 1])
    refuses_spoiled(native.Tally(*tables()).count, arguments(), written=[10, 11])
    with pytest.raises(TypeError):
        native.Tally(None, native.Interned())  # type: ignore[arg-type]


@pytest.mark.parametrize(("slots", "keys"), [(0, (0, 3)), (6, (4, 3)), (4, (4, 3)), (8, (0, 3)), (8, (4, 2))])
def test_keys_without_room_are_refused(slots: int, keys: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="power of two"):
        native.Interned().use(np.zeros(slots, np.uint32), np.zeros(keys, np.uint64))


def test_nothing_is_counted_without_tables() -> None:
    for tally in (
        native.Tally(native.Interned(), native.Interned()),
        native.Tally(tables()[0], native.Interned()),
        native.Tally.__new__(native.Tally),
    ):
        with pytest.raises(ValueError, match="no arrays yet"):
            tally.count(*arguments())


@pytest.mark.parametrize("start", [-1, 3, 2**40])
def test_frames_outside_are_refused(start: int) -> None:
    with pytest.raises(ValueError, match="not within the frames"):
        native.Tally(*tables()).count(*arguments(2, start))


@pytest.mark.parametrize("at", [3, 4, 5, 11])
def test_shorter_columns_are_refused(at: int) -> None:
    short = arguments()
    short[at] = short[at][:1]
    with pytest.raises(ValueError, match="shorter than the frames"):
        native.Tally(*tables()).count(*short)


def test_fewer_counts_than_rows_are_refused() -> None:
    short = arguments()
    short[10] = short[10][:3]
    with pytest.raises(ValueError, match="fewer counts"):
        native.Tally(*tables()).count(*short)


def test_fewer_keys_than_there_are_is_refused() -> None:
    words, rows = tables()
    many = arguments(4)
    many[3] = np.arange(4, dtype=np.uint64)
    assert native.Tally(words, rows).count(*many) == 4
    assert (words.used, rows.used) == (4, 4)
    with pytest.raises(ValueError, match="fewer rows than keys"):
        words.use(np.zeros(8, np.uint32), np.zeros((3, 3), np.uint64))


@pytest.mark.parametrize("room", [1, 2, 3])
def test_counting_stops_where_room_ends(room: int) -> None:
    """At the first frame that needs a new key; those before are counted, and none twice."""
    words, rows = tables(room)
    tally = native.Tally(words, rows)
    columns = arguments(6)
    columns[3] = np.array([5, 5, 6, 6, 7, 8], np.uint64)
    assert tally.count(*columns) == {1: 2, 2: 4, 3: 5}[room]
    assert columns[10].tolist()[:room] == [2, 2, 1][:room]
    assert sum(columns[10].tolist()) == np.count_nonzero(columns[11])
