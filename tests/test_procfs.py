"""The one module that opens files: made processes with every oddity, our own, and what may not be read."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakeproc
from model import Process as Model
from model import Space, Vma
from pagewalk._native import procfs as native
from pagewalk.errors import ParseError, PermissionRequired, Unsupported
from pagewalk.procfs import PF_KTHREAD, Process, ProcFS, unescaped
from spoiled import refuses_spoiled


@pytest.fixture
def made(tmp_path: Path) -> ProcFS:
    return ProcFS(str(tmp_path / "proc"), str(tmp_path / "cgroup"), sys=str(tmp_path / "sys"))


def write(made: ProcFS, name: str, text: bytes) -> None:
    path = Path(made.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)


def ours() -> Process:
    return ProcFS().open_process(os.getpid())


# Processes


class TestStat:
    @pytest.mark.parametrize(
        "comm", [b"a) S 1 (b", b"two words", b"line\nbreak", b"\xff\xfe", b"((", b"))", b"", b") "]
    )
    def test_comm_may_hold_anything(self, made: ProcFS, comm: bytes) -> None:
        write(made, "7/stat", fakeproc.stat(Model(7, 0, comm=comm, starttime=3), Space((Vma(16, 2),), layout=1)))
        with made.open_process(7) as process:
            stat = made.stat(process)
        assert (os.fsencode(stat.comm), stat.pid, stat.ppid, stat.state, stat.start_time) == (comm, 7, 1, "S", 3)
        assert stat.vsize == 2 * os.sysconf("SC_PAGESIZE")

    def test_fields_are_where_the_kernel_has_them(self, made: ProcFS) -> None:
        """Fields by their number in proc_pid_stat(5): field n holds the number n."""
        fields = b" ".join(b"%d" % number for number in range(4, 53))
        write(made, "7/stat", b"7 (sh) R " + fields + b"\n")
        with made.open_process(7) as process:
            stat = made.stat(process)
        assert (stat.ppid, stat.flags, stat.start_time, stat.vsize, stat.rss_pages) == (4, 9, 22, 23, 24)
        assert stat.layout == (26, 27, 28, 45, 46, 47, 48, 49, 50, 51)

    @pytest.mark.parametrize(("state", "zombie"), [("S", False), ("R", False), ("Z", True), ("X", True), ("x", True)])
    def test_zombies(self, made: ProcFS, state: str, zombie: bool) -> None:
        write(made, "7/stat", f"7 (sh) {state}{' 0' * 49}".encode())
        with made.open_process(7) as process:
            assert made.stat(process).is_zombie is zombie

    def test_kernel_threads(self, made: ProcFS) -> None:
        for flags, kernel in ((PF_KTHREAD, True), (PF_KTHREAD | 1, True), (PF_KTHREAD - 1, False)):
            write(made, "7/stat", f"7 (sh) S 0 0 0 0 0 {flags}{' 0' * 43}".encode())
            with made.open_process(7) as process:
                assert made.stat(process).is_kernel_thread is kernel

    @pytest.mark.parametrize(
        "text",
        [b"7", b"7 (sh", b"7 sh) S 1", b")7( S 1", b"7 (sh) S", b"x (sh) S" + b" 0" * 49, b"7 (sh) S" + b" x" * 49],
    )
    def test_another_form_is_told(self, made: ProcFS, text: bytes) -> None:
        write(made, "7/stat", text)
        with made.open_process(7) as process, pytest.raises(ParseError, match="7/stat:1"):
            made.stat(process)

    def test_an_empty_one_is_a_process_that_went(self, made: ProcFS) -> None:
        write(made, "7/stat", b"")
        with made.open_process(7) as process, pytest.raises(ProcessLookupError):
            made.stat(process)

    def test_our_own(self) -> None:
        with ours() as process:
            stat = ProcFS().stat(process)
        assert (stat.pid, stat.ppid) == (os.getpid(), os.getppid())
        assert all(stat.layout)
        assert not stat.is_kernel_thread
        assert stat.rss_pages > 1000


class TestDescription:
    def test_uid_is_the_effective_one(self, made: ProcFS) -> None:
        write(made, "7/status", b"Name:\tsh\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n")
        with made.open_process(7) as process:
            assert made.uid(process) == 2

    @pytest.mark.parametrize("line", [b"Uid:", b"Uid:\t1", b"Uid:\tx\ty"])
    def test_a_bad_uid_is_told(self, made: ProcFS, line: bytes) -> None:
        write(made, "7/status", b"Name:\tsh\n" + line)
        with made.open_process(7) as process, pytest.raises(ParseError, match="7/status:2"):
            made.uid(process)

    @pytest.mark.parametrize(
        ("line", "tables"), [(b"VmPTE:\t     108 kB\n", 108 * 1024), (b"VmPTE:\t       0 kB\n", 0), (b"", -1)]
    )
    def test_page_tables(self, made: ProcFS, line: bytes, tables: int) -> None:
        write(made, "7/status", b"Name:\tsh\nUid:\t1\t2\t3\t4\n" + line)
        with made.open_process(7) as process:
            assert made.status(process) == (2, tables)

    @pytest.mark.parametrize("line", [b"VmPTE:", b"VmPTE:\tmany kB"])
    def test_page_tables_that_are_no_number(self, made: ProcFS, line: bytes) -> None:
        write(made, "7/status", b"Uid:\t1\t2\t3\t4\n" + line)
        with made.open_process(7) as process, pytest.raises(ParseError, match="7/status:2: cannot read the size of"):
            made.status(process)

    def test_no_uid_is_a_process_that_went(self, made: ProcFS) -> None:
        write(made, "7/status", b"")
        with made.open_process(7) as process, pytest.raises(ProcessLookupError):
            made.uid(process)

    @pytest.mark.parametrize(
        ("raw", "text"),
        [(b"", ""), (b"a\0b c\0\0", "a b c"), (b"renamed: idle", "renamed: idle"), (b"\xff\0", os.fsdecode(b"\xff"))],
    )
    def test_cmdline(self, made: ProcFS, raw: bytes, text: str) -> None:
        write(made, "7/cmdline", raw)
        with made.open_process(7) as process:
            assert made.cmdline(process) == text

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            (b"0::/a b.slice\n", "/a b.slice"),
            (b"0::/with:colons\n", "/with:colons"),
            (b"9:cpu,memory:/v1\n1:name=systemd:/x\n0::/v2\n", "/v1"),
            (b"9:cpu:/elsewhere\n0::/v2\n", "/v2"),
            (b"9:cpu,memoryish:/elsewhere\n0::/v2\n", "/v2"),
            (b"", ""),
        ],
    )
    def test_cgroup_is_that_of_the_memory_controller(self, made: ProcFS, text: bytes, path: str) -> None:
        write(made, "7/cgroup", text)
        with made.open_process(7) as process:
            assert made.cgroup_of(process) == path


class TestOpening:
    def test_pids_are_the_numbers_ascending(self, made: ProcFS) -> None:
        for name in ("10", "9", "self", "1a", "007x"):
            write(made, f"{name}/stat", b"")
        write(made, "meminfo", b"")
        assert made.pids() == [9, 10]

    def test_one_that_is_not_there(self, made: ProcFS) -> None:
        Path(made.root).mkdir()
        with pytest.raises(FileNotFoundError):
            made.open_process(7)

    def test_a_descriptor_is_given_back_once(self) -> None:
        process = ours()
        fd = process.fd
        with process:
            os.fstat(fd)
        process.close()
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
            os.fstat(fd)

    def test_it_stays_the_same_process(self) -> None:
        """Whoever has the number by now: files of a process that went are none."""
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        with ProcFS().open_process(child.pid) as process:
            assert ProcFS().stat(process).ppid == os.getpid()
            child.communicate(b"\n")
            with pytest.raises(ProcessLookupError):
                ProcFS().stat(process)

    def test_threads(self) -> None:
        leave = threading.Event()
        thread = threading.Thread(target=leave.wait)
        thread.start()
        try:
            procfs = ProcFS()
            with ours() as process:
                assert {os.getpid(), thread.native_id} <= set(procfs.threads(process))
                assert thread.native_id is not None
                with procfs.open_thread(process, thread.native_id) as other:
                    assert (other.pid, other.tid) == (os.getpid(), thread.native_id)
                    assert procfs.stat(other).pid == thread.native_id
                    assert procfs.stat(other).layout == procfs.stat(process).layout
        finally:
            leave.set()
            thread.join()

    def test_nothing_stays_open(self, made: ProcFS) -> None:
        write(made, "7/stat", b"broken")
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            with made.open_process(7) as process, pytest.raises(ParseError):
                made.stat(process)
        assert os.listdir("/proc/self/fd") == before


# Files of the machine


class TestWords:
    @pytest.mark.parametrize("name", ["kpagecount", "kpageflags", "kpagecgroup"])
    def test_one_that_is_not_there(self, made: ProcFS, name: str) -> None:
        Path(made.root).mkdir()
        assert not made.has(name)
        with pytest.raises(Unsupported, match=f"{name} does not exist"):
            made.open_words(name)

    def test_one_that_may_not_be_read(self, made: ProcFS, monkeypatch: pytest.MonkeyPatch) -> None:
        write(made, "kpagecount", b"\0" * 8)

        def refused(*_: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "open", refused)
        with pytest.raises(
            PermissionRequired, match=rf"kpagecount cannot be read by uid {os.geteuid()} \(needs root\)"
        ):
            made.open_words("kpagecount")

    @pytest.mark.parametrize("words", [0, 1, 2, 3, 1000])
    def test_they_are_counted(self, made: ProcFS, words: int) -> None:
        write(made, "kpagecount", b"\1" * 8 * words)
        fd = made.open_words("kpagecount")
        assert made.words_in(fd) == words
        os.close(fd)

    @pytest.mark.parametrize("words", [0, 1, 2, 3, 7, 8, 9, 4097])
    def test_they_are_counted_though_fstat_does_not_say(self, words: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """As under the real /proc: reads beyond the last word give nothing."""
        monkeypatch.setattr(os, "pread", lambda fd, count, at: b"\0" * max(0, min(count, 8 * words - at)))
        with open("/proc/self/stat", "rb") as file:
            assert ProcFS().words_in(file.fileno()) == words

    def test_those_of_the_running_kernel(self) -> None:
        try:
            fd = ProcFS().open_words("kpageflags")
        except (PermissionRequired, Unsupported) as reason:
            pytest.skip(str(reason))
        words = ProcFS().words_in(fd)
        assert os.pread(fd, 8, 8 * (words - 1))
        assert not os.pread(fd, 8, 8 * words)
        os.close(fd)


class TestMachine:
    def test_host_of_the_running_kernel(self) -> None:
        host = ProcFS().host()
        assert host["kernel"] == os.uname().release
        assert host["hostname"] == os.uname().nodename
        assert len(host["boot_id"]) == 36

    def test_a_made_one_says_nothing_of_this_machine(self, made: ProcFS) -> None:
        assert made.host() == {"hostname": "", "kernel": "", "boot_id": ""}
        assert made.kernel_config() == ""

    def test_the_kernels_configuration(self, made: ProcFS) -> None:
        write(made, "config.gz", gzip.compress(b"CONFIG_MEMCG=y\n"))
        assert made.kernel_config() == "CONFIG_MEMCG=y\n"
        write(made, "config.gz", b"no gzip")
        assert made.kernel_config() == ""

    def test_a_directory(self, made: ProcFS) -> None:
        cgroup = Path(made.cgroup_path("a"))
        (cgroup / "c").mkdir(parents=True)
        (cgroup / "b").mkdir()
        (cgroup / "link").symlink_to("b")
        (cgroup / "memory.stat").write_text("anon 1\n")
        found = made.list_directory(str(cgroup))
        assert found.directories == ("b", "c")
        assert found.others == {"link", "memory.stat"}
        assert found.inode == cgroup.stat().st_ino == made.inode(str(cgroup))
        assert made.read_file(made.cgroup_path("a/memory.stat")) == "anon 1\n"
        with pytest.raises(NotADirectoryError):
            made.list_directory(made.cgroup_path("a/memory.stat"))

    def test_a_file_of_sysfs(self, made: ProcFS) -> None:
        Path(made.sys).mkdir()
        Path(made.sys_path("block_size")).write_bytes(b"8000000\xff\n")
        assert os.fsencode(made.read_file(made.sys_path("block_size"))) == b"8000000\xff\n"

    @given(st.binary(max_size=20))
    def test_escapes_of_paths_are_undone(self, raw: bytes) -> None:
        escaped = b"".join(b"\\%03o" % byte if byte in b" \t\n\\" else bytes([byte]) for byte in raw)
        assert os.fsencode(unescaped(os.fsdecode(escaped))) == raw


class TestSameSpace:
    def test_of_a_made_one_no_two_share(self, made: ProcFS) -> None:
        assert (made.same_space(1, 2), made.same_space(2, 1)) == (1, 2)

    def test_as_it_is_given(self) -> None:
        assert ProcFS("/nowhere", same_space=lambda a, b: (a + b) % 3).same_space(1, 2) == 0

    def test_of_the_running_kernel(self) -> None:
        me = os.getpid()
        try:
            assert ProcFS().same_space(me, me) == 0
        except OSError as reason:
            pytest.skip(f"kcmp is not to be had here: {reason}")
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            one, other = ProcFS().same_space(me, child.pid), ProcFS().same_space(child.pid, me)
            child.communicate(b"\n")
        assert {one, other} == {1, 2}
        with pytest.raises(OSError, match=r"kcmp\(\d+, \d+, KCMP_VM\)") as caught:
            ProcFS().same_space(me, child.pid)
        assert caught.value.errno == errno.ESRCH


# The native module


class TestNative:
    def test_words(self, tmp_path: Path) -> None:
        path = tmp_path / "words"
        np.arange(10, dtype=np.uint64).tofile(path)
        with path.open("rb") as file:
            out = np.full(4, 99, np.uint64)
            assert native.read_words(file.fileno(), 3, out) == 4
            assert out.tolist() == [3, 4, 5, 6]
            assert native.read_words(file.fileno(), 8, out) == 2
            assert out.tolist() == [8, 9, 5, 6]
            assert native.read_words(file.fileno(), 10, out) == 0
            assert native.read_words(file.fileno(), 0, np.empty(0, np.uint64)) == 0

    @pytest.mark.parametrize("first", [2**60 - 2, 2**60 - 1, 2**60, 2**61, 2**61 + 1, 2**63, 2**64 - 1])
    def test_beyond_every_file_there_is_nothing(self, tmp_path: Path, first: int) -> None:
        """An offset that 64 bits cannot hold must not wrap around to the beginning."""
        path = tmp_path / "words"
        path.write_bytes(b"\1" * 80)
        with path.open("rb") as file:
            assert native.read_words(file.fileno(), first, np.zeros(4, np.uint64)) == 0

    def test_a_half_word_is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "words"
        path.write_bytes(b"\1" * 12)
        with path.open("rb") as file:
            assert native.read_words(file.fileno(), 0, np.zeros(4, np.uint64)) == 1

    def test_an_error_names_the_file(self, tmp_path: Path) -> None:
        fd = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(IsADirectoryError) as caught:
            native.read_words(fd, 0, np.zeros(4, np.uint64))
        assert caught.value.filename == str(tmp_path)
        with pytest.raises(IsADirectoryError):
            native.read_text(fd)
        os.close(fd)
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)) as closed:
            native.read_words(fd, 0, np.zeros(4, np.uint64))
        assert str(fd) in closed.value.filename

    def test_what_it_writes_to(self) -> None:
        with open("/proc/self/stat", "rb") as file:
            refuses_spoiled(native.read_words, [file.fileno(), 0, np.zeros(2, np.uint64)], written=[2])
        with pytest.raises(OverflowError):
            native.read_words(0, -1, np.zeros(2, np.uint64))

    @pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 64, 65, 100_000])
    @pytest.mark.parametrize("at_first", [1, 16, 16384])
    def test_text_of_any_size(self, tmp_path: Path, size: int, at_first: int) -> None:
        """Whatever room there was at first: nothing is lost where the buffer grows."""
        text = bytes(k % 251 for k in range(size))
        path = tmp_path / "text"
        path.write_bytes(text)
        with path.open("rb") as file:
            assert native.read_text(file.fileno(), at_first) == text

    def test_text_that_comes_in_pieces(self) -> None:
        read, write_end = os.pipe()

        def slowly() -> None:
            for piece in (b"a" * 10, b"b" * 5000, b"c"):
                os.write(write_end, piece)
            os.close(write_end)

        writer = threading.Thread(target=slowly)
        writer.start()
        assert native.read_text(read, 16) == b"a" * 10 + b"b" * 5000 + b"c"
        writer.join()
        os.close(read)

    def test_a_buffer_of_nothing_is_refused(self) -> None:
        with open("/proc/self/stat", "rb") as file, pytest.raises(ValueError, match="0 bytes"):
            native.read_text(file.fileno(), 0)
