"""What the codes of VmFlags mean (fs/proc/task_mmu.c:show_smap_vma_flags, Documentation/filesystems/proc.rst)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["MEANINGS", "UNKNOWN", "legend"]

# In the order of the kernel's bits; codes of all kernels, the gone ones too. What one of them lacks never appears.
MEANINGS: Mapping[str, str] = {
    "rd": "readable",
    "wr": "writable",
    "ex": "executable",
    "sh": "shared: writes are seen by all who map it",
    "mr": "may be made readable",
    "mw": "may be made writable",
    "me": "may be made executable",
    "ms": "may be made shared",
    "gd": "stack: grows downward",
    "um": "userfaultfd tells of missing pages",
    "pf": "plain frame numbers, no pages behind them (VM_PFNMAP)",
    "gu": "may contain guard regions (MADV_GUARD_INSTALL)",
    "dw": "its file cannot be written to (up to 6.1)",
    "uw": "userfaultfd write-protects its pages",
    "lo": "locked in memory (mlock)",
    "io": "memory of a device",
    "sr": "read in sequence, it was said (MADV_SEQUENTIAL)",
    "rr": "read at random, it was said (MADV_RANDOM)",
    "dc": "not copied by fork",
    "de": "cannot grow by mremap",
    "lf": "locked page by page, when touched (MLOCK_ONFAULT)",
    "ac": "accounted: counts against the commit limit",
    "nr": "no swap reserved for it (MAP_NORESERVE)",
    "ht": "pages of hugetlbfs",
    "sf": "writes reach the file before they return (MAP_SYNC)",
    "ar": "a flag of the architecture's own",
    "wf": "zeroed in the child of a fork",
    "dd": "left out of core dumps",
    "sd": "soft-dirty: written to, or new, since that was last cleared",
    "mm": "pages and plain frame numbers mixed (VM_MIXEDMAP)",
    "hg": "huge pages wanted (MADV_HUGEPAGE)",
    "nh": "no huge pages (MADV_NOHUGEPAGE)",
    "mg": "like pages may be merged (KSM)",
    "mp": "memory protection extensions (x86, up to 5.5)",
    "nl": "pages not in the order of the file (up to 3.19)",
    "bt": "branch targets are guarded (arm64)",
    "mt": "memory tagging is on (arm64)",
    "ui": "userfaultfd tells of minor faults",
    "ur": "userfaultfd tells of reads and writes",
    "ss": "shadow stack",
    "dp": "droppable: the kernel may free it at any time",
    "sl": "sealed: its place and permissions are fixed (mseal)",
    "??": "a flag that this kernel has no code for",
}
UNKNOWN = "not known to this pagewalk"


def legend(codes: Iterable[str]) -> dict[str, str]:
    """Return what codes mean, each once.

    Parameters
    ----------
    codes : iterable of str
        Codes of VmFlags, in any order.

    Returns
    -------
    dict of str to str
        In the order of the kernel's bits; those that nobody knows yet come last.
    """
    present = set(codes)
    known = {code: meaning for code, meaning in MEANINGS.items() if code in present}
    return known | dict.fromkeys(sorted(present - known.keys()), UNKNOWN)
