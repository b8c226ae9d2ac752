"""What holds for every account: whatever is in a file, it is read, or named with its line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import test_system_areas
import test_system_freeblocks
import test_system_ram
import test_system_totals
import test_system_zonelist
from pagewalk import memcg, system
from pagewalk.errors import ParseError, PermissionRequired

MOUNTS = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - cgroup cgroup rw,memory\n"

PARSERS: dict[str, tuple[Callable[[str, str], object], str]] = {
    "meminfo": (system.parse_meminfo, test_system_totals.MEMINFO),
    "vmstat": (system.parse_vmstat, test_system_totals.TestVmstat.TEXT),
    "zoneinfo": (system.parse_zoneinfo, test_system_zonelist.NEW),
    "buddyinfo": (system.parse_buddyinfo, test_system_freeblocks.BUDDY),
    "pagetypeinfo": (system.parse_pagetypeinfo, test_system_freeblocks.TYPES),
    "swaps": (system.parse_swaps, test_system_areas.SWAPS),
    "vmallocinfo": (system.parse_vmallocinfo, test_system_areas.VMALLOC),
    "iomem": (system.parse_iomem, test_system_ram.IOMEM),
    "memory.stat": (memcg.parse_stat, test_system_totals.TestVmstat.TEXT),
    "mountinfo": (memcg.parse_mountinfo, MOUNTS),
}
every_parser = pytest.mark.parametrize("name", PARSERS)


def read(name: str, text: str) -> None:
    """Read a text, or learn at which of its lines that ended."""
    parse, _ = PARSERS[name]
    refusal: ParseError | None = None
    try:
        parse(text, name)
    except PermissionRequired:
        assert name == "iomem"
    except ParseError as error:
        refusal = error
    if refusal is not None:
        assert refusal.path == name
        assert 1 <= refusal.line <= text.count("\n") + 1
        assert refusal.item


@every_parser
@given(text=st.text())
def test_any_text(name: str, text: str) -> None:
    read(name, text)


@every_parser
@given(data=st.data())
def test_a_text_with_a_part_exchanged(name: str, data: st.DataObject) -> None:
    _, text = PARSERS[name]
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 20)))
    part = data.draw(st.text(max_size=5) | st.text("0123456789abcdefx-:,() \n>=", max_size=25))
    read(name, text[:start] + part + text[stop:])


@every_parser
def test_text_cut_anywhere(name: str) -> None:
    """As a file that is being made is."""
    _, text = PARSERS[name]
    for length in range(0, len(text), 7):
        read(name, text[:length])


@every_parser
def test_text_as_the_kernel_prints_it(name: str) -> None:
    parse, text = PARSERS[name]
    parse(text, name)
