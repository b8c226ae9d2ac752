"""The only code that knows a path or opens a file of the kernel."""

from __future__ import annotations

import errno
import gzip
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from pagewalk._native import procfs as native
from pagewalk.errors import ParseError, PermissionRequired, Unsupported
from pagewalk.openprocess import PF_KTHREAD, Process, ProcessStat, SpaceFiles, TextRoom

__all__ = [
    "PF_KTHREAD",
    "Listing",
    "ProcFS",
    "Process",
    "ProcessStat",
    "SpaceFiles",
    "TextRoom",
    "kpage_files",
    "unescaped",
]

kpage_files = ("kpagecount", "kpageflags", "kpagecgroup")

_UID = re.compile(rb"^Uid:(.*)", re.MULTILINE)
_VM_PTE = re.compile(rb"^VmPTE:(.*)", re.MULTILINE)
ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")


def unescaped(text: str) -> str:
    r"""Undo the kernel's octal escapes of a path: ``\040`` is a space (fs/seq_file.c:mangle_path)."""
    return os.fsdecode(ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), os.fsencode(text)))


@dataclass(frozen=True, slots=True)
class Listing:
    """What one directory held when it was read.

    Attributes
    ----------
    inode : int
        The directory's own.
    directories : tuple of str
        Names of the directories in it, sorted; a symbolic link is none.
    others : frozenset of str
        Names of all else.
    """

    inode: int
    directories: tuple[str, ...]
    others: frozenset[str]


class ProcFS:
    """A ``/proc``, the sysfs and the cgroup tree beside it, real or made.

    Parameters
    ----------
    root : str
        Where proc is mounted, or a directory made to look like it.
    cgroup : str
        Where the cgroup hierarchies are mounted.
    same_space : callable, optional
        ``same_space(pid, pid) -> int``: 0 if both have one address space, else 1 or 2, an order, as
        ``kcmp(KCMP_VM)``. By default kcmp on the real ``/proc``; under another root no two processes share one.
    sys : str
        Where sysfs is mounted.
    """

    def __init__(
        self,
        root: str = "/proc",
        cgroup: str = "/sys/fs/cgroup",
        same_space: Callable[[int, int], int] | None = None,
        sys: str = "/sys",
    ) -> None:
        self.root = os.fspath(root)
        self.cgroup = os.fspath(cgroup)
        self.sys = os.fspath(sys)
        self.is_real = os.path.realpath(self.root) == "/proc"
        self._same_space = same_space

    # Files of the whole machine.

    def path(self, name: str) -> str:
        """Return the path of a file of this ``/proc``."""
        return f"{self.root}/{name}"

    def read_bytes(self, name: str) -> bytes:
        """Read a file of this ``/proc`` to its end."""
        return self._read(self.path(name))

    def read_text(self, name: str) -> str:
        """Read a text file of this ``/proc``; undecodable bytes become surrogates."""
        return os.fsdecode(self.read_bytes(name))

    def _read(self, path: str) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return native.read_text(fd)
        finally:
            os.close(fd)

    def open_words(self, name: str) -> int:
        """Open one of the kpage files.

        Returns
        -------
        int
            A descriptor that the caller closes.

        Raises
        ------
        PermissionRequired
            It is there but this user may not read it (mode 0400).
        Unsupported
            It is not there: a kernel without CONFIG_PROC_PAGE_MONITOR.
        """
        path = self.path(name)
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as error:
            raise PermissionRequired(f"{path} cannot be read by uid {os.geteuid()} (needs root)") from error
        except FileNotFoundError as error:
            raise Unsupported(f"{path} does not exist: this kernel has no CONFIG_PROC_PAGE_MONITOR") from error

    def has(self, name: str) -> bool:
        """Whether a file of this ``/proc`` exists."""
        return os.path.exists(self.path(name))

    def words_in(self, fd: int) -> int:
        """Count the 64-bit words of a kpage file, whose size fstat gives as 0.

        A read beyond the last frame returns nothing (fs/proc/page.c:kpage_read, get_max_dump_pfn).
        """
        size = os.fstat(fd).st_size
        if size:
            return size // 8
        low, high = 0, 1
        while os.pread(fd, 8, high * 8):
            low, high = high, high * 2
        while low + 1 < high:
            middle = (low + high) // 2
            if os.pread(fd, 8, middle * 8):
                low = middle
            else:
                high = middle
        return high if os.pread(fd, 8, 0) else 0

    # sysfs and the cgroup tree.

    def sys_path(self, name: str) -> str:
        """Return the path of a file or directory of this sysfs."""
        return os.path.join(self.sys, name)

    def cgroup_path(self, name: str) -> str:
        """Return the path of a file or directory below where the cgroup hierarchies are mounted."""
        return os.path.join(self.cgroup, name)

    def read_file(self, path: str) -> str:
        """Read a text file by a path that this object gave; undecodable bytes become surrogates."""
        return os.fsdecode(self._read(path))

    def list_directory(self, path: str) -> Listing:
        """List a directory by a path that this object gave; its inode is that of the directory listed."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(fd) as entries:
                kinds = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
            directories = sorted(name for name, is_directory in kinds.items() if is_directory)
            return Listing(os.fstat(fd).st_ino, tuple(directories), frozenset(kinds) - frozenset(directories))
        finally:
            os.close(fd)

    def inode(self, path: str) -> int:
        """Return the inode of what is at a path that this object gave, readable or not."""
        return os.stat(path).st_ino

    # Processes.

    def pids(self) -> list[int]:
        """Return the process IDs listed now, ascending."""
        return sorted([int(name) for name in os.listdir(self.root) if name.isdecimal()])

    def threads(self, process: Process) -> list[int]:
        """Return the thread IDs of a process listed now, ascending."""
        return sorted(self.numbers_at(process, "task"))

    def numbers_at(self, process: Process, name: str) -> list[int]:
        """Return the numbers that name the entries of a directory of a process: ``task``, ``fd``."""
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process.fd)
        try:
            return [int(entry) for entry in os.listdir(fd) if entry.isdecimal()]
        finally:
            os.close(fd)

    def open_process(self, pid: int) -> Process:
        """Open ``/proc/PID``; FileNotFoundError or ProcessLookupError when it is gone."""
        fd = os.open(self.path(str(pid)), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return Process(pid, fd)

    def open_thread(self, process: Process, tid: int) -> Process:
        """Open ``/proc/PID/task/TID``, whose files speak of the same address space."""
        fd = os.open(f"task/{tid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process.fd)
        return Process(process.pid, fd, tid)

    def open_at(self, process: Process, name: str) -> int:
        """Open a file of a process; every such open goes through here."""
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=process.fd)

    def read_at(self, process: Process, name: str) -> bytes:
        """Read a text file of a process to its end; every such read goes through here."""
        return native.read_file(process.fd, name.encode(), 16384 if name == "maps" else 2048)

    def open_space(self, pid: int, tid: int, room: TextRoom) -> SpaceFiles:
        """Open a process and its pagemap, then read its maps, then its stat; every such opening goes through here.

        Parameters
        ----------
        pid, tid : int
            The process, and the thread to read it through.
        room : TextRoom
            What maps is read into; it grows.

        Returns
        -------
        SpaceFiles
            With two descriptors, which the caller closes. ``maps`` is good until the room is used again.

        Raises
        ------
        OSError
            It is gone, or a file of it cannot be read.
        ParseError
            ``stat`` is not of its form.
        """
        path = self.path(str(pid) if tid == pid else f"{pid}/task/{tid}")
        while (found := native.open_space(os.fsencode(path), room.text)) is None:
            room.text = bytearray(4 * len(room.text))
        if not found:
            raise ParseError(self.path(f"{pid}/stat"), 1, "the fields of a process")
        directory, pagemap, used, fields = found
        stat = ProcessStat(fields[0], os.fsdecode(fields[1]), *fields[2:])
        return SpaceFiles(Process(pid, directory, tid), pagemap, memoryview(room.text)[:used], stat)

    def link_at(self, process: Process, name: str) -> str:
        """Read a symbolic link of a process, such as ``ns/user``."""
        return os.readlink(name, dir_fd=process.fd)

    def stat_at(self, process: Process, name: str) -> os.stat_result:
        """Return the status of what a link of a process leads to, such as ``fd/3``."""
        return os.stat(name, dir_fd=process.fd)

    def stat(self, process: Process) -> ProcessStat:
        """Read ``/proc/PID/stat``.

        Raises
        ------
        ParseError
            It is not of the form ``pid (comm) state ...``.
        """
        return self._stat(process.pid, self.read_at(process, "stat"))

    def stat_of(self, pid: int) -> ProcessStat:
        """Read ``/proc/PID/stat`` of whoever has that number now: at half the cost of opening the process for it."""
        return self._stat(pid, native.read_file(-1, os.fsencode(self.path(f"{pid}/stat")), 2048))

    def _stat(self, pid: int, text: bytes) -> ProcessStat:
        fields = native.parse_stat(text)
        if fields is None:
            if not text:
                raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), "stat")
            raise ParseError(self.path(f"{pid}/stat"), 1, "the fields of a process")
        return ProcessStat(fields[0], os.fsdecode(fields[1]), *fields[2:])

    def status(self, process: Process) -> tuple[int, int]:
        """Return the effective user ID and the bytes of page tables (-1 unknown), from ``/proc/PID/status``.

        The owner of ``/proc/PID`` will not do: it is root for a process that is not dumpable. VmPTE is what the kernel
        counts of all levels of page tables (fs/proc/task_mmu.c:task_mem, mm_pgtables_bytes).
        """
        text = self.read_at(process, "status")
        uid, page_tables = _UID.search(text), _VM_PTE.search(text)
        if uid is None:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), "status")
        found, what = uid, "the user IDs"
        try:
            effective = int(uid[1].split()[1])
            if page_tables is None:  # a process without an address space has no such line
                return effective, -1
            found, what = page_tables, "the size of the page tables"
            return effective, int(found[1].split()[0]) * 1024
        except (ValueError, IndexError) as error:
            line = text.count(b"\n", 0, found.start()) + 1
            raise ParseError(self.path(f"{process.pid}/status"), line, what) from error

    def uid(self, process: Process) -> int:
        """Return the effective user ID."""
        return self.status(process)[0]

    def cmdline(self, process: Process) -> str:
        """Return the command line, its arguments joined by spaces; empty where there is none."""
        return os.fsdecode(self.read_at(process, "cmdline").rstrip(b"\0").replace(b"\0", b" "))

    def cgroup_of(self, process: Process) -> str:
        """Return the path of the cgroup that the process's memory is charged to, in its hierarchy.

        The line of the memory controller under cgroup v1, else the unified one ``0::`` (cgroups(7)).
        """
        unified = ""
        for line in self.read_at(process, "cgroup").split(b"\n"):
            hierarchy, _, rest = line.partition(b":")
            controllers, _, path = rest.partition(b":")
            if b"memory" in controllers.split(b","):
                return os.fsdecode(path)
            if hierarchy == b"0" and not controllers:
                unified = os.fsdecode(path)
        return unified

    def same_space(self, pid_a: int, pid_b: int) -> int:
        """Compare the address spaces of two processes: 0 the same, 1 or 2 an order, OSError where it cannot be told."""
        if self._same_space is not None:
            return self._same_space(pid_a, pid_b)
        if self.is_real:
            return native.same_mm(pid_a, pid_b)
        return 1 if pid_a < pid_b else 2

    # The machine.

    def host(self) -> dict[str, str]:
        """Return ``hostname``, ``kernel`` and ``boot_id``; empty where a made ``/proc`` does not say."""
        uname = os.uname()
        return {
            "hostname": self._line("sys/kernel/hostname") or (socket.gethostname() if self.is_real else ""),
            "kernel": self._line("sys/kernel/osrelease") or (uname.release if self.is_real else ""),
            "boot_id": self._line("sys/kernel/random/boot_id"),
        }

    def _line(self, name: str) -> str:
        try:
            return self.read_text(name).strip()
        except OSError:
            return ""

    def kernel_config(self) -> str:
        """Return the configuration that the running kernel was built with; empty where none can be read.

        ``/proc/config.gz`` is there with CONFIG_IKCONFIG_PROC; distributions put the text into ``/boot``.
        """
        try:
            return gzip.decompress(self.read_bytes("config.gz")).decode()
        except (OSError, EOFError, ValueError):
            pass
        try:
            with open(f"/boot/config-{os.uname().release}", encoding="utf-8") as file:
                return file.read() if self.is_real else ""
        except OSError:
            return ""
