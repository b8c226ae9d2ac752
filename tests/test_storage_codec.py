"""Facts in a file are the facts, and every question gives the same answer: on machines made up by Hypothesis."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fakebooks
import fakeproc
import forged
import pagewalk
from bookmachines import books
from books import Books
from facttables import facts_of, rows_of, spaces_of, swap_rows
from fakeproc import FakeProcFS
from machines import Shape, machines
from model import Machine
from pagewalk.errors import PagewalkError, SnapshotError
from pagewalk.facts import Facts, Gap
from pagewalk.snapshot import Snapshot
from pagewalk.storage.archive import read_archive, write_archive
from pagewalk.storage.codec import load_facts, save_facts
from samefacts import answers, differences
from smallhost import walked

SMALL = Shape(sparse_pages=700)
HALF = settings(max_examples=settings().max_examples // 2)
# Names as processes may choose them: any bytes, as the file system's encoding makes them, and then some.
names = st.text(max_size=8) | st.binary(max_size=8).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@contextmanager
def saved(facts: Facts, **how: Any) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "host.pwz"
        save_facts(str(path), facts, **how)
        yield path


def check_same(facts: Facts) -> None:
    """Saved, loaded and asked: all is the same."""
    with saved(facts) as path:
        loaded = pagewalk.load(path)
        assert list(differences(facts, loaded.facts)) == []
        assert list(differences(answers(Snapshot(facts)), answers(loaded), "answers")) == []
        before = path.read_bytes()
        loaded.save(path, force=True)
        assert path.read_bytes() == before


@given(machine=machines(SMALL), mappings=st.booleans(), freed=st.booleans(), vm_flags=st.booleans())
def test_every_question_of_mapped_memory(machine: Machine, mappings: bool, freed: bool, vm_flags: bool) -> None:
    with fakeproc.made(machine) as root:
        procfs = FakeProcFS(machine, root)
        check_same(pagewalk.walk(procfs=procfs, mappings=mappings, freed=freed, vm_flags=vm_flags and mappings).facts)


@HALF
@given(of=books(), mappings=st.booleans())
def test_every_question_of_all_of_ram(of: Books, mappings: bool) -> None:
    with fakebooks.made(of) as procfs:
        check_same(pagewalk.walk(procfs=procfs, frames="all", mappings=mappings, nodes=True, freed=True).facts)


@given(rows_of, swap_rows, st.lists(names, min_size=5, max_size=5), st.lists(names, min_size=5, max_size=5), names)
def test_any_facts(rows: Any, swaps: Any, comms: list[str], lines: list[str], reason: str) -> None:
    spaces = spaces_of(comm=comms, cmdline=lines, names={0: comms[0], 1000: lines[0]})
    gaps = (Gap(None, lines[1], reason), Gap(12, "memory", ""))
    facts = facts_of(rows, swaps, spaces=spaces, gaps=gaps, memcg_paths={2**64 - 1: "/a", 0: lines[2]})
    host = {
        **facts.host,
        "page_size": facts.page_size,
        "seconds": 0.5,
        "longest_lock_hold_ns": 1,
        "hostname": "a\udcff",
    }
    check_same(replace(facts, host=host))


def test_the_small_host_through_the_library(tmp_path: Path) -> None:
    snap = walked(mappings=True, freed=True)
    path = tmp_path / "host.pwz"
    size = snap.save(path)
    assert size == path.stat().st_size
    loaded = pagewalk.load(str(path))
    assert repr(loaded) == repr(snap)
    with pytest.raises(PagewalkError, match="force=True"):
        snap.save(path)
    snap.save(path, force=True, redact="cmdline")
    assert pagewalk.load(path).host["redacted"] == "cmdline"
    with pytest.raises(PagewalkError, match="'secrets' is not known; there are 'cmdline', 'paths', 'all'"):
        snap.save(path, force=True, redact="secrets")


def test_numpy_reads_the_facts_without_pagewalk() -> None:
    facts = walked(mappings=True).facts
    with saved(facts) as path, np.load(path, allow_pickle=False) as opened:
        assert np.cumsum(opened["spaces.uid"]).tolist() == facts.spaces.uid.tolist()
        assert "php" in bytes(opened["texts"]).decode()


def test_damage_is_told_with_the_name_of_the_file() -> None:
    with saved(walked().facts) as path:
        content = path.read_bytes()
        for at in range(0, len(content), len(content) // 100):
            path.write_bytes(content[:at])
            with pytest.raises(SnapshotError, match=str(path)):
                load_facts(str(path))


@cache
def small_host() -> Facts:
    return walked(mappings=True, freed=True).facts


@settings(deadline=None)
@given(st.data())
def test_a_file_whose_numbers_are_made_up(data: st.DataObject) -> None:
    """Whatever an enemy writes into the arrays, under a right seal: refused, or every question has an answer."""
    with saved(small_host()) as path:
        meta, arrays = read_archive(str(path))
        name = data.draw(st.sampled_from([name for name, array in arrays.items() if len(array)]))
        array = arrays[name].copy()
        at = data.draw(st.integers(0, len(array) - 1))
        if array.dtype.kind == "b":
            array[at] = not array[at]
        else:
            limits = np.iinfo(array.dtype)
            near = st.integers(-2, 9).map(lambda n: max(n, limits.min))
            array[at] = data.draw(near | st.integers(limits.min, limits.max))
        write_archive(str(path), {key: meta[key] for key in ("written_by", "facts")}, {**arrays, name: array}, True)
        with suppress(SnapshotError):
            answers(pagewalk.load(path))


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree.pop("host"),
        lambda tree: tree.update(more=1),
        lambda tree: tree.update(host=None),
        lambda tree: tree.update(page_size="4096"),
        lambda tree: tree.update(page_size=True),
        lambda tree: tree.update(processes=1 << 70),
        lambda tree: tree.update(processes=1.5),
        lambda tree: tree.update(ksm_known=1),
        lambda tree: tree.update(spaces=[]),
        lambda tree: tree["spaces"].update(pids=-1),
        lambda tree: tree["spaces"].update(pids=1 << 50),
        lambda tree: tree["spaces"].update(pids=2),
        lambda tree: tree["spaces"].update(uid=None),
        lambda tree: tree["spaces"].pop("uid"),
        lambda tree: tree.update(mappings=None),
        lambda tree: tree.update(objects={}),
    ],
)
def test_a_tree_that_lies(change: Any) -> None:
    with saved(walked(mappings=True).facts) as path:
        meta, arrays = read_archive(str(path))
        change(meta["facts"])
        write_archive(str(path), {"facts": meta["facts"]}, arrays, True)
        with pytest.raises(SnapshotError):
            load_facts(str(path))


@pytest.mark.parametrize("facts", [None, [], "facts", 1, {}])
def test_no_facts(facts: object, tmp_path: Path) -> None:
    texts: dict[str, np.ndarray[Any, Any]] = {"texts": np.zeros(0, np.uint8), "texts.ends": np.zeros(0, np.int64)}
    meta = {**forged.meta_of(texts), "facts": facts}
    path = forged.forge_arrays(tmp_path / "x.pwz", texts, meta)
    with pytest.raises(SnapshotError, match="not the fields"):
        load_facts(str(path))


def test_names_of_arrays_are_a_contract() -> None:
    """Renaming a field of the facts makes a new version of the file: then say so in archive.VERSION."""
    with saved(walked(mappings=True).facts) as path:
        names = {name.split(".")[0] for name in read_archive(str(path))[1]}
        arrays = [name for name in read_archive(str(path))[1] if name.startswith(("table.", "pages.", "frames."))]
    assert names == {"spaces", "table", "gaps", "mappings", "pages", "frames", "memcg_paths", "texts", "unasked"}
    assert arrays == [
        *(f"table.{name}" for name in ("set", "kind", "mapcount", "flags", "memcg", "zone", "frames")),
        *("table.swap_set", "table.swap_slots"),
        *("table.sets.parent", "table.sets.space", "table.sets.times"),
        *(f"pages.{name}" for name in ("vma", "page", "pfn", "length")),
        *(f"frames.{name}" for name in ("pfn", "length", "row", "torn")),
    ]
