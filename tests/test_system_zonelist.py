"""zoneinfo."""

from __future__ import annotations

import pytest

from fakesystem import FakeSystem, made
from pagewalk.errors import ParseError, Unsupported
from pagewalk.system import Zone, node_stats, parse_zoneinfo, zoneinfo, zones

__all__ = ["made"]

# As 6.18 prints it, shortened.
NEW = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 516440
      nr_mapped    209828
      nr_kernel_stack 2224
  pages free     3840
        boost    0
        min      29
        low      36
        high     43
        promo    50
        spanned  4095
        present  3998
        managed  3840
        cma      7
        protection: (0, 3019, 8523, 8523, 8523)
      nr_free_pages 3840
      nr_zspages   5
      brand_new_counter 9
  pagesets
    cpu: 0
              count:    2
              high:     0
              batch:    1
              high_min: 18
              high_max: 240
  vm stats threshold: 4
    cpu: 1
              count:    40
              high:     0
              batch:    1
              high_min: 18
              high_max: 240
  vm stats threshold: 4
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone   Device
  pages free     0
        boost    0
        min      0
        low      0
        high     0
        promo    0
        spanned  0
        present  0
        managed  0
        cma      0
        protection: (0, 0, 0, 0, 0)
Node 1, zone   Normal
  per-node stats
      nr_inactive_anon 1
  pages free     232390
        min      7412
        low      9265
        high     11118
        spanned  262144
        present  262144
        managed  247591
        protection: (0, 0)
      nr_free_pages 232390
  pagesets
  node_unreclaimable:  0
  start_pfn:           1048576
"""

# What there is at least, and headings of old and of coming kernels (the counters of a zone came before "pagesets").
BARE = """\
Node 3, zone  HighMem
  pages free     10
        spanned  12
        present  11
        managed  10
  more to come
      nr_of_it 4
  pagesets
    cpu: 0
              count: 3
              high:  6
              batch: 1
  all_unreclaimable: 0
  start_pfn:         1234
"""


class TestZones:
    ZONES = parse_zoneinfo(NEW)

    def test_one(self) -> None:
        first = self.ZONES[0]
        assert (first.node, first.name, first.start_pfn, first.stop_pfn) == (0, "DMA", 1, 4096)
        assert (first.spanned, first.present, first.managed, first.free) == (4095, 3998, 3840, 3840)

    def test_free_on_cpus(self) -> None:
        assert [(zone.per_cpu, zone.cpus) for zone in self.ZONES] == [(42, 2), (0, 0), (0, 0)]

    def test_counters(self) -> None:
        counters = self.ZONES[0].counters
        assert (counters["low"], counters["cma"], counters["nr_zspages"]) == (36, 7, 5)
        assert counters["brand_new_counter"] == 9
        assert counters["node_unreclaimable"] == 0
        assert not {"count", "cpu", "high_min", "nr_mapped"} & counters.keys()

    def test_watermarks_are_not_those_of_a_cpu(self) -> None:
        assert self.ZONES[0].counters["high"] == 43

    def test_nodes(self) -> None:
        assert node_stats(self.ZONES) == {
            0: {"nr_inactive_anon": 516440, "nr_mapped": 209828, "nr_kernel_stack": 2224},
            1: {"nr_inactive_anon": 1},
        }

    def test_without_memory(self) -> None:
        empty = self.ZONES[1]
        assert (empty.start_pfn, empty.stop_pfn, empty.spanned) == (None, None, 0)
        assert not empty.covers(0, 1)

    @pytest.mark.parametrize(
        ("start", "stop", "inside"), [(1, 4096, True), (0, 2, False), (4095, 4096, True), (4095, 4097, False)]
    )
    def test_covers(self, start: int, stop: int, inside: bool) -> None:
        assert self.ZONES[0].covers(start, stop) is inside

    def test_other_kernels(self) -> None:
        (zone,) = parse_zoneinfo(BARE)
        assert zone == Zone(
            node=3,
            name="HighMem",
            start_pfn=1234,
            spanned=12,
            present=11,
            managed=10,
            free=10,
            per_cpu=3,
            cpus=1,
            counters={
                "pages free": 10,
                "spanned": 12,
                "present": 11,
                "managed": 10,
                "nr_of_it": 4,
                "all_unreclaimable": 0,
                "start_pfn": 1234,
            },
            node_counters={},
        )


class TestTable:
    def test_rows(self, made: FakeSystem) -> None:
        made.write("proc/zoneinfo", NEW)
        table = zones(made)
        assert table["node"].tolist() == [0, 0, 1]
        assert table["zone"].tolist() == ["DMA", "Device", "Normal"]
        assert table.head(1).to_dicts() == [
            {
                "node": 0,
                "zone": "DMA",
                "start_pfn": 1,
                "spanned": 4095,
                "present": 3998,
                "managed": 3840,
                "cma": 7,
                "free": 3840,
                "per_cpu": 42,
                "min": 29,
                "low": 36,
                "high": 43,
            }
        ]

    def test_what_a_kernel_does_not_say_is_unknown(self, made: FakeSystem) -> None:
        made.write("proc/zoneinfo", NEW + BARE)
        rows = zones(made).to_dicts()
        assert [row["cma"] for row in rows] == [7, 0, None, None]
        assert [row["start_pfn"] for row in rows] == [1, None, 1048576, 1234]
        assert [row["min"] for row in rows] == [29, 0, 7412, None]

    def test_every_column_says_what_it_is(self, made: FakeSystem) -> None:
        made.write("proc/zoneinfo", "")
        assert len(zones(made)) == 0
        assert all(column.doc for column in zones(made).columns)


class TestMalformed:
    def test_lines(self, made: FakeSystem) -> None:
        for text, line, item in (
            ("  pages free 1\n", 1, "a zone"),
            ("Nod 0, zone DMA\n", 1, "a zone"),
            (NEW + "nr_free_pages 3\n", NEW.count("\n") + 1, "a zone"),
            ("Node 0, zone DMA\n  pages free 1\n", 1, "'spanned' of zone DMA of node 0"),
            (BARE.replace("12\n", f"{2**64}\n"), 3, "spanned"),
        ):
            path = made.write("proc/zoneinfo", text)
            with pytest.raises(ParseError) as caught:
                zoneinfo(made)
            assert (caught.value.path, caught.value.line, caught.value.item) == (str(path), line, item)

    def test_absent(self, made: FakeSystem) -> None:
        with pytest.raises(Unsupported):
            zoneinfo(made)
