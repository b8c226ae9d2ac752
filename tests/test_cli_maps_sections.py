"""The tables of maps: what each format has of it."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from model import PAGE
from pagewalk.cli.exits import Stop
from pagewalk.cli.maps_sections import (
    folio_section,
    in_words,
    legend_section,
    maps_view,
    part_section,
    shortened,
)
from pagewalk.render.screen import Section
from pagewalk.snapshot import Snapshot
from pagewalk.views import maps
from smallhost import walked

MIB = 1 << 20


@pytest.fixture(scope="module")
def snap() -> Snapshot:
    return walked(mappings=True, vm_flags=True)


def asked(form: str, **options: Any) -> Namespace:
    plain = {"sort": None, "columns": None, "limit": None, "reverse": False, "totals": False}
    return Namespace(format=form, **{**plain, **options})


def section(snap: Snapshot, form: str, group: bool = False, pid: int = 11, **options: Any) -> Section:
    return part_section(snap.maps(pid, group), maps_view(group), asked(form, **options))


def test_every_column_is_in_its_view() -> None:
    for group, columns in ((False, maps.COLUMNS), (True, maps.GROUP_COLUMNS)):
        view = maps_view(group)
        names = {column.name for column in columns}
        assert view.columns() == columns
        assert set(view.shown.split()) == set(view.wanted.split()) == names - {"pid", "partner_comms", "partner_bytes"}
        # Who the partners are is a list as long as the machine is large: by name only.
        assert set(view.plain.split()) == names - {"pid", "partners", "partner_comms", "partner_bytes"}
        assert view.plain.split()[-1] == "name"


def test_zeros_all_the_way_down_take_no_room(snap: Snapshot) -> None:
    shown = section(snap, "text").shown
    assert "thp" not in shown
    assert {"pss", "uss", "rss", "swap", "shmem"} <= set(shown)
    assert "thp" in section(snap, "text", sort="thp").shown
    assert "thp" in section(snap, "plain").shown
    assert section(snap, "text", columns=["thp"]).shown == ("thp",)


def test_keys_and_totals(snap: Snapshot) -> None:
    assert (section(snap, "json").key, section(snap, "json", group=True).key) == ("mapping", "object")
    assert section(snap, "text").totals
    assert not section(snap, "plain").totals
    assert section(snap, "plain", totals=True).totals


def test_partners_for_whom(snap: Snapshot) -> None:
    memfd = 1
    assert section(snap, "json").table.to_dicts()[memfd]["partners"] == [{"pid": 20, "comm": "redis", "bytes": 8192}]
    assert section(snap, "csv").table.to_dicts()[memfd]["partners"] == [20]
    assert section(snap, "text").table.to_dicts()[memfd]["partners"] == "redis 8.00 KiB"


def test_words() -> None:
    words = in_words(["nginx", "php", "nginx"], [12 * MIB, MIB, PAGE], 0)
    assert words == ["nginx x2 12.0 MiB", "php 1.00 MiB"]
    assert in_words([], [], PAGE) == ["hidden 4.00 KiB"]
    assert in_words([], [], 0) == []
    assert shortened(words) == "nginx x2 12.0 MiB, +1"
    assert shortened(words[:1]) == "nginx x2 12.0 MiB"
    assert shortened([]) == ""


def test_without_smaps(snap: Snapshot) -> None:
    assert "kernel_referenced" in section(snap, "text").shown
    without = walked(mappings=True)
    shown = section(without, "text").shown
    assert not [name for name in shown if name.startswith("kernel_") or name == "vm_flags"]
    assert "kernel_referenced" in section(without, "plain").shown
    assert "kernel_locked" in section(without, "text", sort="kernel_locked").shown


def test_folios_are_rolled_up_for_people_only(snap: Snapshot) -> None:
    table = snap.folios(20)
    assert folio_section(table, asked("json")).table is table
    rolled = folio_section(table, asked("text")).table
    assert [tuple(row.values()) for row in rolled] == [("anon", 2 * PAGE, 2 * PAGE, 0, 0)]
    alone = walked(mappings=True, pids=[20]).folios(20)
    assert folio_section(alone, asked("plain")).shown[:3] == ("start", "end", "kind")
    assert folio_section(snap.folios(20, group=True), asked("plain")).shown[0] == "kind"


def test_rolled_up_sums_the_largest_first() -> None:
    from pagewalk.cli.maps_sections import rolled_up
    from pagewalk.table import Table, objects
    from pagewalk.views.folio import COLUMNS

    columns = {
        "kind": objects(["file", "anon", "anon", "anon"]),
        "size": [0, 16384, 16384, 65536],
        "aligned": [0, 16384, 32768, 0],
        "unaligned": [0, 0, 16384, 65536],
        "partial": [8192, 0, 0, 0],
    }
    unknown = {"size": objects([True, False, False, False]).astype(bool)}
    table = rolled_up(Table(COLUMNS, columns, unknown))  # type: ignore[arg-type]
    assert [tuple(row.values()) for row in table] == [
        ("anon", 16384, 49152, 16384, 0),
        ("anon", 65536, 0, 65536, 0),
        ("file", None, 0, 0, 8192),
    ]


def test_the_legend_is_of_the_codes_there_are(snap: Snapshot) -> None:
    table = legend_section(snap, 11).table
    codes = {code for codes in snap.maps(11)["vm_flags"] for code in codes}
    assert set(table["code"].tolist()) == codes
    with pytest.raises(Stop, match=r"--legend: the VmFlags of process 11 were not read, .* leave --legend out"):
        legend_section(walked(mappings=True), 11)
