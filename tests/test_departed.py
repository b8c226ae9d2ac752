"""Address spaces that ended while others were read."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

import fakeproc
from fakeproc import FakeProcFS
from model import Fate
from pagewalk.departed import forget_ended, forget_vanished
from pagewalk.framefiles import FrameFiles
from pagewalk.frames import FrameRows, read_frames
from pagewalk.listing import Listing
from pagewalk.ownership import Ownership
from pagewalk.reading import Reader, SpaceRead
from smallhost import HOST, host


class Walked:
    """The small host, every address space read."""

    def __init__(self, procfs: FakeProcFS) -> None:
        self.procfs = procfs
        self.listing = Listing(procfs, None)
        with FrameFiles(procfs) as files:
            self.ownership = Ownership(files.frames)
            self.read: list[SpaceRead] = Reader(procfs, self.ownership).read(self.listing.update())
            self.rows = read_frames(files, self.ownership.owner)

    def left(self) -> list[list[int]]:
        return [space.candidate.pids for space in self.read if space.whole]

    def ended(self, rows: FrameRows) -> list[str]:
        return [
            f"{gap.pid}: {gap.reason}"
            for gap in forget_ended(self.procfs, self.listing, self.read, rows, self.ownership.sets())
        ]


def gone(procfs: FakeProcFS, pid: int) -> None:
    shutil.rmtree(Path(procfs.root) / str(pid))
    procfs.order.remove(pid)


def test_who_is_there_still_stays() -> None:
    with host() as procfs:
        walk = Walked(procfs)
        assert forget_vanished(procfs, walk.listing, walk.read, False) == []
        assert walk.left() == [[10], [11, 12], [20]]
        assert walk.listing.vanished == set()


def test_an_address_space_lives_on_in_its_other_process() -> None:
    with host() as procfs:
        walk = Walked(procfs)
        gone(procfs, 11)
        gone(procfs, 20)
        assert forget_vanished(procfs, walk.listing, walk.read, False) == []
        assert walk.left() == [[10], [12]]
        assert walk.listing.vanished == {11, 20}


def test_those_that_came_late_are_named() -> None:
    with host() as procfs:
        walk = Walked(procfs)
        procfs.by_pid[77] = replace(procfs.by_pid[20], pid=77)
        procfs.order.append(77)
        assert forget_vanished(procfs, walk.listing, walk.read, True) == []
        (gap,) = forget_vanished(procfs, walk.listing, walk.read, False)
        assert (gap.pid, gap.what) == (77, "memory")


def fewer(rows: FrameRows) -> FrameRows:
    """The kernel counts one mapping less of every frame that has any."""
    return replace(rows, mapcount=rows.mapcount - np.minimum(rows.mapcount, 1))


def test_nobody_is_looked_for_where_the_counts_agree() -> None:
    with host() as procfs:
        walk = Walked(procfs)
        gone(procfs, 20)
        assert walk.ended(walk.rows) == []
        assert walk.left() == [[10], [11, 12], [20]]


def test_who_ended_meanwhile_is_dropped() -> None:
    with host() as procfs:
        walk = Walked(procfs)
        gone(procfs, 20)
        assert walk.ended(fewer(walk.rows)) == []
        assert walk.left() == [[10], [11, 12]]
        assert walk.listing.vanished == {20}


def test_who_called_exec_meanwhile_is_a_gap() -> None:
    with host() as procfs:
        walk = Walked(procfs)
        moved = replace(HOST, spaces=tuple(replace(space, layout=space.layout + 50) for space in HOST.spaces))
        shutil.rmtree(Path(procfs.root) / "10")
        fakeproc.write_process(moved, procfs.by_pid[10], Path(procfs.root) / "10")
        assert walk.ended(fewer(walk.rows)) == ["10: the process called exec while others were read"]
        assert walk.left() == [[11, 12], [20]]


def test_a_zombie_has_ended() -> None:
    with host() as procfs:
        walk = Walked(procfs)
        dead = replace(procfs.by_pid[20], fate=Fate.ZOMBIE)
        shutil.rmtree(Path(procfs.root) / "20")
        fakeproc.write_process(HOST, dead, Path(procfs.root) / "20")
        assert walk.ended(fewer(walk.rows)) == []
        assert walk.left() == [[10], [11, 12]]
