"""Nodes and zones."""

from __future__ import annotations

import pytest

import fewframes
from books import USES
from fakebooks import blocks_of, managed
from model import PAGE
from pagewalk.errors import PagewalkError
from pagewalk.table import Table
from pagewalk.views import node


def nodes(**files: str) -> Table:
    with fewframes.walked(files=files) as snapshot:
        return snapshot.nodes()


def test_a_row_for_each_zone_of_ram_by_use() -> None:
    table = nodes()
    assert table.columns == node.columns(3)
    rows = {(row["node"], row["zone"]): row for row in table}
    assert list(rows) == [(0, "DMA32"), (1, "Normal")]
    low, high = rows.values()
    assert (low["bytes"], high["bytes"]) == (39 * PAGE, 32 * PAGE)
    assert {use: low[use] // PAGE for use in USES if low[use]} == {
        "offline": 1, "poison": 1, "free": 2, "pgtable": 1, "slab": 1, "anon": 4, "shmem": 3, "file": 5, "reserved": 1,
        "kernel": 39 - 19,
    }  # fmt: skip
    # Frame 71 is mapped twice, 70 by somebody unseen too.
    assert {use: high[use] // PAGE for use in USES if high[use]} == {
        "free": 1, "anon": 1, "shmem": 1, "kernel": 32 - 3,
    }  # fmt: skip
    assert [row["managed"] for row in rows.values()] == [managed([0] * n) * PAGE for n in (39, 32)]


def test_free_blocks_are_those_of_buddyinfo() -> None:
    for row in nodes():
        blocks = [row[f"order{order}"] for order in range(3)]
        assert blocks == blocks_of(row["node"], row["zone"])
        # No huge page is known: nothing says what is too small for one.
        assert (row["small"], row["fragmentation"]) == (None, None)


def test_fragmentation_is_the_share_too_small_for_a_huge_page() -> None:
    huge = f"Hugepagesize: {2 * PAGE // 1024} kB\n"
    low, high = nodes(meminfo=huge, buddyinfo="Node 0, zone    DMA32      6      1      1\n")
    assert (low["small"], low["fragmentation"]) == (6 * PAGE, 0.5)
    # A zone that buddyinfo says nothing of: unknown, not none.
    assert [high[name] for name in ("small", "fragmentation", "order0", "order2")] == [None] * 4
    (full,) = (row for row in nodes(meminfo=huge, buddyinfo="Node 0, zone    DMA32 0 0 0\n") if row["node"] == 0)
    assert (full["small"], full["fragmentation"], full["order0"]) == (0, None, 0)


def test_without_accounts_the_kernels_columns_are_unknown_or_missing() -> None:
    with fewframes.walked(files={"zoneinfo": "", "buddyinfo": ""}) as snapshot:
        table = snapshot.nodes()
        assert "node0" not in snapshot.processes(nodes=True)
    assert table.columns == node.columns(0)
    (only,) = table
    assert (only["node"], only["zone"], only["bytes"]) == (None, "", 71 * PAGE)
    assert [only[name] for name in ("managed", "small", "fragmentation")] == [None] * 3


def test_nodes_of_processes() -> None:
    with fewframes.walked(frames="mapped", nodes=True) as snapshot:
        rows = {row["pid"]: (row["node0"] // PAGE, row["node1"] // PAGE) for row in snapshot.processes(nodes=True)}
        # Pages, as rss is: 71 is mapped twice.
        assert rows == {10: (4, 0), 20: (3, 1), 30: (2, 0), 40: (1, 2)}
        names = snapshot.processes(nodes=True).names
        assert names[-2:] == ("node0", "node1")
        assert "node0" not in snapshot.processes()
    with fewframes.walked(frames="mapped") as snapshot, pytest.raises(PagewalkError, match="nodes=True"):
        snapshot.processes(nodes=True)


def test_nodes_need_all_of_ram() -> None:
    with (
        fewframes.walked(frames="mapped", nodes=True) as snapshot,
        pytest.raises(PagewalkError, match="frames='all'"),
    ):
        snapshot.nodes()
