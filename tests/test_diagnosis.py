"""What a machine allows, on made ones that lack one thing each, and on this one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fakeproc import ByOpening
from pagewalk import diagnosis
from pagewalk.diagnosis import INITIAL, Finding, diagnose, mapcount_kind
from pagewalk.procfs import Process, ProcFS

PAGE = os.sysconf("SC_PAGESIZE")
EVERY = 1 << 1 | 1 << 2 | 1 << 19 | 1 << 21
PRESENT = 1 << 63


class Machine:
    """A made /proc that allows everything, with ourselves in it, to take things away from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.own = root / str(os.getpid())
        (self.own / "ns").mkdir(parents=True)
        for kind, number in INITIAL.items():
            self.namespace(kind, number)
        self.capabilities(EVERY)
        (self.own / "stat").write_text(f"{os.getpid()} (python) S {' '.join(['1'] * 49)}\n")
        (self.own / "maps").write_text(
            f"{PAGE:x}-{2 * PAGE:x} r-xp 0 0:0 0 /code\n{2 * PAGE:x}-{4 * PAGE:x} rw-p 0 0:0 0\n"
            f"{6 * PAGE:x}-{7 * PAGE:x} rw-p 0 0:0 0 [heap]\n"
        )
        self.pagemap(PRESENT | 7)
        (self.own / "cgroup").write_text("0::/user.slice\n")
        self.mount("rw")
        for name in ("kpagecount", "kpageflags", "kpagecgroup"):
            (root / name).write_bytes(bytes(64))
        (root / "meminfo").write_text(
            "MemTotal: 1024 kB\nHugepagesize: 2048 kB\nHugePages_Total: 3\nSwapTotal: 4096 kB\nSwapFree: 1024 kB\n"
        )

    def namespace(self, kind: str, number: int) -> None:
        link = self.own / "ns" / kind
        link.unlink(missing_ok=True)
        link.symlink_to(f"{kind}:[{number}]")

    def capabilities(self, effective: int) -> None:
        (self.own / "status").write_text(f"Name:\tpython\nCapEff:\t{effective:016x}\n")

    def pagemap(self, word: int) -> None:
        """The third writable page is there; those before it are not."""
        words = [0, PRESENT | 5, 0, 0, 0, 0, word]
        (self.own / "pagemap").write_bytes(b"".join(word.to_bytes(8, "little") for word in words))

    def mount(self, options: str) -> None:
        (self.own / "mountinfo").write_text(
            "22 27 0:21 / /sys rw - sysfs sysfs rw\n"
            f"23 27 0:22 / {self.root} rw,nosuid shared:1 - proc proc {options}\n"
        )

    def look(self) -> dict[str, Finding]:
        return {finding.what: finding for finding in diagnose(ProcFS(str(self.root)))}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def ioctl(_fd: int, _request: int, _argument: bytes) -> int:
        return 0

    monkeypatch.setattr(diagnosis, "ioctl", ioctl)
    return Machine(tmp_path.resolve())


def test_all_is_well(machine: Machine) -> None:
    found = machine.look()
    assert {what: (finding.value, finding.verdict) for what, finding in found.items()} == {
        "user": (f"uid {os.geteuid()}", "ok"),
        "capabilities": ("CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYS_ADMIN", "ok"),
        "user namespace": ("the initial one", "ok"),
        "pid namespace": ("the initial one", "ok"),
        "pagemap": ("readable, with frame numbers", "ok"),
        "kpagecount": ("readable", "ok"),
        "kpageflags": ("readable", "ok"),
        "kpagecgroup": ("readable", "ok"),
        "CONFIG_PROC_PAGE_MONITOR": ("yes", "ok"),
        "CONFIG_MEMCG": ("yes", "ok"),
        "PAGEMAP_SCAN": ("yes", "ok"),
        "cgroups": ("v2", "ok"),
        "hidepid": ("off", "ok"),
        "processes": ("1 of 1 readable", "ok"),
        "page size": (f"{PAGE} bytes", "ok"),
        "huge pages": ("2048 KiB, 3 reserved", "ok"),
        "swap": ("4 MiB, 3 MiB used", "ok"),
    }
    assert not any(finding.advice or finding.lacks for finding in found.values())


@pytest.mark.parametrize(
    ("effective", "value", "verdict", "lacks"),
    [
        (0, "none that matter here", "no", "privilege"),
        (EVERY & ~(1 << 21), "CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE", "no", "privilege"),
        (EVERY & ~(1 << 19), "CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN", "warn", ""),
        (1 << 63 | 1 << 19 | 1 << 21, "CAP_SYS_PTRACE, CAP_SYS_ADMIN", "warn", ""),
    ],
)
def test_capabilities(
    effective: int, value: str, verdict: str, lacks: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.capabilities(effective)
    found = machine.look()["capabilities"]
    assert (found.value, found.verdict, found.lacks) == (value, verdict, lacks)
    assert found.advice


def test_namespaces(machine: Machine) -> None:
    machine.namespace("user", 4026532999)
    machine.namespace("pid", 4026532998)
    found = machine.look()
    assert found["user namespace"].value == "not the initial one (user:[4026532999])"
    assert [(found[f"{kind} namespace"].verdict, found[f"{kind} namespace"].lacks) for kind in INITIAL] == [
        ("no", "privilege"),
        ("warn", ""),
    ]


def test_no_namespaces(machine: Machine) -> None:
    (machine.own / "ns" / "user").unlink()
    assert machine.look()["user namespace"].verdict == "warn"


@pytest.mark.parametrize(
    ("word", "value", "verdict", "lacks"),
    [
        (PRESENT, "readable, but frame numbers are hidden", "no", "privilege"),
        (PRESENT | 1 << 55, "readable, but frame numbers are hidden", "no", "privilege"),
        (0, "no present page was found", "warn", ""),
        (1 << 62 | 7, "no present page was found", "warn", ""),
    ],
)
def test_pagemap(word: int, value: str, verdict: str, lacks: str, machine: Machine) -> None:
    machine.pagemap(word)
    found = machine.look()["pagemap"]
    assert (found.value, found.verdict, found.lacks) == (value, verdict, lacks)


def test_a_kernel_without_page_monitor(machine: Machine) -> None:
    for path in (machine.own / "pagemap", *(machine.root / f"kpage{name}" for name in ("count", "flags", "cgroup"))):
        path.unlink()
    found = machine.look()
    assert {what for what, finding in found.items() if finding.lacks == "kernel"} == {
        *("pagemap", "kpagecount", "kpageflags")
    }
    assert found["CONFIG_PROC_PAGE_MONITOR"].verdict == "warn"
    assert found["PAGEMAP_SCAN"].verdict == "warn"


def test_a_kernel_without_memcg_still_reports(machine: Machine) -> None:
    (machine.root / "kpagecgroup").unlink()
    found = machine.look()
    assert (found["kpagecgroup"].verdict, found["CONFIG_MEMCG"].verdict) == ("warn", "warn")
    assert not any(finding.lacks for finding in found.values())


class Refusing(ByOpening):
    """Refuses what root alone may read."""

    def open_at(self, process: Process, name: str) -> int:
        if process.pid != os.getpid() and name == "pagemap":
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return super().open_at(process, name)

    def open_words(self, name: str) -> int:
        raise OSError(errno.EIO, "Input/output error", name)


def test_processes_that_are_refused(machine: Machine) -> None:
    for pid in (1, 2, 3, 4):
        (machine.root / str(pid)).mkdir()
        (machine.root / str(pid) / "stat").write_text(f"{pid} (other) S {' '.join(['1'] * 49)}\n")
    kthread = machine.root / "5"
    kthread.mkdir()
    kthread.joinpath("stat").write_text(f"5 (kthread) S 2 0 0 0 -1 {0x200000} {' '.join(['1'] * 43)}\n")
    (machine.root / "6").mkdir()
    found = {finding.what: finding for finding in diagnose(Refusing(str(machine.root)))}
    assert found["processes"].value == "1 of 5 readable"
    assert (
        "refused: 1 (Permission denied), 2 (Permission denied), 3 (Permission denied), ...;"
        in found["processes"].advice
    )
    assert (found["kpagecount"].value, found["kpagecount"].lacks) == ("not readable: Input/output error", "privilege")


@pytest.mark.parametrize(
    ("number", "value"), [(errno.ENOTTY, "no"), (errno.EPERM, "no"), (errno.EINVAL, "yes"), (errno.EFAULT, "yes")]
)
def test_scan_is_tried(number: int, value: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def ioctl(_fd: int, request: int, argument: bytes) -> int:
        assert request == 0xC0606610
        assert len(argument) == 96
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(diagnosis, "ioctl", ioctl)
    assert machine.look()["PAGEMAP_SCAN"].value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0::/\n", "v2"),
        ("4:memory:/a\n0::/\n", "v1 for memory"),
        ("4:cpu,memory:/a\n", "v1 for memory"),
        ("1:name=systemd:/\n", "none"),
        ("", "none"),
    ],
)
def test_cgroups(text: str, value: str, machine: Machine) -> None:
    (machine.own / "cgroup").write_text(text)
    assert machine.look()["cgroups"].value == value


@pytest.mark.parametrize(
    ("options", "value", "verdict"),
    [
        ("rw,hidepid=2", "hidepid=2", "warn"),
        ("rw,gid=10,hidepid=invisible,subset=pid", "hidepid=invisible,subset=pid", "warn"),
        ("rw,hidepid=off", "off", "ok"),
        ("rw,hidepid=0", "off", "ok"),
    ],
)
def test_hidepid(options: str, value: str, verdict: str, machine: Machine) -> None:
    machine.mount(options)
    found = machine.look()["hidepid"]
    assert (found.value, found.verdict) == (value, verdict)


def test_no_meminfo_and_none_of_it(machine: Machine) -> None:
    (machine.root / "meminfo").write_text("MemTotal: 1024 kB\n")
    found = machine.look()
    assert (found["huge pages"].value, found["swap"].value) == ("none", "none")
    (machine.root / "meminfo").unlink()
    assert "swap" not in machine.look()


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ("CONFIG_MMU=y\nCONFIG_NO_PAGE_MAPCOUNT=y\n", "folio-average"),
        ("# CONFIG_NO_PAGE_MAPCOUNT is not set\nCONFIG_PAGE_MAPCOUNT=y\n", "page"),
        ("CONFIG_MMU=y\n", "page"),
        ("", "unknown"),
    ],
)
def test_mapcount_from_the_configuration(config: str, kind: str, machine: Machine) -> None:
    import gzip

    if config:
        (machine.root / "config.gz").write_bytes(gzip.compress(config.encode()))
    assert mapcount_kind(ProcFS(str(machine.root))) == kind


def test_this_machine() -> None:
    found = {finding.what: finding for finding in diagnose(ProcFS())}
    assert {finding.verdict for finding in found.values()} <= {"ok", "warn", "no"}
    assert all(finding.lacks for finding in found.values() if finding.verdict == "no")
    assert found["pagemap"].value.startswith("readable")
    assert found["page size"].value == f"{PAGE} bytes"
