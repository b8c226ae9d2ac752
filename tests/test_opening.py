"""Opening an address space: what is read of it beside its memory is what was asked for, and of one moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fakeproc
from fakeproc import FakeProcFS
from model import Fate, Machine, Process, Space, Vma
from pagewalk import opening
from pagewalk.errors import ParseError
from pagewalk.listing import Candidate, Listing
from pagewalk.opening import Opened, Opener
from pagewalk.procfs import Process as OpenProcess
from pagewalk.vmas import MapsParser

VMAS = (Vma(16, 4, entries={}), Vma(30, 2), Vma(900, 8, inode=7, name=b"/gone (deleted)"))


class Noting(FakeProcFS):
    """Notes which files are opened."""

    def open_at(self, process: OpenProcess, name: str) -> int:
        self.opened.append(name)
        return super().open_at(process, name)

    opened: list[str]


@pytest.fixture
def made(tmp_path: Path) -> Noting:
    machine = Machine(
        {}, (Space(VMAS),), (Process(7, 0, uid=12, cmdline=b"a\0b\0"), Process(8, None, fate=Fate.ZOMBIE)), 64
    )
    procfs = Noting(machine, fakeproc.write(machine, tmp_path / "proc"))
    procfs.opened = []
    return procfs


def candidate_of(made: Noting) -> Candidate:
    (candidate,) = Listing(made).update()
    made.opened.clear()
    return candidate


@contextmanager
def opened(
    made: Noting, opener: Opener, keep: bool = False, vm_flags: bool = False
) -> Iterator[tuple[Opened, MapsParser]]:
    parser = MapsParser()
    space = opener.open_space(candidate_of(made), parser, keep, vm_flags)
    try:
        yield space, parser
    finally:
        os.close(space.pagemap)


def test_what_is_read_of_an_address_space(made: Noting) -> None:
    with opened(made, Opener(made)) as (space, parser):
        assert os.readlink(f"/proc/self/fd/{space.pagemap}").endswith("/7/pagemap")
        assert (space.rows, space.ranges, space.vss) == (3, 2, 14 * os.sysconf("SC_PAGESIZE"))
        assert [column[:2].tolist() for column in parser.arrays[:2]] == [[16, 900], [32, 908]]
        assert (space.uid, space.cmdline, space.vmas, space.smaps) == (12, "a b", None, None)
    assert made.opened == ["pagemap", "maps", "stat", "status", "cmdline", "cgroup"], "the pagemap comes first"


@pytest.mark.parametrize(
    ("columns", "files"),
    [
        ({"pid", "pss"}, []),
        ({"user"}, ["status"]),
        ({"uid"}, ["status"]),
        ({"freed"}, ["status"]),
        ({"cmdline", "cgroup"}, ["cmdline", "cgroup"]),
    ],
)
def test_only_what_the_columns_need_is_read(made: Noting, columns: set[str], files: list[str]) -> None:
    with opened(made, Opener(made, frozenset(columns))) as (space, _):
        assert (space.uid == 12) is ("status" in files)
    assert made.opened == ["pagemap", "maps", "stat", *files]


def test_vmas_and_smaps_are_kept_where_asked_for(made: Noting) -> None:
    with opened(made, Opener(made), keep=True, vm_flags=True) as (space, _):
        assert space.vmas is not None
        assert space.vmas.names() == ["", "", "/gone (deleted)"]
        assert space.smaps is not None
        assert len(space.smaps) == 3


def test_nameless_files_that_are_mapped(made: Noting) -> None:
    opener = Opener(made, held=True)
    with opened(made, opener) as (space, _):
        assert {row: file.name for row, file in space.mapped.items()} == {2: "/gone (deleted)"}
    assert opener.unlisted == {}, "a made process has no fd: it is taken to be gone"


def test_one_that_is_gone(made: Noting, tmp_path: Path) -> None:
    candidate = candidate_of(made)
    before = os.listdir("/proc/self/fd")
    (tmp_path / "proc" / "7" / "maps").write_bytes(b"")  # as of an address space that was let go of
    with pytest.raises(ProcessLookupError):
        Opener(made).open_space(candidate, MapsParser(), False, False)
    assert made.opened == ["pagemap", "maps", "stat"] * opening.TRIES
    (tmp_path / "proc" / "7" / "maps").write_bytes(b"nonsense\n")
    with pytest.raises(ParseError, match=r"7/maps:1: cannot read a mapping from 'nonsense'"):
        Opener(made).open_space(candidate, MapsParser(), False, False)
    assert os.listdir("/proc/self/fd") == before
