"""smaps and smaps_rollup: every form of the kernel's text, and what is not of it."""

from __future__ import annotations

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
import fakesmaps
import machines
from model import Machine
from pagewalk.errors import ParseError
from pagewalk.smaps import BUFFER, parse_smaps, parse_smaps_rollup, read_timed

HEADER = b"7f0000000000-7f0000004000 rw-p 00001000 fe:01 1234                       /usr/lib/a b (deleted)\n"
FIELDS = b"Size:                 16 kB\nRss:                   8 kB\nTHPeligible:           1\n"
FLAGS = b"VmFlags: rd wr mr mw me ac qq \n"


def test_a_vma() -> None:
    (vma,) = parse_smaps(HEADER + FIELDS + FLAGS)
    assert (vma.start, vma.end, vma.perms, vma.offset, vma.inode) == (
        0x7F0000000000,
        0x7F0000004000,
        "rw-p",
        4096,
        1234,
    )
    assert vma.name == "/usr/lib/a b (deleted)"
    assert vma.fields == {"Size": 16384, "Rss": 8192, "THPeligible": 1}
    assert vma.vm_flags == ("rd", "wr", "mr", "mw", "me", "ac", "qq")  # a code that nobody knows yet passes through


def test_fields_of_other_kernels_pass_through() -> None:
    (vma,) = parse_smaps(HEADER + b"NewFigure:    12 kB\nProtectionKey:         3\n")
    assert vma.fields == {"NewFigure": 12 << 10, "ProtectionKey": 3}
    assert vma.vm_flags == ()


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("", b""),
        ("[heap]", b"[heap]"),
        ("\udcff\udcfe", b"\xff\xfe"),
        ("/a\\012b", b"/a\\012b"),
        ("Rss:  8 kB", b"Rss:  8 kB"),
    ],
)
def test_names(name: str, raw: bytes) -> None:
    (vma,) = parse_smaps(b"1000-2000 r--s 00000000 00:00 0 " + (b" " * 10 + raw if raw else b"") + b"\n")
    assert vma.name == name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (FIELDS, 1),  # no VMA to be of
        (HEADER + b"Rss:  many kB\n", 2),
        (HEADER + b"Rss:  8 MB\n", 2),
        (HEADER + FIELDS + b"what is this\n", 5),
        (HEADER + b"\n" + FIELDS, 2),
        (b"7f00-7g00 rw-p 0 0:0 0\n", 1),
        (b"7f00-8f00 rwzp 0 0:0 0\n", 1),
    ],
)
def test_what_is_not_smaps(text: bytes, line: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse_smaps(text, "/proc/1/smaps")
    assert (caught.value.path, caught.value.line) == ("/proc/1/smaps", line)


def test_nothing() -> None:
    assert parse_smaps(b"") == []
    with pytest.raises(ParseError):
        parse_smaps_rollup(b"")


def test_a_rollup_is_one_summary() -> None:
    assert parse_smaps_rollup(HEADER + FIELDS)["Rss"] == 8192
    with pytest.raises(ParseError):
        parse_smaps_rollup(HEADER + FIELDS + HEADER + FIELDS)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_say_where_not(text: bytes) -> None:
    for whole in (text, HEADER + text, HEADER + FIELDS + text):
        try:
            parse_smaps(whole)
        except ParseError as error:
            line = error.line
        else:
            line = 1
        assert 1 <= line <= whole.count(b"\n") + 1


@given(machines.machines())
def test_what_the_kernel_prints(machine: Machine) -> None:
    for space in machine.spaces:
        headers = [fakeproc.maps_line(vma) for vma in space.vmas]
        found = parse_smaps(fakesmaps.smaps(machine, space, headers))
        assert [(vma.start, vma.end, vma.perms) for vma in found] == [(v.start, v.end, v.perms) for v in space.vmas]
        summary = parse_smaps_rollup(fakesmaps.rollup(machine, space))
        mine = [vma for vma in found if vma.name != "[vsyscall]"]
        for field in ("Rss", "Anonymous", "Swap"):
            assert sum(vma.fields[field] for vma in mine) == summary[field]


def test_a_line_that_stands_there_twice_is_of_each_vma() -> None:
    first, second = parse_smaps((HEADER + FIELDS + FLAGS) * 2)
    assert first == second
    assert first.fields is not second.fields
    with pytest.raises(ParseError, match="a VMA from"):
        parse_smaps(FIELDS + HEADER)


def test_it_is_read_to_its_end_and_the_longest_read_timed() -> None:
    text = (HEADER + FIELDS + FLAGS) * 2000
    assert len(text) > 2 * BUFFER
    reading, writing = os.pipe()

    def write() -> None:
        os.write(writing, text[:100])
        time.sleep(0.05)  # the kernel has a large VMA to walk
        for at in range(100, len(text), 4096):
            os.write(writing, text[at : at + 4096])
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found, longest_ns = read_timed(reading)
    finally:
        writer.join()
        os.close(reading)
    assert found == text
    assert longest_ns >= 40_000_000
