"""The views of programs and users: a frame counts once in each."""

from __future__ import annotations

import dataclasses
import pwd

import numpy as np
import pytest

from pagewalk.tally import FIGURES
from pagewalk.views.group import COLUMNS, programs, users
from smallhost import counted, walked

PAGE = 4096
PHP = counted(
    "processes=3 rss=9 uss=5 shared=4 private=4 anon=3 file=4 shmem=2 hugetlb=2 shared_clean=4 private_clean=1 "
    "private_dirty=3 swap=1 swap_uss=1"
)
REDIS = counted(
    "processes=1 rss=7 uss=2 shared=5 private=2 anon=3 file=3 shmem=1 thp=2 shared_clean=4 shared_dirty=1 "
    "private_dirty=2 swap=1 swap_uss=1"
)
USER_33 = counted(
    "processes=3 rss=10 uss=5 shared=5 private=4 anon=4 file=4 shmem=2 thp=2 shared_clean=4 shared_dirty=1 "
    "private_dirty=4 swap=2 swap_uss=1"
)


def pages(row: dict[str, int]) -> dict[str, float]:
    """The figures in pages, without those that are shares, and the zeros."""
    found: dict[str, float] = {n: row[n] / PAGE for n in FIGURES if row[n] and n not in ("pss", "swap_pss")}
    return {"processes": row["processes"], **found}


def test_columns() -> None:
    for table in (programs(walked().facts), users(walked().facts)):
        assert table.columns == COLUMNS
        assert table.names == ("name", "processes", *FIGURES, "freed")


def test_what_their_end_would_free() -> None:
    """Page tables are not told by the small host: what is known of all else is in `freeing`."""
    (redis,) = (row for row in programs(walked(freed=True).facts).to_dicts() if row["name"] == "redis")
    assert redis["freed"] is None
    facts = walked(freed=True).facts
    facts = dataclasses.replace(facts, spaces=dataclasses.replace(facts.spaces, pgtable=np.full(3, PAGE)))
    assert {row["name"]: row["freed"] // PAGE for row in programs(facts).to_dicts()} == {"php": 3 + 2, "redis": 2 + 1}
    assert {row["name"]: row["freed"] // PAGE for row in users(facts).to_dicts()}[pwd.getpwuid(33).pw_name] == 3 + 2 + 2
    assert all(row["freed"] is None for row in programs(walked().facts).to_dicts())


def test_programs_counted_by_hand() -> None:
    """uss of php: one page of libc too, that no member has alone."""
    rows = {row["name"]: row for row in programs(walked().facts).to_dicts()}
    assert pages(rows["php"]) == PHP
    assert pages(rows["redis"]) == REDIS
    members = walked().processes().to_dicts()
    assert rows["php"]["pss"] == members[0]["pss"] + members[1]["pss"]
    assert rows["php"]["swap_pss"] == PAGE


def test_users_counted_by_hand() -> None:
    rows = {row["name"]: row for row in users(walked().facts).to_dicts()}
    root = pwd.getpwuid(0).pw_name
    (other,) = rows.keys() - {root}
    assert pages(rows[other]) == USER_33
    assert rows[root]["processes"] == 1


def test_a_selection_groups_some_and_counts_all() -> None:
    snapshot = walked()
    (row,) = programs(snapshot.facts, snapshot.select(pids=[11])).to_dicts()
    assert (row["name"], row["processes"], row["rss"], row["uss"]) == ("php", 2, 7 * PAGE, 2 * PAGE)
    assert len(programs(snapshot.facts, snapshot.select(programs=["nothing"]))) == 0


@pytest.mark.parametrize("view", [programs, users])
def test_what_is_not_known_is_not_zero(view: object) -> None:
    facts = walked().facts
    object.__setattr__(facts, "ksm_known", False)
    rows = view(facts).to_dicts()  # type: ignore[operator]
    assert {row["ksm"] for row in rows} == {None}
