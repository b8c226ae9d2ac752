"""buddyinfo and pagetypeinfo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakesystem import PAGE, FakeSystem, made
from pagewalk.errors import ParseError, PermissionRequired, Unsupported
from pagewalk.system import buddyinfo, pagetypeinfo, parse_buddyinfo, parse_pagetypeinfo

__all__ = ["made"]

BUDDY = """\
Node 0, zone      DMA      0      0      0      1
Node 0, zone   Normal 112233      2      3      4
Node 1, zone   Normal      0      0      0      0
"""

# As the kernel prints it: both tables again for each node.
TYPES = """\
Page block order: 9
Pages per block:  512

Free pages count per migrate type at order       0      1      2
Node    0, zone      DMA, type    Unmovable      1      0      7
Node    0, zone      DMA, type      Movable >100000      5      6

Number of blocks type     Unmovable      Movable
Node 0, zone      DMA            1            7
Page block order: 9
Pages per block:  512

Free pages count per migrate type at order       0      1      2
Node    1, zone   Normal, type    Unmovable      3      2      1
Node    1, zone   Normal, type          CMA      0      0      0

Number of blocks type     Unmovable      Movable
Node 1, zone   Normal           42          464

Number of mixed blocks    Unmovable      Movable
Node 1, zone   Normal            5            6
"""


class TestBuddyinfo:
    def test_rows(self) -> None:
        table = parse_buddyinfo(BUDDY, huge=2)
        assert table.names == (
            "node",
            "zone",
            *("order0", "order1", "order2", "order3"),
            "free",
            "small",
            "fragmentation",
        )
        small, free = 112233 + 2 * 2, 112233 + 2 * 2 + 3 * 4 + 4 * 8
        assert table.to_dicts()[1] == {
            "node": 0,
            "zone": "Normal",
            "order0": 112233,
            "order1": 2,
            "order2": 3,
            "order3": 4,
            "free": free * PAGE,
            "small": small * PAGE,
            "fragmentation": small / free,
        }
        assert table["fragmentation"].tolist()[0] == 0.0

    def test_nothing_free_is_not_unfragmented(self) -> None:
        row = parse_buddyinfo(BUDDY, huge=2).to_dicts()[2]
        assert (row["free"], row["small"], row["fragmentation"]) == (0, 0, None)

    def test_no_huge_pages(self) -> None:
        table = parse_buddyinfo(BUDDY)
        assert table.unknown("small").all()
        assert table.unknown("fragmentation").all()
        assert not table.unknown("free").any()

    def test_a_huge_page_beyond_the_largest_block(self) -> None:
        assert parse_buddyinfo(BUDDY, huge=9)["fragmentation"].tolist()[:2] == [1.0, 1.0]

    def test_read(self, made: FakeSystem) -> None:
        made.write("proc/buddyinfo", BUDDY)
        assert buddyinfo(made).unknown("fragmentation").all()
        made.write("proc/meminfo", f"Hugepagesize: {PAGE * 4 >> 10} kB\n")
        assert buddyinfo(made).to_dicts() == parse_buddyinfo(BUDDY, huge=2).to_dicts()

    def test_empty(self) -> None:
        assert len(parse_buddyinfo("")) == 0

    @pytest.mark.parametrize(
        "line",
        [
            "Node 0, zone DMA 1 2 3",
            "Node 0, zone DMA",
            "Node 0, zone DMA 1 2 x 4",
            "Node x, zone DMA 1 2 3 4",
            "Node 0, zone DMA, type Movable 1 2 3 4",
            "zone DMA 1 2 3 4",
        ],
    )
    def test_malformed(self, line: str) -> None:
        with pytest.raises(ParseError, match="buddyinfo:4: "):
            parse_buddyinfo(f"{BUDDY}{line}\n")

    @given(st.lists(st.lists(st.integers(0, 10**6), min_size=11, max_size=11), max_size=6), st.integers(0, 12))
    def test_free_memory_adds_up(self, blocks: list[list[int]], huge: int) -> None:
        text = "".join(f"Node 0, zone Normal {' '.join(map(str, counts))} \n" for counts in blocks)
        table = parse_buddyinfo(text, huge=huge)
        for row, counts in zip(table, blocks, strict=True):
            assert row["free"] == sum(count << order for order, count in enumerate(counts)) * PAGE
            assert row["small"] == sum(count << order for order, count in enumerate(counts[:huge])) * PAGE
            if row["free"]:
                assert row["fragmentation"] == row["small"] / row["free"]


class TestPagetypeinfo:
    def test_rows(self) -> None:
        table = parse_pagetypeinfo(TYPES)
        assert table.names == ("node", "zone", "migratetype", "order0", "order1", "order2", "blocks")
        assert [tuple(row.values()) for row in table] == [
            (0, "DMA", "Unmovable", 1, 0, 7, 1),
            (0, "DMA", "Movable", None, 5, 6, 7),
            (1, "Normal", "Unmovable", 3, 2, 1, 42),
            (1, "Normal", "CMA", 0, 0, 0, None),
        ]

    def test_too_many_to_count_are_unknown(self) -> None:
        table = parse_pagetypeinfo(TYPES)
        assert np.flatnonzero(table.unknown("order0")).tolist() == [1]
        assert table.totals()["order0"] is None
        assert table.totals()["order1"] == 7

    def test_empty(self) -> None:
        assert len(parse_pagetypeinfo("Page block order: 9\nPages per block:  512\n")) == 0

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("      3      2      1", "      3      2"),
            ("      3      2      1", "      3      2      q"),
            ("           42          464", "           42"),
            ("           42          464", "           42          ooo"),
            ("Node    1, zone   Normal, type          CMA", "Node    1, type CMA"),
        ],
    )
    def test_malformed(self, old: str, new: str) -> None:
        text = TYPES.replace(old, new)
        line = 1 + next(
            at for at, pair in enumerate(zip(text.split("\n"), TYPES.split("\n"), strict=True)) if len(set(pair)) > 1
        )
        with pytest.raises(ParseError, match=f"pagetypeinfo:{line}: "):
            parse_pagetypeinfo(text)

    def test_for_root_only(self, made: FakeSystem) -> None:
        with pytest.raises(Unsupported):
            pagetypeinfo(made)
        made.write("proc/pagetypeinfo", TYPES)
        assert len(pagetypeinfo(made)) == 4
        made.refused.add("proc/pagetypeinfo")
        with pytest.raises(PermissionRequired):
            pagetypeinfo(made)
