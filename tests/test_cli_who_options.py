"""The options of who."""

from __future__ import annotations

import pytest

from pagewalk.cli.exits import Stop
from pagewalk.cli.options import Parser
from pagewalk.cli.who import help as help_of_who
from pagewalk.cli.who_options import options


def test_help_leads_with_examples_and_says_what_it_does_to_a_file() -> None:
    text = help_of_who()
    assert text.startswith("pagewalk who: ")
    assert text.index("examples:") < text.index("usage:") < text.index("exit codes:")
    words = " ".join(text.split())
    for promise in ("reads nothing from disk", "the accessed bits that are set", "CAP_FOWNER", "host.pwz"):
        assert promise in words
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["1"], ["1"]),
        (["1", "-b", "2:3", "-f", "json", "host.pwz"], ["1", "2:3", "host.pwz"]),
        (["-f", "json", "--", "1"], ["1"]),
    ],
)
def test_words_among_options(words: list[str], expected: list[str]) -> None:
    args = options().parse(words, mixed=True)
    assert args.words == expected
    assert args.path is None


def test_the_file_is_not_the_snapshot() -> None:
    args = options().parse(["--file", "/lib/libc.so", "host.pwz"], mixed=True)
    assert (args.path, args.words) == ("/lib/libc.so", ["host.pwz"])


def test_what_is_not_known() -> None:
    parser: Parser = options()
    with pytest.raises(Stop, match="expected one argument"):
        parser.parse(["--file"], mixed=True)
