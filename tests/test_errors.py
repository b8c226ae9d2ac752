"""The exceptions: one family, carrying what, where and what to do."""

from __future__ import annotations

import pickle

import pytest

from pagewalk import errors
from pagewalk.errors import PagewalkError, ParseError


@pytest.mark.parametrize("name", errors.__all__)
def test_all_are_of_one_family(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, PagewalkError)
    # An error of the kernel passes as it is: nobody who catches OSError may catch ours by it, nor the other way round.
    assert not issubclass(kind, OSError)


def test_a_parse_error_says_where() -> None:
    error = ParseError("/proc/7/maps", 12, "a mapping")
    assert (error.path, error.line, error.item) == ("/proc/7/maps", 12, "a mapping")
    assert str(error) == "/proc/7/maps:12: cannot read a mapping"


def test_a_file_without_lines_has_no_line_number() -> None:
    assert str(ParseError("/proc/kpagecount", 0, "a word")) == "/proc/kpagecount: cannot read a word"


def test_a_parse_error_survives_being_copied() -> None:
    """From one process to another, as multiprocessing does it: arguments in, the same error out."""
    error = pickle.loads(pickle.dumps(ParseError("maps", 3, "it")))
    assert (type(error), str(error), error.line) == (ParseError, "maps:3: cannot read it", 3)
