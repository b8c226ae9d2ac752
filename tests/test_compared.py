"""Two snapshots compared: what each question answers, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

import fakebooks
import pagewalk
from bookmachines import books
from books import Books
from laterhost import LATER
from model import PAGE, Machine, Present, Process, Space, Vma
from moments import Moments, moments
from pagewalk.compared import COLUMNS, Difference
from pagewalk.errors import PagewalkError
from pagewalk.facts import Gap
from pagewalk.snapshot import Snapshot
from pagewalk.table import SUMMABLE, Table
from smallhost import FRAMES, MEMFD, walked


@pytest.fixture(scope="module")
def both() -> Difference:
    return pagewalk.diff(walked(mappings=True), walked(LATER, mappings=True))


def on(snapshot: Snapshot, **host: Any) -> Snapshot:
    """The snapshot as if of another host."""
    return Snapshot(replace(snapshot.facts, host={**snapshot.facts.host, **host}))


def pages(table: Table, key: str, *figures: str) -> dict[Any, tuple[float | None, ...]]:
    return {
        row[key]: tuple(None if row[name] is None else row[name] / PAGE for name in figures) for row in table.to_dicts()
    }


class TestByHand:
    def test_processes(self, both: Difference) -> None:
        table = both.processes()
        assert table.columns == COLUMNS["process"]
        # The process ID of the one that ended was given to another.
        assert [(row["pid"], row["comm"], row["state"]) for row in table] == [
            (10, "php", "same"),
            (11, "php", "gone"),
            (11, "cron", "new"),
            (20, "redis", "same"),
        ]
        assert [(row["rss"], row["rss_old"], row["rss_new"]) for row in table] == [
            (0, 6 * PAGE, 6 * PAGE),
            (-8 * PAGE, 8 * PAGE, 0),
            (4 * PAGE, 0, 4 * PAGE),
            (PAGE, 7 * PAGE, 8 * PAGE),
        ]
        assert [row["pids"] for row in table] == [[10], [11, 12], [11], [20]]
        # Page 3 of libc was of 10 and 11 alone; the memfd's of 11 and redis.
        assert [(row["copied"], row["left"], row["shared_now"]) for row in table] == [
            (2 * PAGE, PAGE, 0),
            (None, None, None),
            (None, None, None),
            (0, PAGE, 0),
        ]

    def test_groups(self, both: Difference) -> None:
        programs = pages(both.programs(), "name", "rss", "rss_old", "rss_new")
        assert programs == {"cron": (4, 0, 4), "php": (-3, 9, 6), "redis": (1, 7, 8)}
        assert [(row["name"], row["state"], row["processes"], row["processes_new"]) for row in both.programs()] == [
            ("cron", "new", 1, 1),
            ("php", "same", -2, 1),
            ("redis", "same", 0, 1),
        ]
        assert both.users().columns == both.programs().columns == COLUMNS["program"] == COLUMNS["user"]
        assert int(both.users()["processes"].sum()) == -1

    def test_mappings(self, both: Difference) -> None:
        table = both.mappings()
        assert table.columns == COLUMNS["mapping"]
        states = [(row["pid"], row["name"], row["state"], row["rss"] // PAGE) for row in table]
        assert states == [
            (10, "[heap]", "same", 0),
            (10, "/dev/hugepages/a", "same", 0),
            (10, "/lib/libc.so", "same", 0),
            (11, "[heap]", "gone", -1),
            (11, "[heap]", "new", 1),
            (11, "/memfd:w (deleted)", "gone", -3),
            (11, "/lib/libc.so", "gone", -4),
            (11, "/lib/libc.so", "new", 3),
            (20, "[heap]", "same", 1),
            (20, "/memfd:w (deleted)", "same", 0),
            (20, "/lib/libc.so", "same", 0),
        ]

    def test_what_stopped_being_shared(self, both: Difference) -> None:
        table = both.unshared()
        assert table.columns == COLUMNS["unshared"]
        assert [
            (row["pid"], row["comm"], row["start"], row["perms"], row["name"], row["bytes"], row["copied"], row["left"])
            for row in table
        ] == [
            (10, "php", 0x7F000 * PAGE, "r-xp", "/lib/libc.so", 3 * PAGE, 2 * PAGE, PAGE),
            (20, "redis", 0x3000 * PAGE, "r--s", MEMFD.decode(), PAGE, 0, PAGE),
        ]
        back = pagewalk.diff(both.new, both.old)
        assert [(row["pid"], row["shared_now"] // PAGE, row["bytes"]) for row in back.unshared()] == [
            (10, 3, 0),
            (20, 1, 0),
        ]

    def test_a_mapping_whose_file_was_unlinked(self) -> None:
        old, new = (
            Machine(
                FRAMES, (Space((Vma(0x50, 2, inode=5, name=name, entries={0: Present(100)}),)),), (Process(7, 0),), 200
            )
            for name in (b"/tmp/x", b"/tmp/x (deleted)")
        )
        (row,) = pagewalk.diff(walked(old, mappings=True), walked(new, mappings=True)).mappings()
        assert (row["state"], row["name"]) == ("same", "/tmp/x (deleted)")


class TestSelect:
    def test_processes_and_what_is_theirs(self, both: Difference) -> None:
        chosen = both.select(programs=["php"])
        assert [row["pid"] for row in both.processes(chosen)] == [10, 11]
        assert {row["pid"] for row in both.mappings(chosen)} == {10, 11}
        assert [row["pid"] for row in both.unshared(chosen)] == [10]
        assert [row["name"] for row in both.programs(chosen)] == ["php"]
        assert both.processes(both.select(pids=[20], trees=[11])).to_dicts() == both.processes().to_dicts()[1:]

    def test_of_nobody(self, both: Difference) -> None:
        with pytest.raises(PagewalkError, match="neither snapshot has an address space of pid 99"):
            both.select(pids=[99])


@settings(max_examples=15)
@given(books())
def test_books(books: Books) -> None:
    with fakebooks.made(books) as first, fakebooks.made(books) as second:
        old, new = (pagewalk.walk(procfs=procfs, frames="all") for procfs in (first, second))
    between = pagewalk.diff(old, new)
    for table, by, plain in (
        (between.uses(), "use", new.uses()),
        (between.cgroups(), "cgroup", new.cgroups()),
        (between.cgroups(depth=0), "cgroup", new.cgroups(depth=0)),
    ):
        assert table.columns == COLUMNS[by]
        assert table[plain.names[0]].tolist() == plain[plain.names[0]].tolist()
        for column in plain.columns:
            if column.unit in SUMMABLE:
                known = ~table.unknown(column.name)
                assert known.tolist() == (~plain.unknown(column.name)).tolist()
                assert not table[column.name][known].any()
                assert table[f"{column.name}_new"][known].tolist() == plain[column.name][known].tolist()


class TestInTheWay:
    def test_nothing(self, both: Difference) -> None:
        assert both.remarks() == []
        assert both.is_one_boot

    @pytest.mark.parametrize(
        ("host", "said"),
        [
            ({"hostname": "db8", "boot_id": "other"}, r"two machines \(db7 and db8\)"),
            ({"hostname": "db7", "boot_id": "other"}, "two boots of db7"),
        ],
    )
    def test_two_boots(self, both: Difference, host: dict[str, str], said: str) -> None:
        apart = pagewalk.diff(on(both.old, hostname="db7"), on(both.new, **host))
        assert not apart.is_one_boot
        (line,) = apart.remarks()
        assert "programs, users, cgroups and uses are compared by name" in line
        for ask in (apart.processes, apart.mappings, apart.unshared):
            with pytest.raises(PagewalkError, match=said):
                ask()
        assert apart.programs().to_dicts() == both.programs().to_dicts()
        assert [row["name"] for row in apart.programs(apart.select(pids=[20]))] == ["redis"]

    def test_a_machine_that_was_renamed_is_the_same(self, both: Difference) -> None:
        assert pagewalk.diff(on(both.old, hostname="a"), on(both.new, hostname="b")).is_one_boot

    def test_a_snapshot_that_does_not_say_of_which_boot_it_is(self, both: Difference) -> None:
        apart = pagewalk.diff(on(both.old, boot_id=""), on(both.new, boot_id=""))
        assert not apart.is_one_boot
        with pytest.raises(PagewalkError, match="does not say of which boot of which machine"):
            apart.processes()

    @pytest.mark.parametrize(("redacted", "lines"), [("cmdline", 0), ("paths", 1), ("all", 1)])
    def test_names_left_out(self, both: Difference, redacted: str, lines: int) -> None:
        said = pagewalk.diff(on(both.old, redacted=redacted), both.new).remarks()
        assert [line.startswith("a snapshot is redacted") for line in said] == [True] * lines

    def test_the_wrong_way_round(self, both: Difference) -> None:
        old = on(both.old, captured_at="2026-01-02T03:05:05+00:00")
        new = on(both.new, captured_at="2026-01-02T03:04:05+00:00")
        assert pagewalk.diff(new, old).seconds == 60
        backwards = pagewalk.diff(old, new)
        assert backwards.seconds == -60
        assert backwards.remarks() == [
            "the old snapshot was taken after the new one: every change is the wrong way round"
        ]

    @pytest.mark.parametrize("captured_at", [None, "", "yesterday", 5, "2026-01-02T03:05:05"])
    def test_a_time_that_is_none(self, both: Difference, captured_at: object) -> None:
        assert pagewalk.diff(both.old, on(both.new, captured_at=captured_at)).seconds is None

    def test_exec(self, both: Difference) -> None:
        def execed(layout: int) -> Snapshot:
            vdso = Vma(0x7FFF0 + layout, 2, "r-xp", name=b"[vdso]")
            space = Space((Vma(0x400, 4, entries={0: Present(3)}), vdso))
            return walked(Machine(FRAMES, (space,), (Process(7, 0),), 200), mappings=True)

        apart = pagewalk.diff(execed(0), execed(16))
        assert apart.remarks() == ["1 process called exec in between: pages of another program are not compared"]
        assert apart.processes().unknown("copied").all()

    def test_mapcounts_of_two_kinds(self, both: Difference) -> None:
        (line,) = pagewalk.diff(both.old, on(both.new, mapcount="folio-average")).remarks()
        assert line == "the kernels count mappings in two ways (page, folio-average): hidden owners may differ"

    @pytest.mark.parametrize("bare", ["old", "new"])
    def test_without_mappings(self, both: Difference, bare: str) -> None:
        snapshots = [walked(mappings=which != bare) for which in ("old", "new")]
        apart = pagewalk.diff(*snapshots)
        missing = f"the {bare} snapshot holds no mappings"
        assert apart.remarks()[0].startswith(f"what stopped being shared is not known: {missing}")
        assert apart.processes().unknown("copied").all()
        for ask in (apart.mappings, apart.unshared):
            with pytest.raises(PagewalkError, match=missing):
                ask()

    def test_without_all_of_ram(self, both: Difference) -> None:
        asks: tuple[Callable[[], Table], ...] = (both.uses, both.cgroups)
        for ask in asks:
            with pytest.raises(PagewalkError, match="the old snapshot holds mapped memory only"):
                ask()

    def test_what_is_no_snapshot(self, both: Difference) -> None:
        wrong: Any = "OLD.pwz"
        with pytest.raises(PagewalkError, match=r"the new one is no snapshot but a str: give walk\(\) or load\(\)"):
            pagewalk.diff(both.old, wrong)
        with pytest.raises(PagewalkError, match="the old one is no snapshot"):
            pagewalk.diff(wrong, both.old)

    def test_gaps_of_both(self, both: Difference) -> None:
        old, new = (
            Snapshot(replace(one.facts, gaps=gaps))
            for one, gaps in ((both.old, (Gap(None, "ksm", "why"),)), (both.new, (Gap(7, "memory", "ended"),)))
        )
        assert pagewalk.diff(old, new).gaps().to_dicts() == [
            {"snapshot": "old", "pid": None, "what": "ksm", "reason": "why"},
            {"snapshot": "new", "pid": 7, "what": "memory", "reason": "ended"},
        ]
        assert not len(both.gaps())

    def test_it_says_what_it_is(self, both: Difference) -> None:
        assert repr(both).startswith("<Difference of two snapshots of a made /proc: ")
        assert "a and b" in repr(pagewalk.diff(on(both.old, hostname="a"), on(both.new, hostname="b")))


@given(moments())
def test_laws(two: Moments) -> None:
    old, new = (walked(machine, mappings=True) for machine in (two.old, two.new))
    for itself in (pagewalk.diff(old, old),):
        for table in (itself.processes(), itself.programs(), itself.users(), itself.mappings()):
            assert set(table["state"].tolist()) <= {"same"}
            for column in table.columns:
                if column.unit in SUMMABLE and not column.name.endswith(("_old", "_new")):
                    assert not table[column.name].any()
    there, back = pagewalk.diff(old, new), pagewalk.diff(new, old)
    for name in ("processes", "programs", "users", "mappings"):
        forth, opposite, before, after = (getattr(one, name)() for one in (there, back, old, new))
        for column in before.columns:
            if column.unit in SUMMABLE:
                figure = column.name
                assert (forth[figure] == forth[f"{figure}_new"] - forth[f"{figure}_old"]).all()
                assert int(forth[figure].sum()) == -int(opposite[figure].sum())
                assert int(forth[f"{figure}_old"].sum()) == int(before[figure][~before.unknown(figure)].sum())
                assert int(forth[f"{figure}_new"].sum()) == int(after[figure][~after.unknown(figure)].sum())
