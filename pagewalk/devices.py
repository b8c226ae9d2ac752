"""What the pages of files are, by their device."""

from __future__ import annotations

import os

import numpy as np

from pagewalk.procfs import ProcFS
from pagewalk.vmas import UNKNOWN, Devices

__all__ = ["known_devices"]


def known_devices(procfs: ProcFS) -> Devices:
    """Find out which devices hold no pages of hugetlbfs.

    Parameters
    ----------
    procfs : ProcFS
        Whose mounts.

    Returns
    -------
    Devices
        Those of ``self/mountinfo``, and of the kernel's own mount of shmem. What is mounted in another mount namespace
        only is not known, nor are the kernel's own mounts of hugetlbfs: nothing is taken for granted of their pages.
    """
    try:
        text = procfs.read_bytes("self/mountinfo")
    except OSError:
        return UNKNOWN
    plain = set()
    for line in text.split(b"\n"):
        # ID, parent, major:minor, root, mount point, options, any number of tags, "-", type (fs/proc_namespace.c:
        # show_mountinfo); spaces in names are escaped.
        before, _, after = line.partition(b" - ")
        fields, kind = before.split(), after.partition(b" ")[0]
        if len(fields) < 3 or not kind or kind == b"hugetlbfs":
            continue
        major, colon, minor = fields[2].partition(b":")
        if colon and major.isdigit() and minor.isdigit():
            plain.add(int(major) << 32 | int(minor))
    return Devices(np.array(sorted(plain), np.uint64), _shmem() if procfs.is_real else UNKNOWN.shmem)


def _shmem() -> int:
    """Return the device of the kernel's own mount of shmem: that of a file of our own there."""
    try:
        fd = os.memfd_create("pagewalk", os.MFD_CLOEXEC)
    except OSError:
        return UNKNOWN.shmem
    try:
        device = os.fstat(fd).st_dev
    finally:
        os.close(fd)
    return os.major(device) << 32 | os.minor(device)
