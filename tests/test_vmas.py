"""The text of maps into columns: every form of a line, every name, and no text that crashes it."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
from model import Vma
from pagewalk._native import vmas as native
from pagewalk.abi import VM, perms_text
from pagewalk.errors import ParseError
from pagewalk.vmas import TELLS_ANON, TELLS_SHMEM, UNKNOWN, Devices, MapsParser, VMAs, parse_maps
from spoiled import refuses_spoiled

PAGE = 4096
LINE = b"00400000-0040b000 r-xp 00001000 fe:00 260131                             /usr/bin/two  words"
COLUMNS = ("start", "end", "offset", "inode", "major", "minor", "perms", "name_at", "name_len")
DTYPES = dict(zip(COLUMNS, ["u8"] * 4 + ["u4"] * 2 + ["u1"] + ["u4"] * 2, strict=True))


def row(vmas: VMAs, number: int) -> dict[str, Any]:
    fields = {name: int(getattr(vmas, name)[number]) for name in COLUMNS[:7]}
    return {**fields, "name": vmas.raw_name(number)}


# What the kernel writes is what comes back


def a_name() -> st.SearchStrategy[bytes]:
    """Anything a path may hold: no NUL, no spaces in front (the kernel pads with them), newlines and all."""
    plain = st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"?").lstrip(b" "))
    odd = [b"", b"[heap]", b"[anon:a b]", b"/a b ", b"/a\nb", b"/\xff\xfe (deleted)", b"//deleted (deleted)", b"\n"]
    return st.one_of(plain, st.sampled_from(odd))


@st.composite
def spaces(draw: st.DrawFn) -> list[Vma]:
    vmas = []
    first = draw(st.integers(0, 1 << 20))
    for _ in range(draw(st.integers(0, 6))):
        first += draw(st.sampled_from([0, 1, 1 << 35]))
        pages = draw(st.sampled_from([1, 2, 1 << 30]))
        perms = perms_text(draw(st.integers(0, 15)))
        device = draw(st.tuples(*[st.sampled_from([0, 8, 0xFE, 0xFFF, 0xFFFFFFFF])] * 2))
        inode = draw(st.sampled_from([0, 1, 2**32, 2**64 - 1]))
        offset = draw(st.sampled_from([0, 0x1000, 2**40, 2**64 - 4096]))
        vmas.append(Vma(first, pages, perms, offset, device, inode, draw(a_name())))
        first += pages
    return vmas


@given(spaces())
def test_vmas_round_trip(vmas: list[Vma]) -> None:
    parsed = parse_maps(b"".join(fakeproc.maps_line(vma) for vma in vmas))
    assert len(parsed) == len(vmas)
    for number, vma in enumerate(vmas):
        assert row(parsed, number) == {
            "start": vma.start,
            "end": vma.end,
            "offset": vma.offset,
            "inode": vma.inode,
            "major": vma.device[0],
            "minor": vma.device[1],
            "perms": sum(bit for letter, bit in zip(vma.perms, VM, strict=True) if letter not in "-p"),
            "name": vma.name.replace(b"\n", rb"\012"),
        }
        assert os.fsencode(parsed.name(number)) == parsed.raw_name(number)
    assert parsed.names() == [parsed.name(number) for number in range(len(vmas))]


def test_our_own_maps() -> None:
    """What the running kernel writes, against Python's own taking apart."""
    text = Path("/proc/self/maps").read_bytes()
    parsed = parse_maps(text)
    lines = text.splitlines()
    assert len(parsed) == len(lines) > 10
    for number, line in enumerate(lines):
        head, *rest = line.split(None, 5)
        assert b"%08x-%08x" % (int(parsed.start[number]), int(parsed.end[number])) == head
        assert perms_text(int(parsed.perms[number])).encode() == rest[0]
        assert int(parsed.inode[number]) == int(rest[3])
        assert parsed.raw_name(number) == (rest[4] if len(rest) == 5 else b"")


def test_a_name_is_kept_to_the_byte() -> None:
    text = LINE + b" (deleted)  \n" + LINE.replace(b"0040", b"0050")
    parsed = parse_maps(text)
    assert parsed.raw_name(0) == b"/usr/bin/two  words (deleted)  "
    assert parsed.raw_name(1) == b"/usr/bin/two  words"


def test_the_last_line_needs_no_newline() -> None:
    assert len(parse_maps(LINE)) == len(parse_maps(LINE + b"\n")) == 1


def test_nothing_is_no_vmas() -> None:
    parsed = parse_maps(b"")
    assert len(parsed) == 0
    assert planned().ranges(256) == []
    assert planned().vss == 0


def test_addresses_and_inodes_of_64_bits() -> None:
    text = b"ffff8000deadb000-ffffffffffffffff rw-s fffffffffffff000 ffffffff:ffffffff 18446744073709551615"
    assert row(parse_maps(text), 0) == {
        "start": 0xFFFF8000DEADB000,
        "end": 2**64 - 1,
        "offset": 2**64 - 4096,
        "inode": 2**64 - 1,
        "major": 2**32 - 1,
        "minor": 2**32 - 1,
        "perms": VM.READ | VM.WRITE | VM.SHARED,
        "name": b"",
    }


# What is not of the form is told, with its line


MALFORMED = {
    "empty": b"",
    "no dash": LINE.replace(b"-00", b" 00", 1),
    "no end": b"00400000-",
    "no start": b"-0040b000" + LINE[17:],
    "an end before the start": LINE.replace(b"0040b000", b"00300000"),
    "capitals": LINE.replace(b"0040b000", b"0040B000"),
    "17 digits": b"0" * 9 + LINE,
    "no hexadecimal": LINE.replace(b"0040b000", b"0040g000"),
    "three permissions": LINE.replace(b"r-xp", b"r-x"),
    "five permissions": LINE.replace(b"r-xp", b"r-xps"),
    "permissions out of order": LINE.replace(b"r-xp", b"-rxp"),
    "an unknown permission": LINE.replace(b"r-xp", b"r-xq"),
    "no offset": b"00400000-0040b000 r-xp ",
    "an empty offset": LINE.replace(b"00001000", b""),
    "no colon": LINE.replace(b"fe:00", b"fe00"),
    "no minor": LINE.replace(b"fe:00", b"fe:"),
    "a major of 33 bits": LINE.replace(b"fe:00", b"100000000:00"),
    "a minor of 33 bits": LINE.replace(b"fe:00", b"fe:100000000"),
    "an inode of letters": LINE.replace(b"260131", b"26o131"),
    "an inode of 65 bits": LINE.replace(b"260131", b"18446744073709551616"),
    "an inode of 21 digits": LINE.replace(b"260131", b"100000000000000000000"),
    "no inode": LINE[:38],
    "a tab": LINE.replace(b" fe", b"\tfe"),
    "a NUL": LINE.replace(b" fe", b"\0fe"),
}


@pytest.mark.parametrize("form", MALFORMED)
def test_a_malformed_line_is_told_with_its_number(form: str) -> None:
    before = LINE.replace(b"0040", b"0010") + b"\n" + LINE.replace(b"0040", b"0020") + b"\n"
    with pytest.raises(ParseError) as caught:
        parse_maps(before + MALFORMED[form] + b"\n" + LINE, "/proc/9/maps")
    assert (caught.value.path, caught.value.line) == ("/proc/9/maps", 3)


@pytest.mark.parametrize("cut", range(1, LINE.index(b"260131")))
def test_a_line_that_ends_early_is_told(cut: int) -> None:
    with pytest.raises(ParseError, match="maps:1: "):
        parse_maps(LINE[:cut])


def test_overlapping_vmas_are_told() -> None:
    """Lines of the kernel ascend even where a VMA changed between two reads: others are not its own."""
    with pytest.raises(ParseError, match=r"maps:2: .* overlaps"):
        parse_maps(LINE + b"\n" + LINE)
    with pytest.raises(ParseError, match="maps:2: "):
        parse_maps(LINE + b"\n" + LINE.replace(b"0040", b"0030"))


@given(st.one_of(st.binary(max_size=200), st.text("0123456789abcdef-:rwxps \n/[]", max_size=200).map(str.encode)))
def test_no_text_crashes_it(text: bytes) -> None:
    lines = text.removesuffix(b"\n").split(b"\n") if text else []
    try:
        found = len(parse_maps(text))
    except ParseError as error:
        found = error.line
        lines = lines[:found]  # the last of these is not of the form
    assert found == len(lines)


@given(st.data())
def test_a_changed_byte_crashes_nothing(data: st.DataObject) -> None:
    text = bytearray(LINE * 2)
    for at in data.draw(st.lists(st.integers(0, len(text) - 1), max_size=4)):
        text[at] = data.draw(st.integers(0, 255))
    try:
        parsed = parse_maps(bytes(text))
    except ParseError:
        return
    assert all(int(parsed.name_at[k]) + int(parsed.name_len[k]) <= len(text) for k in range(len(parsed)))


# What to read of the pagemap


class planned:  # noqa: N801 (reads as a verb)
    """What is to be read of VMAs from page numbers and names."""

    def __init__(self, *vmas: tuple[int, int, bytes], parser: MapsParser | None = None, **of: Any) -> None:
        self.parser = MapsParser() if parser is None else parser
        lines = [fakeproc.maps_line(Vma(first, stop - first, name=name, **of)) for first, stop, name in vmas]
        self.parser.parse(b"".join(lines))

    def ranges(self, bridge: int, devices: Devices = UNKNOWN) -> list[tuple[int, int]]:
        n = self.parser.plan(PAGE, bridge, devices)
        start, stop, *_ = self.parser.arrays
        return list(zip(start[:n].tolist(), stop[:n].tolist(), strict=True))

    @property
    def vss(self) -> int:
        self.parser.plan(PAGE, 0)
        return self.parser.vss


def test_ranges_join_vmas_that_are_near() -> None:
    vmas = planned((16, 20, b""), (20, 24, b"/a"), (34, 40, b""), (51, 60, b""))
    assert vmas.ranges(0) == [(16, 24), (34, 40), (51, 60)]
    assert vmas.ranges(10) == [(16, 40), (51, 60)]
    assert vmas.ranges(11) == [(16, 60)]


@pytest.mark.parametrize("name", [b"[vsyscall]", b"[vvar]", b"[vvar_vclock]"])
def test_ranges_leave_out_what_is_the_kernels(name: bytes) -> None:
    """And never bridge over it: what lies there must be nobody's."""
    vmas = planned((16, 20, b""), (20, 24, name), (24, 30, b"[vdso]"))
    assert vmas.ranges(256) == [(16, 20), (24, 30)]
    assert planned((20, 24, name)).ranges(256) == []


def test_a_file_of_such_a_name_is_memory() -> None:
    assert planned((16, 20, b"/[vvar]"), (20, 24, b"[vvar] (deleted)")).ranges(0) == [(16, 24)]


def test_vss_leaves_out_the_gate_area_only() -> None:
    """VmSize counts vvar, and no vsyscall (arch/x86: get_gate_vma)."""
    assert planned((16, 20, b""), (20, 24, b"[vvar]"), (1 << 40, (1 << 40) + 1, b"[vsyscall]")).vss == 8 * PAGE


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.sampled_from([b"", b"/a", b"[vvar]"])), max_size=8),
    st.integers(0, 9),
)
def test_every_page_of_memory_is_in_one_range(parts: list[tuple[int, int, bytes]], bridge: int) -> None:
    """And nothing else, but for gaps as long as allowed, with no VMA in them."""
    vmas, at = [], 5
    for gap, pages, name in parts:
        vmas.append((at + gap, at + gap + pages, name))
        at += gap + pages
    plan = planned(*vmas)
    ranges = plan.ranges(bridge)
    pages = {page for start, stop, name in vmas if name != b"[vvar]" for page in range(start, stop)}
    skipped = {page for start, stop, name in vmas if name == b"[vvar]" for page in range(start, stop)}
    read = [page for start, stop in ranges for page in range(start, stop)]
    assert read == sorted(set(read))
    assert pages <= set(read)
    assert not skipped & set(read)
    for start, stop in ranges:
        assert {start, stop - 1} <= pages
    joined = [
        (a, b) for (_, a, one), (b, _, other) in pairwise(vmas) if b"[vvar]" not in (one, other) and b - a <= bridge
    ]
    assert set(read) - pages == {page for a, b in joined for page in range(a, b)}
    assert [column[: len(vmas)].tolist() for column in plan.parser.arrays[2:4]] == [
        [vma[k] for vma in vmas] for k in range(2)
    ]


@pytest.mark.parametrize(
    ("device", "inode", "tells"),
    [
        ((0, 0), 0, TELLS_ANON),
        ((8, 1), 7, TELLS_ANON),
        ((0, 1), 7, TELLS_ANON | TELLS_SHMEM),
        ((0, 17), 7, 0),
        ((1, 8), 7, 0),
    ],
)
def test_what_a_vma_tells_follows_from_its_device(device: tuple[int, int], inode: int, tells: int) -> None:
    """Nothing of a file system that is not known: it may be hugetlbfs."""
    devices = Devices(np.array([3, 8 << 32 | 1], np.uint64), 1)
    plan = planned((16, 20, b"/a"), (20, 21, b"/a"), (30, 31, b"/a"), device=device, inode=inode)
    plan.ranges(0, devices)
    assert plan.parser.arrays[4][:3].tolist() == [tells] * 3
    plan.ranges(0)
    assert plan.parser.arrays[4][:3].tolist() == [TELLS_ANON if not inode else 0] * 3


def test_one_parser_takes_maps_of_any_length() -> None:
    parser = MapsParser(1)
    for n in (1, 3, 400, 2):
        vmas = [(16 + 2 * k, 17 + 2 * k, b"/a") for k in range(n)]
        assert planned(*vmas, parser=parser).ranges(0) == [(start, stop) for start, stop, _ in vmas]
        kept = parser.vmas()
        assert kept.start.tolist() == [start * PAGE for start, *_ in vmas]
    planned((99, 100, b""), parser=parser)
    assert kept.start.tolist() == [16 * PAGE, 18 * PAGE], "a copy"


# The native module, given what it must refuse


def arrays(length: int, **other: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    return [other[name] if name in other else np.zeros(length, DTYPES[name]) for name in COLUMNS]


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_different_length_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="differ in length"):
        native.Maps(*arrays(2, **{name: np.zeros(1, DTYPES[name])}))


def test_columns_of_another_kind_are_refused() -> None:
    refuses_spoiled(native.Maps, arrays(2), written=range(9))
    parsed = native.Maps(*arrays(2))
    assert parsed.parse(LINE) == 1
    plans = [np.zeros(2, np.uint64) for _ in range(4)]
    refuses_spoiled(
        parsed.plan, [PAGE, 0, np.zeros(2, np.uint64), 0, *plans, np.zeros(2, np.uint8)], written=range(4, 9)
    )


@pytest.mark.parametrize(("short", "page_size"), [*[(k, PAGE) for k in range(5)], (None, 0)])
def test_a_plan_without_room_is_refused(short: int | None, page_size: int) -> None:
    parsed = native.Maps(*arrays(2))
    assert parsed.parse(LINE) == 1
    room = [np.zeros(0 if k == short else 1, np.uint8 if k == 4 else np.uint64) for k in range(5)]
    plan: Any = parsed.plan
    with pytest.raises(ValueError, match="page_size" if short is None else "less room"):
        plan(page_size, 0, np.zeros(0, np.uint64), 0, *room)


def test_what_was_not_made_has_no_lines() -> None:
    parsed = native.Maps.__new__(native.Maps)
    assert (parsed.parse(LINE), parsed.rows, parsed.overlap()) == (0, 0, 0)
    empty = np.zeros(0, np.uint64)
    assert parsed.plan(PAGE, 0, empty, 0, empty, empty, empty, empty, np.zeros(0, np.uint8)) == 0


def test_no_more_lines_than_there_is_room_for() -> None:
    columns = arrays(2)
    text = b"\n".join(LINE.replace(b"0040", b"00%d0" % k) for k in range(1, 5))
    assert native.Maps(*columns).parse(text) == 2
    assert columns[0].tolist() == [0x100000, 0x200000]
    assert native.Maps(*arrays(0)).parse(text) == 0
    assert native.Maps(*arrays(2)).parse(b"") == 0


@pytest.mark.parametrize(("text", "lines"), [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2)])
def test_lines_are_counted_as_they_end(text: bytes, lines: int) -> None:
    assert native.count_lines(text) == lines
