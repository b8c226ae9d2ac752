"""VMAs held to smaps: every field that pages tell, and the kernel's own words."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pagewalk
from checks import Look
from workloads import Agent, Region

HEADER = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (.{4}) ([0-9a-f]+) [0-9a-f]+:[0-9a-f]+ (\d+) *(.*)")


def smaps(pid: int) -> dict[int, dict[str, Any]]:
    """What smaps says, by the start of the VMA, in bytes; read with nothing of pagewalk's."""
    found: dict[int, dict[str, Any]] = {}
    vma: dict[str, Any] = {}
    for line in Path(f"/proc/{pid}/smaps").read_bytes().splitlines():
        if header := HEADER.fullmatch(line):
            start, end, perms, offset, inode, name = header.groups()
            vma = {"end": int(end, 16), "perms": perms.decode(), "offset": int(offset, 16)}
            vma |= {"inode": int(inode), "name": os.fsdecode(name)}
            found[int(start, 16)] = vma
            continue
        field, _, value = line.decode().partition(":")
        words = value.split()
        vma[field] = words if field == "VmFlags" else int(words[0]) << (10 if words[1:] == ["kB"] else 0)
    return {start: vma for start, vma in found.items() if vma["name"] != "[vsyscall]"}


KERNELS = {
    "kernel_shared_dirty": "Shared_Dirty",
    "kernel_private_dirty": "Private_Dirty",
    "kernel_locked": "Locked",
    "kernel_anon_huge_pages": "AnonHugePages",
    "kernel_shmem_pmd_mapped": "ShmemPmdMapped",
    "kernel_file_pmd_mapped": "FilePmdMapped",
    "kernel_page_size": "KernelPageSize",
    "kernel_mmu_page_size": "MMUPageSize",
    "kernel_protection_key": "ProtectionKey",
}


# Reclaim takes the one away at any time, and pages wait in batches of their processor until they are marked with the
# other (mm/swap.c:folio_mark_lazyfree): between two readings of smaps both change while nothing happens.
DRIFTING = ("kernel_referenced", "kernel_lazy_free")


def expect_smaps(snapshot: pagewalk.Snapshot, *agents: Agent, pss: bool = True) -> None:
    """Hold every VMA of processes at rest to smaps, field by field.

    Parameters
    ----------
    pss : bool
        Whether the kernel's Pss is right too: nobody maps a frame twice.
    """
    for agent in agents:
        kernel, rows = smaps(agent.pid), snapshot.maps(agent.pid).to_dicts()
        assert [row["start"] for row in rows] == sorted(kernel)
        for row in rows:
            said = kernel[row["start"]]
            ours, kernels = derived(row), from_smaps(said)
            assert {**ours, "KSM": 0} == {**kernels, "KSM": 0}, (agent, row["name"])
            # smaps has no such line before 6.7, and a kernel that calls all anonymous pages merged leaves ours unknown.
            assert None in (ours["KSM"], kernels["KSM"]) or ours["KSM"] == kernels["KSM"]
            for name in ("pss", "swap_pss"):
                # smaps cuts each to a KiB. The vdso is everybody's, and somebody may have come or gone.
                if pss and row["name"] != "[vdso]":
                    assert 0 <= row[name] + 1 - said["Pss" if name == "pss" else "SwapPss"] <= 1025, (agent, row, said)
            # Pages of files are written back when the kernel pleases.
            words = {name: field for name, field in KERNELS.items() if not (row["file"] and name.endswith("_dirty"))}
            assert {name: row[name] for name in words} == {name: said.get(field) for name, field in words.items()}
            assert row["kernel_shared_dirty"] + row["kernel_private_dirty"] <= row["rss"]
            for name in DRIFTING:
                assert 0 <= row[name] <= row["vss"]
            assert row["kernel_thp_eligible"] == bool(said.get("THPeligible"))
            assert row["vm_flags"] == said["VmFlags"]
            assert row["thp"] >= row["kernel_anon_huge_pages"]
        expect_sums(snapshot, agent)


def derived(row: dict[str, Any]) -> dict[str, Any]:
    """What pages show of a VMA, under the kernel's names."""
    return {
        **{name: row[name] for name in ("end", "perms", "offset", "inode", "name")},
        "Size": row["vss"],
        "Rss": row["rss"],
        "Anonymous": row["anon"],
        "not anonymous": row["file"] + row["shmem"],
        "Private": row["private"],
        "Shared": row["rss"] - row["private"],
        "Hugetlb": row["hugetlb"],
        "KSM": row["ksm"],
        "Swap": row["swap"] + row["kernel_shmem_swap"],
    }


def from_smaps(said: dict[str, Any]) -> dict[str, Any]:
    """The same, from smaps."""
    return {
        **{name: said[name] for name in ("end", "perms", "offset", "inode", "name", "Size", "Rss", "Anonymous")},
        "not anonymous": said["Rss"] - said["Anonymous"],
        "Private": said["Private_Clean"] + said["Private_Dirty"],
        "Shared": said["Shared_Clean"] + said["Shared_Dirty"],
        "Hugetlb": said["Shared_Hugetlb"] + said["Private_Hugetlb"],
        "KSM": said.get("KSM"),
        "Swap": said["Swap"],
    }


def expect_sums(snapshot: pagewalk.Snapshot, agent: Agent) -> None:
    """The mappings add up to the process, and the objects to the mappings."""
    vmas, objects = snapshot.maps(agent.pid).totals(), snapshot.maps(agent.pid, group=True).totals()
    assert {name: total for name, total in objects.items() if name in vmas} == {
        name: vmas[name] for name in objects if name in vmas
    }
    (process,) = snapshot.processes(snapshot.select(pids=[agent.pid]))
    for name in ("vss", "rss", "pss", "uss", "anon", "file", "shmem", "private", "hugetlb", "swap", "swap_pss"):
        assert vmas[name] == process[name], name


def looked(look: Look, *agents: Agent) -> pagewalk.Snapshot:
    return look(mappings=[agent.pid for agent in agents], vm_flags=True)


def part(snapshot: pagewalk.Snapshot, agent: Agent, memory: Region) -> dict[str, Any]:
    """The row of a region that is one VMA."""
    (row,) = (row for row in snapshot.maps(agent.pid) if row["start"] == memory.start)
    return row
