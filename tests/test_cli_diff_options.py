"""The options of diff."""

from __future__ import annotations

import pytest

from pagewalk.cli.changes import CHANGES
from pagewalk.cli.diff_options import options
from pagewalk.cli.exits import Stop


def test_what_stands_where_nothing_is_asked() -> None:
    args = options().parse(["a.pwz"])
    assert (args.old, args.new, args.by, args.sort, args.all) == ("a.pwz", None, None, None, False)


def test_two_files_and_every_option() -> None:
    words = "a.pwz b.pwz --by process -s uss -r -n 5 -t --columns pss,comm -a --depth 2 -p 1,2 -f csv -b -q"
    args = options().parse(words.split())
    assert (args.old, args.new, args.by, args.limit, args.columns) == ("a.pwz", "b.pwz", "process", 5, ["pss", "comm"])
    assert (args.depth, args.pid, args.all, args.reverse, args.totals) == (2, [1, 2], True, True, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [("a b c", "unrecognized arguments: c"), ("a --by sharing", "invalid choice: 'sharing'"), ("a -n 0", "no number")],
)
def test_what_makes_no_sense(words: str, said: str) -> None:
    with pytest.raises(Stop, match=said):
        options().parse(words.split())


def test_help_names_every_view() -> None:
    text = options().format_help()
    assert text.startswith("pagewalk diff: what changed between two snapshots")
    for key, view in CHANGES.items():
        assert f"  {key}" in text
        assert view.what in text
    assert max(map(len, text.splitlines())) <= 100
