"""What a walk is to read, and the memory that it will take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pagewalk.forecast import Extent, extent, forecast, memory_parts, reads
from pagewalk.listing import Candidate
from pagewalk.plan import OF_FLAGS, Plan
from pagewalk.procfs import ProcessStat
from smallhost import walked

LEAN = frozenset({"pid", "pss"})
SMALL = Extent(frames=6_553_600, processes=50, spaces=48, pages=400_000)


def read_by(**plan: Any) -> dict[str, str]:
    """What each file is read of, those left out that are not read."""
    return {read["file"]: read["of"] for read in reads(Plan(**plan)) if read["of"]}


def why(file: str, **plan: Any) -> str:
    (read,) = [read for read in reads(Plan(**plan)) if read["file"] == file]
    return str(read["why"])


def test_every_file_is_named_read_or_not() -> None:
    names = [[read["file"] for read in reads(plan)] for plan in (Plan(), Plan(columns=LEAN), Plan(everything=True))]
    assert names[0] == names[1] == names[2]
    assert len(set(names[0])) == len(names[0])


@pytest.mark.parametrize(
    ("plan", "files"),
    [
        ({}, {"status", "cmdline", "cgroup", "kpagecount", "kpageflags"}),
        ({"columns": LEAN}, {"mountinfo", "kpagecount", "kpageflags"}),
        ({"columns": LEAN | {"uid"}}, {"mountinfo", "status", "kpagecount", "kpageflags"}),
        ({"columns": LEAN, "held": True}, {"fd", "kpagecount", "kpageflags"}),
        ({"columns": LEAN, "mappings": [7], "vm_flags": True}, {"smaps", "kpagecount", "kpageflags"}),
        ({"columns": LEAN, "vm_flags": True}, {"mountinfo", "kpagecount", "kpageflags"}),
        ({"columns": LEAN, "pfns": np.ones(1, np.uint64)}, {"kpagecount", "kpageflags", "kpagecgroup"}),
        ({"columns": LEAN, "places": True}, {"kpagecount", "kpageflags", "iomem, zoneinfo"}),
    ],
)
def test_no_file_is_named_that_nothing_needs(plan: dict[str, Any], files: set[str]) -> None:
    assert set(read_by(**plan)) == {"stat", "maps", "pagemap", *files}


def test_of_which_frames_words_are_read() -> None:
    of = {name: read_by(**plan)["kpagecount"] for name, plan in (
        ("lean", {"columns": LEAN}), ("full", {}), ("checked", {"columns": LEAN, "verify": True}),
        ("books", {"everything": True}),
    )}  # fmt: skip
    assert of["lean"] == "frames shared, of files, or maybe huge"
    assert read_by(columns=LEAN)["kpageflags"] == "files on disk, and where counts differ"
    assert of["full"] == of["checked"] == "every owned frame"
    assert of["books"] == "all of RAM"
    assert why("kpageflags", columns=LEAN, verify=True) == "--verify all"
    assert why("kpageflags", columns=LEAN | {"ksm"}) == "ksm"
    assert why("kpageflags") == ", ".join(OF_FLAGS)


def test_only_some_processes() -> None:
    assert read_by(pids=[7])["pagemap"] == "processes chosen"
    assert read_by(pids=[7])["stat"] == "every process"


def test_memory_grows_with_what_is_kept() -> None:
    lean = sum(memory_parts(Plan(), SMALL, 1).values())
    rows = memory_parts(Plan(held=True), SMALL, 1)
    kept = Extent(6_553_600, 50, 48, 400_000, 400_000, 48)
    pages = memory_parts(Plan(mappings=True), kept, 1)
    threads = memory_parts(Plan(), SMALL, 2)
    assert lean < 64 << 20
    assert sum(rows.values()) == lean + rows["rows of frames"] + rows["pages kept"]
    assert rows["pages kept"] == 400_000 // 8 * 100
    assert pages["pages kept"] == 400_000 * 100
    assert set(memory_parts(Plan(mappings=True, vm_flags=True), kept, 1)) - set(pages) == {"smaps"}
    assert threads["read ahead"] > threads["buffers"]
    assert 0 not in rows.values()


def test_tables_of_frames_are_bounded_by_what_is_owned() -> None:
    """On 1 TiB of which 4 MiB are owned, only the pages of a table are touched that speak of these."""
    small = memory_parts(Plan(), Extent(1 << 28, 1, 1, 1024), 1)
    assert small["owner ids"] == 1024 * 4096
    whole = memory_parts(Plan(), Extent(1 << 28, 10_000, 10_000, 1 << 28), 1)
    assert whole["owner ids"] == 4 << 28
    assert sum(whole.values()) < 3 << 30


def candidate(pid: int, pages: int, *twins: int) -> Candidate:
    stat = ProcessStat(pid, "x", "S", 1, 0, 5, 1 << 20, pages, (0,) * 10)
    return Candidate([pid, *twins], pid, stat)


def test_how_much_there_is() -> None:
    candidates = [candidate(7, 100, 8), candidate(9, 50)]
    assert extent(Plan(), candidates, 4096) == Extent(4096, 3, 2, 150, 0, 0)
    assert extent(Plan(mappings=True), candidates, 4096) == Extent(4096, 3, 2, 150, 150, 2)
    assert extent(Plan(mappings=[8]), candidates, 4096) == Extent(4096, 3, 2, 150, 100, 1)


def test_it_is_plain_data() -> None:
    said = forecast(Plan(columns=LEAN, gentle=True), SMALL, 1)
    assert said["columns"] == ["pid", "pss"]
    assert (said["threads"], said["pause_ns"], said["scan_pages"]) == (1, 50_000, 4096)
    assert said["memory"] == sum(said["memory_parts"].values())
    assert forecast(Plan(), SMALL, 1)["columns"] is None


def test_a_walk_tells_it_before_it_reads() -> None:
    told: list[dict[str, Any]] = []
    snapshot = walked(explain=told.append, columns=LEAN)
    assert [(said["processes"], said["address_spaces"], said["frames"]) for said in told] == [(4, 3, 200)]
    assert snapshot.host["memory"]["peak_after"] >= snapshot.host["memory"]["resident_before"]
    phases = [row["phase"] for row in snapshot.host["phases"]]
    assert phases == ["opening", "accounts", "listing", "processes", "frames", "tabulating"]
    assert "memory" not in walked().host
