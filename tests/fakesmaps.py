"""The kernel's own account of an address space: ``smaps`` and ``smaps_rollup``, from a machine model.

Divides by mapcount, as fs/proc/task_mmu.c does, and so differs from the oracle wherever the kernel's figure misleads.
The dirty bit of a PTE is the one thing the model does not know: a page here is as dirty as its folio.
"""

from __future__ import annotations

from collections import Counter

from model import PAGE, RESIDENT, Frame, Kind, Machine, Migrating, Present, Space, Swapped, Vma

PSS_SHIFT = 12

# Label and figure, in the order of __show_smap(); the ones of None are printed by the rollup only.
FIELDS = [
    "Rss", "Pss", "Pss_Dirty", "Pss_Anon", "Pss_File", "Pss_Shmem", "Shared_Clean", "Shared_Dirty", "Private_Clean",
    "Private_Dirty", "Referenced", "Anonymous", "KSM", "LazyFree", "AnonHugePages", "ShmemPmdMapped",
    "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss", "Locked",
]  # fmt: skip
ROLLUP_ONLY = {"Pss_Anon", "Pss_File", "Pss_Shmem"}
PSS_FIELDS = {"Pss", "Pss_Dirty", "Pss_Anon", "Pss_File", "Pss_Shmem", "SwapPss", "Locked"}
SPLIT = {Kind.ANON: "Pss_Anon", Kind.FILE: "Pss_File", Kind.SHMEM: "Pss_Shmem"}


def account(machine: Machine, vma: Vma) -> Counter[str]:
    """Sum one VMA (smaps_account, smaps_pte_entry, smaps_hugetlb_range); the Pss fields are shifted by PSS_SHIFT."""
    found: Counter[str] = Counter()
    for entry in vma.entries.values():
        if isinstance(entry, Present):
            frame = machine.frames[entry.pfn]
            count = machine.mapcount(entry.pfn)
            if frame.kind is Kind.HUGETLB:
                found["Shared_Hugetlb" if count > 1 else "Private_Hugetlb"] += PAGE
            elif frame.kind in RESIDENT:
                _resident(found, frame, (PAGE << PSS_SHIFT) // max(1, count), private=count < 2)
        elif isinstance(entry, Migrating):
            # A page that is not present is taken for shared, and counts in full.
            _resident(found, machine.frames[entry.pfn], PAGE << PSS_SHIFT, private=False)
        elif isinstance(entry, Swapped):
            found["Swap"] += PAGE
            found["SwapPss"] += (PAGE << PSS_SHIFT) // max(1, machine.swap_references[entry.type, entry.offset])
    return found


def _resident(found: Counter[str], frame: Frame, pss: int, private: bool) -> None:
    found["Rss"] += PAGE
    found["Referenced"] += PAGE
    found["Pss"] += pss
    found[SPLIT[frame.kind]] += pss
    found[f"{'Private' if private else 'Shared'}_{'Dirty' if frame.flag_dirty else 'Clean'}"] += PAGE
    found["Pss_Dirty"] += pss if frame.flag_dirty else 0
    found["Anonymous"] += PAGE if frame.kind is Kind.ANON else 0
    found["KSM"] += PAGE if frame.ksm else 0
    found["LazyFree"] += PAGE if frame.kind is Kind.ANON and frame.lazyfree and not frame.flag_dirty else 0


def _lines(found: Counter[str], names: list[str]) -> bytes:
    values = ((name, found[name] >> (PSS_SHIFT if name in PSS_FIELDS else 0)) for name in names)
    return b"".join(f"{name + ':':<16}{value >> 10:8} kB\n".encode() for name, value in values)


def smaps(machine: Machine, space: Space, headers: list[bytes]) -> bytes:
    """The text of ``smaps``; ``headers`` are the lines of maps."""
    blocks = []
    for vma, header in zip(space.vmas, headers, strict=True):
        size = vma.pages * PAGE >> 10
        kernel_page = PAGE
        if vma.hugetlb:
            kernel_page = PAGE * max((_folio_pages(machine, entry) for entry in vma.entries.values()), default=1)
        sizes = (("Size", size), ("KernelPageSize", kernel_page >> 10), ("MMUPageSize", kernel_page >> 10))
        blocks += [header, *(f"{name + ':':<16}{value:8} kB\n".encode() for name, value in sizes)]
        blocks.append(_lines(account(machine, vma), [name for name in FIELDS if name not in ROLLUP_ONLY]))
        blocks += [b"THPeligible:           0\n", f"VmFlags: {vm_flags(vma)} \n".encode()]
    return b"".join(blocks)


def _folio_pages(machine: Machine, entry: object) -> int:
    if not isinstance(entry, Present):
        return 1
    head = machine.frames[entry.pfn].head
    return sum(frame.head == head for frame in machine.frames.values())


def rollup(machine: Machine, space: Space) -> bytes:
    """The text of ``smaps_rollup``: sums first, then rounds down once."""
    mine = [vma for vma in space.vmas if vma.name != b"[vsyscall]"]
    total = sum((account(machine, vma) for vma in mine), Counter())
    first, last = (mine[0].start, mine[-1].end) if mine else (0, 0)
    header = f"{first:08x}-{last:08x} ---p 00000000 00:00 0 ".ljust(72) + " [rollup]\n"
    return header.encode() + _lines(total, FIELDS)


def vm_flags(vma: Vma) -> str:
    """The two-letter codes of show_smap_vma_flags() for what the model knows."""
    codes = [code for sign, code in zip("rwx", ("rd", "wr", "ex"), strict=True) if sign in vma.perms]
    codes += ["sh"] if vma.perms.endswith("s") else []
    codes += ["mr", "mw", "me"] + (["gd"] if vma.name == b"[stack]" else ["ac"])
    codes += ["ht"] if vma.hugetlb else []
    return " ".join(codes + (["pf"] if vma.name.startswith(b"[vvar") else []))
