"""Why a file of the kernel cannot be had, and what a number is."""

from __future__ import annotations

import errno
import os

import pytest

from fakesystem import FakeSystem, made
from pagewalk.errors import PermissionRequired, Unsupported
from pagewalk.system.source import integer, numbered, text_of

__all__ = ["made"]


def test_the_whole_text(made: FakeSystem) -> None:
    made.write("proc/vmstat", "a 1\n" * 100_000)
    assert text_of(made, made.path("vmstat")) == "a 1\n" * 100_000


def test_bytes_that_are_no_utf8(made: FakeSystem) -> None:
    made.write("proc/swaps").write_bytes(b"/\xff\n")
    assert os.fsencode(text_of(made, made.path("swaps"))) == b"/\xff\n"


def test_a_file_that_is_not_there(made: FakeSystem) -> None:
    with pytest.raises(Unsupported, match=r"proc/pagetypeinfo does not exist on this kernel"):
        text_of(made, made.path("pagetypeinfo"))
    made.write("proc/swaps")
    with pytest.raises(Unsupported):
        text_of(made, made.path("swaps/below"))


def test_a_file_that_is_not_for_us(made: FakeSystem) -> None:
    made.write("proc/vmallocinfo")
    made.refused.add("proc/vmallocinfo")
    with pytest.raises(PermissionRequired, match=rf"vmallocinfo cannot be read by uid {os.geteuid()} \(needs root\)"):
        text_of(made, made.path("vmallocinfo"))


def test_other_errors_pass(made: FakeSystem) -> None:
    made.write("proc/vmstat")
    made.vanishing.add("proc/vmstat")
    with pytest.raises(OSError, match="vmstat") as caught:
        text_of(made, made.path("vmstat"))
    assert caught.value.errno == errno.ENODEV


def test_lines_end_at_newlines_only() -> None:
    assert list(numbered("a\x1cb\n\n \n\x85c\r\n")) == [(1, "a\x1cb"), (4, "\x85c\r")]


@pytest.mark.parametrize("word", ["0", "-1", "0017", str(2**63 - 1), str(-(2**63))])
def test_numbers(word: str) -> None:
    assert integer(word) == int(word)


@pytest.mark.parametrize("word", ["", "-", "+1", "1_0", "1.0", "0x1", "1 ", "٣", str(2**63), "9" * 5000])
def test_no_numbers(word: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        integer(word)
