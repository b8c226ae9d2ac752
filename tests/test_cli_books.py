"""The views of all of RAM, as people and programs get them: on a made snapshot whose totals add up."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

import pagewalk.snapshot
import wholeram
from fakesnapshot import FakeSnapshot, walks_to
from pagewalk.cli import main
from pagewalk.cli.exits import Exit
from pagewalk.errors import Unsupported
from pagewalk.uses import STATES, USES
from pagewalk.views import balance, cgroup, charge, node, use
from wholeram import DB, JOB, RAM, WEB

Captured = pytest.CaptureFixture[str]
VIEWS = ("use", "cgroup", "charge", "node")


@pytest.fixture(autouse=True)
def snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagewalk.snapshot, "walk", walks_to(FakeSnapshot()))
    for name in ("NO_COLOR", "FORCE_COLOR", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def shown(capsys: Captured, *words: str) -> list[str]:
    """The lines of a screen without its heading and its foot."""
    assert main([*words, "-f", "text", "--color", "never"]) == Exit.OK
    return capsys.readouterr().out.splitlines()[1:-2]


def answer(capsys: Captured, *words: str) -> dict[str, Any]:
    """The JSON that the command writes."""
    assert main([*words, "-f", "json"]) == Exit.OK
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


class TestScreen:
    def test_uses(self, capsys: Captured) -> None:
        assert shown(capsys, "--by", "use") == [
            "USE         BYTES▾  ONE OWNER   SEVERAL    HIDDEN  UNMAPPED  KERNEL'S    DIFFERS",
            "free      8.00 GiB          0         0         0  8.00 GiB  7.99 GiB   14.0 MiB",
            "anon      7.03 GiB   6.00 GiB  1.00 GiB  12.0 MiB  20.0 MiB  7.01 GiB   20.0 MiB",
            "file      5.21 GiB    200 MiB         0         0  5.02 GiB         ?          ?",
            "kernel     700 MiB          0         0         0   700 MiB         ?          ?",
            "slab       512 MiB          0         0         0   512 MiB   518 MiB  -6.00 MiB",
            "reserved   470 MiB          0         0         0   470 MiB         ?          ?",
            "shmem      320 MiB          0   256 MiB         0  64.0 MiB         ?          ?",
            "pgtable   32.0 MiB          0         0         0  32.0 MiB         ?          ?",
            "zero      4.00 KiB          0  4.00 KiB         0         0         ?          ?",
            "total     22.2 GiB   6.20 GiB  1.25 GiB  12.0 MiB  14.8 GiB         ?          ?",
            "",
            "OF          PART                                 BYTES  SOURCE",
            "System RAM  MemTotal                          21.8 GiB  meminfo",
            "            reserved at boot, never handed …   470 MiB  iomem - MemTotal",
            "kernel      free, on per-CPU lists             100 MiB  zoneinfo pagesets",
            "            else: drivers, modules, pages o…   600 MiB  kernel - the above",
            "anon        mapped                            7.01 GiB  frames with owners or a…",
            "            unmapped: swap cache, parts of …  20.0 MiB  frames without",
        ]

    def test_uses_on_a_wide_screen_say_what_is_unmapped(
        self, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "132")
        header, *_ = shown(capsys, "--by", "use")
        assert header.split()[:9] == [
            "USE",
            "BYTES▾",
            "ONE",
            "OWNER",
            "SEVERAL",
            "HIDDEN",
            "UNMAPPED",
            "DIRTY",
            "INACTIVE",
        ]
        assert "ACTIVE" in header
        assert "UNEVICTABLE" not in header

    def test_owners_are_not_added_up(self, capsys: Captured) -> None:
        assert shown(capsys, "--by", "sharing", "-t")[-1].split()[-1] == "total"

    def test_cgroups(self, capsys: Captured) -> None:
        assert shown(capsys, "--by", "cgroup") == [
            "CGROUP       PROCS  CHARGED▾  USED  FOR OTHERS  OTHERS PAY  RSS  USS  FREED",
            "db.service       3  6.17 GiB     0     300 MiB           0    0    0      0",
            "web.service      3  1.00 GiB     0           0           0    0    0      0",
            "/jobs/a b        3  8.00 MiB     0    8.00 MiB           0    0    0      0",
            "/                0  4.00 KiB     0           0           0    0    0      0",
        ]

    def test_cgroups_to_a_depth(self, capsys: Captured) -> None:
        lines = shown(capsys, "--by", "cgroup", "--depth", "1")
        assert [line.split()[0] for line in lines] == ["CGROUP", "system.slice", "/jobs", "/"]

    def test_charges(self, capsys: Captured) -> None:
        assert shown(capsys, "--by", "charge", "-t") == [
            "  BYTES▾  FOREIGN  CHARGED TO   USED BY                                HIDDEN",
            "5.00 GiB           db.service   itself                                      0",
            "1.00 GiB           web.service  itself                                      0",
            " 900 MiB           db.service   nobody                               12.0 MiB",
            " 300 MiB  foreign  db.service   web.service                                 0",
            "8.00 MiB  foreign  /jobs/a b    db.service, web.service (2 cgroups)         0",
            "4.00 KiB           /            nobody                                      0",
            "7.18 GiB  total                                                      12.0 MiB",
        ]

    def test_free_riders_first(self, capsys: Captured) -> None:
        lines = shown(capsys, "--by", "charge", "-s", "foreign", "-n", "3")
        assert ["foreign" in line for line in lines] == [False, True, True, False, False]
        assert lines[0].split()[1] == "FOREIGN▾"

    def test_nodes(self, capsys: Captured) -> None:
        assert shown(capsys, "--by", "node") == [
            "NODE  ZONE       BYTES      FREE  FRAGMENTED      ANON      FILE    SHMEM",
            "   0  Normal  20.2 GiB  6.00 GiB       25.0%  7.03 GiB  5.21 GiB  320 MiB",
            "   1  Normal  2.00 GiB  2.00 GiB       25.0%         0         0        0",
        ]

    def test_nodes_of_processes(self, capsys: Captured) -> None:
        (header, *_) = shown(capsys, "--by", "process", "--nodes")
        assert header.split() == ["PID", "PSS▾", "USS", "RSS", "NODE0", "NODE1", "COMM"]

    @pytest.mark.parametrize("view", VIEWS)
    @pytest.mark.parametrize("columns", [40, 60, 80, 100, 132, 200])
    def test_no_line_is_too_long(
        self, view: str, columns: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        for more in ([], ["-b"], ["-t"]):
            assert max(map(len, shown(capsys, "--by", view, *more))) <= columns


class TestRecords:
    def test_uses_and_what_lies_between(self, capsys: Captured) -> None:
        assert main(["--by", "use", "-b", "-q"]) == Exit.OK
        first, second = capsys.readouterr().out.split("\n\n")
        records = [line.split() for line in first.splitlines()]
        assert [record[0] for record in records[1:]] == sorted(USES, key=lambda name: -sum(states(name)))
        assert sum(int(record[1]) for record in records[1:]) == RAM
        assert second.splitlines()[0].split() == ["of", "bytes", "part"]
        assert second.splitlines()[-1].split(maxsplit=2) == [
            r"System\x20RAM",
            str(470 << 20),
            "reserved at boot, never handed out",
        ]

    def test_columns_asked_for_are_all_there_is(self, capsys: Captured) -> None:
        assert main(["--by", "use", "--columns", "use,bytes", "-b", "-q", "-H"]) == Exit.OK
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert sum(int(size) for _, size in rows) == RAM
        assert list(answer(capsys, "--by", "use", "--columns", "use"))[-2:] == ["use", "balance"]

    def test_a_total_is_for_those_who_ask(self, capsys: Captured) -> None:
        for words, lines in (([], 13), (["-t"], 14)):
            assert main(["--by", "use", "-q", *words]) == Exit.OK
            assert len(capsys.readouterr().out.split("\n\n")[0].splitlines()) == lines

    def test_charges_keep_their_paths(self, capsys: Captured) -> None:
        assert main(["--by", "charge", "-q", "-H"]) == Exit.OK
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [line[2:] for line in lines[2:5]] == [
            ["no", DB, "nobody"],
            ["yes", DB, WEB],
            ["yes", JOB.replace(" ", r"\x20"), f"{DB},{WEB}"],
        ]

    def test_csv_holds_one_table(self, capsys: Captured) -> None:
        assert main(["--by", "use", "-f", "csv"]) == Exit.OK
        out, err = capsys.readouterr()
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        assert sum(int(row["bytes"]) for row in rows) == RAM
        assert {row["use"]: row["kernel_bytes"] for row in rows}["zero"] == ""
        assert err.endswith("pagewalk: csv holds one table: the balance is in the other formats\n")


def states(name: str) -> list[int]:
    return list(wholeram.BOOKS.get(name, {}).values())


class TestPrograms:
    @pytest.mark.parametrize(
        ("view", "keys"),
        [
            ("use", {"use": use.COLUMNS, "balance": balance.COLUMNS}),
            ("cgroup", {"cgroup": cgroup.COLUMNS}),
            ("charge", {"charge": charge.COLUMNS}),
            ("node", {"node": node.columns(wholeram.ORDERS)}),
        ],
    )
    def test_keys_and_names_are_those_of_the_tables(self, view: str, keys: dict[str, Any], capsys: Captured) -> None:
        value = answer(capsys, "--by", view)
        assert list(value) == ["schema", "host", "coverage", "gaps", *keys]
        for key, columns in keys.items():
            assert all(list(row) == [column.name for column in columns] for row in value[key])

    def test_the_matrix_is_whole_and_adds_up(self, capsys: Captured) -> None:
        rows = answer(capsys, "--by", "use")["use"]
        assert {row["use"] for row in rows} == set(USES)
        assert all(sum(row[state] for state in STATES) == row["bytes"] for row in rows)
        assert sum(row["bytes"] for row in rows) == RAM
        assert all((row["kernel_bytes"] is None) == (row["use"] not in wholeram.KERNELS) for row in rows)

    def test_all_views_say_the_same(self, capsys: Captured) -> None:
        uses = {row["use"]: row["bytes"] for row in answer(capsys, "--by", "use")["use"]}
        zones = answer(capsys, "--by", "node")["node"]
        assert {use: sum(row[use] for row in zones) for use in USES} == uses
        for depth in ([], ["--depth", "0"], ["--depth", "1"]):
            charges = answer(capsys, "--by", "charge", *depth)["charge"]
            cgroups = answer(capsys, "--by", "cgroup", *depth)["cgroup"]
            assert sum(row["bytes"] for row in charges) == sum(row["charged"] for row in cgroups)
            assert sum(row["bytes"] for row in charges if row["foreign"]) == sum(
                row["charged_not_used"] for row in cgroups
            )

    def test_some_cgroups(self, capsys: Captured) -> None:
        rows = answer(capsys, "--by", "cgroup", "-c", "system.slice")["cgroup"]
        assert [row["path"] for row in rows] == [DB, WEB]
        assert main(["--by", "cgroup", "-c", "/none"]) == Exit.NOTHING
        assert capsys.readouterr().err == "pagewalk: no cgroup matches -c /none\n"

    def test_nobody_is_an_empty_list(self, capsys: Captured) -> None:
        rows = answer(capsys, "--by", "charge")["charge"]
        assert [row["used_by"] for row in rows if not row["used_by"]] == [[], []]
        assert {row["foreign"] for row in rows} == {True, False}


class TestWithout:
    def test_all_of_ram(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        def walk(frames: str = "mapped", **_how: Any) -> FakeSnapshot:
            if frames == "all":
                raise Unsupported("iomem names no System RAM")
            return FakeSnapshot()

        monkeypatch.setattr(pagewalk.snapshot, "walk", walk)
        remark = "Only mapped memory is shown, all of RAM could not be read: iomem names no System RAM"
        assert main([]) == Exit.OK
        out, err = capsys.readouterr()
        assert out.startswith("kind")
        assert err.startswith(f"pagewalk: {remark}\n")
        gap = {"pid": None, "what": "all of RAM", "reason": "iomem names no System RAM"}
        assert answer(capsys)["gaps"][-1] == gap
        assert main(["--by", "use"]) == Exit.UNSUPPORTED
        assert capsys.readouterr().err.startswith("pagewalk: iomem names no System RAM")

    def test_any_charge(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(FakeSnapshot, "charges", lambda _self, depth: wholeram.charges(depth).head(0))
        assert main(["--by", "charge"]) == Exit.NOTHING
        assert capsys.readouterr().err == "pagewalk: no memory is charged to any cgroup here\n"
