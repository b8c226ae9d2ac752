"""What this machine, kernel and user allow: each thing tried, not looked up in a table of versions."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl

from pagewalk.abi import PFRAME_MASK, PM
from pagewalk.errors import PermissionRequired, Unsupported
from pagewalk.procfs import Process, ProcFS, kpage_files
from pagewalk.system import meminfo

__all__ = ["Finding", "diagnose", "mapcount_kind"]

# include/linux/proc_ns.h: PROC_USER_INIT_INO and PROC_PID_INIT_INO, the namespaces that the kernel starts with.
INITIAL = {"user": 0xEFFFFFFD, "pid": 0xEFFFFFFC}
# include/uapi/linux/capability.h
CAPABILITIES = {"CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}
# include/uapi/linux/fs.h: _IOWR('f', 16, struct pm_scan_arg), twelve 64-bit words.
PAGEMAP_SCAN = 0xC0606610
PM_SCAN_ARG = struct.Struct("=12Q")

AS_ROOT = "run it as root: the kernel shows frame numbers only with CAP_SYS_ADMIN"
ON_HOST = "run it on the host, or in a container started with --privileged and the host's pid namespace"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out.

    Attributes
    ----------
    what, value : str
        What was looked at, and what it is.
    verdict : str
        ``ok``, ``warn`` (the report runs, with a limit) or ``no`` (it cannot run).
    advice : str
        What to do, or what follows; empty where there is nothing to say.
    lacks : str
        What a ``no`` comes from: ``privilege`` or ``kernel``.
    """

    what: str
    value: str
    verdict: str = "ok"
    advice: str = ""
    lacks: str = ""


def diagnose(procfs: ProcFS) -> list[Finding]:
    """Look at all that the report depends on.

    Parameters
    ----------
    procfs : ProcFS
        Where to look.

    Returns
    -------
    list of Finding
        In the order to show them.
    """
    findings = [Finding("user", f"uid {os.geteuid()}")]
    with procfs.open_process(os.getpid()) as own:
        findings += [
            capabilities(procfs, own),
            namespace(procfs, own, "user", "no", f"frame numbers are hidden in it, even from its root: {ON_HOST}"),
            namespace(procfs, own, "pid", "warn", f"processes outside it count as hidden owners: {ON_HOST}"),
            own_pagemap(procfs, own),
            *kernel_files(procfs),
            scan(procfs, own),
            cgroups(procfs, own),
            proc_mount(procfs, own),
        ]
    return [*findings, readable_processes(procfs), *sizes(procfs)]


def capabilities(procfs: ProcFS, own: Process) -> Finding:
    """Read CapEff."""
    effective = 0
    for line in procfs.read_at(own, "status").splitlines():
        if line.startswith(b"CapEff:"):
            effective = int(line.split()[1], 16)
    has = {name: bool(effective >> bit & 1) for name, bit in CAPABILITIES.items()}
    value = ", ".join(name for name, held in has.items() if held) or "none that matter here"
    if not has["CAP_SYS_ADMIN"]:
        return Finding("capabilities", value, "no", AS_ROOT, "privilege")
    if not has["CAP_SYS_PTRACE"]:
        return Finding("capabilities", value, "warn", "without CAP_SYS_PTRACE other users' processes are refused")
    if not (has["CAP_DAC_OVERRIDE"] or has["CAP_DAC_READ_SEARCH"]) and os.geteuid() != 0:
        advice = "without CAP_DAC_READ_SEARCH the kpage files (mode 0400) are root's alone"
        return Finding("capabilities", value, "warn", advice)
    return Finding("capabilities", value)


def namespace(procfs: ProcFS, own: Process, kind: str, verdict: str, advice: str) -> Finding:
    """Say whether a namespace is the one that the kernel started with."""
    what = f"{kind} namespace"
    try:
        link = procfs.link_at(own, f"ns/{kind}")
    except OSError as error:
        return Finding(what, f"unknown ({error.strerror})", "warn", advice="")
    if link == f"{kind}:[{INITIAL[kind]}]":
        return Finding(what, "the initial one")
    return Finding(what, f"not the initial one ({link})", verdict, advice, "privilege" if verdict == "no" else "")


def own_pagemap(procfs: ProcFS, own: Process) -> Finding:
    """Read the entry of a page that is certainly there: of our own code's data."""
    what = "pagemap"
    try:
        fd = procfs.open_at(own, "pagemap")
    except FileNotFoundError:
        return Finding(what, "not there", "no", "this kernel has no CONFIG_PROC_PAGE_MONITOR", "kernel")
    except OSError as error:
        return Finding(what, f"cannot be opened: {error.strerror}", "no", AS_ROOT, "privilege")
    try:
        for start in own_addresses(procfs, own):
            (entry,) = struct.unpack("=Q", os.pread(fd, 8, start // os.sysconf("SC_PAGESIZE") * 8) or bytes(8))
            if entry & PM.PRESENT:
                if entry & PFRAME_MASK:
                    return Finding(what, "readable, with frame numbers")
                return Finding(what, "readable, but frame numbers are hidden", "no", AS_ROOT, "privilege")
    finally:
        os.close(fd)
    return Finding(what, "no present page was found", "warn")


def own_addresses(procfs: ProcFS, own: Process) -> Iterator[int]:
    """Yield where our writable mappings begin: some of those pages have been written to."""
    for line in procfs.read_at(own, "maps").splitlines():
        addresses, perms = line.split()[:2]
        if perms.startswith(b"rw"):
            yield int(addresses.partition(b"-")[0], 16)


def kernel_files(procfs: ProcFS) -> Iterator[Finding]:
    """Open the three files that have a word for each frame."""
    for name in kpage_files:
        is_needed = name != "kpagecgroup"
        try:
            fd = procfs.open_words(name)
        except PermissionRequired:
            yield Finding(name, "not readable", "no", "run it as root: the file is root's alone (0400)", "privilege")
        except Unsupported:
            option = "CONFIG_PROC_PAGE_MONITOR" if is_needed else "CONFIG_MEMCG"
            advice = f"this kernel has no {option}" + ("" if is_needed else ": no frame has a cgroup")
            yield Finding(name, "not there", "no" if is_needed else "warn", advice, "kernel" if is_needed else "")
        except OSError as error:
            yield Finding(name, f"not readable: {error.strerror}", "no", ON_HOST, "privilege")
        else:
            os.close(fd)
            yield Finding(name, "readable")
    for option, name in (("CONFIG_PROC_PAGE_MONITOR", "kpagecount"), ("CONFIG_MEMCG", "kpagecgroup")):
        yield (
            Finding(option, "yes") if procfs.has(name) else Finding(option, "no (or hidden in this container)", "warn")
        )


def scan(procfs: ProcFS, own: Process) -> Finding:
    """Try the PAGEMAP_SCAN ioctl on no address at all."""
    what, slow = "PAGEMAP_SCAN", "large sparse mappings are read in full, at 4 ns a page"
    try:
        fd = procfs.open_at(own, "pagemap")
    except OSError as error:
        return Finding(what, f"unknown ({error.strerror})", "warn")
    try:
        ioctl(fd, PAGEMAP_SCAN, PM_SCAN_ARG.pack(PM_SCAN_ARG.size, *[0] * 11))
    except OSError as error:
        # ENOTTY: the kernel (before 6.7) does not know it; a sandbox refuses with the others. All else is an answer.
        if error.errno in (errno.ENOTTY, errno.EPERM, errno.ENOSYS):
            return Finding(what, "no", "warn", slow)
    finally:
        os.close(fd)
    return Finding(what, "yes")


def cgroups(procfs: ProcFS, own: Process) -> Finding:
    """Say which version of cgroups memory is charged by."""
    try:
        lines = procfs.read_at(own, "cgroup").splitlines()
    except OSError as error:
        return Finding("cgroups", f"none ({error.strerror})", "warn")
    controllers = [line.split(b":", 2)[1].split(b",") for line in lines]
    if any(b"memory" in names for names in controllers):
        return Finding("cgroups", "v1 for memory")
    return Finding("cgroups", "v2") if any(line.startswith(b"0::") for line in lines) else Finding("cgroups", "none")


def proc_mount(procfs: ProcFS, own: Process) -> Finding:
    """Read the options that proc was mounted with (Documentation/filesystems/proc.rst, chapter 4)."""
    options: list[str] = []
    with suppress(OSError):
        for line in procfs.read_at(own, "mountinfo").decode(errors="replace").splitlines():
            place, _, source = line.partition(" - ")
            if place.split()[4] == os.path.realpath(procfs.root) and source.split()[0] == "proc":
                options = source.split()[2].split(",")
    hiding = [option for option in options if option.startswith(("hidepid=", "subset=")) and option != "hidepid=off"]
    if not hiding or hiding == ["hidepid=0"]:
        return Finding("hidepid", "off")
    return Finding("hidepid", ",".join(hiding), "warn", "needs CAP_SYS_PTRACE (or its gid=) to see all processes")


def readable_processes(procfs: ProcFS) -> Finding:
    """Open the pagemap of every process."""
    readable, refused = 0, []
    for pid in procfs.pids():
        try:
            with procfs.open_process(pid) as process:
                if not procfs.stat(process).is_kernel_thread:
                    os.close(procfs.open_at(process, "pagemap"))
                    readable += 1
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        except OSError as error:
            refused.append(f"{pid} ({error.strerror})")
    value = f"{readable} of {readable + len(refused)} readable"
    if not refused:
        return Finding("processes", value)
    named = ", ".join(refused[:3]) + (", ..." if len(refused) > 3 else "")
    return Finding("processes", value, "warn", f"refused: {named}; their mappings count as hidden owners")


def sizes(procfs: ProcFS) -> Iterator[Finding]:
    """Read page sizes and swap."""
    yield Finding("page size", f"{os.sysconf('SC_PAGESIZE')} bytes")
    try:
        figures = meminfo(procfs)
    except (Unsupported, PermissionRequired):
        return
    huge = figures.get("Hugepagesize", 0)
    yield Finding("huge pages", f"{huge >> 10} KiB, {figures.get('HugePages_Total', 0)} reserved" if huge else "none")
    total, free = figures.get("SwapTotal", 0), figures.get("SwapFree", 0)
    yield Finding("swap", f"{total >> 20} MiB, {(total - free) >> 20} MiB used" if total else "none")


def mapcount_kind(procfs: ProcFS) -> str:
    """Return what the kernel's configuration says of mapcounts, for a user who cannot try it.

    Parameters
    ----------
    procfs : ProcFS
        Where the configuration may be read.

    Returns
    -------
    str
        ``page``, ``folio-average`` (CONFIG_NO_PAGE_MAPCOUNT, since 6.15) or ``unknown``.
    """
    config = procfs.kernel_config().splitlines()
    if "CONFIG_NO_PAGE_MAPCOUNT=y" in config:
        return "folio-average"
    return "page" if config else "unknown"
