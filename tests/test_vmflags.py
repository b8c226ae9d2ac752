"""The codes of VmFlags: every one that the kernel prints has a meaning, and those to come pass through."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pagewalk.vmflags import MEANINGS, UNKNOWN, legend


def test_codes_are_explained_in_the_order_of_the_kernels_bits() -> None:
    assert list(legend(["ac", "rd", "sh", "rd"])) == ["rd", "sh", "ac"]
    assert legend(["lo"]) == {"lo": "locked in memory (mlock)"}


def test_a_code_to_come_is_told_as_that() -> None:
    assert legend(["zz", "qq", "rd"]) == {"rd": "readable", "qq": UNKNOWN, "zz": UNKNOWN}


def test_nothing_means_nothing() -> None:
    assert legend([]) == {}


def test_meanings_fit_a_screen() -> None:
    for code, meaning in MEANINGS.items():
        assert re.fullmatch(r"[a-z]{2}|\?\?", code)
        assert 0 < len(meaning) <= 70


def test_every_code_of_this_kernel_is_known() -> None:
    """Of our own mappings, which have the vdso's and the stack's among them."""
    path = Path("/proc/self/smaps")
    if not path.exists():
        pytest.skip("this kernel has no /proc/self/smaps (CONFIG_PROC_PAGE_MONITOR)")
    lines = re.findall(r"^VmFlags:(.*)$", path.read_text(errors="replace"), re.MULTILINE)
    codes = {code for line in lines for code in line.split()}
    assert "rd" in codes
    assert UNKNOWN not in legend(codes).values()
