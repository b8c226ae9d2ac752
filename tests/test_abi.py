"""The kernel's bits: as its own header has them, apart from each other, and permissions in its letters."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from pathlib import Path

import pytest

from pagewalk import abi
from pagewalk.abi import KPF, PFRAME_MASK, PM, VM, perms_text

UAPI = Path("/usr/include/linux/kernel-page-flags.h")

# fs/proc/task_mmu.c: PM_SOFT_DIRTY BIT_ULL(55) and so on.
PAGEMAP_BITS = {
    "SOFT_DIRTY": 55,
    "MMAP_EXCLUSIVE": 56,
    "UFFD_WP": 57,
    "GUARD_REGION": 58,
    "FILE": 61,
    "SWAP": 62,
    "PRESENT": 63,
}
# include/linux/kernel-page-flags.h, which is not installed with the headers for users.
KERNEL_BITS = {
    "RESERVED": 32, "MLOCKED": 33, "OWNER_2": 34, "PRIVATE": 35, "PRIVATE_2": 36, "OWNER_PRIVATE": 37, "ARCH": 38,
    "UNCACHED": 39, "SOFTDIRTY": 40, "ARCH_2": 41, "ARCH_3": 42,
}  # fmt: skip


def test_pagemap_bits_are_the_kernels() -> None:
    assert {bit.name: bit.bit_length() - 1 for bit in PM} == PAGEMAP_BITS


def test_page_flags_are_those_of_the_installed_header() -> None:
    if not UAPI.exists():
        pytest.skip(f"needs {UAPI} (linux-libc-dev)")
    header = {name: int(bit) for name, bit in re.findall(r"#define KPF_(\w+)\s+(\d+)$", UAPI.read_text(), re.MULTILINE)}
    assert len(header) > 20
    ours = {bit.name: bit.bit_length() - 1 for bit in KPF}
    assert {name: ours[name] for name in header} == header


def test_bits_for_kernel_hacking_are_the_kernels() -> None:
    ours = {bit.name: bit.bit_length() - 1 for bit in KPF}
    assert {name: bit for name, bit in ours.items() if bit >= 32} == KERNEL_BITS


@pytest.mark.parametrize("flags", [PM, KPF, VM])
def test_each_flag_is_one_bit_and_no_two_are_the_same(flags: type[PM] | type[KPF] | type[VM]) -> None:
    bits = [int(bit) for bit in flags]
    assert all(bit & (bit - 1) == 0 for bit in bits)
    assert reduce(or_, bits) == sum(bits)


def test_the_frame_number_lies_below_every_flag() -> None:
    assert PFRAME_MASK == 2**55 - 1
    assert not any(PFRAME_MASK & bit for bit in PM)


def test_swap_type_and_offset_fill_the_frame_number() -> None:
    offset_bits = PFRAME_MASK >> abi.SWAP_OFFSET_SHIFT << abi.SWAP_OFFSET_SHIFT
    assert abi.SWAP_TYPE_MASK | offset_bits == PFRAME_MASK
    assert abi.SWAP_TYPE_MASK & offset_bits == 0
    # Every configuration leaves at least this many types to swap files, and some of the 32 to other entries.
    assert abi.MAX_SWAPFILES_LEAST <= abi.SWAP_TYPE_MASK


def test_flags_combine_and_unknown_bits_pass_through() -> None:
    assert KPF.ANON | KPF.SWAPBACKED == 0x5000
    assert int(KPF(1 << 60 | 1 << 12)) == 1 << 60 | 1 << 12
    assert int(PM(1 << 59)) == 1 << 59


@pytest.mark.parametrize("perms", range(16))
def test_permissions_in_the_kernels_letters(perms: int) -> None:
    text = perms_text(perms)
    letters = dict(zip(text, (VM.READ, VM.WRITE, VM.EXEC, VM.SHARED), strict=False))
    assert len(text) == 4
    assert text[3] in "sp"
    assert sum(bit for letter, bit in letters.items() if letter not in "-p") == perms
    assert all(there in (letter, "-") for there, letter in zip(text[:3], "rwx", strict=True))
