"""Writes a machine as a made ``/proc`` of sparse files in the kernel's formats; reads it with the kernel's refusals."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fakesmaps
from model import PAGE, PM_PRESENT, Fate, Machine, Process, Space, Vma
from pagewalk import procfs
from pagewalk._native import procfs as native

PF_KTHREAD = 0x00200000  # include/linux/sched.h
PF_RANDOMIZE = 0x00400000
TASK_COMM_LEN = 16

WORD = 8


@contextmanager
def made(machine: Machine) -> Iterator[Path]:
    """A /proc of this machine for a while, in memory where there is a place for that: there may be thousands."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="pagewalk-", dir=memory) as directory:
        yield write(machine, Path(directory) / "proc")


def write(machine: Machine, root: Path) -> Path:
    """Make the directory ``root`` a /proc of this machine.

    Processes that cannot be read are written in full all the same: it is FakeProcFS that refuses them.
    """
    root.mkdir(parents=True, exist_ok=True)
    for process in machine.processes:
        write_process(machine, process, root / str(process.pid))
    for name, word in (
        ("kpagecount", machine.mapcount),
        ("kpageflags", machine.flags),
        ("kpagecgroup", machine.memcg),
    ):
        words = ((pfn, word(pfn)) for pfn in machine.frames if pfn < machine.limit)
        write_words(root / name, words, machine.limit)
    ram = machine.limit * PAGE >> 10
    (root / "meminfo").write_text(f"MemTotal:       {ram:8} kB\nMemFree:        {ram // 2:8} kB\n")
    (root / "swaps").write_text(
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        "/dev/vda2                               partition\t1048572\t\t12\t\t-2\n"
        "/swap\\040file                           file\t\t1048572\t\t0\t\t-3\n"
    )
    boot_id = root / "sys" / "kernel" / "random" / "boot_id"
    boot_id.parent.mkdir(parents=True, exist_ok=True)
    boot_id.write_text("6f9c2f4e-6a1e-4f0e-9d67-0a1b2c3d4e5f\n")
    return root


def write_words(path: Path, words: Iterable[tuple[int, int]], length: int) -> None:
    """A sparse file of ``length`` words, 0 but for the ones given as (index, word)."""
    with path.open("wb") as file:
        file.truncate(length * WORD)
        for first, run in _runs(words):
            os.pwrite(file.fileno(), run, first * WORD)


def _runs(words: Iterable[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """Join words side by side: one write for each run."""
    first, run = 0, bytearray()
    for index, word in sorted(words):
        if run and index != first + len(run) // WORD:
            yield first, bytes(run)
            run = bytearray()
        if not run:
            first = index
        run += word.to_bytes(WORD, "little")
    if run:
        yield first, bytes(run)


# One process


def write_process(machine: Machine, process: Process, directory: Path) -> None:
    """The files of one process."""
    directory.mkdir()
    alive = process.space is not None
    space = machine.spaces[process.space] if process.space is not None else Space(())
    headers = [maps_line(vma) for vma in space.vmas]
    files = {
        "stat": stat(process, space, permitted=process.fate is not Fate.REFUSED),
        "status": status(process, space, machine),
        "comm": process.comm + b"\n",
        "cmdline": process.cmdline,
        "cgroup": cgroup(process, machine.cgroup_version),
        "maps": b"".join(headers),
        "smaps": fakesmaps.smaps(machine, space, headers),
        "smaps_rollup": fakesmaps.rollup(machine, space) if alive else b"",
    }
    for name, text in files.items():
        (directory / name).write_bytes(text)
    tops = [vma.first + vma.pages for vma in space.vmas if not vma.is_gate]
    entries = []
    if process.space is not None:
        entries = [(page, machine.word(entry)) for _, page, entry in machine.pages(process.space)]
    write_words(directory / "pagemap", entries, max(tops, default=1) if alive else 0)


def maps_line(vma: Vma) -> bytes:
    r"""One line of maps (fs/proc/task_mmu.c:show_map_vma): the name padded to column 73, its newlines as ``\012``."""
    major, minor = vma.device
    line = f"{vma.start:08x}-{vma.end:08x} {vma.perms} {vma.offset:08x} {major:02x}:{minor:02x} {vma.inode} ".encode()
    if vma.name:
        line = line.ljust(72) + b" " + vma.name.replace(b"\n", rb"\012")
    return line + b"\n"


def stat(process: Process, space: Space, permitted: bool = True) -> bytes:
    """All 52 fields (fs/proc/array.c:do_task_stat); comm as it is, whatever bytes it holds.

    The addresses read as 0 without the permission to ptrace.
    """
    fields = dict.fromkeys(range(1, 53), 0)
    pages = sum(vma.pages for vma in space.vmas if not vma.is_gate)
    base = 0x5555_5555_4000 + space.layout * 0x10_0000
    flags = PF_KTHREAD if process.fate is Fate.KTHREAD else PF_RANDOMIZE
    fields |= {4: 1, 5: process.pid, 6: process.pid, 8: -1, 9: flags, 14: 3, 15: 1, 18: 20, 20: 1}
    fields |= {22: process.starttime, 23: pages * PAGE, 25: 2**64 - 1, 38: 17}
    if space.vmas and permitted:
        stack = 0x7FFD_0000_0000 + space.layout * 0x1000
        fields |= {26: base, 27: base + 0x1000, 28: stack, 45: base + 0x3000, 46: base + 0x3800, 47: base + 0x5000}
        fields |= {48: stack + 0x100, 49: stack + 0x120, 50: stack + 0x120, 51: stack + 0x1F0}
    state = "Z" if process.fate is Fate.ZOMBIE else "S"
    rest = " ".join(str(fields[number]) for number in range(4, 53))
    return b"%d (%s) %s %s\n" % (process.pid, _comm(process), state.encode(), rest.encode())


def _comm(process: Process) -> bytes:
    return process.comm[: TASK_COMM_LEN - 1] if process.fate is not Fate.KTHREAD else process.comm


def status(process: Process, space: Space, machine: Machine) -> bytes:
    r"""The part of status that anybody reads; here, and not in stat, comm is escaped (``\n`` and ``\\``)."""
    comm = _comm(process).replace(b"\\", rb"\\").replace(b"\n", rb"\n")
    state = b"Z (zombie)" if process.fate is Fate.ZOMBIE else b"S (sleeping)"
    ids = "\t".join([str(process.uid)] * 4).encode()
    lines = [b"Name:\t" + comm, b"Umask:\t0022", b"State:\t" + state, b"Tgid:\t%d" % process.pid, b"Ngid:\t0"]
    lines += [b"Pid:\t%d" % process.pid, b"PPid:\t1", b"TracerPid:\t0", b"Uid:\t" + ids, b"Gid:\t" + ids]
    lines += [b"FDSize:\t64", b"Groups:\t ", b"Kthread:\t%d" % (process.fate is Fate.KTHREAD)]
    if space.vmas:
        accounts = [fakesmaps.account(machine, vma) for vma in space.vmas]
        lines.append(b"VmSize:\t%8d kB" % (sum(vma.pages for vma in space.vmas if not vma.is_gate) * PAGE >> 10))
        lines.append(b"VmRSS:\t%8d kB" % (sum(found["Rss"] for found in accounts) >> 10))
        lines.append(b"VmSwap:\t%8d kB" % (sum(found["Swap"] for found in accounts) >> 10))
    return b"\n".join([*lines, b"Threads:\t1", b""])


def cgroup(process: Process, version: int) -> bytes:
    """The cgroup of a process: one line of version 2, or the hierarchies of version 1 and a line of version 2."""
    path = process.cgroup.encode()
    if version == 2:
        return b"0::" + path + b"\n"
    return b"9:name=systemd:/\n4:memory:" + path + b"\n2:cpu,cpuacct:/elsewhere\n0::/\n"


# Reading it


class ByOpening(procfs.ProcFS):
    """One whose ``open_process`` and ``open_at`` may be others: what is read goes through them."""

    def stat_of(self, pid: int) -> procfs.ProcessStat:
        with self.open_process(pid) as process:
            return self.stat(process)

    def open_space(self, pid: int, tid: int, room: procfs.TextRoom) -> procfs.SpaceFiles:
        process, pagemap = self.open_process(pid), -1
        try:
            if tid != pid:
                with process:
                    process = self.open_thread(process, tid)
            pagemap = self.open_at(process, "pagemap")
            maps = self.read_at(process, "maps")
            return procfs.SpaceFiles(process, pagemap, maps, self.stat(process))
        except BaseException:
            process.close()
            if pagemap >= 0:
                os.close(pagemap)
            raise

    def read_at(self, process: procfs.Process, name: str) -> bytes:
        fd = self.open_at(process, name)
        try:
            return native.read_text(fd)
        finally:
            os.close(fd)


class FakeProcFS(ByOpening):
    """A made /proc that refuses, and whose processes come and go, as the fates of the machine say.

    Parameters
    ----------
    machine : Machine
        What was written.
    root : Path
        Where.
    order : sequence of int, optional
        The order in which pids are listed; by default as the machine has them.
    newcomers : iterable of int
        Pids that are not there yet when the processes are listed for the first time.
    """

    def __init__(
        self, machine: Machine, root: Path, order: Iterable[int] | None = None, newcomers: Iterable[int] = ()
    ) -> None:
        super().__init__(str(root), str(root / "cgroup"), self.compare)
        self.by_pid = {process.pid: process for process in machine.processes}
        self.order = list(self.by_pid if order is None else order)
        self.newcomers = frozenset(newcomers)
        self.listings = 0
        self.departed: set[int] = set()
        self.listed_once: set[int] = set()

    def compare(self, pid_a: int, pid_b: int) -> int:
        """kcmp(KCMP_VM): both must be there, and the caller be allowed to ptrace both."""
        pair = [self.by_pid[pid] for pid in (pid_a, pid_b)]
        for process in pair:
            if process.fate in (Fate.GONE_STAT, Fate.GONE_MAPS) or process.pid in self.departed:
                raise _error(errno.ESRCH, "kcmp")
            if process.fate is Fate.REFUSED:
                raise _error(errno.EPERM, "kcmp")
        first, second = (-1 if process.space is None else process.space for process in pair)
        return 0 if first == second else 1 if first < second else 2

    def pids(self) -> list[int]:
        """Those there now: one that is to go is listed once."""
        self.listings += 1
        there = [pid for pid in self.order if self.listings > 1 or pid not in self.newcomers]
        self.departed |= self.listed_once
        listed = [pid for pid in there if pid not in self.departed]
        self.listed_once |= {pid for pid in listed if self.by_pid[pid].fate.gone}
        return listed

    def open_process(self, pid: int) -> procfs.Process:
        if self.by_pid[pid].fate is Fate.GONE_STAT and pid % 2:
            raise _error(errno.ENOENT, str(pid))
        return super().open_process(pid)

    def open_at(self, process: procfs.Process, name: str) -> int:
        fate = self.by_pid[process.pid].fate
        code = _refusal(fate, name)
        if code:
            raise _error(code, name)
        if fate is Fate.GONE_READING and name == "pagemap":
            # A read of a dead address space gives nothing (pagemap_read, mmget_not_zero).
            return os.memfd_create("pagemap")
        return super().open_at(process, name)


def _error(code: int, name: str) -> OSError:
    return OSError(code, os.strerror(code), name)


MEMORY_FILES = frozenset({"maps", "pagemap", "smaps", "smaps_rollup"})


def _refusal(fate: Fate, name: str) -> int:
    """The errno of opening a file of a process, 0 if it opens."""
    match fate:
        case Fate.REFUSED:
            return errno.EACCES if name in MEMORY_FILES else 0
        case Fate.KTHREAD | Fate.ZOMBIE:
            return errno.ESRCH if name in ("pagemap", "smaps_rollup") else 0
        case Fate.GONE_STAT:
            return errno.ESRCH
        case Fate.GONE_MAPS:
            return errno.ESRCH if name in MEMORY_FILES else 0
        case Fate.GONE_PAGEMAP:
            return errno.ESRCH if name in MEMORY_FILES - {"maps"} else 0
    return 0


# What a process sees without CAP_SYS_ADMIN


def hide_frame_numbers(machine: Machine, root: Path) -> None:
    """Rewrite the pagemaps as an unprivileged reader has them: bits 0-54 are 0 (``pagemap_read``, ``show_pfn``)."""
    mask = ~((1 << 55) - 1)
    for process in machine.processes:
        if process.space is None:
            continue
        path = root / str(process.pid) / "pagemap"
        words = [(page, machine.word(entry) & mask) for _, page, entry in machine.pages(process.space)]
        write_words(path, words, path.stat().st_size // WORD)


def present_pages(machine: Machine, process: Process) -> int:
    """How many pages the pagemap of a process says are present."""
    if process.space is None:
        return 0
    return sum(bool(machine.word(entry) & PM_PRESENT) for _, _, entry in machine.pages(process.space))
